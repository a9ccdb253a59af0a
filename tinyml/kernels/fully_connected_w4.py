"""int8 fully connected layers with weights of 4 bits: include/tinyml_fully_connected_w4.h."""

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Op
from tinyml.ir.reference.conv import channel_scales
from tinyml.kernels.common import (
    first_reason,
    needs_dtypes,
    needs_per_tensor_quant,
    needs_weights,
    no_scratch,
    parameter_array,
    zero_point_of,
)
from tinyml.kernels.conv_s8 import bias_of
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.kernels.fully_connected_paired_s8 import bounds, rescaling
from tinyml.kernels.fully_connected_s8 import double_words, matrix_params
from tinyml.kernels.lanes_w4 import LANES, lanes, nibbles
from tinyml.targets.core import Isa

_HEADER = "include/tinyml_fully_connected_w4.h"
_STEP = 8  # inputs that the kernel for SMLAD takes at a time
_ORDER = (0, 2, 1, 3, 4, 6, 5, 7)

_rejects = first_reason(needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant, needs_weights(DType.INT4))


def _in_eights(w: np.ndarray) -> np.ndarray:
    eights = np.pad(w, ((0, 0), (0, -w.shape[1] % _STEP))).reshape(w.shape[0], -1, _STEP)
    return lanes(eights[:, :, _ORDER].reshape(w.shape[0], -1))


def _needs_exact_lanes(node: Node, graph: Graph) -> str | None:
    w = graph.value(node.inputs[1]).constant.astype(np.int64)
    if (128 * np.abs(w).sum(axis=1) >= np.resize(LANES, len(w))).any():
        return "takes sums below 2^19 in every fourth output"
    return None


def _rescale(node: Node, graph: Graph) -> np.ndarray:
    """Four numbers an output; the header says which."""
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    bias = bias_of(node, graph, fold_zero_point=True).astype(np.int64)
    factors, refused = rescaling(node, graph)
    fast = np.concatenate([2 * bias[:, None], factors], axis=1)
    high, low, exponent = double_words(channel_scales(x, w, out))
    exact = np.stack([bias, high, low, -exponent.astype(np.int64)], axis=1)
    return np.where(refused[:, None], exact, fast).astype(np.int32)


def _params(node: Node, graph: Graph) -> CParams:
    w = graph.value(node.inputs[1])
    low, high = bounds(node, graph)
    return CParams(
        "tinyml_fully_connected_w4_t",
        {
            "weights": Array("weights", _in_eights(w.constant)),
            "rescale": parameter_array("rescale", _rescale(node, graph)),
            "depth": w.shape[1],
            "out_channels": w.shape[0],
            "out_offset": zero_point_of(graph.value(node.output)),
            "out_min": low,
            "out_max": high,
        },
    )


def _scratch(node: Node, graph: Graph, rows: int) -> int:
    depth = graph.value(node.inputs[1]).shape[1]
    return 2 * (depth + -depth % _STEP)


KERNELS = (
    KernelDescriptor(
        "tinyml_fully_connected_w4",
        "reference/tinyml_fully_connected_w4.c",
        _HEADER,
        Op.FULLY_CONNECTED,
        Isa.PORTABLE,
        _rejects,
        lambda node, graph: matrix_params(node, graph, nibbles),
        no_scratch,
        lambda node, graph: 6.0 * macs(node, graph),
        Access(whole=True),
    ),
    KernelDescriptor(
        "tinyml_fully_connected_w4_dsp",
        "armv7em/tinyml_fully_connected_w4_dsp.c",
        _HEADER,
        Op.FULLY_CONNECTED,
        Isa.DSP,
        first_reason(_rejects, _needs_exact_lanes),
        _params,
        _scratch,
        lambda node, graph: 1.0 * macs(node, graph) + 30 * graph.value(node.output).elements,
        Access(whole=True),
    ),
)
