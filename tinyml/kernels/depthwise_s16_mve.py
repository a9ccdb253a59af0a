"""int16 depthwise convolutions in vectors of channels: include/tinyml_depthwise_vector_s16.h."""

import numpy as np

from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels import conv_s16
from tinyml.kernels.common import first_reason, needs_batch_of_one, no_scratch, parameter_array, quant_of, window_fields
from tinyml.kernels.conv_mve import needs_factors_below_a_half, rescaling_s16
from tinyml.kernels.conv_s8 import attrs_of, needs_depthwise
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa

_CHANNELS = 8


def _needs_one_filter_a_channel(node: Node, graph: Graph) -> str | None:
    channels, filters = graph.value(node.inputs[0]).shape[-1], graph.value(node.inputs[1]).shape[0]
    return f"gives one channel for one, this gives {filters} for {channels}" if filters != channels else None


def _params(node: Node, graph: Graph) -> CParams:
    attrs = attrs_of(node)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    low, high = activation_range(attrs.clamp, quant_of(out))
    more = -w.shape[0] % _CHANNELS
    eights = np.pad(w.constant.reshape(w.shape[0], -1), ((0, more), (0, 0))).reshape(
        -1, _CHANNELS, w.shape[1] * w.shape[2]
    )
    # Even channels before odd ones; those past the last repeat it and are not kept.
    order = np.arange(w.shape[0] + more).reshape(-1, _CHANNELS // 2, 2).transpose(0, 2, 1).reshape(-1)
    return CParams(
        "tinyml_depthwise_vector_s16_t",
        {
            "weights": Array("weights", np.ascontiguousarray(eights.transpose(0, 2, 1))),
            "rescale": parameter_array("rescale", rescaling_s16(node, graph, np.minimum(order, w.shape[0] - 1))),
            "window": window_fields(x, (w.shape[1], w.shape[2]), attrs.stride, attrs.padding, attrs.dilation),
            "out_min": low,
            "out_max": high,
        },
    )


def _cost(node: Node, graph: Graph) -> float:
    """Instructions counted, of eight channels of two outputs."""
    w, out = graph.value(node.inputs[1]), graph.value(node.output)
    blocks = out.shape[1] * -(-out.shape[2] // 2) * -(-out.shape[-1] // _CHANNELS)
    return blocks * (140 + w.shape[1] * (20 + 16 * w.shape[2]))


KERNELS = (
    KernelDescriptor(
        "tinyml_depthwise_s16_mve",
        "armv8_1m/tinyml_depthwise_s16_mve.c",
        "include/tinyml_depthwise_vector_s16.h",
        Op.CONV2D,
        Isa.MVE,
        first_reason(
            *conv_s16.COMMON,
            needs_batch_of_one,
            needs_depthwise,
            _needs_one_filter_a_channel,
            needs_factors_below_a_half,
            conv_s16.needs_totals_of_32_bits,
        ),
        _params,
        no_scratch,
        _cost,
    ),
)
