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
    Reject,
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


def _by_row(w: np.ndarray) -> np.ndarray:
    return w


def _lanes(w: np.ndarray) -> np.ndarray:
    """int32 [four outputs][four inputs][0 2 or 1 3][pair of outputs][input]: 256 * b + a."""
    padded = np.pad(w.astype(np.int32), [(0, -n % 4) for n in w.shape])
    fours = padded.reshape(padded.shape[0] // 4, 2, 2, padded.shape[1] // 4, 2, 2)  # pair, a or b; 0 1 or 2 3, which
    lanes: np.ndarray = (fours[:, :, 0] + 256 * fours[:, :, 1]).transpose(0, 2, 4, 1, 3)
    return lanes


def _in_lanes(w: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(_lanes(w), "<i2").view(np.int8)


def _needs_exact_lanes(node: Node, graph: Graph) -> str | None:
    w = graph.value(node.inputs[1]).constant
    if w.shape[0] < 3:
        return f"computes four outputs at a time, there are {w.shape[0]}"
    if _lanes(w).min() < -(1 << 15):
        return "takes weights from -127 on in every second output"
    if 128 * np.abs(w[1::2].astype(np.int64)).sum(axis=1).max() >= 1 << 23:
        return "takes sums below 2^23"
    return None


def _params(node: Node, graph: Graph, pack: Callable[[np.ndarray], np.ndarray]) -> CParams:
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


def _accepts(node: Node, graph: Graph) -> str | None:
    return None


def _kernel(
    symbol: str,
    folder: str,
    isa: Isa,
    cycles_per_mac: float,
    pack: Callable[[np.ndarray], np.ndarray] = _by_row,
    exact: Reject = _accepts,
) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"{folder}/{symbol}.c",
        "include/tinyml_fully_connected_s8.h",
        Op.FULLY_CONNECTED,
        isa,
        first_reason(needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant, needs_int8_weights, exact),
        lambda node, graph: _params(node, graph, pack),
        no_scratch,
        lambda node, graph: cycles_per_mac * macs(node, graph),
        Access(whole=True),
    )


KERNELS = (
    _kernel("tinyml_fully_connected_s8", "reference", Isa.PORTABLE, 5),
    _kernel("tinyml_fully_connected_s8_dsp", "armv7em", Isa.DSP, 2),
    _kernel("tinyml_fully_connected_paired_s8_dsp", "armv7em", Isa.DSP, 1.1, pack=_in_lanes, exact=_needs_exact_lanes),
)
