"""Operations that move elements, and the arithmetic on shapes that converters leave."""

import math

import numpy as np
import tflite

from tinyml.frontends.tflite.context import OpContext
from tinyml.frontends.tflite.registry import UnsupportedError, handler
from tinyml.ir.graph import Value
from tinyml.ir.ops import (
    ConcatAttrs,
    GatherAttrs,
    Op,
    PadAttrs,
    ReshapeAttrs,
    StackAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)


@handler("SHAPE")
def shape(op: OpContext) -> None:
    """Shapes are static, so this is a constant."""
    tensor = op.output_tensor()
    dims = np.array(op.value(0).shape, np.int32)
    op.names[tensor.index] = op.builder.constant(tensor.name, dims)


@handler("RESHAPE", "a shape that is known when the model is read")
def reshape(op: OpContext) -> None:
    x = op.value(0)
    wanted = op.integers(1) if op.has(1) else list(op.output_tensor().shape)
    op.emit(Op.RESHAPE, [x.name], ReshapeAttrs(_resolved(wanted, x.elements)))


def _resolved(wanted: list[int], elements: int) -> tuple[int, ...]:
    """A shape with its -1 filled in."""
    known = math.prod(n for n in wanted if n != -1)
    if wanted.count(-1) == 1 and known > 0 and elements % known == 0:
        return tuple(elements // known if n == -1 else n for n in wanted)
    if min(wanted, default=1) < 0:
        raise ValueError(f"cannot reshape {elements} elements to {wanted}")
    return tuple(wanted)


@handler("SQUEEZE")
def squeeze(op: OpContext) -> None:
    x = op.value(0)
    o = op.options(tflite.SqueezeOptions)
    rank = len(x.shape)
    dims = {o.SqueezeDims(i) % rank for i in range(min(o.SqueezeDimsLength(), rank))}
    dims = dims or {i for i, n in enumerate(x.shape) if n == 1}
    op.emit(Op.RESHAPE, [x.name], ReshapeAttrs(tuple(n for i, n in enumerate(x.shape) if i not in dims)))


@handler("EXPAND_DIMS", "a constant axis")
def expand_dims(op: OpContext) -> None:
    x = op.value(0)
    (axis,) = op.integers(1)
    position = axis % (len(x.shape) + 1)
    op.emit(Op.RESHAPE, [x.name], ReshapeAttrs((*x.shape[:position], 1, *x.shape[position:])))


@handler("TRANSPOSE", "a constant permutation")
def transpose(op: OpContext) -> None:
    op.emit(Op.TRANSPOSE, [op.value(0).name], TransposeAttrs(tuple(op.integers(1))))


@handler("PAD", "constant paddings")
def pad(op: OpContext) -> None:
    _pad(op, 0.0)


@handler("PADV2", "constant paddings and a constant value")
def pad_v2(op: OpContext) -> None:
    value, quant = op.constant(2), op.value(2).quant
    _pad(op, float((value if quant is None else quant.dequantize(value)).ravel()[0]))


def _pad(op: OpContext, value: float) -> None:
    pairs = np.array(op.integers(1)).reshape(-1, 2)
    op.emit(Op.PAD, [op.value(0).name], PadAttrs(tuple((int(a), int(b)) for a, b in pairs), value))


@handler("CONCATENATION", "parts of the same quantization as the result")
def concatenation(op: OpContext) -> None:
    o = op.options(tflite.ConcatenationOptions)
    parts = [op.value(i) for i in range(len(op.operator.inputs))]
    if any(part.quant != op.output_tensor().quant for part in parts):
        raise UnsupportedError("parts differ in scale or zero point")
    op.clamp(o.FusedActivationFunction())
    op.emit(Op.CONCAT, [part.name for part in parts], ConcatAttrs(o.Axis() % len(parts[0].shape)))


@handler("PACK")
def pack(op: OpContext) -> None:
    parts = [op.value(i) for i in range(len(op.operator.inputs))]
    axis = op.options(tflite.PackOptions).Axis() % (len(parts[0].shape) + 1)
    op.emit(Op.STACK, [part.name for part in parts], StackAttrs(axis))


@handler("UNPACK")
def unpack(op: OpContext) -> None:
    x = op.value(0)
    axis = op.options(tflite.UnpackOptions).Axis() % len(x.shape)
    if len(op.operator.outputs) != x.shape[axis]:
        raise ValueError(f"{len(op.operator.outputs)} parts of an axis of {x.shape[axis]}")
    _cut(op, x, axis, [1] * x.shape[axis], squeeze=(axis,))


@handler("SPLIT", "a constant axis")
def split(op: OpContext) -> None:
    x, parts = op.value(1), len(op.operator.outputs)
    (axis,) = op.integers(0)
    axis %= len(x.shape)
    if x.shape[axis] % parts:
        raise ValueError(f"{parts} equal parts of an axis of {x.shape[axis]}")
    _cut(op, x, axis, [x.shape[axis] // parts] * parts)


@handler("SPLIT_V", "a constant axis and constant sizes")
def split_v(op: OpContext) -> None:
    x, sizes = op.value(0), op.integers(1)
    (axis,) = op.integers(2)
    axis %= len(x.shape)
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = x.shape[axis] - sum(sizes) - 1
    if len(sizes) != len(op.operator.outputs) or sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise ValueError(f"parts of {sizes} from an axis of {x.shape[axis]}")
    _cut(op, x, axis, sizes)


def _cut(op: OpContext, x: Value, axis: int, sizes: list[int], squeeze: tuple[int, ...] = ()) -> None:
    """Every output is a slice of `x`."""
    begin, end, ones = [0] * len(x.shape), list(x.shape), (1,) * len(x.shape)
    end[axis] = 0
    for output, size in enumerate(sizes):
        begin[axis], end[axis] = end[axis], end[axis] + size
        op.emit(Op.STRIDED_SLICE, [x.name], StridedSliceAttrs(tuple(begin), tuple(end), ones, squeeze), output=output)


@handler("GATHER", "constant indices")
def gather(op: OpContext) -> None:
    o = op.options(tflite.GatherOptions)
    x, indices = op.value(0), op.constant(1)
    axis = o.Axis() % len(x.shape)
    if o.BatchDims():
        raise UnsupportedError(f"batch_dims is {o.BatchDims()}")
    if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < x.shape[axis]:
        raise ValueError(f"indices reach outside of {x.shape[axis]}")
    op.emit(Op.GATHER, [x.name, op.value(1).name], GatherAttrs(axis))


@handler("SLICE", "constant begin and size")
def slice_(op: OpContext) -> None:
    x = op.value(0)
    begin, size = op.integers(1), op.integers(2)
    if len(begin) != len(x.shape) or len(size) != len(x.shape):
        raise ValueError(f"begin {begin} and size {size} of {list(x.shape)}")
    end = [n if s == -1 else b + s for b, s, n in zip(begin, size, x.shape, strict=True)]
    if any(not 0 <= b < e <= n for b, e, n in zip(begin, end, x.shape, strict=True)):
        raise ValueError(f"begin {begin} and size {size} reach outside of {list(x.shape)}")
    op.emit(Op.STRIDED_SLICE, [x.name], StridedSliceAttrs(tuple(begin), tuple(end), (1,) * len(begin)))


@handler("STRIDED_SLICE", "constant bounds, no ellipsis and no new axis")
def strided_slice(op: OpContext) -> None:
    x = op.value(0)
    o = op.options(tflite.StridedSliceOptions)
    begin, end, stride = op.integers(1), op.integers(2), op.integers(3)
    if o.EllipsisMask() or o.NewAxisMask():
        raise UnsupportedError("ellipsis and new axes are not read")
    if not len(begin) == len(end) == len(stride) <= len(x.shape) or 0 in stride:
        raise ValueError(f"bounds {begin}, {end}, {stride} of {list(x.shape)}")
    bounds: list[tuple[int, int, int]] = []
    squeeze: list[int] = []
    for axis, length in enumerate(x.shape):
        if axis >= len(begin):
            bounds.append((0, length, 1))
        elif o.ShrinkAxisMask() >> axis & 1:
            if not -length <= begin[axis] < length:
                raise ValueError(f"index {begin[axis]} of an axis of {length}")
            at = begin[axis] % length
            squeeze.append(axis)
            bounds.append((at, at + 1, 1))
        else:
            first = None if o.BeginMask() >> axis & 1 else begin[axis]
            last = None if o.EndMask() >> axis & 1 else end[axis]
            bounds.append(slice(first, last, stride[axis]).indices(length))
    starts, stops, steps = zip(*bounds, strict=True)
    op.emit(Op.STRIDED_SLICE, [x.name], StridedSliceAttrs(starts, stops, steps, tuple(squeeze)))
