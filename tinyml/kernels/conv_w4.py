"""int8 convolutions with weights of 4 bits: include/tinyml_conv_w4.h."""

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Op
from tinyml.kernels.common import (
    first_reason,
    needs_weights,
    no_scratch,
    parameter_array,
    quant_of,
    window_fields,
    zero_point_of,
)
from tinyml.kernels.conv_paired_s8 import needs_one_group, rescaling, tap_order
from tinyml.kernels.conv_s8 import WITH_ANY_WEIGHTS, attrs_of, conv_cost, conv_params
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.kernels.lanes_w4 import LANES, lanes, nibbles
from tinyml.targets.core import Isa

_HEADER = "include/tinyml_conv_w4.h"
_OUTPUTS = 4  # in a block of the kernel for SMLAD
_MOST_LEFT = 12

_rejects = first_reason(*WITH_ANY_WEIGHTS, needs_weights(DType.INT4), needs_one_group)


def _by_filter(w: np.ndarray, groups: int) -> np.ndarray:
    return nibbles(w.reshape(w.shape[0], -1))


def _needs_exact_lanes(node: Node, graph: Graph) -> str | None:
    refused = rescaling(node, graph, LANES, _MOST_LEFT).refused
    if refused.any():
        return f"takes sums below 2^19 and factors below 2^11, channel {int(refused.argmax())} has others"
    return None


def _params(node: Node, graph: Graph) -> CParams:
    attrs = attrs_of(node)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    low, high = activation_range(attrs.clamp, quant_of(out))
    filters = w.constant.reshape(w.shape[0], -1)[:, tap_order(*w.shape[1:])]
    factors = rescaling(node, graph, LANES, _MOST_LEFT)
    fours = np.pad(factors.table, ((0, -len(factors.table) % 4), (0, 0)), mode="edge").reshape(-1, 4, 4)
    return CParams(
        "tinyml_conv_w4_t",
        {
            "weights": Array("weights", np.pad(lanes(filters).ravel(), (0, 4))),
            "rescale": parameter_array("rescale", fours[:, (0, 2, 1, 3)].astype(np.int32)),
            "window": window_fields(x, (w.shape[1], w.shape[2]), attrs.stride, attrs.padding, attrs.dilation),
            "out_channels": w.shape[0],
            "in_offset": -zero_point_of(x),
            "plain": int(low >= zero_point_of(out) and not factors.left.any()),
            "out_min": low,
            "out_max": high,
        },
    )


def _scratch(node: Node, graph: Graph, rows: int) -> int:
    taps = int(np.prod(graph.value(node.inputs[1]).shape[1:]))
    return 2 * _OUTPUTS * (taps + taps % 2)


def _cost(node: Node, graph: Graph) -> float:
    """Instructions: 0.83 a multiply-accumulate, 8 an output, 2.2 a tap of a column and 60 a column."""
    w, out = graph.value(node.inputs[1]), graph.value(node.output)
    columns = out.elements // w.shape[0]
    return 0.83 * macs(node, graph) + 8 * out.elements + columns * (2.2 * int(np.prod(w.shape[1:])) + 60)


KERNELS = (
    KernelDescriptor(
        "tinyml_conv_w4",
        "reference/tinyml_conv_w4.c",
        _HEADER,
        Op.CONV2D,
        Isa.PORTABLE,
        _rejects,
        conv_params(_by_filter),
        no_scratch,
        conv_cost(7, 60),
    ),
    KernelDescriptor(
        "tinyml_conv_w4_dsp",
        "armv7em/tinyml_conv_w4_dsp.c",
        _HEADER,
        Op.CONV2D,
        Isa.DSP,
        first_reason(_rejects, _needs_exact_lanes),
        _params,
        _scratch,
        _cost,
    ),
)
