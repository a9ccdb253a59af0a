"""Arithmetic, activations, and changes of number format."""

import math

import tflite

from tinyml.frontends.tflite.context import OpContext
from tinyml.frontends.tflite.registry import Handle, UnsupportedError, handler
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import BinaryAttrs, CastAttrs, Clamp, ClipAttrs, GeluAttrs, LeakyReluAttrs, Op, QuantizeAttrs

BINARY = {
    "ADD": (Op.ADD, tflite.AddOptions),
    "SUB": (Op.SUB, tflite.SubOptions),
    "MUL": (Op.MUL, tflite.MulOptions),
    "DIV": (Op.DIV, tflite.DivOptions),
}
UNARY = {
    "RELU": Op.RELU,
    "LOGISTIC": Op.SIGMOID,
    "TANH": Op.TANH,
    "HARD_SWISH": Op.HARD_SWISH,
    "EXP": Op.EXP,
    "SQRT": Op.SQRT,
}
CLIPS = {"RELU6": Clamp(0.0, 6.0), "RELU_N1_TO_1": Clamp(-1.0, 1.0), "RELU_0_TO_1": Clamp(0.0, 1.0)}


def _binary(kind: Op, options: type[tflite.AddOptions]) -> Handle:
    def handle(op: OpContext) -> None:
        o = op.options(options)
        clamp = op.clamp(o.FusedActivationFunction())
        if isinstance(o, tflite.AddOptions | tflite.SubOptions) and o.PotScaleInt16():
            _refuse_powers_of_two(op)
        op.emit(kind, [op.value(0).name, op.value(1).name], BinaryAttrs(clamp))

    return handle


def _refuse_powers_of_two(op: OpContext) -> None:
    """LiteRT adds 16-bit numbers whose scales are all powers of two by shifts, unless the file forbids it."""
    quants = [t.quant for t in (op.tensor(0), op.tensor(1), op.output_tensor()) if t.dtype is DType.INT16]
    scales = [q.scale[0] for q in quants if q is not None]
    if len(scales) == 3 and all(math.frexp(s)[0] == 0.5 for s in scales):
        raise UnsupportedError("16-bit operands whose scales are all powers of two (pot_scale_int16)")


def _unary(kind: Op) -> Handle:
    return lambda op: op.emit(kind, [op.value(0).name])


def _clip(clamp: Clamp) -> Handle:
    return lambda op: op.emit(Op.CLIP, [op.value(0).name], ClipAttrs(clamp))


_NO_SHIFTS = "broadcasting; 16-bit scales that are not all powers of two"
for _name, (_kind, _options) in BINARY.items():
    handler(_name, _NO_SHIFTS if _name in ("ADD", "SUB") else "broadcasting")(_binary(_kind, _options))
for _name, _kind in UNARY.items():
    handler(_name)(_unary(_kind))
for _name, _clamp in CLIPS.items():
    handler(_name)(_clip(_clamp))


@handler("LEAKY_RELU")
def leaky_relu(op: OpContext) -> None:
    op.emit(Op.LEAKY_RELU, [op.value(0).name], LeakyReluAttrs(op.options(tflite.LeakyReluOptions).Alpha()))


@handler("GELU")
def gelu(op: OpContext) -> None:
    op.emit(Op.GELU, [op.value(0).name], GeluAttrs(bool(op.options(tflite.GeluOptions).Approximate())))


@handler("QUANTIZE")
def quantize(op: OpContext) -> None:
    dtype = op.output_tensor().dtype
    assert dtype is not None
    op.emit(Op.QUANTIZE, [op.value(0).name], QuantizeAttrs(dtype))


@handler("DEQUANTIZE")
def dequantize(op: OpContext) -> None:
    op.emit(Op.DEQUANTIZE, [op.value(0).name])


@handler("CAST")
def cast(op: OpContext) -> None:
    dtype = op.output_tensor().dtype
    assert dtype is not None
    op.emit(Op.CAST, [op.value(0).name], CastAttrs(dtype))
