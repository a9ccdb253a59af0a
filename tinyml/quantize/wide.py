"""Functions without a form in int16, written as products and sums, which have one.

TFLite's 16-bit scheme has no hard-swish and no activation that stands alone but sigmoid and tanh. 16 bits leave enough
steps for what lies in between:

    relu(x), clip(x)      x * 1, clamped
    hard_sigmoid(x)       x * alpha + beta, clamped to [0, 1]
    hard_swish(x)         x * hard_sigmoid(x) with 1/6 and 1/2
    leaky_relu(x)         x * alpha + max(0, x * (1 - alpha)) for alpha from 0 to 1
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import (
    NO_CLAMP,
    RELU,
    BinaryAttrs,
    Clamp,
    ClipAttrs,
    HardSigmoidAttrs,
    LeakyReluAttrs,
    Op,
)
from tinyml.quantize.params import Range

FUNCTIONS = frozenset({Op.RELU, Op.CLIP, Op.HARD_SIGMOID, Op.HARD_SWISH, Op.LEAKY_RELU})


def as_products(
    graph: Graph, ranges: Mapping[str, Range], only: Container[str] | None = None
) -> tuple[Graph, dict[str, Range]]:
    """The graph without these functions, and the ranges with those of its new values. Other values keep their names.

    Args:
        only: names of the nodes to replace; None for all.
    """
    expansion = _Expansion(graph, dict(graph.values), dict(ranges))
    for node in graph.nodes:
        if only is None or node.name in only:
            expansion.add(node)
        else:
            expansion.nodes.append(node)
    return graph.with_(nodes=tuple(expansion.nodes), values=expansion.values), expansion.ranges


@dataclass(slots=True)
class _Expansion:
    graph: Graph
    values: dict[str, Value]
    ranges: dict[str, Range]
    nodes: list[Node] = field(default_factory=list)

    def add(self, node: Node) -> None:
        x = node.inputs[0] or ""
        if x not in self.ranges or node.output not in self.ranges:
            self.nodes.append(node)
            return
        match node.op, node.attrs:
            case Op.RELU, _:
                self._binary(node, Op.MUL, x, 1.0, RELU, None)
            case Op.CLIP, ClipAttrs(clamp):
                self._binary(node, Op.MUL, x, 1.0, clamp, None)
            case Op.HARD_SIGMOID, HardSigmoidAttrs(alpha, beta) if alpha > 0:
                self._hard_sigmoid(node, alpha, beta, None)
            case Op.HARD_SWISH, _:
                self._binary(node, Op.MUL, x, self._hard_sigmoid(node, 1 / 6, 1 / 2, "gate"), NO_CLAMP, None)
            case Op.LEAKY_RELU, LeakyReluAttrs(alpha) if 0 <= alpha <= 1:
                steep = self._binary(node, Op.MUL, x, 1.0 - alpha, RELU, "positive")
                self._binary(
                    node, Op.ADD, self._binary(node, Op.MUL, x, alpha, NO_CLAMP, "scaled"), steep, NO_CLAMP, None
                )
            case _:
                self.nodes.append(node)

    def _hard_sigmoid(self, node: Node, alpha: float, beta: float, name: str | None) -> str:
        scaled = self._binary(node, Op.MUL, node.inputs[0] or "", alpha, NO_CLAMP, "scaled")
        return self._binary(node, Op.ADD, scaled, beta, Clamp(0.0, 1.0), name)

    def _binary(self, node: Node, op: Op, x: str, y: str | float, clamp: Clamp, name: str | None) -> str:
        """A node in the place of another one: its own where `name` is None."""
        output = node.output if name is None else self._unique(f"{node.output}_{name}")
        self.values.setdefault(output, Value(output, self.graph.value(node.output).shape, DType.FLOAT32))
        if isinstance(y, float):
            low, high = (min(max(end * y if op is Op.MUL else end + y, clamp.lo), clamp.hi) for end in self.ranges[x])
            self.ranges.setdefault(output, (low, high))
            y = self._constant(f"{output}_{op.value}", y)
        own = node.name if name is None else f"{node.name}_{name}"
        self.nodes.append(Node(own, op, (x, y), (output,), BinaryAttrs(clamp), node.source))
        return output

    def _constant(self, name: str, number: float) -> str:
        name = self._unique(name)
        self.values[name] = Value(name, (1,), DType.FLOAT32, None, np.array([number], np.float32))
        return name

    def _unique(self, name: str) -> str:
        while name in self.values:
            name += "_"
        return name
