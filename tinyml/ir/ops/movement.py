"""Operations that move or select elements, and the shape arithmetic that folds away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.ops.base import Attrs, NoAttrs, Op, TensorType, declare, present
from tinyml.ir.reference import movement as reference

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class PadAttrs(Attrs):
    """(before, after) an axis; value is a real number (quantized tensors pad with its quantized form)."""

    padding: tuple[tuple[int, int], ...]
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class ReshapeAttrs(Attrs):
    """shape has no -1."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransposeAttrs(Attrs):
    """Axis i of the output is axis perm[i] of the input."""

    perm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConcatAttrs(Attrs):
    axis: int


@dataclass(frozen=True, slots=True)
class StridedSliceAttrs(Attrs):
    """x[begin:end:stride] on each axis, bounds resolved and in range (end is -1 where a negative stride runs past 0);
    axes in `squeeze` are dropped."""

    begin: tuple[int, ...]
    end: tuple[int, ...]
    stride: tuple[int, ...]
    squeeze: tuple[int, ...] = ()

    @property
    def slices(self) -> tuple[slice, ...]:
        return tuple(
            slice(b, None if s < 0 and e < 0 else e, s)
            for b, e, s in zip(self.begin, self.end, self.stride, strict=True)
        )


@dataclass(frozen=True, slots=True)
class GatherAttrs(Attrs):
    axis: int


@dataclass(frozen=True, slots=True)
class StackAttrs(Attrs):
    axis: int


@dataclass(frozen=True, slots=True)
class CastAttrs(Attrs):
    dtype: DType


def _infer_pad(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, PadAttrs)
    x = present(inputs, 0)
    if len(attrs.padding) != len(x.shape) or any(p < 0 for pair in attrs.padding for p in pair):
        raise ValueError(f"padding {attrs.padding} of a tensor {list(x.shape)}")
    return [TensorType(tuple(n + sum(p) for n, p in zip(x.shape, attrs.padding, strict=True)), x.dtype)]


def _infer_reshape(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, ReshapeAttrs)
    x = present(inputs, 0)
    if np.prod(attrs.shape, dtype=np.int64) != x.elements:
        raise ValueError(f"{list(x.shape)} cannot be reshaped to {list(attrs.shape)}")
    return [TensorType(attrs.shape, x.dtype)]


def _infer_transpose(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, TransposeAttrs)
    x = present(inputs, 0)
    if sorted(attrs.perm) != list(range(len(x.shape))):
        raise ValueError(f"permutation {list(attrs.perm)} of {len(x.shape)} axes")
    return [TensorType(tuple(x.shape[p] for p in attrs.perm), x.dtype)]


def _infer_concat(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, ConcatAttrs)
    parts = [present(inputs, i) for i in range(len(inputs))]
    first = parts[0]
    for p in parts:
        if len(p.shape) != len(first.shape) or not 0 <= attrs.axis < len(first.shape) or p.dtype is not first.dtype:
            raise ValueError(f"cannot concatenate {[list(q.shape) for q in parts]} on axis {attrs.axis}")
        if any(i != attrs.axis and a != b for i, (a, b) in enumerate(zip(p.shape, first.shape, strict=True))):
            raise ValueError(f"cannot concatenate {[list(q.shape) for q in parts]} on axis {attrs.axis}")
    shape = list(first.shape)
    shape[attrs.axis] = sum(p.shape[attrs.axis] for p in parts)
    return [TensorType(tuple(shape), first.dtype)]


def _infer_strided_slice(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, StridedSliceAttrs)
    x = present(inputs, 0)
    if not len(attrs.begin) == len(attrs.end) == len(attrs.stride) == len(x.shape) or 0 in attrs.stride:
        raise ValueError(f"slice {attrs} of a tensor {list(x.shape)}")
    sizes = [len(range(*s.indices(n))) for s, n in zip(attrs.slices, x.shape, strict=True)]
    if any(sizes[i] != 1 for i in attrs.squeeze):
        raise ValueError(f"slice {attrs} squeezes an axis that is not 1 long")
    return [TensorType(tuple(n for i, n in enumerate(sizes) if i not in attrs.squeeze), x.dtype)]


def _infer_gather(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, GatherAttrs)
    x, indices = present(inputs, 0), present(inputs, 1)
    if not 0 <= attrs.axis < len(x.shape):
        raise ValueError(f"axis {attrs.axis} of a tensor {list(x.shape)}")
    return [TensorType((*x.shape[: attrs.axis], *indices.shape, *x.shape[attrs.axis + 1 :]), x.dtype)]


def _infer_stack(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, StackAttrs)
    first = present(inputs, 0)
    if any(present(inputs, i).shape != first.shape for i in range(len(inputs))) or not 0 <= attrs.axis <= len(
        first.shape
    ):
        raise ValueError("parts of a stack differ in shape")
    return [TensorType((*first.shape[: attrs.axis], len(inputs), *first.shape[attrs.axis :]), first.dtype)]


def _infer_shape(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    return [TensorType((len(present(inputs, 0).shape),), DType.INT64)]


def _infer_cast(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, CastAttrs)
    return [TensorType(present(inputs, 0).shape, attrs.dtype)]


declare(Op.PAD, PadAttrs, (1, 1), _infer_pad, reference.pad)
declare(Op.RESHAPE, ReshapeAttrs, (1, 1), _infer_reshape, reference.reshape)
declare(Op.TRANSPOSE, TransposeAttrs, (1, 1), _infer_transpose, reference.transpose)
declare(Op.CONCAT, ConcatAttrs, (1, 1 << 16), _infer_concat, reference.concat)
declare(Op.JOIN, ConcatAttrs, (1, 1 << 16), _infer_concat, reference.concat)
declare(Op.PART, StridedSliceAttrs, (1, 1), _infer_strided_slice, reference.strided_slice)
declare(Op.STRIDED_SLICE, StridedSliceAttrs, (1, 1), _infer_strided_slice, reference.strided_slice)
declare(Op.GATHER, GatherAttrs, (2, 2), _infer_gather, reference.gather)
declare(Op.STACK, StackAttrs, (1, 1 << 16), _infer_stack, reference.stack)
declare(Op.SHAPE, NoAttrs, (1, 1), _infer_shape, reference.shape)
declare(Op.CAST, CastAttrs, (1, 1), _infer_cast, reference.cast)
