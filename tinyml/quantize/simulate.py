"""A quantized network in floating point: every value is rounded as its parameters say, and nothing else differs.

It shows what a choice of parameters and weights costs before integer arithmetic exists for it, several times as fast.
Integer kernels round a result in the last place differently now and then; that is far below what is measured here.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.interpreter import initial_state
from tinyml.ir.ops import Op, spec
from tinyml.ir.quant import QuantParams
from tinyml.quantize.calibration import Sample

_SQUASHING = (Op.SOFTMAX, Op.SIGMOID)

Weights = Mapping[str, np.ndarray]
"""Constants of the float graph by name, as the quantized network has them, in real numbers."""


def rounded(x: np.ndarray, params: QuantParams) -> np.ndarray:
    """What int8 makes of real numbers. (float32, ties to even: quicker than the kernels' rounding, and as good here.)"""
    lo, hi = params.dtype.range
    scale, zero = np.float32(params.scale[0]), np.float32(params.zero_point[0])
    stored: np.ndarray = np.clip(np.rint(x * (1 / scale)) + zero, lo, hi)
    return (stored - zero) * scale


def run_node(
    graph: Graph, node: Node, arrays: Mapping[str, np.ndarray], weights: Weights, bias: np.ndarray | None = None
) -> list[np.ndarray]:
    """A node of the float graph on real numbers; constants are those of `weights` where it has them.

    Args:
        bias: of a layer with weights, in place of its own or of none.
    """
    names = node.inputs if bias is None else (*node.inputs[:2], None)
    values = [None if name is None else graph.value(name) for name in names]
    given = [
        None if v is None else weights.get(v.name, v.data) if v.data is not None else arrays[v.name] for v in values
    ]
    if bias is not None:
        given[2] = bias
    return spec(node.op).reference(node.attrs, values, given, [graph.value(o) for o in node.outputs])


def simulate(
    graph: Graph,
    params: Mapping[str, QuantParams],
    weights: Weights,
    biases: Mapping[str, np.ndarray],
    given: Mapping[str, np.ndarray],
    *,
    only: frozenset[str] | None = None,
) -> dict[str, np.ndarray]:
    """Every activation of the float graph, rounded after the node that makes it.

    Args:
        biases: of layers by name, in place of the graph's.
        given: the network's inputs; with `only`, all activations that the other nodes make.
        only: names of the nodes to compute; None for all.
    """
    live = dict(given)
    if only is None:
        live = {name: _rounded(name, given[name], params) for name in graph.inputs}
        live |= {state.read: initial_state(graph.value(state.read)) for state in graph.states}
    for node in graph.nodes:
        if only is None or node.name in only:
            for name, array in zip(
                node.outputs, run_node(graph, node, live, weights, biases.get(node.name)), strict=True
            ):
                live[name] = _rounded(name, array, params)
    return live


def decisive(graph: Graph) -> tuple[str, ...]:
    """The network's outputs, or what a last softmax or sigmoid reads: errors there are not squashed yet."""
    producer = graph.producer()
    found = []
    for name in graph.outputs:
        node = producer.get(name)
        found.append(node.used[0] if node is not None and node.op in _SQUASHING else name)
    return tuple(found)


def downstream(graph: Graph, start: Node) -> frozenset[str]:
    """Names of the node and of all nodes that its result reaches."""
    reached, names = set(start.outputs), {start.name}
    for node in graph.nodes:
        if not reached.isdisjoint(node.used):
            reached.update(node.outputs)
            names.add(node.name)
    return frozenset(names)


class Walk:
    """A float network and its quantized form side by side, node by node, all samples at once.

    Attributes:
        exact, rounded: value -> its array for each sample; only values that a later node reads.
    """

    def __init__(self, graph: Graph, params: Mapping[str, QuantParams], samples: Sequence[Sample]) -> None:
        self._graph, self._params = graph, params
        self._last = {name: i for i, node in enumerate(graph.nodes) for name in node.used}
        self.exact = {name: [s[name] for s in samples] for name in graph.inputs}
        for state in graph.states:
            self.exact[state.read] = [initial_state(graph.value(state.read))] * len(samples)
        self.rounded = {name: [_rounded(name, x, params) for x in xs] for name, xs in self.exact.items()}
        self._count = len(samples)

    def step(self, index: int, weights: Weights, bias: np.ndarray | None = None) -> None:
        """Computes node `index`, which must be the next one, and forgets what nobody reads any more.

        Args:
            weights, bias: of the quantized network.
        """
        node = self._graph.nodes[index]
        self._compute(node, self.exact, {}, None, {})
        self._compute(node, self.rounded, weights, bias, self._params)
        for name in {*node.used, *node.outputs}:
            if self._last.get(name, index) == index:
                self.exact.pop(name, None)
                self.rounded.pop(name, None)

    def _compute(
        self,
        node: Node,
        live: dict[str, list[np.ndarray]],
        weights: Weights,
        bias: np.ndarray | None,
        params: Mapping[str, QuantParams],
    ) -> None:
        activations = self._graph.activations(node)
        results = [
            run_node(self._graph, node, {name: live[name][i] for name in activations}, weights, bias)
            for i in range(self._count)
        ]
        for k, name in enumerate(node.outputs):
            live[name] = [_rounded(name, r[k], params) for r in results]


def _rounded(name: str, x: np.ndarray, params: Mapping[str, QuantParams]) -> np.ndarray:
    return rounded(x, params[name]) if name in params and x.dtype == np.float32 else x
