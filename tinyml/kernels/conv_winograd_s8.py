"""int8 convolution with 3x3 windows by Winograd's F(2x2, 3x3): include/tinyml_conv_winograd_s8.h."""

import math

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
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
from tinyml.kernels.conv_paired_s8 import Rescaling, needs_one_group, rescaling
from tinyml.kernels.conv_s8 import attrs_of, bias_of
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa

_MOST_CHANNELS = 64
_CACHED = 8 << 10  # bytes of weights that a data cache of 16 KiB keeps, whatever else is read
_VALUES = 8 << 10  # bytes of scratch for transformed inputs, where more of them than a block's are of use
_SCALE = 4  # of sums, since G has halves
_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, -2]])  # twice that of the header
_ROWS, _COLUMNS = [1, 2, 0, 3], [1, 3, 0, 2]  # of transformed weights, in the kernel's reading order


def _needs_small_squares(node: Node, graph: Graph) -> str | None:
    attrs, w = attrs_of(node), graph.value(node.inputs[1])
    filters, height, width, channels = w.shape
    if (height, width) != (3, 3):
        return f"computes 3x3 windows, this one is {height}x{width}"
    if attrs.stride != (1, 1) or attrs.dilation != (1, 1):
        return f"takes stride and dilation 1, these are {attrs.stride} and {attrs.dilation}"
    if channels % 4 or channels > _MOST_CHANNELS:
        return f"takes 4, 8, ... {_MOST_CHANNELS} channels, there are {channels}"
    return f"computes four filters at a time, there are {filters}" if filters % 4 else None


def _rescaling(node: Node, graph: Graph) -> Rescaling:
    return rescaling(node, graph, (1 << 31,), scale=_SCALE)


def _needs_right_shifts(node: Node, graph: Graph) -> str | None:
    refused = _rescaling(node, graph).refused
    if refused.any():
        return f"takes sums below 2^29 that rescaling makes smaller, channel {int(refused.argmax())} has others"
    return None


def transformed(w: np.ndarray) -> np.ndarray:
    """4 G g G', from weights [out, 3, 3, in]: int16 [out / 4][column][row][pair of channels][filter][channel of a pair]."""
    filters, _, _, channels = w.shape
    elements = np.einsum("iy,oyxc,jx->ojic", _G, w.astype(np.int64), _G)[:, _COLUMNS][:, :, _ROWS]
    quads = elements.reshape(
        filters // 4, 4, 4, 4, channels // 4, 2, 2
    )  # of channels: 0 1 in the first, 2 3 in the second
    return np.ascontiguousarray(quads.transpose(0, 2, 3, 4, 6, 1, 5), "<i2")


def _passes(node: Node, graph: Graph) -> tuple[int, int]:
    """Blocks, and the filters that compute them all before the next ones do: so weights that no cache holds come from flash
    that many times less often."""
    filters, channels = (graph.value(node.inputs[1]).shape[axis] for axis in (0, 3))
    fit = max(_CACHED // (32 * channels) // 4 * 4, 4)
    if filters <= fit:
        return 1, filters
    return min(_VALUES // (64 * channels), math.ceil(graph.value(node.output).shape[2] / 4)), fit


def _params(node: Node, graph: Graph) -> CParams:
    attrs = attrs_of(node)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    low, high = activation_range(attrs.clamp, quant_of(out))
    blocks, filters = _passes(node, graph)
    _, multiplier, rounding, shift = _rescaling(node, graph).table.T
    bias = _SCALE * bias_of(node, graph, fold_zero_point=True).astype(np.int64)
    table = np.stack([np.where(multiplier == 0, 0, bias), multiplier, 2 * rounding + 1, shift + 1], axis=1)
    return CParams(
        "tinyml_conv_winograd_s8_t",
        {
            "weights": Array("weights", transformed(w.constant)),
            "rescale": parameter_array("rescale", table.astype(np.uint32).view(np.int32)),
            "window": window_fields(x, (3, 3), attrs.stride, attrs.padding),
            "out_channels": w.shape[0],
            "pass_blocks": blocks,
            "pass_filters": filters,
            "outside": zero_point_of(x),
            "ties": int(low < zero_point_of(out)),
            "out_min": low,
            "out_max": high,
        },
    )


def _scratch(node: Node, graph: Graph, rows: int) -> int:
    channels = graph.value(node.inputs[0]).shape[-1]
    return 64 * channels * _passes(node, graph)[0] + max(24 * channels, 256)


def _extra_weights(node: Node, graph: Graph) -> int:
    """16 elements of two bytes for 9 of one."""
    return (2 * 16 - 9) * graph.value(node.inputs[1]).elements // 9


def _cost(node: Node, graph: Graph, rows: int) -> float:
    """Counted instructions, of blocks of two rows and four columns."""
    _, height, width, filters = graph.value(node.output).shape
    channels = graph.value(node.inputs[0]).shape[-1]
    across = math.ceil(width / 4)
    block = 400 + 69 * channels + filters / 4 * (510 + 88 * channels)
    edge = 200 + 40 * channels  # where the image ends, the input is copied first

    def pairs(count: int) -> float:
        return math.ceil(count / 2) * (150 + across * block + 2 * edge)

    full, rest = divmod(height, rows)
    return full * (60 + pairs(rows)) + (60 + pairs(rest) if rest else 0)


KERNELS = (
    KernelDescriptor(
        "tinyml_conv_winograd_s8_dsp",
        "armv7em/tinyml_conv_winograd_s8_dsp.c",
        "include/tinyml_conv_winograd_s8.h",
        Op.CONV2D,
        Isa.DSP,
        first_reason(
            needs_dtypes(DType.INT8, DType.INT8),
            needs_batch_of_one,
            needs_per_tensor_quant,
            needs_int8_weights,
            needs_one_group,
            _needs_small_squares,
            _needs_right_shifts,
        ),
        _params,
        _scratch,
        whole(_cost),
        tile_cost=_cost,
        extra_weights=_extra_weights,
    ),
)
