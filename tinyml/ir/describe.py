"""Short words for nodes, for comments, tables and messages."""

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Conv2dAttrs, Op, Pool2dAttrs


def window_text(node: Node, graph: Graph) -> str:
    """The window of a convolution or pool: ` 3x3, stride 2, depthwise`; nothing for other operations."""
    attrs = node.attrs
    if node.op is Op.CONV2D and isinstance(attrs, Conv2dAttrs):
        _, kh, kw, _ = graph.value(node.inputs[1]).shape
        groups = ""
        if attrs.groups > 1:
            depthwise = attrs.groups == graph.value(node.inputs[0]).shape[-1]
            groups = ", depthwise" if depthwise else f", {attrs.groups} groups"
        return f" {kh}x{kw}{_stride_text(attrs.stride)}{groups}"
    if isinstance(attrs, Pool2dAttrs):
        return f" {attrs.kernel[0]}x{attrs.kernel[1]}{_stride_text(attrs.stride)}"
    return ""


def _stride_text(stride: tuple[int, int]) -> str:
    if stride == (1, 1):
        return ""
    return f", stride {stride[0]}" if stride[0] == stride[1] else f", stride {stride[0]}x{stride[1]}"


def shortened(name: str, width: int = 64) -> str:
    """A name that fits a line of a message: converters join the names of all that they fused."""
    return name if len(name) <= width else f"{name[: width - 1]}…"
