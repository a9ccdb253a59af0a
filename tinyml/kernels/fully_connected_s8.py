"""int8 fully connected layers: include/tinyml_fully_connected_s8.h."""

from collections.abc import Callable

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
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

_RESCALING = 55  # instructions of an output, without its products


def matrix_params(node: Node, graph: Graph, pack: Callable[[np.ndarray], np.ndarray] = lambda w: w) -> CParams:
    """tinyml_fully_connected_s8_t, its weights [out][depth] packed."""
    assert isinstance(node.attrs, FullyConnectedAttrs)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    scales = channel_scales(x, w, out) if quant_of(w).axis is not None else channel_scales(x, w, out)[:1]
    high, low, exponent = double_words(scales)
    lo, hi = activation_range(node.attrs.clamp, quant_of(out))
    return CParams(
        "tinyml_fully_connected_s8_t",
        {
            "weights": Array("weights", pack(w.constant)),
            "bias": Array("bias", bias_of(node, graph, fold_zero_point=True)),
            "factor_high": parameter_array("factor_high", high),
            "factor_low": parameter_array("factor_low", low),
            "factor_exponent": parameter_array("factor_exponent", exponent),
            "per_channel": int(quant_of(w).axis is not None),
            "depth": w.shape[1],
            "out_channels": w.shape[0],
            "out_offset": zero_point_of(out),
            "out_min": lo,
            "out_max": hi,
        },
    )


def double_words(scales: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(high, low, exponent) of each factor of tinyml_requantize_once: all 53 bits of a double.

    Factors must be below 2**21, far above any that a network has. Below 2**-42 every product rounds to 0, as with factor 0.
    """
    fraction, exponent = np.frexp(scales)
    mantissa = (fraction * 2.0**53).astype(np.int64)
    shift = 22 - exponent.astype(np.int64)
    mantissa[shift > 63] = 0
    return (
        (mantissa >> 31).astype(np.int32),
        (mantissa & 0x7FFFFFFF).astype(np.int32),
        np.clip(shift, 1, 63).astype(np.int8),
    )


def _kernel(symbol: str, folder: str, isa: Isa, cycles_per_mac: float) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"{folder}/{symbol}.c",
        "include/tinyml_fully_connected_s8.h",
        Op.FULLY_CONNECTED,
        isa,
        first_reason(needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant, needs_int8_weights),
        matrix_params,
        no_scratch,
        lambda node, graph: cycles_per_mac * macs(node, graph) + _RESCALING * graph.value(node.output).elements,
        Access(whole=True),
    )


KERNELS = (
    _kernel("tinyml_fully_connected_s8", "reference", Isa.PORTABLE, 5),
    _kernel("tinyml_fully_connected_s8_dsp", "armv7em", Isa.DSP, 2),
)
