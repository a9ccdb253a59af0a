"""Builds graphs: infers shapes, gives unique names. For frontends, the zoo and tests; passes use `Graph.with_`."""

from collections.abc import Sequence

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, State, Value
from tinyml.ir.ops import Attrs, NoAttrs, Op, spec
from tinyml.ir.quant import QuantParams


class GraphBuilder:
    """Collects values and nodes in topological order.

    Every method that makes a value returns its name. A wanted name that is taken gets a suffix.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._inputs: list[str] = []
        self._nodes: list[Node] = []
        self._node_names: set[str] = set()
        self._states: list[State] = []
        self._notes: list[str] = []
        self.values: dict[str, Value] = {}

    def input(self, name: str, shape: tuple[int, ...], dtype: DType, quant: QuantParams | None = None) -> str:
        name = self._define(Value(self._unique(name), shape, dtype, quant))
        self._inputs.append(name)
        return name

    def constant(
        self, name: str, data: np.ndarray, quant: QuantParams | None = None, dtype: DType | None = None
    ) -> str:
        """A constant; dtype only where numpy has no such type (int4)."""
        data = np.require(data, requirements="C")  # ascontiguousarray would give a scalar an axis
        return self._define(Value(self._unique(name), data.shape, dtype or DType.of(data), quant, data))

    def state(self, name: str, shape: tuple[int, ...], dtype: DType, quant: QuantParams | None = None) -> str:
        """The read side of a state; `update_state` names what is written."""
        return self._define(Value(self._unique(name), shape, dtype, quant))

    def update_state(self, read: str, written: str) -> None:
        self._states.append(State(read, written))

    def node(
        self,
        op: Op,
        inputs: Sequence[str | None],
        attrs: Attrs | None = None,
        *,
        name: str | None = None,
        source: str = "",
        quant: QuantParams | None = None,
        output: str | None = None,
    ) -> str:
        """Appends a node with one output and returns the output's name."""
        (result,) = self.nodes(op, inputs, attrs, name=name, source=source, quants=[quant], outputs=[output])
        return result

    def nodes(
        self,
        op: Op,
        inputs: Sequence[str | None],
        attrs: Attrs | None = None,
        *,
        name: str | None = None,
        source: str = "",
        quants: Sequence[QuantParams | None] = (),
        outputs: Sequence[str | None] = (),
    ) -> list[str]:
        """Appends a node and returns the names of its outputs.

        Raises:
            ValueError: the shape rule refuses the inputs; the message says why.
        """
        attrs = NoAttrs() if attrs is None else attrs
        declared = spec(op)
        if not declared.arity[0] <= len(inputs) <= declared.arity[1]:
            raise ValueError(f"{op.value} takes {declared.arity[0]} to {declared.arity[1]} inputs, got {len(inputs)}")
        types = declared.infer([None if i is None else self.values[i] for i in inputs], attrs)
        node_name = self._unique_node(name or op.value)
        names = []
        for i, t in enumerate(types):
            wanted = outputs[i] if i < len(outputs) else None
            quant = quants[i] if i < len(quants) else None
            dtype = t.dtype if quant is None else quant.dtype
            fallback = node_name if i == 0 else f"{node_name}_{i}"
            names.append(self._define(Value(self._unique(wanted or fallback), t.shape, dtype, quant)))
        self._nodes.append(Node(node_name, op, tuple(inputs), tuple(names), attrs, source or node_name))
        return names

    def note(self, text: str) -> None:
        """Something the user should know about how the model was read."""
        self._notes.append(text)

    def build(self, outputs: Sequence[str]) -> Graph:
        graph = Graph(
            self._name,
            tuple(self._inputs),
            tuple(outputs),
            tuple(self._nodes),
            self.values,
            tuple(self._states),
            tuple(self._notes),
        )
        return graph.with_()

    def _define(self, value: Value) -> str:
        self.values[value.name] = value
        return value.name

    def _unique(self, name: str) -> str:
        return _with_suffix(name, self.values)

    def _unique_node(self, name: str) -> str:
        unique = _with_suffix(name, self._node_names)
        self._node_names.add(unique)
        return unique


def _with_suffix(name: str, taken: "set[str] | dict[str, Value]") -> str:
    if name not in taken:
        return name
    i = 1
    while f"{name}_{i}" in taken:
        i += 1
    return f"{name}_{i}"
