"""Convolution and matrix products."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import (
    activation_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
)
from tinyml.ir.reference.int16 import multiply_wide

if TYPE_CHECKING:
    from tinyml.ir.graph import Value
    from tinyml.ir.ops import Clamp, Conv2dAttrs, FullyConnectedAttrs, NoAttrs, TransposeConv2dAttrs
    from tinyml.ir.quant import QuantParams

Values = Sequence["Value | None"]
Arrays = Sequence[np.ndarray | None]


def conv2d(attrs: "Conv2dAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    """TFLite's reference_integer_ops::ConvPerChannel and DepthwiseConvPerChannel in integers."""
    return _convolution(lambda x, w: _windows(x, w, attrs, 0.0), attrs.clamp, inputs, arrays, outputs)


def transpose_conv2d(
    attrs: "TransposeConv2dAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    """TFLite's reference_integer_ops::TransposeConv in integers."""
    shape = outputs[0].shape
    return _convolution(lambda x, w: _scattered(x, w, attrs, shape), attrs.clamp, inputs, arrays, outputs)


def _convolution(
    sums: Callable[[np.ndarray, np.ndarray], np.ndarray],
    clamp: "Clamp",
    inputs: Values,
    arrays: Arrays,
    outputs: "Sequence[Value]",
) -> list[np.ndarray]:
    """sums: of products, in the float type of its arguments."""
    x, w = inputs[0], inputs[1]
    assert x is not None and w is not None and arrays[0] is not None and arrays[1] is not None
    bias = arrays[2] if len(arrays) > 2 else None
    if outputs[0].dtype is DType.FLOAT32:
        acc = sums(arrays[0], arrays[1])
        if bias is not None:
            acc += bias
        return [np.clip(acc, clamp.lo, clamp.hi).astype(np.float32)]
    y = outputs[0]
    assert x.quant is not None and w.quant is not None and y.quant is not None
    centred = arrays[0].astype(np.float64) - x.quant.zero_point[0]
    # Sums stay far below 2**53, so float64 and its fast matrix product are exact.
    acc = sums(centred, arrays[1].astype(np.float64) - w.quant.zero_point[0]).astype(np.int64)
    if bias is not None:
        acc += bias
    multiplier, shift = channel_multipliers(x, w, y)
    wide = y.dtype is DType.INT16 and (bias is None or bias.dtype == np.int64)
    scaled = (multiply_wide if wide else multiply_by_quantized_multiplier)(acc, multiplier, shift)
    lo, hi = activation_range(clamp, y.quant)
    return [np.clip(scaled + y.quant.zero_point[0], lo, hi).astype(y.dtype.numpy)]


def channel_scales(x: "Value", w: "Value", y: "Value") -> np.ndarray:
    """scale_x * scale_w / scale_y of every output channel, in double precision and in that order, as TFLite does."""
    assert x.quant is not None and w.quant is not None and y.quant is not None
    scales = w.quant.scale if w.quant.axis is not None else w.quant.scale * w.shape[0]
    return np.array([x.quant.scale[0] * s / y.quant.scale[0] for s in scales])


def channel_multipliers(x: "Value", w: "Value", y: "Value") -> tuple[np.ndarray, np.ndarray]:
    """(multiplier, shift) of every output channel of a convolution."""
    pairs = [quantize_multiplier(float(s)) for s in channel_scales(x, w, y)]
    return np.array([m for m, _ in pairs], np.int64), np.array([s for _, s in pairs], np.int64)


def _windows(x: np.ndarray, w: np.ndarray, attrs: "Conv2dAttrs", pad_value: float) -> np.ndarray:
    """Convolution of [N,H,W,C] with [O,kh,kw,C/groups] in the arrays' float type."""
    out, kh, kw, per_group = w.shape
    channels = x.shape[-1]
    (top, bottom), (left, right) = attrs.padding
    if top or bottom or left or right:
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad_value)
    n, height, width, _ = x.shape
    (sy, sx), (dy, dx) = attrs.stride, attrs.dilation
    oh = (height - (kh - 1) * dy - 1) // sy + 1
    ow = (width - (kw - 1) * dx - 1) // sx + 1

    def tap(ky: int, kx: int) -> np.ndarray:
        return x[:, ky * dy : ky * dy + (oh - 1) * sy + 1 : sy, kx * dx : kx * dx + (ow - 1) * sx + 1 : sx, :]

    if per_group == 1 and attrs.groups == channels:
        # Depthwise: one multiplication a tap over whole planes; channel o reads input channel o // (out / channels).
        multiples = out // channels
        acc = np.zeros((n, oh, ow, out), x.dtype)
        for ky in range(kh):
            for kx in range(kw):
                plane = tap(ky, kx) if multiples == 1 else np.repeat(tap(ky, kx), multiples, axis=-1)
                acc += plane * w[:, ky, kx, 0]
        return acc
    if kh == kw == 1:
        columns = np.ascontiguousarray(tap(0, 0))
    else:
        columns = np.concatenate([tap(ky, kx) for ky in range(kh) for kx in range(kw)], axis=-1)
    if attrs.groups == 1:
        return np.asarray(columns @ w.reshape(out, -1).T)
    columns = columns.reshape(n, oh, ow, kh * kw, attrs.groups, per_group)
    parts = []
    for g, rows in enumerate(np.split(w.reshape(out, -1), attrs.groups)):
        parts.append(columns[:, :, :, :, g, :].reshape(n, oh, ow, -1) @ rows.T)
    return np.concatenate(parts, axis=-1)


def _scattered(x: np.ndarray, w: np.ndarray, attrs: "TransposeConv2dAttrs", shape: tuple[int, ...]) -> np.ndarray:
    """Every input pixel times each tap of [O,kh,kw,C/groups], added up where it falls; then what `shape` has of that."""
    out, kh, kw, per_group = w.shape
    n, height, width, _ = x.shape
    (sy, sx), ((top, bottom), (left, right)) = attrs.stride, attrs.padding
    extent = ((height - 1) * sy + kh + max(-bottom, 0), (width - 1) * sx + kw + max(-right, 0))
    acc = np.zeros((n, *extent, out), x.dtype)
    each = out // attrs.groups
    for g in range(attrs.groups):
        group, part = x[..., g * per_group : (g + 1) * per_group], slice(g * each, (g + 1) * each)
        for ky in range(kh):
            for kx in range(kw):
                rows, cols = slice(ky, ky + (height - 1) * sy + 1, sy), slice(kx, kx + (width - 1) * sx + 1, sx)
                acc[:, rows, cols, part] += group @ w[part, ky, kx].T
    return acc[:, top : top + shape[1], left : left + shape[2]]


def fully_connected(
    attrs: "FullyConnectedAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    """LiteRT's reference FullyConnected scales the sum in double precision and rounds it once, half away from zero.

    Its convolutions, and TFLite Micro's FullyConnected, multiply in fixed point and round twice.
    """
    x, w, y = inputs[0], inputs[1], outputs[0]
    assert x is not None and w is not None and arrays[0] is not None and arrays[1] is not None
    bias = arrays[2] if len(arrays) > 2 else None
    rows = arrays[0].reshape(-1, w.shape[1])
    if y.dtype is DType.FLOAT32:
        acc = rows @ arrays[1].T
        if bias is not None:
            acc = acc + bias
        return [np.clip(acc, attrs.clamp.lo, attrs.clamp.hi).astype(np.float32).reshape(y.shape)]
    assert x.quant is not None and w.quant is not None and y.quant is not None
    centred = rows.astype(np.float64) - x.quant.zero_point[0]
    total = (centred @ (arrays[1].astype(np.float64) - w.quant.zero_point[0]).T).astype(np.int64)
    if bias is not None:
        total += bias
    scaled = round_half_away(total * channel_scales(x, w, y))
    lo, hi = activation_range(attrs.clamp, y.quant)
    return [np.clip(scaled + y.quant.zero_point[0], lo, hi).astype(y.dtype.numpy).reshape(y.shape)]


def matmul(attrs: "NoAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    """TFLite's reference_ops::BatchMatMul in integers."""
    assert arrays[0] is not None and arrays[1] is not None
    a, b, y = inputs[0], inputs[1], outputs[0]
    assert a is not None and b is not None
    if y.quant is None:
        return [np.matmul(arrays[0], arrays[1]).astype(y.dtype.numpy)]
    assert a.quant is not None and b.quant is not None
    left, right = (
        x.astype(np.float64) - q.zero_point[0] for x, q in zip(arrays, (a.quant, b.quant), strict=True) if x is not None
    )
    total = np.matmul(left, right).astype(np.int64)  # exact: sums stay far below 2**53
    scaled = (
        multiply_by_quantized_multiplier(total, *matmul_multiplier(a.quant, b.quant, y.quant)) + y.quant.zero_point[0]
    )
    return [np.clip(scaled, *y.dtype.range).astype(y.dtype.numpy)]


def matmul_multiplier(a: "QuantParams", b: "QuantParams", y: "QuantParams") -> tuple[int, int]:
    """(multiplier, shift) of sums of products; TFLite multiplies both scales in single precision."""
    return quantize_multiplier(float(np.float32(a.scale[0]) * np.float32(b.scale[0])) / y.scale[0])
