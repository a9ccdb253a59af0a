"""Convolutions and fully connected layers of int16 with int8 weights: include/tinyml_conv_s16.h."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import FullyConnectedAttrs, Op
from tinyml.ir.reference.conv import channel_multipliers, channel_scales
from tinyml.ir.reference.int16 import multiply_wide, reduced_multiplier
from tinyml.kernels.common import (
    first_reason,
    needs_batch_of_one,
    needs_dtypes,
    needs_per_tensor_quant,
    needs_weights,
    no_scratch,
    parameter_array,
    quant_of,
    window_fields,
    zero_point_of,
)
from tinyml.kernels.conv_paired_s8 import needs_one_group
from tinyml.kernels.conv_s8 import attrs_of, conv_cost, needs_depthwise, weights_by_tap
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.kernels.fully_connected_s8 import double_words
from tinyml.targets.core import Isa

_HEADER = "include/tinyml_conv_s16.h"
_INT32 = 1 << 31


def needs_symmetry(node: Node, graph: Graph) -> str | None:
    """TFLite's kernels of int16 take no zero points."""
    for name in (*node.used, *node.outputs):
        quant = graph.value(name).quant
        if quant is not None and any(quant.zero_point):
            return f"takes zero points of 0, {name} has {zero_point_of(graph.value(name))}"
    return None


COMMON = (
    needs_dtypes(DType.INT16, DType.INT16),
    needs_per_tensor_quant,
    needs_weights(DType.INT8, bias_dtype=DType.INT64),
    needs_symmetry,
)


def bias_of(node: Node, graph: Graph) -> np.ndarray:
    """int64 [out]."""
    w = graph.value(node.inputs[1])
    absent = len(node.inputs) < 3 or node.inputs[2] is None
    return np.zeros(w.shape[0], np.int64) if absent else graph.value(node.inputs[2]).constant


def _largest_products(node: Node, graph: Graph) -> np.ndarray:
    """The largest sum of each output, bias apart, on the way too."""
    w = graph.value(node.inputs[1]).constant.astype(np.int64)
    largest: np.ndarray = (1 << 15) * np.abs(w.reshape(w.shape[0], -1)).sum(axis=1)
    return largest


def _needs_moderate_factors(node: Node, graph: Graph) -> str | None:
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    _, shift = channel_multipliers(x, w, out)
    if shift.max() > 7:
        return f"takes factors below 2^7, channel {int(shift.argmax())} has a larger one"
    return None


def needs_totals_of_32_bits(node: Node, graph: Graph) -> str | None:
    largest = _largest_products(node, graph) + np.abs(bias_of(node, graph))
    if largest.max() >= _INT32:
        return f"takes sums below 2^31, those of output {int(largest.argmax())} may not be"
    return None


@dataclass(frozen=True, slots=True, eq=False)
class _HighWords:
    """Results as high words of products, see tinyml_conv_s16_dsp_t.

    Attributes:
        weights: those of the node; zeros where a channel gives one number whatever the input.
        table: int32 [out, 2].
        refused: channels whose results are no such words.
    """

    weights: np.ndarray
    table: np.ndarray
    refused: np.ndarray


def _high_words(node: Node, graph: Graph) -> _HighWords:
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    multiplier, shift = channel_multipliers(x, w, out)
    bias, largest = bias_of(node, graph), _largest_products(node, graph)
    low, high = activation_range(attrs_of(node).clamp, quant_of(out))
    first, last = (np.clip(multiply_wide(bias + d, multiplier, shift), low, high) for d in (-largest, largest))
    constant = first == last  # rescaling is monotonic
    left = 17 + shift  # of a multiplier of 15 bits
    reduced = np.array([reduced_multiplier(int(m)) for m in multiplier], np.int64)
    factor = np.left_shift(reduced, np.clip(left, 0, 16))
    table = np.stack([np.where(constant, first << 15, bias), np.where(constant, 1 << 17, factor)], axis=1)
    refused = ~constant & ((left < 0) | (left > 16) | (largest + np.abs(bias) >= _INT32))
    weights = np.where(constant[:, None, None, None], 0, w.constant).astype(np.int8)
    return _HighWords(weights, np.where(refused[:, None], 0, table).astype(np.int32), refused)


def _needs_high_words(node: Node, graph: Graph) -> str | None:
    refused = _high_words(node, graph).refused
    if refused.any():
        return f"takes sums below 2^31 and factors from 2^-17 to 1/2, channel {int(refused.argmax())} has others"
    return None


def _needs_four_channels(node: Node, graph: Graph) -> str | None:
    channels, filters = graph.value(node.inputs[0]).shape[-1], graph.value(node.inputs[1]).shape[0]
    if filters != channels:
        return f"gives one channel for one, this gives {filters} for {channels}"
    return f"computes four channels at a time, there are {channels}" if channels < 4 else None


def _in_pairs(w: np.ndarray) -> np.ndarray:
    """[two filters][four taps][filter of the two][0 2 1 3]: see include/tinyml_conv_s16.h."""
    rows = w.reshape(w.shape[0], -1)
    padded = np.pad(rows, ((0, rows.shape[0] % 2), (0, -rows.shape[1] % 4)))
    fours = padded.reshape(padded.shape[0] // 2, 2, -1, 4).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(fours[..., (0, 2, 1, 3)])


def _params(node: Node, graph: Graph, weights: np.ndarray) -> CParams:
    attrs = attrs_of(node)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    multiplier, shift = channel_multipliers(x, w, out)
    low, high = activation_range(attrs.clamp, quant_of(out))
    reduced = np.array([reduced_multiplier(int(m)) for m in multiplier], np.int32)
    return CParams(
        "tinyml_conv_s16_t",
        {
            "weights": Array("weights", weights),
            "bias": Array("bias", bias_of(node, graph), "parameters", align=8),
            "multiplier": parameter_array("multiplier", reduced),
            "shift": parameter_array("shift", (15 - shift).astype(np.int8)),
            "window": window_fields(x, (w.shape[1], w.shape[2]), attrs.stride, attrs.padding, attrs.dilation),
            "out_channels": w.shape[0],
            "groups": attrs.groups,
            "out_min": low,
            "out_max": high,
        },
    )


def _portable(node: Node, graph: Graph) -> CParams:
    return _params(node, graph, graph.value(node.inputs[1]).constant)


def _dsp(pack: Callable[[np.ndarray], np.ndarray]) -> Callable[[Node, Graph], CParams]:
    def params(node: Node, graph: Graph) -> CParams:
        attrs, words = attrs_of(node), _high_words(node, graph)
        x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
        low, high = activation_range(attrs.clamp, quant_of(out))
        return CParams(
            "tinyml_conv_s16_dsp_t",
            {
                "weights": Array("weights", pack(words.weights)),
                "rescale": parameter_array("rescale", np.pad(words.table, ((0, len(words.table) % 2), (0, 0)))),
                "window": window_fields(x, (w.shape[1], w.shape[2]), attrs.stride, attrs.padding, attrs.dilation),
                "out_channels": w.shape[0],
                "out_min": low,
                "out_max": high,
            },
        )

    return params


def _scratch(node: Node, graph: Graph, rows: int) -> int:
    taps = int(np.prod(graph.value(node.inputs[1]).shape[1:]))
    return 4 * (taps + -taps % 4)


def matrix(node: Node, graph: Graph, pack: Callable[[np.ndarray], np.ndarray] = lambda w: w) -> CParams:
    """Of a fully connected layer."""
    assert isinstance(node.attrs, FullyConnectedAttrs)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    per_channel = quant_of(w).axis is not None
    scales = channel_scales(x, w, out)
    high, low, exponent = double_words(scales if per_channel else scales[:1])
    least, most = activation_range(node.attrs.clamp, quant_of(out))
    return CParams(
        "tinyml_fully_connected_s16_t",
        {
            "weights": Array("weights", pack(w.constant)),
            "bias": Array("bias", bias_of(node, graph).astype(np.int32), "parameters"),
            "factor_high": parameter_array("factor_high", high),
            "factor_low": parameter_array("factor_low", low),
            "factor_exponent": parameter_array("factor_exponent", exponent),
            "per_channel": int(per_channel),
            "depth": w.shape[1],
            "out_channels": w.shape[0],
            "out_min": least,
            "out_max": most,
        },
    )


KERNELS = (
    KernelDescriptor(
        "tinyml_conv_s16",
        "reference/tinyml_conv_s16.c",
        _HEADER,
        Op.CONV2D,
        Isa.PORTABLE,
        first_reason(*COMMON, needs_batch_of_one, _needs_moderate_factors),
        _portable,
        no_scratch,
        conv_cost(7, 60),
    ),
    KernelDescriptor(
        "tinyml_conv_s16_dsp",
        "armv7em/tinyml_conv_s16_dsp.c",
        _HEADER,
        Op.CONV2D,
        Isa.DSP,
        first_reason(
            *COMMON, needs_batch_of_one, needs_one_group, _needs_high_words
        ),
        _dsp(_in_pairs),
        _scratch,
        conv_cost(1.4, 40, column_tap=3),
    ),
    KernelDescriptor(
        "tinyml_depthwise_s16_dsp",
        "armv7em/tinyml_depthwise_s16_dsp.c",
        _HEADER,
        Op.CONV2D,
        Isa.DSP,
        first_reason(
            *COMMON, needs_batch_of_one, needs_depthwise, _needs_four_channels, _needs_high_words
        ),
        _dsp(lambda w: weights_by_tap(w, len(w))),
        no_scratch,
        conv_cost(4, 20),
    ),
    KernelDescriptor(
        "tinyml_fully_connected_s16",
        "reference/tinyml_fully_connected_s16.c",
        _HEADER,
        Op.FULLY_CONNECTED,
        Isa.PORTABLE,
        first_reason(*COMMON, needs_totals_of_32_bits),
        matrix,
        no_scratch,
        lambda node, graph: 5.0 * macs(node, graph) + 75 * graph.value(node.output).elements,
        Access(whole=True),
    ),
    KernelDescriptor(
        "tinyml_fully_connected_s16_dsp",
        "armv7em/tinyml_fully_connected_s16_dsp.c",
        _HEADER,
        Op.FULLY_CONNECTED,
        Isa.DSP,
        first_reason(*COMMON, needs_totals_of_32_bits),
        lambda node, graph: matrix(node, graph, _in_pairs),
        no_scratch,
        lambda node, graph: 1.5 * macs(node, graph) + 75 * graph.value(node.output).elements,
        Access(whole=True),
    ),
)  # fmt: skip
