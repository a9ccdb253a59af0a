"""int8 fully connected layers, two outputs in the lanes of a word: include/tinyml_fully_connected_paired_s8.h."""

import math

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range, quantize_multiplier, round_half_away
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import FullyConnectedAttrs, Op
from tinyml.ir.reference.conv import channel_scales
from tinyml.kernels.common import (
    first_reason,
    needs_dtypes,
    needs_int8_weights,
    needs_per_tensor_quant,
    no_scratch,
    parameter_array,
    quant_of,
    zero_point_of,
)
from tinyml.kernels.conv_s8 import bias_of
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa

_INT32 = 1 << 31


def _lanes(w: np.ndarray) -> np.ndarray:
    """int32 [four outputs][four inputs][0 2 or 1 3][pair of outputs][input]: 256 * b + a; past the eights of inputs first."""
    padded = np.pad(w.astype(np.int32), [(0, -n % 4) for n in w.shape])
    fours = padded.reshape(padded.shape[0] // 4, 2, 2, padded.shape[1] // 4, 2, 2)  # pair, a or b; 0 1 or 2 3, which
    lanes: np.ndarray = (fours[:, :, 0] + 256 * fours[:, :, 1]).transpose(0, 2, 4, 1, 3)
    return np.roll(lanes, math.ceil(w.shape[1] % 8 / 4), axis=1)


def bounds(node: Node, graph: Graph) -> tuple[int, int]:
    assert isinstance(node.attrs, FullyConnectedAttrs)
    return activation_range(node.attrs.clamp, quant_of(graph.value(node.output)))


def _sums(node: Node, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest sum of each output, bias included."""
    w = graph.value(node.inputs[1]).constant.astype(np.int64)
    positive, negative = np.maximum(w, 0).sum(axis=1), np.minimum(w, 0).sum(axis=1)
    bias = bias_of(node, graph, fold_zero_point=True)
    return -128 * positive + 127 * negative + bias, 127 * positive - 128 * negative + bias


def rescaling(node: Node, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """(multiplier, rounding, shift) of each output, and which outputs have none that gives TFLite's result for every sum.

    TFLite rounds the product with a double; the kernel's product has 31 bits. Both are monotonic in the sum. So they are
    equal everywhere if they are equal at samples between which TFLite's does not change. Those are taken around each of the
    255 steps. A multiplier one larger than the nearest makes ties go away from zero.
    """
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    scale = channel_scales(x, w, out)[:, None]
    zero, (low, high) = zero_point_of(out), bounds(node, graph)
    least, most = (bound[:, None] for bound in _sums(node, graph))

    steps = (np.arange(low + 1, high + 1) - zero - 0.5) / scale
    near = np.clip(steps[..., None] + np.arange(-2, 3), least[..., None], most[..., None])
    samples = np.sort(np.concatenate([near.reshape(len(scale), -1).astype(np.int64), least, most], axis=1), axis=1)
    exact = np.clip(round_half_away(samples * scale) + zero, low, high)
    changes = (np.diff(exact, axis=1) != 0) & (np.diff(samples, axis=1) > 1)

    pairs = [quantize_multiplier(float(s)) for s in scale[:, 0]]
    nearest = np.array([[multiplier] for multiplier, _ in pairs], np.int64)
    shift = np.array([[-exponent] for _, exponent in pairs], np.int64)
    usable = (shift >= 1) & (shift <= 22) & (2 * np.maximum(abs(least), abs(most)) < _INT32)
    shift = np.clip(shift, 1, 22)
    rounding = (1 << (shift - 1)) + (zero << shift)
    usable &= np.maximum(abs(least), abs(most)) + abs(rounding) < _INT32

    chosen, proved = nearest, np.zeros_like(usable)
    for multiplier in (nearest, nearest + 1, nearest - 1):
        fast = np.clip(((2 * samples * multiplier >> 32) + rounding) >> shift, low, high)
        fits = usable & ~changes.any(axis=1, keepdims=True) & (fast == exact).all(axis=1, keepdims=True)
        fits &= multiplier < _INT32
        chosen = np.where(fits & ~proved, multiplier, chosen)
        proved |= fits
    return np.concatenate([chosen, rounding, shift], axis=1), ~proved[:, 0]


def _needs_exact_lanes(node: Node, graph: Graph) -> str | None:
    w = graph.value(node.inputs[1]).constant
    if w.shape[0] < 3:
        return f"computes four outputs at a time, there are {w.shape[0]}"
    if _lanes(w).min() < -(1 << 15):
        return "takes weights from -127 on in every second output"
    taps = np.pad(np.abs(w.astype(np.int64)).sum(axis=1), (0, w.shape[0] % 2))
    if (128 * (256 * taps[1::2] + taps[0::2])).max() >= _INT32:
        return "takes sums below 2^23 in every second output"
    refused = rescaling(node, graph)[1]
    if refused.any():
        return f"takes factors below 1/2 whose 31 bits give each step of the output, output {int(refused.argmax())} has another"
    return None


def _params(node: Node, graph: Graph) -> CParams:
    w = graph.value(node.inputs[1])
    low, high = bounds(node, graph)
    bias = 2 * bias_of(node, graph, fold_zero_point=True).astype(np.int64)
    table = np.concatenate([bias[:, None], rescaling(node, graph)[0]], axis=1).astype(np.int32)
    return CParams(
        "tinyml_fully_connected_paired_s8_t",
        {
            "weights": Array("weights", np.ascontiguousarray(_lanes(w.constant), "<i2").view(np.int8)),
            "rescale": parameter_array("rescale", table),
            "depth": w.shape[1],
            "out_channels": w.shape[0],
            "out_min": low,
            "out_max": high,
        },
    )


KERNELS = (
    KernelDescriptor(
        "tinyml_fully_connected_paired_s8_dsp",
        "armv7em/tinyml_fully_connected_paired_s8_dsp.c",
        "include/tinyml_fully_connected_paired_s8.h",
        Op.FULLY_CONNECTED,
        Isa.DSP,
        first_reason(
            needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant, needs_int8_weights, _needs_exact_lanes
        ),
        _params,
        no_scratch,
        lambda node, graph: macs(node, graph) + 13 * graph.value(node.output).elements,
        Access(whole=True),
    ),
)
