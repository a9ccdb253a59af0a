"""Fully connected layers by dot products of vectors, int8 with weights of 8 and of 4 bits, and int16:
include/tinyml_fully_connected_vector.h."""

from collections.abc import Callable

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Op
from tinyml.ir.reference.conv import channel_scales
from tinyml.kernels import conv_s16
from tinyml.kernels.common import (
    Reject,
    first_reason,
    needs_dtypes,
    needs_int8_weights,
    needs_per_tensor_quant,
    needs_weights,
    no_scratch,
    parameter_array,
    zero_point_of,
)
from tinyml.kernels.conv_mve import needs_pairs, packed_weights, paired_weights
from tinyml.kernels.conv_s8 import bias_of
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.kernels.fully_connected_paired_s8 import bounds, rescaling
from tinyml.kernels.fully_connected_s8 import double_words
from tinyml.targets.core import Isa

_OUTPUTS = 4


def _needs_exact_factors(node: Node, graph: Graph) -> str | None:
    refused = rescaling(node, graph)[1]
    if refused.any():
        return f"takes factors below 1/2 whose 31 bits give each step of the output, output {int(refused.argmax())} has another"
    return None


def _rescale(node: Node, graph: Graph) -> np.ndarray:
    """Thirteen words for each four outputs; of outputs that 31 bits are not enough for, none that could overflow."""
    factors, refused = rescaling(node, graph)
    multiplier, rounding, shift = factors.T
    table = np.stack([bias_of(node, graph, fold_zero_point=True), multiplier, rounding]).astype(np.int32)
    table[:, refused] = 0
    more = -table.shape[1] % _OUTPUTS
    words = np.pad(table, ((0, 0), (0, more))).reshape(3, -1, 4).transpose(1, 0, 2).reshape(-1, 12)
    shifts = np.pad(-shift, (0, more), constant_values=-1).astype(np.int8).view("<i4").reshape(-1, 1)
    return np.concatenate([words, shifts], axis=1).astype(np.int32)


def _s8(node: Node, graph: Graph, pack: Callable[[np.ndarray], np.ndarray] = lambda w: packed_weights(w)) -> CParams:
    w = graph.value(node.inputs[1]).constant
    low, high = bounds(node, graph)
    return CParams(
        "tinyml_fully_connected_vector_t",
        {
            "weights": Array("weights", pack(w)),
            "rescale": parameter_array("rescale", _rescale(node, graph)),
            "depth": w.shape[1],
            "out_channels": w.shape[0],
            "out_min": low,
            "out_max": high,
        },
    )


def _w4(node: Node, graph: Graph) -> CParams:
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    factors = double_words(channel_scales(x, w, out))
    bias = bias_of(node, graph, fold_zero_point=True)
    refused = np.flatnonzero(rescaling(node, graph)[1])
    exact = np.stack([np.arange(len(bias)), bias, *factors], axis=1)[refused].astype(np.int32)
    return CParams(
        "tinyml_fully_connected_vector_w4_t",
        {
            "product": _s8(node, graph, paired_weights).fields,
            "exact": parameter_array("exact", exact) if len(exact) else None,
            "exact_count": len(exact),
            "out_offset": zero_point_of(out),
        },
    )


def _s16(node: Node, graph: Graph) -> CParams:
    return conv_s16.matrix(node, graph, lambda w: packed_weights(w, step=8))


def _sums(node: Node, graph: Graph, rows: int) -> int:
    outputs = graph.value(node.inputs[1]).shape[0]
    return 4 * (outputs + -outputs % _OUTPUTS)


def _kernel(
    name: str,
    rejects: Reject,
    params: Callable[[Node, Graph], CParams],
    scratch: Callable[[Node, Graph, int], int],
    per_mac: float,
    per_output: float,
) -> KernelDescriptor:
    def cost(node: Node, graph: Graph) -> float:
        """Instructions counted."""
        return per_mac * macs(node, graph) + per_output * graph.value(node.output).elements

    return KernelDescriptor(
        f"tinyml_fully_connected_{name}_mve",
        f"armv8_1m/tinyml_fully_connected_{name}_mve.c",
        "include/tinyml_fully_connected_vector.h",
        Op.FULLY_CONNECTED,
        Isa.MVE,
        rejects,
        params,
        scratch,
        cost,
        Access(whole=True),
    )


_int8 = first_reason(needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant)

KERNELS = (
    _kernel("s8", first_reason(_int8, needs_int8_weights, _needs_exact_factors), _s8, no_scratch, 0.157, 10),
    _kernel("w4", first_reason(_int8, needs_weights(DType.INT4), needs_pairs), _w4, _sums, 0.157, 12),
    _kernel("s16", first_reason(*conv_s16.COMMON, conv_s16.needs_totals_of_32_bits), _s16, _sums, 0.313, 75),
)
