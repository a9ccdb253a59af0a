"""TFLite's fixed-point arithmetic, bit for bit, on numpy arrays of int64 (so that nothing overflows on the way).

A real multiplier m is held as (multiplier, shift): m = multiplier * 2**(shift - 31), multiplier in [2**30, 2**31).
Definitions: gemmlowp's fixedpoint.h and TFLite's kernels/internal/common.h.
"""

import math

import numpy as np

from tinyml.ir.ops.base import Clamp
from tinyml.ir.quant import QuantParams

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) of a non-negative real number; (0, 0) where it is 0 or too small for a shift of -31.

    Source: QuantizeMultiplier in TFLite's quantization_util.cc.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = _round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return INT32_MAX, 30
    return multiplier, shift


def _round_half_away(x: float) -> int:
    """std::round."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def saturating_rounding_doubling_high_mul(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    """(2 * a * b) / 2**32, rounded half away from zero as gemmlowp does (its nudge makes it truncate toward zero)."""
    product = a.astype(np.int64) * np.asarray(b, np.int64)
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    # C's division truncates toward zero.
    high = np.where(total >= 0, total >> 31, -((-total) >> 31))
    return np.minimum(high, INT32_MAX)


def rounding_divide_by_pot(x: np.ndarray, exponent: np.ndarray | int) -> np.ndarray:
    """x / 2**exponent, rounded half away from zero."""
    x = x.astype(np.int64)
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + (remainder > threshold)


def multiply_by_quantized_multiplier(
    x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """x * multiplier * 2**(shift - 31), rounded twice: what TFLite's reference kernels do except where noted.

    Arrays broadcast; x is int32 in value, and shifting it left must not overflow int32 (it never does in networks).
    """
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(x.astype(np.int64) << left, multiplier), right)


def multiply_by_quantized_multiplier_once(
    x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """The same product rounded once, half up: LiteRT's reference fully connected."""
    total_shift = 31 - np.asarray(shift, np.int64)
    rounded = x.astype(np.int64) * np.asarray(multiplier, np.int64) + (np.int64(1) << (total_shift - 1))
    return rounded >> total_shift


def activation_range(clamp: Clamp, quant: QuantParams) -> tuple[int, int]:
    """(lowest, highest) stored value that a fused activation leaves.

    Source: CalculateActivationRangeQuantized in TFLite's kernel_util.cc, for any bounds.
    """
    lo, hi = quant.dtype.range
    scale, zero = np.float32(quant.scale[0]), quant.zero_point[0]
    if clamp.lo != -math.inf:
        lo = max(lo, zero + _round_half_away(float(np.float32(clamp.lo) / scale)))
    if clamp.hi != math.inf:
        hi = min(hi, zero + _round_half_away(float(np.float32(clamp.hi) / scale)))
    return lo, hi
