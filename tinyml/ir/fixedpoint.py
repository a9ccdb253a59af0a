"""TFLite's fixed-point arithmetic, bit for bit, on numpy arrays of int64 (so that nothing overflows on the way).

A real multiplier m is held as (multiplier, shift): m = multiplier * 2**(shift - 31), multiplier in [2**30, 2**31).
Definitions: gemmlowp's fixedpoint.h and TFLite's kernels/internal/common.h.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir.quant import QuantParams

if TYPE_CHECKING:
    from tinyml.ir.ops.base import Clamp  # the operations' own references import this module

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) of a real number, the multiplier with its sign; (0, 0) where it is 0 or too small for a shift of -31.

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
    """a * b / 2**31 of int32, ties towards plus infinity; -2**31 times itself saturates.

    gemmlowp writes it with a nudge of the product's sign and a division that truncates, which comes to the same.
    """
    product = a.astype(np.int64) * np.asarray(b, np.int64)
    return np.asarray(np.minimum((product + (1 << 30)) >> 31, INT32_MAX))


def rounding_divide_by_pot(x: np.ndarray, exponent: np.ndarray | int) -> np.ndarray:
    """x / 2**exponent, rounded half away from zero."""
    x = x.astype(np.int64)
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> exponent) + (remainder > threshold))


def multiply_by_quantized_multiplier(
    x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """x * multiplier * 2**(shift - 31), rounded twice: what TFLite's reference kernels do except where noted.

    Arrays broadcast; x is int32 in value. Where shifting it left overflows, which no sane scales bring about, it wraps.
    """
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = (x.astype(np.int64) << left).astype(np.int32)
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(shifted, multiplier), right)


def round_half_away(x: np.ndarray) -> np.ndarray:
    """std::round on every element, as int64."""
    whole = np.trunc(x)
    # Adding 0.5 first would round the number below 0.5 up.
    rounded: np.ndarray = (whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0)).astype(np.int64)
    return rounded


def activation_range(clamp: "Clamp", quant: QuantParams) -> tuple[int, int]:
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


def input_radius(integer_bits: int, left_shift: int) -> int:
    """Largest difference of stored values that still has a rescaled form with that many integer bits.

    Source: CalculateInputRadius in TFLite's quantization_util.cc.
    """
    largest = ((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift)
    return math.floor(largest)


def saturating_multiply_by_pot(x: np.ndarray, exponent: int) -> np.ndarray:
    """x * 2**exponent: saturated to the left, rounded to the right."""
    if exponent <= 0:
        return rounding_divide_by_pot(x, -exponent)
    return np.asarray(np.clip(x.astype(np.int64) << exponent, INT32_MIN, INT32_MAX))


# gemmlowp: exp(-2**e) for e = -2 … 4, as fractions of 2**31.
_EXP_STEPS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))


def exp_on_negative_values(x: np.ndarray, integer_bits: int) -> np.ndarray:
    """exp(x) for x <= 0 held with `integer_bits` integer bits; the result has none (2**31 is 1, saturated)."""
    x = x.astype(np.int64)
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    inside = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(saturating_multiply_by_pot(inside, integer_bits))
    remainder = inside - x
    for exponent, step in _EXP_STEPS:
        if integer_bits > exponent:
            bit = np.int64(1) << (fraction_bits + exponent)
            result = np.where(remainder & bit, saturating_rounding_doubling_high_mul(result, step), result)
    return np.where(x == 0, INT32_MAX, result)


def _exp_near_zero(a: np.ndarray) -> np.ndarray:
    """exp on [-1/4, 0): a Taylor polynomial of degree 4 around -1/8."""
    mul = saturating_rounding_doubling_high_mul
    at_eighth, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4 = mul(x2, x2)
    tail = rounding_divide_by_pot(mul(rounding_divide_by_pot(x4, 2) + x3, third) + x2, 1)
    return at_eighth + mul(x + tail, at_eighth)


def one_over_one_plus(x: np.ndarray) -> np.ndarray:
    """1 / (1 + x) for x in [0, 1], no integer bits: three Newton steps."""
    mul = saturating_rounding_doubling_high_mul
    half = (x.astype(np.int64) + INT32_MAX + 1) // 2
    y = mul(half, -1010580540) + 1515870810  # 48/17 - 32/17 * half, two integer bits
    for _ in range(3):
        y = y + saturating_multiply_by_pot(mul(y, (1 << 29) - mul(half, y)), 2)
    return saturating_multiply_by_pot(y, 1)


def reciprocal(x: np.ndarray, integer_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """(mantissa, bits over unit) of 1 / x for x > 0 with that many integer bits.

    Source: GetReciprocal in TFLite's common.h.
    """
    leading = 32 - np.frompyfunc(int.bit_length, 1, 1)(x.astype(object)).astype(np.int64)
    return one_over_one_plus((x.astype(np.int64) << leading) - (1 << 31)), integer_bits - leading


def requantize(stored: np.ndarray, source: QuantParams, target: QuantParams) -> np.ndarray:
    """Stored integers of other parameters, per tensor. Source: reference_ops::Requantize."""
    multiplier, shift = quantize_multiplier(source.scale[0] / target.scale[0])
    scaled = multiply_by_quantized_multiplier(stored.astype(np.int64) - source.zero_point[0], multiplier, shift)
    lo, hi = target.dtype.range
    result: np.ndarray = np.clip(scaled + target.zero_point[0], lo, hi).astype(target.dtype.numpy)
    return result
