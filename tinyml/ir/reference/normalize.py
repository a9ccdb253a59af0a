"""Normalization and softmax."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir import fixedpoint as fp
from tinyml.ir.dtypes import DType
from tinyml.ir.reference import int16

if TYPE_CHECKING:
    from tinyml.ir.graph import Value
    from tinyml.ir.ops import BatchNormAttrs, SoftmaxAttrs

Values = Sequence["Value | None"]
Arrays = Sequence[np.ndarray | None]


def batch_norm(attrs: "BatchNormAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    x, gamma, beta, mean, variance = arrays
    assert x is not None and gamma is not None and beta is not None and mean is not None and variance is not None
    factor = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + attrs.epsilon)
    return [(x * factor + (beta - mean * factor)).astype(np.float32)]


def softmax(attrs: "SoftmaxAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    x, value, y = arrays[0], inputs[0], outputs[0]
    assert x is not None and value is not None
    if y.dtype is DType.FLOAT32:
        scaled = x.astype(np.float64) * attrs.beta
        e = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        return [(e / e.sum(axis=-1, keepdims=True)).astype(np.float32)]
    assert value.quant is not None
    if value.dtype is DType.INT16:
        return [int16.softmax(x, *int16.softmax_parameters(attrs.beta, value.quant.scale[0])).astype(np.int16)]
    return [_softmax_integer(x, attrs.beta, value.quant.scale[0], y)]


_DIFF_BITS = 5  # kScaledDiffIntegerBits
_SUM_BITS = 12  # kAccumulationIntegerBits


def softmax_parameters(beta: float, scale: float) -> tuple[int, int, int]:
    """(multiplier, left shift, diff_min) of an integer softmax.

    Source: PreprocessSoftmaxScaling and CalculateInputRadius in TFLite's quantization_util.cc.
    """
    real = min(beta * scale * (1 << (31 - _DIFF_BITS)), (1 << 31) - 1.0)
    multiplier, shift = fp.quantize_multiplier(real)
    return multiplier, shift, -fp.input_radius(_DIFF_BITS, shift)


def _softmax_integer(x: np.ndarray, beta: float, scale: float, y: "Value") -> np.ndarray:
    """reference_ops::Softmax for 8-bit inputs and outputs."""
    multiplier, shift, diff_min = softmax_parameters(beta, scale)
    diff = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    near = diff >= diff_min
    rescaled = fp.saturating_rounding_doubling_high_mul(np.where(near, diff, 0) << shift, multiplier)
    exps = fp.exp_on_negative_values(rescaled, _DIFF_BITS)
    total = np.where(near, fp.rounding_divide_by_pot(exps, _SUM_BITS), 0).sum(axis=-1, keepdims=True)
    reciprocal, over_unit = fp.reciprocal(total, _SUM_BITS)
    scaled = fp.saturating_rounding_doubling_high_mul(exps, reciprocal)
    lo, hi = y.dtype.range
    stored = fp.rounding_divide_by_pot(scaled, over_unit + 31 - y.dtype.bits) + lo
    result: np.ndarray = np.clip(np.where(near, stored, lo), lo, hi).astype(y.dtype.numpy)
    return result
