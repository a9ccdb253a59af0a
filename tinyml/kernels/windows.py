"""Which rows and columns of its operands a row or column of a node's output is computed from."""

import math
from dataclasses import dataclass

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import (
    ConcatAttrs,
    Conv2dAttrs,
    DepthToSpaceAttrs,
    Op,
    PadAttrs,
    Pool2dAttrs,
    ReduceAttrs,
    ResizeAttrs,
    SpaceToDepthAttrs,
    StridedSliceAttrs,
)
from tinyml.ir.reference.resample import linear, nearest
from tinyml.kernels.rows import corner, image_axes, image_shape


@dataclass(frozen=True, slots=True)
class RowWindow:
    """Output row y reads `extent` input rows from row floor((y * stride - pad) / up) on, those that are in the image.
    Columns have windows of the same kind.

    `up` is above 1 where there are more rows in the output than in the input.
    """

    stride: int = 1
    extent: int = 1
    pad: int = 0
    up: int = 1

    def first(self, y: int) -> int:
        """The first row that output row y, or any later one, reads."""
        return max((y * self.stride - self.pad) // self.up, 0)

    def end(self, y: int, height: int) -> int:
        """Rows of an input of that height that must exist before output row y can be computed."""
        return min(max((y * self.stride - self.pad) // self.up + self.extent, 0), height)

    @property
    def reach(self) -> int:
        """The first output row needs that many rows of the input, counted in 1/up; each later one `stride` more."""
        return (self.extent - 1) * self.up + 1 - self.pad

    def of(self, inner: "RowWindow") -> "RowWindow":
        """The window through two nodes: this one on what `inner` computes. Rows that the second finds in the padding
        count as if they were computed, so that at a border it may reach further than the two do.

        Raises:
            ValueError: one of the two enlarges.
        """
        if self == SAME_ROW:
            return inner
        if max(self.up, inner.up) > 1:
            raise ValueError("windows that enlarge are not joined to others")
        return RowWindow(
            self.stride * inner.stride,
            (self.extent - 1) * inner.stride + inner.extent,
            self.pad * inner.stride + inner.pad,
        )

    def union(self, other: "RowWindow") -> "RowWindow":
        """The window that covers both.

        Raises:
            ValueError: their strides differ, and the two drift apart; or they enlarge, and differ.
        """
        if self == other:
            return self
        if self.stride != other.stride or max(self.up, other.up) > 1:
            raise ValueError("windows of other strides drift apart")
        pad = max(self.pad, other.pad)
        return RowWindow(self.stride, max(pad - self.pad + self.extent, pad - other.pad + other.extent), pad)


SAME_ROW = RowWindow()


ROWS, COLUMNS = 0, 1
"""Axes of an image."""


def row_windows(node: Node, graph: Graph, axis: int = ROWS) -> tuple[RowWindow | None, ...]:
    """The window of each activation that the node reads, in order; None where any row of the output takes all of it.

    Rows, or columns with axis 1, are those of `image_shape`.
    """
    out = image_shape(graph.value(node.outputs[0]).shape)
    return tuple(_window(node, graph, name, out[axis], axis) for name in graph.activations(node))


def _window(node: Node, graph: Graph, name: str, out_rows: int, axis: int) -> RowWindow | None:
    attrs = node.attrs
    if isinstance(attrs, Conv2dAttrs):
        size = graph.value(node.inputs[1]).shape[1 + axis]
        return RowWindow(attrs.stride[axis], (size - 1) * attrs.dilation[axis] + 1, attrs.padding[axis][0])
    if isinstance(attrs, Pool2dAttrs):
        return RowWindow(attrs.stride[axis], attrs.kernel[axis], attrs.padding[axis][0])
    if isinstance(attrs, ResizeAttrs):
        return _resize_window(node, graph, attrs, axis)
    if isinstance(attrs, DepthToSpaceAttrs):
        return RowWindow(up=attrs.block[axis])
    if isinstance(attrs, SpaceToDepthAttrs):
        return RowWindow(attrs.block, attrs.block)
    if isinstance(attrs, StridedSliceAttrs):
        place = slice_corner(node, graph)
        return None if place is None else RowWindow(pad=-place[axis])
    rows = image_shape(graph.value(name).shape)[axis]
    if isinstance(attrs, PadAttrs) and len(attrs.padding) == 4:
        return RowWindow(pad=attrs.padding[1 + axis][0])
    if isinstance(attrs, ConcatAttrs) and rows != out_rows:
        return None
    if isinstance(attrs, ReduceAttrs) or node.op in _WHOLE or rows != out_rows:
        return None
    return SAME_ROW


def _resize_window(node: Node, graph: Graph, attrs: ResizeAttrs, axis: int) -> RowWindow:
    """The least window that holds all rows that are read: it advances by the ratio of the heights."""
    x = graph.value(node.inputs[0])
    length, size = x.shape[1 + axis], attrs.size[axis]
    if node.op is Op.RESIZE_NEAREST:
        first = last = nearest(attrs, axis, length)
    else:
        first, fraction = linear(attrs, axis, length, x.dtype is DType.FLOAT32)
        last = first + (fraction != 0)
    common = math.gcd(length, size)
    stride, up = length // common, size // common
    steps = np.arange(size) * stride
    pad = -int((first * up + up - 1 - steps).min())  # the least for which no window starts below its first row
    return RowWindow(stride, int((last - (steps - pad) // up).max()) + 1, pad, up)


def slice_corner(node: Node, graph: Graph) -> tuple[int, int, int] | None:
    """Row, column and channel of a slice's first element in its operand, where it is a box of that one's image."""
    attrs, x, y = node.attrs, graph.value(node.inputs[0]), graph.value(node.output)
    assert isinstance(attrs, StridedSliceAttrs)
    taken = [len(range(*bounds.indices(n))) for bounds, n in zip(attrs.slices, x.shape, strict=True)]
    whole = all(step == 1 or n == 1 for step, n in zip(attrs.stride, taken, strict=True))
    for axis in image_axes(len(x.shape))[0]:
        whole &= taken[axis] == x.shape[axis] or math.prod(x.shape[:axis]) == 1
    if not whole or image_shape(tuple(taken)) != image_shape(y.shape):
        return None
    return corner(x.shape, attrs.begin)


_WHOLE = frozenset({Op.FULLY_CONNECTED, Op.MATMUL, Op.TRANSPOSE, Op.GATHER, Op.STACK, Op.SVDF})
