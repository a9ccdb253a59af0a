"""Which rows of its operands a row of a node's output is computed from."""

from dataclasses import dataclass

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import ConcatAttrs, Conv2dAttrs, Op, PadAttrs, Pool2dAttrs, ReduceAttrs
from tinyml.kernels.rows import image_shape


@dataclass(frozen=True, slots=True)
class RowWindow:
    """Output row y reads input rows [y * stride - pad, y * stride - pad + extent), those that are in the image."""

    stride: int = 1
    extent: int = 1
    pad: int = 0

    def first(self, y: int) -> int:
        """The first row that output row y, or any later one, reads."""
        return max(y * self.stride - self.pad, 0)

    def end(self, y: int, height: int) -> int:
        """Rows of an input of that height that must exist before output row y can be computed."""
        return min(max(y * self.stride - self.pad + self.extent, 0), height)


SAME_ROW = RowWindow()


def row_windows(node: Node, graph: Graph) -> tuple[RowWindow | None, ...]:
    """The window of each activation that the node reads, in order; None where any row of the output takes all of it.

    Rows are those of `image_shape`.
    """
    out_rows = image_shape(graph.value(node.outputs[0]).shape)[0]
    return tuple(_window(node, graph, name, out_rows) for name in graph.activations(node))


def _window(node: Node, graph: Graph, name: str, out_rows: int) -> RowWindow | None:
    attrs = node.attrs
    if isinstance(attrs, Conv2dAttrs):
        height = graph.value(node.inputs[1]).shape[1]
        return RowWindow(attrs.stride[0], (height - 1) * attrs.dilation[0] + 1, attrs.padding[0][0])
    if isinstance(attrs, Pool2dAttrs):
        return RowWindow(attrs.stride[0], attrs.kernel[0], attrs.padding[0][0])
    rows = image_shape(graph.value(name).shape)[0]
    if isinstance(attrs, PadAttrs) and len(attrs.padding) == 4:
        return RowWindow(pad=attrs.padding[1][0])
    if isinstance(attrs, ConcatAttrs) and rows != out_rows:
        return None
    if isinstance(attrs, ReduceAttrs) or node.op in _WHOLE or rows != out_rows:
        return None
    return SAME_ROW


_WHOLE = frozenset({Op.FULLY_CONNECTED, Op.MATMUL, Op.TRANSPOSE, Op.STRIDED_SLICE, Op.GATHER, Op.STACK, Op.SVDF})
