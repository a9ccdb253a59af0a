"""Writes MATMUL with a constant right side as FULLY_CONNECTED, whose weights are that side transposed.

Only on real numbers: on integers the two round differently.
"""

from dataclasses import replace

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import FullyConnectedAttrs, Op
from tinyml.passes.base import Pass, Property
from tinyml.passes.rewrite import Rewriter


def _legalize_matmul(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if _is_product_with_weights(graph, node):
            matrix = rewriter.values[node.used[1]]
            weights = rewriter.constant(matrix.name, np.swapaxes(matrix.constant, -1, -2).reshape(matrix.shape[:-3:-1]))
            rewriter.replace(
                node,
                replace(
                    node,
                    op=Op.FULLY_CONNECTED,
                    inputs=(node.inputs[0], weights),
                    attrs=FullyConnectedAttrs(keep_dims=len(rewriter.values[node.output].shape) != 2),
                ),
            )
    return rewriter.finish()


def _is_product_with_weights(graph: Graph, node: Node) -> bool:
    """One matrix for all of the left side's leading axes, which are the output's too."""
    if node.op is not Op.MATMUL:
        return False
    a, b, y = (graph.values[name] for name in (*node.used, node.output))
    return (
        b.is_constant
        and all(v.dtype is DType.FLOAT32 and v.quant is None for v in (a, b, y))
        and all(n == 1 for n in b.shape[:-2])
        and len(a.shape) == len(y.shape)
    )


def _left(graph: Graph) -> str | None:
    return next((f"node {node.name} has" for node in graph.nodes if _is_product_with_weights(graph, node)), None)


PASS = Pass("legalize_matmul", _legalize_matmul, ensures=(Property("no real MATMUL has a constant right side", _left),))
