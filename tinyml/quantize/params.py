"""From ranges of real numbers to scales and zero points, as TFLite's 8-bit specification has them.

https://ai.google.dev/edge/litert/models/quantization_spec
"""

import math

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op
from tinyml.ir.quant import QuantParams

Range = tuple[float, float]

FIXED_OUTPUT = {
    Op.SOFTMAX: QuantParams.per_tensor(1 / 256, -128),
    Op.SIGMOID: QuantParams.per_tensor(1 / 256, -128),
    Op.TANH: QuantParams.per_tensor(1 / 128, 0),
}
"""Parameters that the specification demands of an operation's output."""

FIXED_OUTPUT_16 = dict.fromkeys(FIXED_OUTPUT, QuantParams.per_tensor(1 / 32768, 0, DType.INT16))
"""The same where activations have 16 bits."""

_NARROWEST = 1e-9
_BIAS_LIMIT = float(1 << 30)  # leaves as much again for the products (127 * 255 * 33,000 taps)
_LEAST_MULTIPLIER = 2.0**-22


def activation_params(lo: float, hi: float, dtype: DType = DType.INT8) -> QuantParams:
    """Asymmetric int8 for [lo, hi]: the range is widened to hold 0, and nudged so that 0 is exactly representable
    (padding and relu need it). A range without width, a dead value's, becomes [0, 1]."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if hi - lo < _NARROWEST:
        hi = lo + 1.0
    if dtype is DType.INT16:
        return QuantParams.per_tensor(max(-lo, hi) / dtype.range[1], 0, dtype)
    step = (hi - lo) / 255.0
    zero = -128.0 - lo / step
    zero += math.copysign(0.5, zero)  # TFLite rounds half away from zero
    return QuantParams.per_tensor(step, min(127, max(-128, math.trunc(zero))))


def weight_scales(weights: np.ndarray, dtype: DType = DType.INT8) -> np.ndarray:
    """Symmetric, [-127, 127] or [-7, 7], one scale an index of axis 0; float64, 0 where a channel is all zeros."""
    largest: np.ndarray = np.abs(weights.reshape(len(weights), -1).astype(np.float64)).max(axis=1)
    return largest / dtype.range[1]


def quantize_weights(weights: np.ndarray, params: QuantParams) -> np.ndarray:
    """Rounded to nearest; the lowest number of the type is not used, so that the range is symmetric."""
    stored: np.ndarray = np.maximum(params.quantize(weights), -params.dtype.range[1])
    return stored


def workable_weight_scales(scales: np.ndarray, bias: np.ndarray | None, x_scale: float, y_scale: float) -> np.ndarray:
    """The scales, enlarged where 32-bit arithmetic needs it."""
    enlarged: np.ndarray = np.maximum(scales, least_weight_scales(len(scales), bias, x_scale, y_scale))
    return enlarged


def least_weight_scales(channels: int, bias: np.ndarray | None, x_scale: float, y_scale: float) -> np.ndarray:
    """The smallest scale of each channel that 32-bit arithmetic can take.

    A channel with (almost) no weights would have a bias that overflows int32 in steps of x_scale * scale, or a
    multiplier x_scale * scale / y_scale that is rounded to 0 and takes the bias with it. What such a channel's weights
    lose is far below one step of the output.
    """
    least = np.full(channels, _LEAST_MULTIPLIER * y_scale / x_scale)
    if bias is not None:
        least = np.maximum(least, np.abs(bias.astype(np.float64)) / (x_scale * _BIAS_LIMIT))
    return least


def quantize_bias(bias: np.ndarray, scales: np.ndarray, dtype: DType = DType.INT32) -> tuple[np.ndarray, QuantParams]:
    """int32 (int64 where activations have 16 bits) with zero point 0, one scale (input scale * weight scale) a channel."""
    steps = np.rint(bias.astype(np.float64) / scales)
    largest = 2.0**31 if dtype is DType.INT32 else 2.0**46  # TFLite's kernels of int16 take sums below 2^47
    stored = np.clip(steps, -largest, largest - 1).astype(dtype.numpy)
    if len(scales) == 1:
        return stored, QuantParams.per_tensor(float(scales[0]), 0, dtype)
    return stored, QuantParams.per_channel(scales, 0, dtype)


def as_int8(params: QuantParams) -> QuantParams:
    """uint8 parameters moved to int8: the same real numbers, stored 128 lower."""
    if params.dtype is not DType.UINT8:
        return params
    return QuantParams(params.scale, tuple(z - 128 for z in params.zero_point), DType.INT8, params.axis)


def as_uint8(params: QuantParams) -> QuantParams:
    """int8 parameters moved to uint8: the same real numbers, stored 128 higher."""
    return QuantParams(params.scale, tuple(z + 128 for z in params.zero_point), DType.UINT8, params.axis)
