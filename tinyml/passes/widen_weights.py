"""Widens the 4-bit weights of convolutions in groups to int8: the same numbers.

Kernels with weights of 4 bits multiply four channels that read the same inputs. In a depthwise convolution none do; its
weights are few, and kernels for int8 are fast.
"""

from dataclasses import replace

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Conv2dAttrs
from tinyml.passes.base import Pass, Property
from tinyml.passes.rewrite import Rewriter


def _widen_weights(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if _has_narrow_groups(graph, node):
            w = graph.value(node.inputs[1])
            assert w.quant is not None
            wide = rewriter.constant(f"{w.name}_int8", w.constant, replace(w.quant, dtype=DType.INT8))
            rewriter.replace(node, replace(node, inputs=(node.inputs[0], wide, *node.inputs[2:])))
    return rewriter.finish()


def _has_narrow_groups(graph: Graph, node: Node) -> bool:
    attrs = node.attrs
    return isinstance(attrs, Conv2dAttrs) and attrs.groups > 1 and graph.value(node.inputs[1]).dtype is DType.INT4


def _left(graph: Graph) -> str | None:
    return next((f"node {node.name} has" for node in graph.nodes if _has_narrow_groups(graph, node)), None)


PASS = Pass(
    "widen_weights", _widen_weights, ensures=(Property("no convolution in groups has weights of 4 bits", _left),)
)
