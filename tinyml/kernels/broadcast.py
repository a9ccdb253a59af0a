"""Operands of binary operations: how one of them is repeated to the shape of the result."""

import math
from dataclasses import dataclass

from tinyml.ir.graph import Graph, Node, Value
from tinyml.kernels.descriptor import Array, Field
from tinyml.kernels.rows import image_axes, image_shape


@dataclass(frozen=True, slots=True)
class Strides:
    """Elements to the next column and channel; rows to the next row. 0 repeats."""

    row: int
    col: int
    channel: int


def needs_broadcast_by_image_axis(node: Node, graph: Graph) -> str | None:
    """Every operand spans each image axis of the result (rows, columns, channels) or is repeated along all of it."""
    out = graph.value(node.outputs[0])
    for name in node.used:
        value = graph.value(name)
        image = _image(value, out)
        if image is None or (not value.is_constant and image != image_shape(value.shape)):
            return f"cannot repeat {name} {list(value.shape)} to {list(out.shape)}: rows, columns or channels in part"
    if len(graph.activations(node)) == 0:
        return "both operands are constants: fold them"
    return None


def operand_fields(index: int, node: Node, graph: Graph) -> dict[str, Field]:
    """What every operand has in C, whatever its type: see include/tinyml_binary_s8.h."""
    value, out = graph.value(node.inputs[index]), graph.value(node.output)
    strides = constant_strides(value, out) if value.is_constant else activation_strides(value, out)
    return {
        "constant": Array(f"constant_{'ab'[index]}", value.constant) if value.is_constant else None,
        "row_stride": strides.row,
        "col_stride": strides.col,
        "channel_stride": strides.channel,
    }


def activation_strides(value: Value, out: Value) -> Strides:
    """Of an operand that `needs_broadcast_by_image_axis` accepted."""
    rows, cols, channels = _checked_image(value, out)
    return Strides(int(rows > 1), channels if cols > 1 else 0, int(channels > 1))


def constant_strides(value: Value, out: Value) -> Strides:
    """Likewise; rows are counted in elements."""
    rows, cols, channels = _checked_image(value, out)
    return Strides(cols * channels if rows > 1 else 0, channels if cols > 1 else 0, int(channels > 1))


def _checked_image(value: Value, out: Value) -> tuple[int, int, int]:
    image = _image(value, out)
    assert image is not None, "needs_broadcast_by_image_axis comes first"
    return image


def _image(value: Value, out: Value) -> tuple[int, int, int] | None:
    """The operand's (rows, columns, channels) under the result's axes; None where it spans an image axis in part."""
    shape = (1,) * (len(out.shape) - len(value.shape)) + value.shape
    axes = image_axes(len(out.shape))
    spans = tuple(math.prod(shape[i] for i in group) for group in axes)
    for span, full in zip(spans, image_shape(out.shape), strict=True):
        if span not in (1, full):
            return None
    return spans[0], spans[1], spans[2]
