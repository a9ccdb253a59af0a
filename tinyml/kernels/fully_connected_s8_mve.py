"""int8 fully connected layers by dot products of vectors: include/tinyml_fully_connected_vector_s8.h."""

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Op
from tinyml.kernels.common import (
    first_reason,
    needs_dtypes,
    needs_int8_weights,
    needs_per_tensor_quant,
    no_scratch,
    parameter_array,
)
from tinyml.kernels.conv_s8 import bias_of
from tinyml.kernels.conv_s8_mve import packed_weights
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.kernels.fully_connected_paired_s8 import bounds, rescaling
from tinyml.targets.core import Isa


def _needs_exact_factors(node: Node, graph: Graph) -> str | None:
    refused = rescaling(node, graph)[1]
    if refused.any():
        return f"takes factors below 1/2 whose 31 bits give each step of the output, output {int(refused.argmax())} has another"
    return None


def _rescale(node: Node, graph: Graph) -> np.ndarray:
    """Thirteen words for each four outputs."""
    multiplier, rounding, shift = rescaling(node, graph)[0].T
    table = np.stack([bias_of(node, graph, fold_zero_point=True), multiplier, rounding]).astype(np.int32)
    more = -table.shape[1] % 4
    words = np.pad(table, ((0, 0), (0, more))).reshape(3, -1, 4).transpose(1, 0, 2).reshape(-1, 12)
    shifts = np.pad(-shift, (0, more), constant_values=-1).astype(np.int8).view("<i4").reshape(-1, 1)
    return np.concatenate([words, shifts], axis=1).astype(np.int32)


def _params(node: Node, graph: Graph) -> CParams:
    w = graph.value(node.inputs[1]).constant
    low, high = bounds(node, graph)
    return CParams(
        "tinyml_fully_connected_vector_s8_t",
        {
            "weights": Array("weights", packed_weights(w.reshape(len(w), 1, 1, -1))),
            "rescale": parameter_array("rescale", _rescale(node, graph)),
            "depth": w.shape[1],
            "out_channels": w.shape[0],
            "out_min": low,
            "out_max": high,
        },
    )


def _cost(node: Node, graph: Graph) -> float:
    """Instructions counted."""
    return 0.157 * macs(node, graph) + 10 * graph.value(node.output).elements


KERNELS = (
    KernelDescriptor(
        "tinyml_fully_connected_s8_mve",
        "armv8_1m/tinyml_fully_connected_s8_mve.c",
        "include/tinyml_fully_connected_vector_s8.h",
        Op.FULLY_CONNECTED,
        Isa.MVE,
        first_reason(
            needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant, needs_int8_weights, _needs_exact_factors
        ),
        _params,
        no_scratch,
        _cost,
        Access(whole=True),
    ),
)
