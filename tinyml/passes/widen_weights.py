"""Widens the 4-bit weights of convolutions in groups to int8, the same numbers, where a target lacks such kernels.

Ours compute convolutions of one group and depthwise ones. Of LiteRT, not every resolver has weights of 4 bits in groups.
"""

from dataclasses import replace

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Conv2dAttrs
from tinyml.passes.base import Pass, Property
from tinyml.passes.rewrite import Rewriter


def _pass(name: str, least: int) -> Pass:
    """Of groups with so many input channels or more."""

    def concerns(graph: Graph, node: Node) -> bool:
        if not isinstance(node.attrs, Conv2dAttrs) or node.attrs.groups == 1:
            return False
        w = graph.value(node.inputs[1])
        return w.dtype is DType.INT4 and w.shape[3] >= least

    def widen(graph: Graph) -> Graph:
        rewriter = Rewriter(graph)
        for node in rewriter.nodes():
            if concerns(graph, node):
                w = graph.value(node.inputs[1])
                assert w.quant is not None
                wide = rewriter.constant(f"{w.name}_int8", w.constant, replace(w.quant, dtype=DType.INT8))
                rewriter.replace(node, replace(node, inputs=(node.inputs[0], wide, *node.inputs[2:])))
        return rewriter.finish()

    def left(graph: Graph) -> str | None:
        return next((f"node {node.name} has" for node in graph.nodes if concerns(graph, node)), None)

    return Pass(name, widen, ensures=(Property(f"no groups of {least} channels or more have weights of 4 bits", left),))


PASS = _pass("widen_weights", 2)
ALL = _pass("widen_all_weights", 1)
