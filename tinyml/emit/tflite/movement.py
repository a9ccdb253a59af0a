"""Writes operations that move or select elements."""

from collections.abc import Mapping

import numpy as np

from tinyml.emit.tflite.writer import InexpressibleError, Writer, writes
from tinyml.ir.graph import Node
from tinyml.ir.ops import ConcatAttrs, GatherAttrs, Op, PadAttrs, StackAttrs, StridedSliceAttrs, TransposeAttrs


@writes(Op.RESHAPE, Op.IDENTITY)
def reshape(w: Writer, node: Node) -> None:
    y = w.value(node.output)
    shape = w.integers(f"{node.name}_shape", y.shape)
    w.add("RESHAPE", [w.tensor(node.used[0]), shape], [w.tensor(y.name)], "ReshapeOptions")


@writes(Op.TRANSPOSE)
def transpose(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, TransposeAttrs)
    order = w.integers(f"{node.name}_order", node.attrs.perm)
    w.add("TRANSPOSE", [w.tensor(node.used[0]), order], [w.tensor(node.output)], "TransposeOptions")


@writes(Op.PAD)
def pad(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, PadAttrs)
    x, pairs = w.value(node.used[0]), w.integers(f"{node.name}_padding", node.attrs.padding)
    source, target = w.tensor(x.name), w.tensor(node.output)
    if node.attrs.value == 0.0:
        w.add("PAD", [source, pairs], [target], "PadOptions")
        return
    real = np.array([node.attrs.value], np.float32)
    stored = real if x.quant is None else x.quant.quantize(real)
    value = w.constant(f"{node.name}_value", stored, x.dtype, x.quant)
    w.add("PADV2", [source, pairs, value], [target], "PadV2Options")


@writes(Op.CONCAT)
def concat(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, ConcatAttrs)
    options = {"Axis": node.attrs.axis}
    parts = [w.tensor(name) for name in node.used]
    w.add("CONCATENATION", parts, [w.tensor(node.output)], "ConcatenationOptions", options)


@writes(Op.STACK)
def stack(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, StackAttrs)
    options = {"Axis": node.attrs.axis, "ValuesCount": len(node.used)}
    w.add("PACK", [w.tensor(name) for name in node.used], [w.tensor(node.output)], "PackOptions", options)


@writes(Op.GATHER)
def gather(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, GatherAttrs)
    operands = [w.tensor(name) for name in node.used]
    w.add("GATHER", operands, [w.tensor(node.output)], "GatherOptions", {"Axis": node.attrs.axis})


@writes(Op.STRIDED_SLICE)
def strided_slice(w: Writer, node: Node) -> None:
    attrs = node.attrs
    assert isinstance(attrs, StridedSliceAttrs)
    if len(attrs.begin) > 5:
        raise InexpressibleError(f"a slice of {len(attrs.begin)} axes; TFLite slices 5 at most")
    # An end of -1 means the last element to TFLite; ours runs past the first.
    backwards = zip(attrs.end, attrs.stride, strict=True)
    open_ends = sum(1 << axis for axis, (end, step) in enumerate(backwards) if step < 0 and end < 0)
    options = {"EndMask": open_ends, "ShrinkAxisMask": sum(1 << axis for axis in attrs.squeeze)}
    add_slice(w, node, w.tensor(node.used[0]), attrs.begin, attrs.end, attrs.stride, options)


def add_slice(
    w: Writer,
    node: Node,
    source: int,
    begin: tuple[int, ...],
    end: tuple[int, ...],
    stride: tuple[int, ...],
    options: Mapping[str, int | float | bool] | None = None,
) -> None:
    """Appends the slice of a tensor that is the node's output."""
    bounds = [
        w.integers(f"{node.name}_{name}", to) for name, to in (("begin", begin), ("end", end), ("stride", stride))
    ]
    w.add("STRIDED_SLICE", [source, *bounds], [w.tensor(node.output)], "StridedSliceOptions", options)
