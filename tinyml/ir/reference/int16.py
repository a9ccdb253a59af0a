"""Arithmetic that TFLite's kernels for 16-bit activations have of their own.

Activations are symmetric, weights int8, biases int64. Source: TFLite's kernels/internal/common.h and the headers of
reference/integer_ops.
"""

import math
from collections.abc import Callable

import numpy as np

from tinyml.ir import fixedpoint as fp
from tinyml.ir.reference.sigmoid_table import SIGMOID_TABLE

INT16_MIN, INT16_MAX = -(1 << 15), (1 << 15) - 1


def reduced_multiplier(multiplier: int) -> int:
    """A 31-bit multiplier rounded to 15 bits."""
    return min((multiplier + (1 << 15)) >> 16, INT16_MAX)


def multiply_wide(x: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """MultiplyByQuantizedMultiplier of int64 sums below 2^47: a multiplier of 15 bits, rounded once, ties towards +infinity."""
    reduced = np.minimum((multiplier + (1 << 15)) >> 16, INT16_MAX)
    total = 15 - shift
    # LiteRT keeps 32 bits of what no sane scales bring about.
    return np.asarray((x * reduced + (np.int64(1) << (total - 1))) >> total).astype(np.int32)


def lookup_input(scale: float, shifts: tuple[int, ...]) -> tuple[int, int]:
    """(multiplier, shift to the right) that bring an input to steps of 1/3 * 2^-12. Source: SigmoidPrepare, TanhPrepare.

    Args:
        shifts: of an input whose scale is 2^(shift - 12), those which need no rescaling.
    """
    fraction, exponent = math.frexp(scale)
    left = 12 + exponent - 1
    if fraction == 0.5 and left in shifts:
        return 3 << left, 0
    multiplier, shift = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift += 1
        multiplier *= 2.0
    return int(multiplier), shift


def _input(x: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    rounding = 1 << (shift - 1) if shift > 0 else 0
    return np.asarray((x.astype(np.int64) * multiplier + rounding) >> shift)


def _interpolated(position: np.ndarray, bits: int) -> np.ndarray:
    """The table at position / 2^bits, in units of 2^-bits of its own; its last number beyond its end."""
    table = np.array(SIGMOID_TABLE, np.int64)
    index = np.minimum(position >> bits, 254)
    below, above = table[index], table[index + 1]
    return np.asarray((below << bits) + (position & ((1 << bits) - 1)) * (above - below))


def logistic(x: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    """reference_integer_ops::Logistic of int16: half a unit of the result is 2^-15."""
    data = _input(x, multiplier, shift)
    size = np.abs(data)
    result = np.where(size >> 9 >= 255, 0x7FFF << 10, _interpolated(size, 9))
    signed = np.where(data >= 0, result + (1 << 9), (1 << 25) - result + (1 << 9) - 1)
    return np.asarray(signed >> 10)


def tanh(x: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    """reference_integer_ops::Tanh of int16: 2 * sigmoid(2 x) - 1."""
    data = _input(x, multiplier, shift)
    size = np.abs(data)
    result = np.where(size >> 8 >= 255, 0xFFFF << 8, _interpolated(size, 8))
    signed = np.where(data >= 0, result - (1 << 23) + (1 << 7), -result + (1 << 23) + (1 << 7) - 1)
    return np.asarray(signed >> 8)


def exp_table() -> np.ndarray:
    """exp on [-10, 0]: see `interpolation_table`."""
    return interpolation_table(math.exp, 10.0 / 65535.0, INT16_MAX)


def reciprocal_table() -> np.ndarray:
    """1 / (1 + x) on [0, 1]."""
    return interpolation_table(lambda x: 1.0 / (1.0 + x), 1.0 / 65535.0, INT16_MIN)


def interpolation_table(function: Callable[[float], float], scale: float, zero_point: int) -> np.ndarray:
    """513 numbers, in steps of 2^-15, between which `interpolate` draws lines: LUTPopulate of int16 in TFLite's common.h.

    Each is moved by half the error that the line has in the middle of its interval.
    """
    low, high = (scale * (end - zero_point) for end in (INT16_MIN, INT16_MAX))
    step, unit = (high - low) / 512, 65536 / (2.0 / 65535.0 * 65535)
    table = []
    for i in range(512):
        here, middle, after = (function(low + i * step + ahead) * unit for ahead in (0, step / 2, step))
        line = _round((after + _round(here)) / 2)
        table.append(_round(here) - _round((line - _round(middle)) / 2))
    table.append(_round(function(high) * unit))
    return np.asarray(np.clip(np.array(table), INT16_MIN, INT16_MAX), np.int16)


def _round(x: float) -> int:
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def interpolate(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """LUTLookup of int16."""
    index = 256 + (x >> 7)
    base, above = table[index].astype(np.int64), table[index + 1].astype(np.int64)
    return np.asarray(base + (((above - base) * (x & 127) + 64) >> 7))


def softmax_parameters(beta: float, scale: float) -> tuple[int, int]:
    """(multiplier, shift) that make 65535 steps of the distance 10 below the largest input."""
    return fp.quantize_multiplier(float(scale) * beta / (10.0 / 65535.0))


def softmax(x: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    """reference_ops::SoftmaxInt16: probabilities in steps of 2^-15."""
    diff = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    scaled = fp.multiply_by_quantized_multiplier(diff, multiplier, shift)
    exps = interpolate(exp_table(), np.clip(scaled + INT16_MAX, INT16_MIN, INT16_MAX))
    total = exps.sum(axis=-1, keepdims=True)
    headroom = 32 - np.frompyfunc(int.bit_length, 1, 1)(total.astype(object)).astype(np.int64)
    normal = ((total << (headroom - 1)) + (1 << 13)) >> 14
    position = np.clip(normal - (1 << 15) - (1 << 16), INT16_MIN, INT16_MAX)
    reciprocal = interpolate(reciprocal_table(), position)
    right = 31 - headroom
    result = (exps * reciprocal + (np.int64(1) << (right - 1))) >> right
    return np.asarray(np.clip(result, 0, INT16_MAX))
