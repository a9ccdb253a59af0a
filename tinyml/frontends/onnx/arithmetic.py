"""Operations that are only read where their result is known: constants, shapes, and arithmetic on them."""

import math
from collections.abc import Callable

import numpy as np

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.tensors import Known, Tensor, check_size, decode, graph_dtype, numpy_dtype, type_name
from tinyml.ir.ops import CastAttrs, Op


@handler("Constant", "numbers and dense tensors")
def _constant(node: NodeContext) -> list[Tensor]:
    proto = node.attr_tensor("value")
    if proto is not None:
        return [Known(decode(proto, node.folder), node.name)]
    if node.has_attr("value_float"):
        return [Known(np.array(node.attr_float("value_float"), np.float32), node.name)]
    if node.has_attr("value_floats"):
        return [Known(np.array(node.attr_floats("value_floats"), np.float32), node.name)]
    if node.has_attr("value_int"):
        return [Known(np.array(node.attr_int("value_int"), np.int64), node.name)]
    if node.has_attr("value_ints"):
        return [Known(np.array(node.attr_ints("value_ints"), np.int64), node.name)]
    raise UnsupportedError("it holds no tensor and no numbers")


@handler("ConstantOfShape", "a shape that is known")
def _constant_of_shape(node: NodeContext) -> list[Tensor]:
    shape = node.known_ints(0, "the shape")
    check_size(shape, "the result")
    proto = node.attr_tensor("value")
    value = np.zeros(1, np.float32) if proto is None else decode(proto, node.folder)
    if value.size != 1:
        raise UnsupportedError(f"its value has {value.size} elements, expected one")
    return [Known(np.full(shape, value.reshape(())), node.name)]


@handler("Shape", "any tensor: all shapes are known")
def _shape(node: NodeContext) -> list[Tensor]:
    shape = node.shape(node.tensor(0))
    start, end = node.attr_int("start", 0), node.attr_int("end", len(shape))
    return [Known(np.array(shape[start:end], np.int64), node.name)]


@handler("Size", "any tensor: all shapes are known")
def _size(node: NodeContext) -> list[Tensor]:
    return [Known(np.array(math.prod(node.shape(node.tensor(0))), np.int64), node.name)]


@handler("Cast", "between float, integers and bool; every float type is computed as float32")
def _cast(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    node.attr_int("saturate", 1)  # float8 only
    to = node.attr_int("to")
    dtype = numpy_dtype(to)
    if dtype is None:
        raise UnsupportedError(f"it casts to {type_name(to)}")
    if isinstance(x, Known):
        with np.errstate(invalid="ignore"):
            return [Known(node.known(0, "").astype(dtype), x.name)]
    target = graph_dtype(to)
    if target is None:
        raise UnsupportedError(f"it casts to {type_name(to)} at run time")
    return [x if node.dtype(x) is target else node.emit(Op.CAST, [x], CastAttrs(target))]


@handler("Range", "limits that are known")
def _range(node: NodeContext) -> list[Tensor]:
    start, limit, delta = (node.known_scalar(i, "a limit") for i in range(3))
    if not delta or not math.isfinite(count := (float(limit) - float(start)) / float(delta)):
        raise UnsupportedError(f"a range from {start} to {limit} by {delta}")
    check_size((max(math.ceil(count), 0),), "the result")
    steps = np.arange(max(math.ceil(count), 0))
    return [Known((start + steps * delta).astype(node.known(0, "").dtype), node.name)]


@handler("Where", "three tensors that are known")
def _where(node: NodeContext) -> list[Tensor]:
    condition, a, b = (node.known(i, "an input") for i in range(3))
    check_size(np.broadcast_shapes(condition.shape, a.shape, b.shape), "the result")
    return [Known(np.where(condition, a, b).astype(a.dtype), node.name)]


def _on_known(op: str, inputs: int, compute: Callable[..., np.ndarray]) -> None:
    def handle(node: NodeContext) -> list[Tensor]:
        arrays = [node.known(i, "an input") for i in range(inputs)]
        check_size(np.broadcast_shapes(*(a.shape for a in arrays)), "the result")
        with np.errstate(all="ignore"):
            return [Known(np.asarray(compute(*arrays)), node.name)]

    handler(op, "tensors that are known")(handle)


_on_known("Equal", 2, np.equal)
_on_known("Greater", 2, np.greater)
_on_known("GreaterOrEqual", 2, np.greater_equal)
_on_known("Less", 2, np.less)
_on_known("LessOrEqual", 2, np.less_equal)
_on_known("And", 2, np.logical_and)
_on_known("Or", 2, np.logical_or)
_on_known("Not", 1, np.logical_not)
_on_known("Neg", 1, np.negative)
_on_known("Abs", 1, np.abs)
_on_known("Floor", 1, np.floor)
_on_known("Ceil", 1, np.ceil)


@handler("Mod", "tensors that are known")
def _mod(node: NodeContext) -> list[Tensor]:
    a, b = node.known(0, "an input"), node.known(1, "an input")
    check_size(np.broadcast_shapes(a.shape, b.shape), "the result")
    if a.dtype.kind != "f" and not np.all(b):
        raise UnsupportedError("it divides by zero")
    with np.errstate(all="ignore"):
        return [Known(np.asarray(np.fmod(a, b) if node.attr_int("fmod", 0) else np.mod(a, b)), node.name)]


@handler("ReduceProd", "a tensor and axes that are known")
def _reduce_prod(node: NodeContext) -> list[Tensor]:
    x = node.known(0, "its input")
    keep = bool(node.attr_int("keepdims", 1))
    if node.opset >= 18:
        axes = node.known_ints(1, "the list of axes") if node.optional(1) is not None else ()
        if not axes and node.attr_int("noop_with_empty_axes", 0):
            return [node.tensor(0)]
    else:
        axes = node.attr_ints("axes", ())
    reduced = np.prod(x, axis=node.axes(axes, x.ndim) if axes else None, keepdims=keep, dtype=x.dtype)
    return [Known(np.asarray(reduced), node.name)]
