"""Pooling, and reductions that are pooling or a mean."""

import math

import numpy as np

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.spatial import Pair, Window, from_channels_last, read_window, spatial_shape, to_channels_last
from tinyml.frontends.onnx.tensors import Known, Tensor
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import ArgMaxAttrs, Op, PadAttrs, Pool2dAttrs, ReduceAttrs


@handler("MaxPool", "1-D and 2-D without dilation, one output; any strides, pads below the window, auto_pad, ceil_mode")
def _max_pool(node: NodeContext) -> list[Tensor]:
    node.attr_int("storage_order", 0)  # orders the indices, which we do not compute
    x, window = _pooled(node)
    attrs = Pool2dAttrs(window.kernel, window.stride, _with_excess(window))
    y = node.emit(Op.MAX_POOL2D, [to_channels_last(node, x)], attrs)
    return [from_channels_last(node, y, node.rank(x))]


@handler(
    "AveragePool",
    "1-D and 2-D without dilation; any strides, pads below the window, auto_pad, ceil_mode, count_include_pad",
)
def _average_pool(node: NodeContext) -> list[Tensor]:
    x, window = _pooled(node)
    counted = bool(node.attr_int("count_include_pad", 0)) and any(map(any, window.padding))
    y = to_channels_last(node, x)
    padding = _with_excess(window)
    if counted and any(window.excess):
        # Elements of the padding count, those past it do not: pad by a node of its own.
        y = node.emit(Op.PAD, [y], PadAttrs(((0, 0), *window.padding, (0, 0))))
        padding = ((0, window.excess[0]), (0, window.excess[1]))
        counted = False
    attrs = Pool2dAttrs(window.kernel, window.stride, padding, count_include_pad=counted)
    return [from_channels_last(node, node.emit(Op.AVERAGE_POOL2D, [y], attrs), node.rank(x))]


def _pooled(node: NodeContext) -> tuple[Tensor, Window]:
    x = node.tensor(0)
    window = read_window(node, spatial_shape(node, x), node.attr_ints("kernel_shape"))
    if window.dilation != (1, 1):
        raise UnsupportedError(f"dilations are {list(window.dilation)}")
    return x, window


def _with_excess(window: Window) -> tuple[Pair, Pair]:
    (top, bottom), (left, right) = window.padding
    return (top, bottom + window.excess[0]), (left, right + window.excess[1])


@handler("GlobalAveragePool", "any number of spatial axes")
def _global_average_pool(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    axes = tuple(range(2, node.rank(x)))
    if not axes:
        raise UnsupportedError(f"it works on data {list(node.shape(x))} without spatial axes")
    return [node.emit(Op.MEAN, [x], ReduceAttrs(axes, keep_dims=True))]


@handler("GlobalMaxPool", "1-D and 2-D")
def _global_max_pool(node: NodeContext) -> list[Tensor]:
    return [_spatial_max(node, node.tensor(0))]


@handler("ReduceMean", "any axes that are known, with and without keepdims")
def _reduce_mean(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    axes, keep = _reduction(node, x, since_input=18)
    return [x if not axes else node.emit(Op.MEAN, [x], ReduceAttrs(axes, keep))]


@handler("ReduceSum", "any axes that are known, with and without keepdims")
def _reduce_sum(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    axes, keep = _reduction(node, x, since_input=13)
    if not axes:
        return [x]
    count = np.float32(math.prod(node.shape(x)[axis] for axis in axes))
    if not count:
        raise UnsupportedError(f"it sums axes {list(axes)} of {list(node.shape(x))}, which are empty")
    mean = node.emit(Op.MEAN, [x], ReduceAttrs(axes, keep))
    return [node.emit(Op.MUL, [mean, Known(np.asarray(count), f"{node.name}.count")])]


@handler("ArgMax", "any axis; of equal elements the first")
def _arg_max(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    rank = node.rank(x)
    axis, keep = node.axis(node.attr_int("axis", 0), rank), node.attr_int("keepdims", 1)
    if node.attr_int("select_last_index", 0):
        raise UnsupportedError("it takes the last of equal elements")
    moved = node.transpose(x, (*(i for i in range(rank) if i != axis), axis))
    y = node.emit(Op.ARG_MAX, [moved], ArgMaxAttrs(DType.INT64))
    return [node.reshape(y, tuple(1 if i == axis else n for i, n in enumerate(node.shape(x)))) if keep else y]


@handler("ReduceMax", "over all spatial axes of [N, C, T] or [N, C, H, W]")
def _reduce_max(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    axes, keep = _reduction(node, x, since_input=18)
    if not axes:
        return [x]
    if axes != tuple(range(2, node.rank(x))):
        raise UnsupportedError(f"it reduces axes {list(axes)} of {list(node.shape(x))}")
    y = _spatial_max(node, x)
    return [y if keep else node.reshape(y, node.shape(y)[:2])]


def _spatial_max(node: NodeContext, x: Tensor) -> Tensor:
    height, *rest = spatial_shape(node, x)
    kernel = (height, rest[0] if rest else 1)
    y = node.emit(Op.MAX_POOL2D, [to_channels_last(node, x)], Pool2dAttrs(kernel, (1, 1)))
    return from_channels_last(node, y, node.rank(x))


def _reduction(node: NodeContext, x: Tensor, since_input: int) -> tuple[tuple[int, ...], bool]:
    """The axes (an attribute before opset `since_input`, then an input) and keepdims."""
    rank = node.rank(x)
    keep = bool(node.attr_int("keepdims", 1))
    if node.opset >= since_input:
        axes = node.known_ints(1, "the list of axes") if node.optional(1) is not None else ()
        if not axes and node.attr_int("noop_with_empty_axes", 0):
            return (), keep
    else:
        axes = node.attr_ints("axes", ())
    return node.axes(axes, rank) if axes else tuple(range(rank)), keep
