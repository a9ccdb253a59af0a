"""Elementwise arithmetic and activations."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir import fixedpoint as fp
from tinyml.ir.dtypes import DType
from tinyml.ir.ops.base import RELU, Attrs, Clamp, Op, Reference
from tinyml.ir.reference import int16

if TYPE_CHECKING:
    from tinyml.ir.graph import Value
    from tinyml.ir.ops import ClipAttrs, GeluAttrs, HardSigmoidAttrs, LeakyReluAttrs, LookupAttrs
    from tinyml.ir.quant import QuantParams

Values = Sequence["Value | None"]
Arrays = Sequence[np.ndarray | None]


def add_left_shift(dtype: DType) -> int:
    """Head room that TFLite's additions give their operands."""
    return 15 if dtype is DType.INT16 else 20


def _operands(inputs: Values, arrays: Arrays) -> tuple["Value", "Value", np.ndarray, np.ndarray]:
    (a, b), (x, y) = inputs, arrays
    assert a is not None and b is not None and x is not None and y is not None
    return a, b, x, y


def _binary(real: Callable[[np.ndarray, np.ndarray], np.ndarray], integer: "IntegerBinary | None") -> Reference:
    def reference(attrs: Attrs, inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
        a, b, x, y = _operands(inputs, arrays)
        out = outputs[0]
        clamp: Clamp = attrs.clamp  # type: ignore[attr-defined]
        if out.quant is not None and integer is not None:
            assert a.quant is not None and b.quant is not None
            scaled = integer(x.astype(np.int64), a.quant, y.astype(np.int64), b.quant, out.quant)
            lo, hi = fp.activation_range(clamp, out.quant)
            return [np.clip(scaled + out.quant.zero_point[0], lo, hi).astype(out.dtype.numpy)]
        if out.quant is not None:
            raise NotImplementedError(f"integer {out.dtype.value} has no semantics for this operation")
        if out.dtype is DType.FLOAT32:
            return [np.clip(real(x, y), clamp.lo, clamp.hi).astype(np.float32)]
        return [np.asarray(real(x, y)).astype(out.dtype.numpy)]

    return reference


IntegerBinary = Callable[[np.ndarray, "QuantParams", np.ndarray, "QuantParams", "QuantParams"], np.ndarray]


def add_multipliers(
    a: "QuantParams", b: "QuantParams", out: "QuantParams"
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(multiplier, shift) of both operands and of the sum. Source: PrepareGeneralSubOp and add.cc in TFLite."""
    twice = 2.0 * max(a.scale[0], b.scale[0])
    return (
        fp.quantize_multiplier(a.scale[0] / twice),
        fp.quantize_multiplier(b.scale[0] / twice),
        fp.quantize_multiplier(twice / ((1 << add_left_shift(out.dtype)) * out.scale[0])),
    )


def _sum(sign: int) -> IntegerBinary:
    def integer(x: np.ndarray, a: "QuantParams", y: np.ndarray, b: "QuantParams", out: "QuantParams") -> np.ndarray:
        first, second, both = add_multipliers(a, b, out)
        up = add_left_shift(out.dtype)
        left = fp.multiply_by_quantized_multiplier((x - a.zero_point[0]) << up, *first)
        right = fp.multiply_by_quantized_multiplier((y - b.zero_point[0]) << up, *second)
        return fp.multiply_by_quantized_multiplier(left + sign * right, *both)

    return integer


def mul_multiplier(a: "QuantParams", b: "QuantParams", out: "QuantParams") -> tuple[int, int]:
    """(multiplier, shift) of a product; TFLite's mul.cc computes the real number in single precision."""
    real = np.float32(a.scale[0]) * np.float32(b.scale[0]) / np.float32(out.scale[0])
    return fp.quantize_multiplier(float(real))


def _product(x: np.ndarray, a: "QuantParams", y: np.ndarray, b: "QuantParams", out: "QuantParams") -> np.ndarray:
    product = (x - a.zero_point[0]) * (y - b.zero_point[0])
    return fp.multiply_by_quantized_multiplier(product, *mul_multiplier(a, b, out))


def _divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Integers truncate toward zero, as ONNX and C do."""
    if x.dtype == np.float32:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.divide(x, y))
    quotient: np.ndarray = np.abs(x) // np.maximum(np.abs(y), 1)
    return np.where((x < 0) == (y < 0), quotient, -quotient)


BINARY: dict[Op, Reference] = {
    Op.ADD: _binary(np.add, _sum(1)),
    Op.SUB: _binary(np.subtract, _sum(-1)),
    Op.MUL: _binary(np.multiply, _product),
    Op.DIV: _binary(_divide, None),
}


def _unary(real: Callable[[np.ndarray], np.ndarray], integer: "IntegerUnary | None" = None) -> Reference:
    """Without an integer form, quantized values go through a table of what the real function gives, as in LiteRT."""

    def reference(attrs: Attrs, inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
        return [_apply(real, integer, inputs, arrays, outputs[0])]

    return reference


IntegerUnary = Callable[[np.ndarray, "QuantParams", "QuantParams"], np.ndarray]


def _apply(
    real: Callable[[np.ndarray], np.ndarray],
    integer: IntegerUnary | None,
    inputs: Values,
    arrays: Arrays,
    out: "Value",
) -> np.ndarray:
    x, value = arrays[0], inputs[0]
    assert x is not None and value is not None
    if out.quant is None:
        return np.asarray(real(x)).astype(out.dtype.numpy)
    assert value.quant is not None
    integer = integer or (lambda stored, source, target: _tabulated(real, stored, source, target))
    lo, hi = out.dtype.range
    stored: np.ndarray = np.clip(integer(x.astype(np.int64), value.quant, out.quant), lo, hi).astype(out.dtype.numpy)
    return stored


def _tabulated(
    real: Callable[[np.ndarray], np.ndarray], x: np.ndarray, source: "QuantParams", target: "QuantParams"
) -> np.ndarray:
    """Source: PopulateLookupTable in LiteRT's activations.cc and LUTPopulate in its lut.h; all in single precision."""
    dequantized = np.float32(source.scale[0]) * (x - source.zero_point[0]).astype(np.float32)
    with np.errstate(over="ignore"):
        result = np.asarray(real(dequantized)).astype(np.float32) * (np.float32(1) / np.float32(target.scale[0]))
    return fp.round_half_away(np.clip(result, -1e6, 1e6)) + target.zero_point[0]


def _clamped_integer(clamp: Clamp) -> IntegerUnary:
    """relu and its kin: requantize, then clamp. Source: reference_ops::ReluX."""

    def integer(x: np.ndarray, source: "QuantParams", target: "QuantParams") -> np.ndarray:
        scaled = fp.multiply_by_quantized_multiplier(x - source.zero_point[0], *_single_multiplier(source, target))
        lo, hi = fp.activation_range(clamp, target)
        return np.asarray(np.clip(scaled + target.zero_point[0], lo, hi))

    return integer


def _single_multiplier(source: "QuantParams", target: "QuantParams", factor: float = 1.0) -> tuple[int, int]:
    """(multiplier, shift) of a rescaling; LiteRT's activations.cc divides the scales in single precision."""
    return fp.quantize_multiplier(float(np.float32(source.scale[0]) * np.float32(factor) / np.float32(target.scale[0])))


def _hard_swish_integer(x: np.ndarray, source: "QuantParams", target: "QuantParams") -> np.ndarray:
    """reference_ops::HardSwish: 16-bit fixed point, the input shifted up by 7 bits.

    `gate` is x / 3 on [-1, 1] and then (x + 3) / 6 on [0, 1], both with 15 fraction bits; the last product truncates.
    """
    if not hard_swish_is_fixed_point(source, target):
        return _tabulated(_hard_swish, x, source, target)
    fine_scale = _hard_swish_scale(source)
    up, up_shift = fp.quantize_multiplier(float(fine_scale / np.float32(target.scale[0])))
    slope, slope_shift = fp.quantize_multiplier(float(fine_scale / (np.float32(3) / np.float32(32768))))
    fine = (x - source.zero_point[0]) << 7
    gate = _saturate16(fine << (slope_shift - 1)) if slope_shift > 0 else fine
    gate = _high_mul16(gate, _high_half(slope))
    gate = _saturate16(gate << 1) if slope_shift > 0 else _divide16(gate, -slope_shift)
    product = ((gate + (1 << 15)) >> 1) * _high_mul16(fine, _high_half(up))
    truncated = np.where(product >= 0, product >> 15, -(-product >> 15))
    return _divide16(truncated, -up_shift) + target.zero_point[0]


def hard_swish_is_fixed_point(source: "QuantParams", target: "QuantParams") -> bool:
    """Whether LiteRT takes a hard-swish of these parameters: its output is no finer than the input shifted up."""
    return fp.quantize_multiplier(float(_hard_swish_scale(source) / np.float32(target.scale[0])))[1] <= 0


def _hard_swish_scale(source: "QuantParams") -> np.float32:
    """Of the input shifted up by 7 bits."""
    return np.float32(np.float32(1 / 128) * np.float32(source.scale[0]))


def _saturate16(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(x, -(1 << 15), (1 << 15) - 1))


def _divide16(x: np.ndarray, exponent: int) -> np.ndarray:
    """gemmlowp's RoundingDivideByPOT of int16: from 2**16 on its mask wraps to -1, and all that is left is a sign."""
    return fp.rounding_divide_by_pot(x, exponent) if exponent < 16 else np.where(x < 0, -1, 1)


def _high_half(multiplier: int) -> int:
    """A 31-bit multiplier rounded to 15 bits. Source: DownScaleInt32ToInt16Multiplier."""
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1)


def _high_mul16(a: np.ndarray, b: int) -> np.ndarray:
    """gemmlowp's SaturatingRoundingDoublingHighMul of int16, b >= 0: ties towards plus infinity."""
    return (a * b + (1 << 14)) >> 15


def _hard_swish(x: np.ndarray) -> np.ndarray:
    return x * np.clip(x + np.float32(3), 0, 6) / np.float32(6)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """In single precision, but for exp: numpy's own float32 exp differs from C's, and from machine to machine."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-x.astype(np.float64)).astype(np.float32)))


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf, otypes=[np.float64])(x) if x.size else x


def _tanh(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.tanh(x.astype(np.float64)))


def _in_16_bits(
    real: Callable[[np.ndarray], np.ndarray],
    integer: Callable[[np.ndarray, int, int], np.ndarray],
    shifts: tuple[int, ...],
) -> IntegerUnary:
    """A function that int16 has in fixed point and int8 in a table."""

    def function(x: np.ndarray, source: "QuantParams", target: "QuantParams") -> np.ndarray:
        if source.dtype is not DType.INT16:
            return _tabulated(real, x, source, target)
        return integer(x, *int16.lookup_input(source.scale[0], shifts))

    return function


UNARY: dict[Op, Reference] = {
    Op.RELU: _unary(lambda x: np.maximum(x, 0), _clamped_integer(RELU)),
    Op.HARD_SWISH: _unary(_hard_swish, _hard_swish_integer),
    Op.SIGMOID: _unary(_sigmoid, _in_16_bits(_sigmoid, int16.logistic, (0,))),
    Op.TANH: _unary(_tanh, _in_16_bits(_tanh, int16.tanh, (0, 1))),
    Op.EXP: _unary(lambda x: np.exp(x.astype(np.float64))),
    Op.SQRT: _unary(lambda x: np.sqrt(np.maximum(x, 0))),
    Op.ERF: _unary(_erf),
    Op.IDENTITY: lambda attrs, inputs, arrays, outputs: [a for a in arrays if a is not None],
}


def clip(attrs: "ClipAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    clamp = attrs.clamp
    return [_apply(lambda x: np.clip(x, clamp.lo, clamp.hi), _clamped_integer(clamp), inputs, arrays, outputs[0])]


def leaky_relu(attrs: "LeakyReluAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    def real(x: np.ndarray) -> np.ndarray:
        return np.where(x >= 0, x, np.float32(attrs.alpha) * x)

    def integer(x: np.ndarray, source: "QuantParams", target: "QuantParams") -> np.ndarray:
        """reference_ops::QuantizeLeakyRelu."""
        centred = x - source.zero_point[0]
        above = fp.multiply_by_quantized_multiplier(centred, *_single_multiplier(source, target))
        below = fp.multiply_by_quantized_multiplier(centred, *_single_multiplier(source, target, attrs.alpha))
        return np.where(centred >= 0, above, below) + target.zero_point[0]

    return [_apply(real, integer, inputs, arrays, outputs[0])]


def gelu(attrs: "GeluAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    """In single precision, as GeluTransform and GeluTransformApproximate in LiteRT are."""
    single = np.float32

    def real(x: np.ndarray) -> np.ndarray:
        if attrs.tanh:
            inner = single(math.sqrt(2 / math.pi)) * (x + single(0.044715) * x * x * x)
            return np.asarray(single(0.5) * x * (single(1) + _tanh(inner).astype(single)))
        rest = np.vectorize(math.erfc, otypes=[single])(x * single(-math.sqrt(0.5))) if x.size else x
        return np.asarray(single(0.5) * x * rest)

    return [_apply(real, None, inputs, arrays, outputs[0])]


def hard_sigmoid(
    attrs: "HardSigmoidAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    def real(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip(np.float32(attrs.alpha) * x + np.float32(attrs.beta), 0, 1))

    return [_apply(real, None, inputs, arrays, outputs[0])]


def lookup(attrs: "LookupAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    x, table = arrays
    assert x is not None and table is not None
    return [table[x.astype(np.int64) + 128]]
