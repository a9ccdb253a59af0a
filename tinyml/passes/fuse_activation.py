"""Fuses RELU and CLIP into the node before, where nothing else reads that node's output.

On integers only where both outputs have the same scale and zero point: otherwise the value is rounded between the two.
"""

from dataclasses import replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import (
    RELU,
    Attrs,
    BinaryAttrs,
    Clamp,
    ClipAttrs,
    Conv2dAttrs,
    FullyConnectedAttrs,
    NoAttrs,
    Op,
    Pool2dAttrs,
    TransposeConv2dAttrs,
)
from tinyml.passes.base import Pass
from tinyml.passes.rewrite import Rewriter


def activation_clamp(node: Node) -> Clamp | None:
    """What RELU and CLIP do, or None for other operations."""
    if node.op is Op.RELU:
        return RELU
    return node.attrs.clamp if isinstance(node.attrs, ClipAttrs) else None


def _fuse_activation(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        clamp = activation_clamp(node)
        if clamp is None:
            continue
        before = rewriter.producer(node.used[0])
        if before is None or rewriter.only_reader(node.used[0]) is not node:
            continue
        x, y = rewriter.values[node.used[0]], rewriter.values[node.output]
        fused = _clamped(before, clamp)
        if fused is not None and x.quant == y.quant:
            rewriter.fuse(before, node, fused)
    return rewriter.finish()


def _clamped(node: Node, clamp: Clamp) -> Node | None:
    """The node with its output clamped further; None where it cannot clamp."""
    attrs: Attrs
    match node.attrs:
        case (
            Conv2dAttrs() | TransposeConv2dAttrs() | FullyConnectedAttrs() | BinaryAttrs() | Pool2dAttrs() | ClipAttrs()
        ) as kind:
            attrs = replace(kind, clamp=kind.clamp.then(clamp))
        case NoAttrs() if node.op is Op.RELU:
            return replace(node, op=Op.CLIP, attrs=ClipAttrs(RELU.then(clamp)))
        case _:
            return None
    return replace(node, attrs=attrs)


PASS = Pass("fuse_activation", _fuse_activation)
