"""A graph under change, for passes."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.quant import QuantParams


class Rewriter:
    """Collects changes to a graph. Nodes keep their places, so that the order stays topological as long as a
    replacement reads nothing that is computed after the node it replaces."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.values: dict[str, Value] = dict(graph.values)
        self._slots: dict[str, tuple[Node, ...]] = {node.name: (node,) for node in graph.nodes}
        self._slot_of: dict[str, str] = {node.name: node.name for node in graph.nodes}
        self._producer = graph.producer()
        self._readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            self._count(node)
        self._fixed = {*graph.inputs, *graph.outputs}
        for state in graph.states:
            self._fixed.update((state.read, state.written))

    def nodes(self) -> Iterator[Node]:
        """The nodes in order, each as it is when it is reached."""
        for name in list(self._slots):
            yield from self._slots[name]

    def is_alive(self, node: Node) -> bool:
        """Whether the graph still has this very node."""
        slot = self._slot_of.get(node.name)
        return slot is not None and any(node is other for other in self._slots[slot])

    def producer(self, name: str) -> Node | None:
        return self._producer.get(name)

    def readers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read a value, once for each time that they read it."""
        return tuple(self._readers.get(name, ()))

    def only_reader(self, name: str) -> Node | None:
        """The one node that reads a value, once; None where there are more, or where the value is the network's."""
        readers = self._readers.get(name, ())
        return readers[0] if len(readers) == 1 and name not in self._fixed else None

    def is_fixed(self, name: str) -> bool:
        """A network input or output, or a state."""
        return name in self._fixed

    def quantized(self, node: Node) -> bool:
        """Whether a node computes on integers that stand for real numbers."""
        return any(self.values[name].quant is not None for name in (*node.used, *node.outputs))

    def constant(
        self, hint: str, data: np.ndarray, quant: QuantParams | None = None, dtype: DType | None = None
    ) -> str:
        """A new constant; dtype only where numpy has no such type (int4)."""
        name = self._unique(hint)
        data = np.array(data, order="C")
        self.values[name] = Value(name, data.shape, dtype or DType.of(data), quant, data)
        return name

    def activation(self, hint: str, shape: tuple[int, ...], like: Value) -> str:
        """A new value, of the type of another."""
        name = self._unique(hint)
        self.values[name] = Value(name, shape, like.dtype, like.quant)
        return name

    def node_name(self, hint: str) -> str:
        """A name that no node has."""
        return _suffixed(hint, self._slot_of)

    def replace(self, old: Node, *new: Node) -> None:
        """Puts nodes in the place of one."""
        slot = self._slot_of.pop(old.name)
        for name in old.used:
            self._readers[name] = [reader for reader in self._readers[name] if reader is not old]
        for name in old.outputs:
            del self._producer[name]
        at = next(i for i, node in enumerate(self._slots[slot]) if node is old)
        self._slots[slot] = (*self._slots[slot][:at], *new, *self._slots[slot][at + 1 :])
        for node in new:
            self._slot_of[node.name] = slot
            self._producer.update(dict.fromkeys(node.outputs, node))
            self._count(node)

    def fuse(self, first: Node, second: Node, fused: Node) -> None:
        """Puts `fused` in the place of a node and of the only reader of its output, and names its source after both."""
        sources = dict.fromkeys([*first.source.split(" + "), *second.source.split(" + ")])
        self.replace(second)
        self.replace(first, replace(fused, outputs=second.outputs, source=" + ".join(sources)))

    def forward(self, node: Node, name: str) -> bool:
        """Removes a node whose output is the same as `name`; False where both are the network's and must stay apart."""
        output = node.output
        if not self.is_fixed(output):
            self.replace(node)
            for reader in dict.fromkeys(self.readers(output)):
                self.replace(reader, with_inputs(reader, {output: name}))
            return True
        producer = self._producer.get(name)
        if producer is None or self.is_fixed(name):
            return False
        self.replace(node)
        for reader in dict.fromkeys(self.readers(name)):
            self.replace(reader, with_inputs(reader, {name: output}))
        renamed = tuple(output if out == name else out for out in producer.outputs)
        self.replace(producer, replace(producer, outputs=renamed))
        return True

    def finish(self) -> Graph:
        """The graph with all changes; values that nothing refers to are gone, nodes that nothing reads are not."""
        return self._graph.with_(nodes=tuple(self.nodes()), values=self.values)

    def _count(self, node: Node) -> None:
        for name in node.used:
            self._readers.setdefault(name, []).append(node)

    def _unique(self, hint: str) -> str:
        return _suffixed(hint, self.values)


def with_inputs(node: Node, names: dict[str, str]) -> Node:
    """A node that reads other values in place of some."""
    return replace(node, inputs=tuple(None if name is None else names.get(name, name) for name in node.inputs))


def _suffixed(hint: str, taken: "dict[str, Value] | dict[str, str]") -> str:
    if hint not in taken:
        return hint
    i = 1
    while f"{hint}_{i}" in taken:
        i += 1
    return f"{hint}_{i}"
