"""int8 convolutions: include/tinyml_conv_s8.h."""

from collections.abc import Callable

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Conv2dAttrs, Op
from tinyml.ir.reference.conv import channel_multipliers
from tinyml.kernels.common import (
    Reject,
    first_reason,
    needs_batch_of_one,
    needs_dtypes,
    needs_int8_weights,
    needs_per_tensor_quant,
    needs_weights,
    no_scratch,
    parameter_array,
    quant_of,
    window_fields,
    zero_point_of,
)
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa

_HEADER = "include/tinyml_conv_s8.h"


def attrs_of(node: Node) -> Conv2dAttrs:
    assert isinstance(node.attrs, Conv2dAttrs)
    return node.attrs


def _needs_pointwise(node: Node, graph: Graph) -> str | None:
    attrs, w = attrs_of(node), graph.value(node.inputs[1])
    if w.shape[1:3] != (1, 1):
        return f"computes 1x1 windows, this one is {w.shape[1]}x{w.shape[2]}"
    if attrs.groups != 1:
        return f"computes one group of channels, there are {attrs.groups}"
    if attrs.padding != ((0, 0), (0, 0)):
        return f"does not pad, padding is {attrs.padding}"
    return None


def needs_depthwise(node: Node, graph: Graph) -> str | None:
    channels = graph.value(node.inputs[0]).shape[-1]
    groups = attrs_of(node).groups
    return f"computes one group a channel, there are {groups} for {channels} channels" if groups != channels else None


WITH_ANY_WEIGHTS = (needs_dtypes(DType.INT8, DType.INT8), needs_batch_of_one, needs_per_tensor_quant)
COMMON = (*WITH_ANY_WEIGHTS, needs_int8_weights)
NARROW_TOO = (*WITH_ANY_WEIGHTS, needs_weights(DType.INT8, DType.INT4))
_rejects_any = first_reason(*COMMON)
_rejects_pointwise = first_reason(*COMMON, _needs_pointwise)


def weights_by_filter(w: np.ndarray, groups: int) -> np.ndarray:
    """[out][kernel_height][kernel_width][in / groups], as the graph holds them."""
    return w


def weights_by_tap(w: np.ndarray, groups: int) -> np.ndarray:
    """[kernel_height][kernel_width][out], from depthwise weights [out, kh, kw, 1]."""
    return np.ascontiguousarray(w[..., 0].transpose(1, 2, 0))


def _weights_in_pairs(w: np.ndarray, groups: int) -> np.ndarray:
    """[group][pair of filters][taps / 4][filter of the pair][4]: see include/tinyml_conv_s8.h."""
    rows = w.reshape(groups, w.shape[0] // groups, -1)
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 2), (0, -rows.shape[2] % 4)))
    return padded.reshape(groups, padded.shape[1] // 2, 2, -1, 4).transpose(0, 1, 3, 2, 4)


def bias_of(node: Node, graph: Graph, *, fold_zero_point: bool) -> np.ndarray:
    """int32 [out]; with the input's zero point folded in where no tap is ever skipped."""
    w = graph.value(node.inputs[1]).constant.astype(np.int64)
    bias = np.zeros(w.shape[0], np.int64)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias += graph.value(node.inputs[2]).constant
    if fold_zero_point:
        bias -= zero_point_of(graph.value(node.inputs[0])) * w.reshape(w.shape[0], -1).sum(axis=1)
    return bias.astype(np.int32)


def conv_params(
    pack: Callable[[np.ndarray, int], np.ndarray], fold_zero_point: bool = False
) -> Callable[[Node, Graph], CParams]:
    def params(node: Node, graph: Graph) -> CParams:
        attrs = attrs_of(node)
        x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
        multiplier, shift = channel_multipliers(x, w, out)
        lo, hi = activation_range(attrs.clamp, quant_of(out))
        kernel = (w.shape[1], w.shape[2])
        return CParams(
            "tinyml_conv_s8_t",
            {
                "weights": Array("weights", np.ascontiguousarray(pack(w.constant, attrs.groups))),
                "bias": Array("bias", bias_of(node, graph, fold_zero_point=fold_zero_point)),
                "multiplier": parameter_array("multiplier", multiplier.astype(np.int32)),
                "shift": parameter_array("shift", shift.astype(np.int8)),
                "window": window_fields(x, kernel, attrs.stride, attrs.padding, attrs.dilation),
                "out_channels": w.shape[0],
                "groups": attrs.groups,
                "in_offset": -zero_point_of(x),
                "out_offset": zero_point_of(out),
                "out_min": lo,
                "out_max": hi,
            },
        )

    return params


def conv_cost(mac: float, output: float, column_tap: float = 0) -> Callable[[Node, Graph], float]:
    """Cycles of a multiply-accumulate, of an output, and of widening a tap, which all outputs of a group then share."""

    def cost(node: Node, graph: Graph) -> float:
        out = graph.value(node.output)
        per_group = out.shape[-1] // attrs_of(node).groups
        return (mac + column_tap / per_group) * macs(node, graph) + output * out.elements

    return cost


def _portable_cost(node: Node, graph: Graph) -> float:
    """Instructions counted on a Cortex-M3: four filters at a time, those of a group that are left over alone."""
    attrs, w, out = attrs_of(node), graph.value(node.inputs[1]), graph.value(node.output)
    _, height, width, depth = w.shape
    runs = height if attrs.groups == 1 and attrs.dilation[1] == 1 else height * width
    run = height * width * depth / runs
    blocks, single = divmod(w.shape[0] // attrs.groups, 4)
    windows = attrs.groups * out.elements / w.shape[0]
    return windows * (blocks * (140 + runs * (30 + 12 * run)) + single * (50 + runs * (25 + 5 * run)))


def _scratch_columns(node: Node, graph: Graph, rows: int) -> int:
    """Two windows of one group as int16, each padded to a multiple of 4 taps."""
    taps = int(np.prod(graph.value(node.inputs[1]).shape[1:]))
    return 2 * 2 * (taps + -taps % 4)


def _kernel(
    symbol: str,
    folder: str,
    isa: Isa,
    rejects: Reject,
    params: Callable[[Node, Graph], CParams],
    cost: Callable[[Node, Graph], float],
    scratch: Callable[[Node, Graph, int], int] = no_scratch,
) -> KernelDescriptor:
    return KernelDescriptor(symbol, f"{folder}/{symbol}.c", _HEADER, Op.CONV2D, isa, rejects, params, scratch, cost)


KERNELS = (
    _kernel("tinyml_conv_s8", "reference", Isa.PORTABLE, _rejects_any, conv_params(weights_by_filter),
            _portable_cost),
    _kernel("tinyml_conv_1x1_s8", "reference", Isa.PORTABLE, _rejects_pointwise,
            conv_params(weights_by_filter, fold_zero_point=True),
            lambda node, graph: 0.95 * _portable_cost(node, graph)),
    _kernel("tinyml_conv_s8_dsp", "armv7em", Isa.DSP, _rejects_any, conv_params(_weights_in_pairs),
            conv_cost(1.6, 40, column_tap=5), _scratch_columns),
)  # fmt: skip
