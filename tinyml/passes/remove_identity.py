"""Removes nodes whose output is their input, writes those that only rename axes as RESHAPE, and joins chains of RESHAPE
and of TRANSPOSE.

A node stays where its removal would join two buffers of the network (an output that is also another output, or an
input); it is then a RESHAPE, which every target can copy.
"""

from dataclasses import replace

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import (
    NO_CLAMP,
    ClipAttrs,
    Op,
    PadAttrs,
    Pool2dAttrs,
    ReduceAttrs,
    ReshapeAttrs,
    ResizeAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)
from tinyml.passes.base import Pass, Property, without
from tinyml.passes.rewrite import Rewriter, with_inputs


def is_view(graph: Graph | Rewriter, node: Node) -> bool:
    """Whether a node's output holds the bytes of its only activation, in the same order and with the same meaning."""
    if len(node.inputs) != 1 or len(node.outputs) != 1:
        return False
    x, y = graph.values[node.used[0]], graph.values[node.output]
    return (x.dtype, x.quant, x.elements) == (y.dtype, y.quant, y.elements) and _keeps_elements(node, x)


def _keeps_elements(node: Node, x: Value) -> bool:
    """Whether a node with one input neither moves nor changes an element, given that their number stays."""
    attrs = node.attrs
    if node.op in (Op.IDENTITY, Op.RESHAPE, Op.CONCAT, Op.STACK, Op.CAST, Op.QUANTIZE):
        return True
    if isinstance(attrs, TransposeAttrs):
        moved = [axis for axis in attrs.perm if x.shape[axis] != 1]
        return moved == sorted(moved)
    if isinstance(attrs, ClipAttrs):
        return attrs.clamp == NO_CLAMP
    if isinstance(attrs, Pool2dAttrs):
        return attrs.kernel == (1, 1) and attrs.clamp == NO_CLAMP
    if isinstance(attrs, ResizeAttrs):
        return attrs.size == x.shape[1:3]
    if isinstance(attrs, StridedSliceAttrs):
        return all(stride > 0 for stride in attrs.stride)
    return isinstance(attrs, (PadAttrs, ReduceAttrs))


def _remove_identity(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        node = _join(rewriter, node)
        if not is_view(rewriter, node):
            continue
        shape = rewriter.values[node.output].shape
        if rewriter.values[node.used[0]].shape == shape and rewriter.forward(node, node.used[0]):
            continue
        if node.op is not Op.RESHAPE:
            rewriter.replace(node, replace(node, op=Op.RESHAPE, attrs=ReshapeAttrs(shape)))
    return rewriter.finish()


def _join(rewriter: Rewriter, node: Node) -> Node:
    """The node, reading what its producer reads where the two are one RESHAPE or TRANSPOSE."""
    inner = rewriter.producer(node.used[0]) if node.used else None
    if inner is None or inner.op is not node.op or node.op not in (Op.RESHAPE, Op.TRANSPOSE):
        return node
    if rewriter.values[inner.used[0]].quant != rewriter.values[inner.output].quant:
        return node
    joined = with_inputs(node, {inner.output: inner.used[0]})
    if isinstance(node.attrs, TransposeAttrs) and isinstance(inner.attrs, TransposeAttrs):
        joined = replace(joined, attrs=TransposeAttrs(tuple(inner.attrs.perm[axis] for axis in node.attrs.perm)))
    rewriter.replace(node, joined)
    if not rewriter.readers(inner.output) and not rewriter.is_fixed(inner.output):
        rewriter.replace(inner)
    return joined


def _unjoined(graph: Graph) -> str | None:
    for node in graph.nodes:
        if node.op is not Op.RESHAPE and is_view(graph, node):
            return f"node {node.name} ({node.op.value}) only renames axes"
    return None


PASS = Pass(
    "remove_identity",
    _remove_identity,
    ensures=(without(Op.IDENTITY), Property("views are RESHAPE", _unjoined)),
)
