"""Pooling and reductions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range, multiply_by_quantized_multiplier, quantize_multiplier

if TYPE_CHECKING:
    from tinyml.ir.graph import Value
    from tinyml.ir.ops import ArgMaxAttrs, Pool2dAttrs, ReduceAttrs
    from tinyml.ir.quant import QuantParams

Values = Sequence["Value | None"]
Arrays = Sequence[np.ndarray | None]


def max_pool2d(attrs: "Pool2dAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    x, y = arrays[0], outputs[0]
    assert x is not None
    lowest = -np.inf if x.dtype == np.float32 else np.iinfo(x.dtype).min
    taps = _taps(x, attrs, lowest, y.shape)
    best = taps[0]
    for tap in taps[1:]:
        best = np.maximum(best, tap)
    return [_clamped(best, attrs, y)]


def average_pool2d(
    attrs: "Pool2dAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    """Integers: the sum of stored values over the taps inside, divided with rounding half away from zero.

    Padding, where it counts, counts as real 0.
    """
    x, value, y = arrays[0], inputs[0], outputs[0]
    assert x is not None and value is not None
    inside = _sum(_taps(np.ones((1, *x.shape[1:3], 1), np.int64), attrs, 0, (1, *y.shape[1:3], 1)))
    window = attrs.kernel[0] * attrs.kernel[1]
    if y.dtype is DType.FLOAT32:
        mean = _sum(_taps(x.astype(np.float64), attrs, 0.0, y.shape)) / (window if attrs.count_include_pad else inside)
        return [np.clip(mean, attrs.clamp.lo, attrs.clamp.hi).astype(np.float32)]
    zero = value.quant.zero_point[0] if value.quant is not None else 0
    filler = zero if attrs.count_include_pad else 0
    total = _sum(_taps(x.astype(np.int64), attrs, filler, y.shape))
    return [_clamped(divide_half_away(total, window if attrs.count_include_pad else inside), attrs, y)]


def divide_half_away(total: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """total / count rounded half away from zero by adding count / 2 and truncating, as TFLite's C does."""
    count = np.asarray(count, np.int64)
    half = count // 2
    return np.asarray(np.where(total > 0, (total + half) // count, -((half - total) // count)))


def _sum(parts: list[np.ndarray]) -> np.ndarray:
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _taps(x: np.ndarray, attrs: "Pool2dAttrs", filler: float, shape: tuple[int, ...]) -> list[np.ndarray]:
    """What each tap of the window sees, as arrays of the output's shape."""
    _, oh, ow, _ = shape
    (top, bottom), (left, right) = attrs.padding
    (kh, kw), (sy, sx) = attrs.kernel, attrs.stride
    # A window that ceil mode lets hang over the padded edge sees filler there.
    below = max(bottom, (oh - 1) * sy + kh - x.shape[1] - top)
    beside = max(right, (ow - 1) * sx + kw - x.shape[2] - left)
    x = np.pad(x, ((0, 0), (top, below), (left, beside), (0, 0)), constant_values=filler)
    return [
        x[:, ky : ky + (oh - 1) * sy + 1 : sy, kx : kx + (ow - 1) * sx + 1 : sx, :]
        for ky in range(kh)
        for kx in range(kw)
    ]


def _clamped(stored: np.ndarray, attrs: "Pool2dAttrs", y: "Value") -> np.ndarray:
    if y.quant is not None:
        lo, hi = map(float, activation_range(attrs.clamp, y.quant))
    else:
        lo, hi = attrs.clamp.lo, attrs.clamp.hi
    return np.asarray(np.clip(stored, lo, hi), y.dtype.numpy)


def mean(attrs: "ReduceAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    """Integers: LiteRT's reference_ops::QuantizedMeanOrSum, whatever the axes."""
    x, value, y = arrays[0], inputs[0], outputs[0]
    assert x is not None and value is not None
    if y.dtype is DType.FLOAT32:
        return [x.mean(axis=attrs.axes, dtype=np.float64).astype(np.float32).reshape(y.shape)]
    assert value.quant is not None and y.quant is not None
    count = int(np.prod([x.shape[a] for a in attrs.axes]))
    total = x.astype(np.int64).sum(axis=attrs.axes) - count * value.quant.zero_point[0]
    scaled = multiply_by_quantized_multiplier(total, *mean_multiplier(value.quant, y.quant, count))
    lo, hi = y.dtype.range
    return [np.clip(scaled + y.quant.zero_point[0], lo, hi).astype(y.dtype.numpy).reshape(y.shape)]


def arg_max(attrs: "ArgMaxAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    assert arrays[0] is not None
    return [np.asarray(arrays[0].argmax(axis=-1), attrs.dtype.numpy)]


def mean_multiplier(x: "QuantParams", y: "QuantParams", count: int) -> tuple[int, int]:
    """(multiplier, shift) from the sum of `count` centred stored values to their mean in the scale of y.

    The rescaling of input to output with 1 / count folded into it in integers, so that precision is lost as in LiteRT.
    """
    multiplier, shift = quantize_multiplier(x.scale[0] / y.scale[0])
    up = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << up) // count, shift - up
