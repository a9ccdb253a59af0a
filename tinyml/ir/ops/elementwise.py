"""Elementwise arithmetic and activations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.ops.base import NO_CLAMP, Attrs, Clamp, NoAttrs, Op, TensorType, declare, present, same_shape
from tinyml.ir.reference import elementwise as reference

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class BinaryAttrs(Attrs):
    clamp: Clamp = NO_CLAMP


@dataclass(frozen=True, slots=True)
class ClipAttrs(Attrs):
    clamp: Clamp


@dataclass(frozen=True, slots=True)
class LeakyReluAttrs(Attrs):
    alpha: float


@dataclass(frozen=True, slots=True)
class GeluAttrs(Attrs):
    """x / 2 * (1 + erf(x / sqrt(2))); with tanh approximated by x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))."""

    tanh: bool = False


@dataclass(frozen=True, slots=True)
class HardSigmoidAttrs(Attrs):
    """max(0, min(1, alpha * x + beta)); ONNX's defaults."""

    alpha: float = 0.2
    beta: float = 0.5


@dataclass(frozen=True, slots=True)
class LookupAttrs(Attrs):
    """function: what the table was made from, for names and comments ("hard_swish")."""

    function: str


def _infer_binary(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    a, b = present(inputs, 0), present(inputs, 1)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError as e:
        raise ValueError(f"{list(a.shape)} and {list(b.shape)} do not broadcast") from e
    if a.dtype is not b.dtype:
        raise ValueError(f"{a.dtype.value} and {b.dtype.value} do not mix")
    return [TensorType(tuple(int(n) for n in shape), a.dtype)]


def _infer_lookup(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    x, table = present(inputs, 0), present(inputs, 1)
    if x.dtype is not DType.INT8 or table.shape != (256,):
        raise ValueError(f"expected int8 and a table of 256, got {x.dtype.value} and {list(table.shape)}")
    return [TensorType(x.shape, table.dtype)]


for _op in (Op.ADD, Op.SUB, Op.MUL, Op.DIV):
    declare(_op, BinaryAttrs, (2, 2), _infer_binary, reference.BINARY[_op])
for _op in (Op.RELU, Op.HARD_SWISH, Op.SIGMOID, Op.TANH, Op.EXP, Op.SQRT, Op.ERF, Op.IDENTITY):
    declare(_op, NoAttrs, (1, 1), same_shape, reference.UNARY[_op])
declare(Op.CLIP, ClipAttrs, (1, 1), same_shape, reference.clip)
declare(Op.LEAKY_RELU, LeakyReluAttrs, (1, 1), same_shape, reference.leaky_relu)
declare(Op.GELU, GeluAttrs, (1, 1), same_shape, reference.gelu)
declare(Op.HARD_SIGMOID, HardSigmoidAttrs, (1, 1), same_shape, reference.hard_sigmoid)
declare(Op.LOOKUP, LookupAttrs, (2, 2), _infer_lookup, reference.lookup)
