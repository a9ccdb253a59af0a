"""Evaluates what is known before the network runs: operations on constants, and SHAPE.

A node that computes a network output or a state stays: those are buffers, not constants. So does the DEQUANTIZE of a
constant in a quantized graph: the stored integers are the model's, and quantization takes them as they are.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import Op, spec
from tinyml.passes.base import Pass, Property


def _fold_constants(graph: Graph) -> Graph:
    values = dict(graph.values)
    nodes = []
    for node in graph.nodes:
        if _is_known(graph, values, node):
            values.update((value.name, value) for value in _evaluate(values, node))
        else:
            nodes.append(node)
    return graph.with_(nodes=tuple(nodes), values=values)


def _is_known(graph: Graph, values: dict[str, Value], node: Node) -> bool:
    fixed = {*graph.outputs, *(state.written for state in graph.states)}
    if not fixed.isdisjoint(node.outputs):
        return False
    if node.op is Op.DEQUANTIZE and graph.is_quantized:
        return False
    return node.op is Op.SHAPE or all(values[name].is_constant for name in node.used)


def _evaluate(values: dict[str, Value], node: Node) -> Sequence[Value]:
    """The outputs of a node as constants."""
    outputs = [values[name] for name in node.outputs]
    if node.op is Op.SHAPE:
        (result,) = outputs
        shape = np.array(values[node.used[0]].shape, result.dtype.numpy)
        return [replace(result, data=shape)]
    inputs = [None if name is None else values[name] for name in node.inputs]
    arrays = [None if value is None else value.data for value in inputs]
    results = spec(node.op).reference(node.attrs, inputs, arrays, outputs)
    return [
        replace(value, data=np.array(array, value.dtype.numpy, order="C").reshape(value.shape))
        for value, array in zip(outputs, results, strict=True)
    ]


def _unfolded(graph: Graph) -> str | None:
    values = dict(graph.values)
    return next((f"node {node.name} is known" for node in graph.nodes if _is_known(graph, values, node)), None)


NO_KNOWN_NODES = Property("no node reads constants only", _unfolded)
PASS = Pass("fold_constants", _fold_constants, ensures=(NO_KNOWN_NODES,))
