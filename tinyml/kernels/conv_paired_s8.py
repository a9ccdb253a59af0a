"""int8 convolution with two output channels in the lanes of a word: include/tinyml_conv_paired_s8.h."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range, multiply_by_quantized_multiplier
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Conv2dAttrs, Op
from tinyml.ir.reference.conv import channel_multipliers
from tinyml.kernels.common import (
    first_reason,
    needs_batch_of_one,
    needs_dtypes,
    needs_int8_weights,
    needs_per_tensor_quant,
    parameter_array,
    quant_of,
    whole,
    window_fields,
    zero_point_of,
)
from tinyml.kernels.conv_s8 import bias_of
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa

_INT32 = 1 << 31
_LANES = (_INT32, 1 << 23)  # the sums of both channels of a word are exact below these


def _attrs(node: Node) -> Conv2dAttrs:
    assert isinstance(node.attrs, Conv2dAttrs)
    return node.attrs


def tap_order(height: int, width: int, channels: int) -> np.ndarray:
    """Which tap of [height, width, channels] stands at each position; the header says why in this order."""
    runs = np.arange(height * width * channels).reshape(height, -1)
    whole = runs.shape[1] // 4 * 4
    fours = runs[:, :whole].reshape(-1, 4)[:, [0, 2, 1, 3]]
    return np.concatenate([fours.ravel(), runs[:, whole:].ravel()])


def _lanes(w: np.ndarray) -> np.ndarray:
    """int32 [pair of channels][tap, of an even number]: 256 * b + a."""
    flat = w.reshape(w.shape[0], -1)[:, tap_order(*w.shape[1:])].astype(np.int32)
    padded = np.pad(flat, ((0, flat.shape[0] % 2), (0, flat.shape[1] % 2)))
    lanes: np.ndarray = 256 * padded[1::2] + padded[0::2]
    return lanes


@dataclass(frozen=True, slots=True, eq=False)
class Rescaling:
    """Four columns for a kernel in lanes, the channels that they cannot express, and those that are shifted to the left."""

    table: np.ndarray
    refused: np.ndarray
    left: np.ndarray


def rescaling(node: Node, graph: Graph, limits: tuple[int, ...], most_left: int = 0, scale: int = 2) -> Rescaling:
    """2 * bias, multiplier, rounding and shift of each channel. Where the factor is 1/2 or more, up to 2^(most_left - 1),
    bias, multiplier, the output's zero point and 256 * the shift to the left.

    Sums of channel i have to stay below limits[i % len(limits)], bias apart, and `scale` times the sum with its bias fits into
    32 bits. Channels whose output is one number whatever
    the input get the multiplier 0: networks have dead channels, with biases and shifts of any size.
    """
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    multiplier, exponent = channel_multipliers(x, w, out)
    bias = bias_of(node, graph, fold_zero_point=False).astype(np.int64)
    zero = zero_point_of(out)
    low, high = activation_range(_attrs(node).clamp, quant_of(out))

    flat = w.constant.reshape(w.shape[0], -1).astype(np.int64)
    positive, negative = np.maximum(flat, 0).sum(axis=1), np.minimum(flat, 0).sum(axis=1)
    least, most = -128 - zero_point_of(x), 127 - zero_point_of(x)
    sums = np.stack([positive * least + negative * most, positive * most + negative * least])
    scaled = multiply_by_quantized_multiplier(sums + bias, multiplier, exponent)
    first, last = np.clip(scaled + zero, low, high)
    dead = first == last  # rescaling is monotonic

    shift = np.clip(-exponent, 1, 31)
    rounding = (1 << (shift - 1)) + (zero << shift)
    largest = np.abs(sums + bias).max(axis=0)
    limit = np.resize(limits, len(bias))
    left = np.where(dead, 0, np.maximum(exponent + 1, 0))
    refused = (
        (left > most_left) | (scale * largest + scale // 2 * np.abs(rounding) >= _INT32) | (largest << left >= _INT32)
    )
    refused |= np.abs(sums).max(axis=0) >= limit
    right = np.stack([2 * bias, multiplier, rounding, shift], axis=1)
    table = np.where(
        left[:, None] > 0, np.stack([bias, multiplier, np.full_like(bias, zero), left << 8], axis=1), right
    )
    table[dead] = np.stack([0 * first, 0 * first, 1 + 2 * first, np.ones_like(first)], axis=1)[dead]
    return Rescaling(table, refused & ~dead, left > 0)


def needs_one_group(node: Node, graph: Graph) -> str | None:
    groups = _attrs(node).groups
    return f"computes one group of channels, there are {groups}" if groups != 1 else None


def _needs_exact_lanes(node: Node, graph: Graph) -> str | None:
    lanes = _lanes(graph.value(node.inputs[1]).constant)
    if lanes.min() < -(1 << 15):
        return f"takes weights from -127 on in every second channel, channel {2 * int(lanes.min(axis=1).argmin()) + 1} has -128"
    refused = rescaling(node, graph, _LANES).refused
    if refused.any():
        return f"takes sums below 2^23 that rescaling makes smaller, channel {int(refused.argmax())} has others"
    return None


def _params(node: Node, graph: Graph) -> CParams:
    attrs = _attrs(node)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    low, high = activation_range(attrs.clamp, quant_of(out))
    table = rescaling(node, graph, _LANES).table
    even = np.pad(table, ((0, len(table) % 2), (0, 0)), mode="edge")
    return CParams(
        "tinyml_conv_paired_s8_t",
        {
            "weights": Array("weights", np.pad(_lanes(w.constant).astype("<i2").ravel(), (0, 2)).view(np.int8)),
            "rescale": parameter_array("rescale", even.astype(np.int32)),
            "window": window_fields(x, (w.shape[1], w.shape[2]), attrs.stride, attrs.padding, attrs.dilation),
            "out_channels": w.shape[0],
            "in_offset": -zero_point_of(x),
            "ties": int(low < zero_point_of(out)),
            "out_min": low,
            "out_max": high,
        },
    )


def _scratch(block: int) -> Callable[[Node, Graph, int], int]:
    def scratch(node: Node, graph: Graph, rows: int) -> int:
        taps = int(np.prod(graph.value(node.inputs[1]).shape[1:]))
        return 2 * block * (taps + taps % 2)

    return scratch


def _cost(block: int, step: float) -> Callable[[Node, Graph, int], float]:
    """Counted instructions; `step` of two taps of two filters with a whole block. Outputs of a tile go in blocks; one or two
    may be left over."""

    def cost(node: Node, graph: Graph, rows: int) -> float:
        _, height, width, channels = graph.value(node.output).shape
        taps, pairs = int(np.prod(graph.value(node.inputs[1]).shape[1:])), (channels + 1) // 2
        taps_of = {2: 3.7, 1: 2.7} | {block: step / 2 + 0.2}

        def tile(outputs: int) -> float:
            rest = outputs % block
            blocks = {block: outputs // block + (rest == 3)} | ({rest: 1} if rest in (1, 2) else {})
            return 60 + sum(
                count * (120 + 1.1 * n * taps + pairs * (taps_of[n] * taps + 14 + 11 * n))
                for n, count in blocks.items()
            )

        full, rest = divmod(height, rows)
        return full * tile(rows * width) + (tile(rest * width) if rest else 0)

    return cost


def _access(node: Node, graph: Graph) -> Access:
    """A block of pixels is widened before its outputs are written, which may lie over it where each has its own."""
    attrs = _attrs(node)
    own = (
        graph.value(node.inputs[1]).shape[1:3] == (1, 1)
        and attrs.stride == (1, 1)
        and attrs.padding == ((0, 0), (0, 0))
    )
    return Access(in_place=0 if own else None)


def _kernel(symbol: str, block: int, step: float, isa: Isa = Isa.DSP) -> KernelDescriptor:
    """The kernel that computes so many outputs at a time."""
    cost = _cost(block, step)
    return KernelDescriptor(
        symbol,
        f"armv7em/{symbol}.c",
        "include/tinyml_conv_paired_s8.h",
        Op.CONV2D,
        isa,
        first_reason(
            needs_dtypes(DType.INT8, DType.INT8),
            needs_batch_of_one,
            needs_per_tensor_quant,
            needs_int8_weights,
            needs_one_group,
            _needs_exact_lanes,
        ),
        _params,
        _scratch(block),
        whole(cost),
        tile_cost=cost,
        access_of=_access,
    )


# The kernel for the M7 takes 13 instructions a step, in 9 cycles by the model; that for all cores takes 12, in 10. The narrow
# one takes 7: 1.18 times the cycles of the one for all cores on an M4, 1.03 times on an M7.
KERNELS = (
    _kernel("tinyml_conv_paired_s8_m7", 4, 12 * 9 / 10, Isa.DUAL_ISSUE),
    _kernel("tinyml_conv_paired_s8_dsp", 4, 12),
    _kernel("tinyml_conv_paired_narrow_s8_dsp", 2, 6.5),
)
