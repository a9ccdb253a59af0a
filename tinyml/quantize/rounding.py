"""Rounds the weights of a whole network by their effect, layer after layer, each on what the quantized ones before it
give (see `tinyml.quantize.reconstruct`)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.quantize.assign import WEIGHTED, Assignment, float_reason
from tinyml.quantize.calibration import Sample
from tinyml.quantize.params import least_weight_scales
from tinyml.quantize.reconstruct import MAX_DEPTH, Rounded, depth, round_weights, statistics
from tinyml.quantize.simulate import Walk

MEMORY = 1 << 29  # bytes that activations of all samples together may take


def reconstructible(graph: Graph, assignment: Assignment) -> tuple[Node, ...]:
    """Layers that get an int8 form, whose weights are theirs alone, and whose inputs are not too many for a matrix of
    second moments."""
    users = Counter(name for node in graph.nodes for name in node.used)
    return tuple(
        node
        for node in graph.nodes
        if node.op in WEIGHTED
        and float_reason(node, graph) is None
        and {str(node.inputs[0]), node.output} <= assignment.params.keys()
        and users[str(node.inputs[1])] == 1
        and depth(graph, node) <= MAX_DEPTH
    )


def round_network(
    graph: Graph,
    assignment: Assignment,
    samples: Sequence[Sample],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Graph, Assignment]:
    """The graph with corrected biases, and the assignment with the rounded weights.

    Args:
        graph: float, with an int8 form for each layer that `assignment` has parameters for.
        progress: called with the number of layers that are done, and of all.
    """
    layers = {node.name for node in reconstructible(graph, assignment)}
    walk = Walk(graph, assignment.stored(graph), affordable(graph, samples))
    values, nodes = dict(graph.values), list(graph.nodes)
    given = dict(assignment.weights)
    real: dict[str, np.ndarray] = {}
    for i, node in enumerate(graph.nodes):
        if node.name in layers:
            w = str(node.inputs[1])
            dtype = assignment.weight_types.get(node.name, DType.INT8)
            result = _round(graph, node, assignment, walk, dtype)
            nodes[i], values[f"{node.name}_bias"] = _with_bias(graph, node, result.bias)
            given[w] = (result.stored, result.params)
            real[w] = result.real
            walk.step(i, real, result.bias)
        else:
            walk.step(i, real)
        progress(i + 1, len(graph.nodes))
    return graph.with_(nodes=tuple(nodes), values=values), replace(assignment, weights=given)


def affordable(graph: Graph, samples: Sequence[Sample]) -> Sequence[Sample]:
    """As many of the samples, evenly spread, as MEMORY holds the activations of, in both networks at once."""
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.used}
    live = {name: graph.value(name).bytes for name in graph.inputs}
    peak = 1
    for i, node in enumerate(graph.nodes):
        live |= {name: graph.value(name).bytes for name in node.outputs}
        peak = max(peak, 2 * sum(live.values()))
        live = {name: size for name, size in live.items() if last.get(name, -1) > i}
    count = max(1, min(len(samples), MEMORY // peak))
    return [samples[i * len(samples) // count] for i in range(count)]


def _round(graph: Graph, node: Node, assignment: Assignment, walk: Walk, dtype: DType) -> Rounded:
    x, w, b = (*node.inputs, None)[:3]
    assert x is not None and w is not None
    weights = graph.value(w).constant
    bias = None if b is None else graph.value(b).constant
    seen = statistics(graph, node, walk.exact[x], walk.rounded[x])
    return round_weights(weights, bias, seen, dtype, layer_scales(graph, node, assignment))


def layer_scales(graph: Graph, node: Node, assignment: Assignment) -> np.ndarray:
    """The smallest scale of each channel of a layer's weights that 32-bit arithmetic can take."""
    x, w, b = (*node.inputs, None)[:3]
    bias = None if b is None else graph.value(b).constant
    params = assignment.of(node).params
    x_scale, y_scale = (params[name].scale[0] for name in (str(x), node.output))
    return least_weight_scales(graph.value(w).shape[0], bias, x_scale, y_scale)


def _with_bias(graph: Graph, node: Node, bias: np.ndarray) -> tuple[Node, Value]:
    """The node with a bias of its own: a file's may be shared, or absent."""
    value = Value(f"{node.name}_bias", bias.shape, DType.FLOAT32, data=bias)
    return replace(node, inputs=(*node.inputs[:2], value.name)), value
