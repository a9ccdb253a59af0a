"""Kernels that move elements of any type: include/tinyml_movement.h."""

import math

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import ConcatAttrs, Op, PadAttrs, StridedSliceAttrs, TransposeAttrs
from tinyml.kernels.common import (
    Reject,
    cycles_per_element,
    first_reason,
    needs_same_quant,
    needs_whole_bytes,
    no_scratch,
)
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.kernels.nest import Axis, nest_fields, nest_reason, strides
from tinyml.kernels.rows import corner, image_axes, image_shape
from tinyml.kernels.windows import slice_corner
from tinyml.targets.core import Isa

_HEADER = "include/tinyml_movement.h"


# Concatenation and padding: boxes of an image.


def _box(place: tuple[int, int, int], value: Value) -> dict[str, int]:
    """tinyml_box_t of a tensor whose first element lies at (row, column, channel) of a larger one."""
    rows, cols, channels = image_shape(value.shape)
    size = value.dtype.numpy.itemsize
    return {
        "row": place[0],
        "col": place[1],
        "byte": place[2] * size,
        "rows": rows,
        "cols": cols,
        "bytes": channels * size,
    }


def _concat_corners(node: Node, graph: Graph) -> list[tuple[int, int, int] | None]:
    assert isinstance(node.attrs, ConcatAttrs)
    corners, offset = [], 0
    shape = graph.value(node.output).shape
    for value in graph.node_inputs(node):
        corners.append(corner(shape, tuple(offset if i == node.attrs.axis else 0 for i in range(len(shape)))))
        offset += value.shape[node.attrs.axis]
    return corners


def _needs_concat_of_boxes(node: Node, graph: Graph) -> str | None:
    assert isinstance(node.attrs, ConcatAttrs)
    if None in _concat_corners(node, graph):
        shape = graph.value(node.output).shape
        return f"concatenates axis {node.attrs.axis} of {list(shape)} only where the axes before it are 1"
    return None


def _concat(node: Node, graph: Graph) -> CParams:
    out = graph.value(node.output)
    boxes: list[list[int]] = []
    constants = b""
    for place, value in zip(_concat_corners(node, graph), graph.node_inputs(node), strict=True):
        assert place is not None, "_needs_concat_of_boxes comes first"
        boxes.append([*_box(place, value).values(), len(constants) if value.is_constant else -1])
        constants += value.constant.tobytes() if value.is_constant else b""
    return CParams(
        "tinyml_concat_t",
        {
            "pixel_bytes": image_shape(out.shape)[2] * out.dtype.numpy.itemsize,
            "count": len(boxes),
            "boxes": Array("boxes", np.array(boxes, np.int32), "parameters"),
            "constants": Array("constants", np.frombuffer(constants, np.uint8)) if constants else None,
        },
    )


def _pad_corner(node: Node, graph: Graph) -> tuple[int, int, int] | None:
    """Of the input in the output; None where rows that are padded are folded from several axes."""
    assert isinstance(node.attrs, PadAttrs)
    x = graph.value(node.inputs[0])
    padding = node.attrs.padding
    if any(any(padding[axis]) and math.prod(x.shape[:axis]) != 1 for axis in image_axes(len(x.shape))[0]):
        return None
    if any(any(padding[axis]) and any(any(p) for p in padding[:axis]) for axis in image_axes(len(x.shape))[0]):
        return None
    return corner(x.shape, tuple(before for before, _ in padding))


def _needs_padding_of_boxes(node: Node, graph: Graph) -> str | None:
    assert isinstance(node.attrs, PadAttrs)
    if _pad_corner(node, graph) is None:
        return f"pads one axis of rows, columns and channels, padding is {node.attrs.padding}"
    return None


def _pad(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, PadAttrs)
    x, out = graph.value(node.inputs[0]), graph.value(node.output)
    place = _pad_corner(node, graph)
    assert place is not None, "_needs_padding_of_boxes comes first"
    real = np.array([node.attrs.value], np.float32)
    fill = real if out.dtype is DType.FLOAT32 or out.quant is None else out.quant.quantize(real)
    element = fill.astype(out.dtype.numpy).tobytes()
    return CParams(
        "tinyml_pad_t",
        {
            "pixel_bytes": image_shape(out.shape)[2] * out.dtype.numpy.itemsize,
            "box": _box(place, x),
            "fill": tuple(element * (4 // len(element))),
        },
    )


# Slices that are boxes of their input.


def _needs_box(node: Node, graph: Graph) -> str | None:
    if slice_corner(node, graph) is None:
        return "takes a box: every element along each axis, and along one axis of rows"
    return None


def _slice(node: Node, graph: Graph) -> CParams:
    x, out = graph.value(node.inputs[0]), graph.value(node.output)
    place = slice_corner(node, graph)
    assert place is not None, "_needs_box comes first"
    pixel_bytes = image_shape(x.shape)[2] * x.dtype.numpy.itemsize
    return CParams("tinyml_slice_t", {"pixel_bytes": pixel_bytes, "box": _box(place, out)})


# Transposes and slices: strided walks over the input.


def _transpose_axes(node: Node, graph: Graph) -> tuple[list[Axis], int]:
    assert isinstance(node.attrs, TransposeAttrs)
    shape = graph.value(node.inputs[0]).shape
    return [Axis(shape[p], strides(shape)[p]) for p in node.attrs.perm], 0


def _slice_axes(node: Node, graph: Graph) -> tuple[list[Axis], int]:
    attrs = node.attrs
    assert isinstance(attrs, StridedSliceAttrs)
    shape = graph.value(node.inputs[0]).shape
    axes, start = [], 0
    for i, (bounds, stride) in enumerate(zip(attrs.slices, strides(shape), strict=True)):
        picked = range(*bounds.indices(shape[i]))
        start += picked[0] * stride
        if i not in attrs.squeeze:
            axes.append(Axis(len(picked), picked.step * stride))
    return axes, start


_WALKS = {Op.TRANSPOSE: _transpose_axes, Op.STRIDED_SLICE: _slice_axes}


def _needs_nest(node: Node, graph: Graph) -> str | None:
    if graph.value(node.output).elements == 0:
        return "the output is empty"
    return nest_reason(_WALKS[node.op](node, graph)[0])


def _gather_strided(node: Node, graph: Graph) -> CParams:
    axes, start = _WALKS[node.op](node, graph)
    return CParams(
        "tinyml_gather_strided_t",
        {"nest": nest_fields(axes, start), "element_bytes": graph.value(node.output).dtype.numpy.itemsize},
    )


def _rules(*rules: Reject) -> Reject:
    return first_reason(needs_whole_bytes, needs_same_quant, *rules)


KERNELS = (
    KernelDescriptor("tinyml_concat", "reference/tinyml_concat.c", _HEADER, Op.CONCAT, Isa.PORTABLE,
                     _rules(_needs_concat_of_boxes), _concat, no_scratch, cycles_per_element(3)),
    KernelDescriptor("tinyml_pad", "reference/tinyml_pad.c", _HEADER, Op.PAD, Isa.PORTABLE,
                     _rules(_needs_padding_of_boxes), _pad, no_scratch, cycles_per_element(3)),
    KernelDescriptor("tinyml_slice", "reference/tinyml_slice.c", _HEADER, Op.STRIDED_SLICE, Isa.PORTABLE,
                     _rules(_needs_box), _slice, no_scratch, cycles_per_element(3)),
    *(
        KernelDescriptor("tinyml_gather_strided", "reference/tinyml_gather_strided.c", _HEADER, op, Isa.PORTABLE,
                         _rules(_needs_nest), _gather_strided, no_scratch, cycles_per_element(8), Access(whole=True))
        for op in _WALKS
    ),
)  # fmt: skip
