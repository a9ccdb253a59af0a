"""Lowers FULLY_CONNECTED to its one form in kernels, [rows, I] -> [rows, O], with views before and behind."""

from dataclasses import replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import FullyConnectedAttrs, Op, ReshapeAttrs
from tinyml.passes.base import Pass, Property
from tinyml.passes.rewrite import Rewriter


def _lower_fully_connected(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if _problem(graph, node) is not None:
            rewriter.replace(node, *_lowered(rewriter, node))
    return rewriter.finish()


def _lowered(rewriter: Rewriter, node: Node) -> list[Node]:
    assert isinstance(node.attrs, FullyConnectedAttrs)
    x, w, y = (rewriter.values[name] for name in (*node.used[:2], node.output))
    outputs, depth = w.shape
    rows = x.elements // depth
    before, behind = [], []
    inputs, results = node.inputs, node.outputs
    if x.shape != (rows, depth):
        flat = rewriter.activation(f"{x.name}_rows", (rows, depth), x)
        name = rewriter.node_name(f"{node.name}_rows")
        before.append(Node(name, Op.RESHAPE, (x.name,), (flat,), ReshapeAttrs((rows, depth)), node.source))
        inputs = (flat, *inputs[1:])
    if y.shape != (rows, outputs):
        flat = rewriter.activation(f"{y.name}_rows", (rows, outputs), y)
        name = rewriter.node_name(f"{node.name}_shape")
        behind.append(Node(name, Op.RESHAPE, (flat,), (y.name,), ReshapeAttrs(y.shape), node.source))
        results = (flat,)
    attrs = replace(node.attrs, keep_dims=False)
    return [*before, replace(node, inputs=inputs, outputs=results, attrs=attrs), *behind]


def _problem(graph: Graph, node: Node) -> str | None:
    if not isinstance(node.attrs, FullyConnectedAttrs):
        return None
    x, w = (graph.values[name] for name in node.used[:2])
    if node.attrs.keep_dims or len(x.shape) != 2 or x.shape[1] != w.shape[1]:
        return f"node {node.name} reads {list(x.shape)}"
    return None


def _left(graph: Graph) -> str | None:
    return next((problem for node in graph.nodes if (problem := _problem(graph, node)) is not None), None)


PASS = Pass(
    "lower_fully_connected",
    _lower_fully_connected,
    ensures=(Property("every FULLY_CONNECTED reads [rows, depth]", _left),),
)
