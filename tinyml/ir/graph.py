"""The one intermediate representation: a frozen graph of nodes and values in SSA form.

Activations are NHWC and weights OHWI; 1-D networks lay time on H with W = 1. A quantized graph is the same
class: its values carry `QuantParams` and integer types (see `tinyml.ir.verify`).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from tinyml.ir.dtypes import DType, storage_bytes
from tinyml.ir.ops import Attrs, Op, spec
from tinyml.ir.quant import QuantParams


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor: a network input, a constant (data is given) or the result of one node.

    Attributes:
        layout: only for network inputs and outputs whose axes we moved: axis i of this value is axis layout[i] of the
            tensor in the model file. None where the two agree.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: QuantParams | None = None
    data: np.ndarray | None = None
    layout: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.data is not None:
            if self.data.shape != self.shape or self.data.dtype != self.dtype.numpy:
                raise ValueError(
                    f"constant {self.name}: data is {self.data.dtype}{list(self.data.shape)}, "
                    f"declared {self.dtype.value}{list(self.shape)}"
                )
            self.data.flags.writeable = False

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return storage_bytes(self.elements, self.dtype)

    @property
    def constant(self) -> np.ndarray:
        """The data of a constant; ValueError otherwise."""
        if self.data is None:
            raise ValueError(f"value {self.name} is not a constant")
        return self.data


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. An absent optional input is None.

    Attributes:
        source: where it came from, for messages and comments: the node's name in the model file, or the names
            of all nodes that were fused into it.
    """

    name: str
    op: Op
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    attrs: Attrs
    source: str = ""

    def __post_init__(self) -> None:
        expected = spec(self.op).attrs
        if type(self.attrs) is not expected:
            raise TypeError(
                f"node {self.name}: {self.op.value} takes {expected.__name__}, got {type(self.attrs).__name__}"
            )

    @property
    def used(self) -> tuple[str, ...]:
        """The inputs that are present."""
        return tuple(name for name in self.inputs if name is not None)

    @property
    def output(self) -> str:
        """The only output; ValueError where there are several."""
        (name,) = self.outputs
        return name


@dataclass(frozen=True, slots=True)
class State:
    """A value that outlives a run: `read` holds what the previous run left in `written` (at first: zero_point)."""

    read: str
    written: str


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A network. Nodes are in topological order; every value is defined once.

    Attributes:
        notes: what a user should know about how the model was read ("free dimension N bound to 1").
        subgraphs: bodies of control flow. No kernel exists for them yet.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    values: Mapping[str, Value]
    states: tuple[State, ...] = ()
    notes: tuple[str, ...] = ()
    subgraphs: Mapping[str, "Graph"] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def value(self, name: str | None) -> Value:
        if name is None:
            raise ValueError("an absent optional input has no value")
        return self.values[name]

    def node_inputs(self, node: Node) -> tuple[Value, ...]:
        """The values of the inputs that are present."""
        return tuple(self.values[name] for name in node.used)

    def activations(self, node: Node) -> tuple[str, ...]:
        """Names of the inputs that are not constants."""
        return tuple(name for name in node.used if not self.values[name].is_constant)

    def constants(self) -> Iterator[Value]:
        return (v for v in self.values.values() if v.is_constant)

    def producer(self) -> dict[str, Node]:
        """value name -> the node that computes it."""
        return {out: node for node in self.nodes for out in node.outputs}

    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """value name -> the nodes that read it, in order; values that nobody reads have no entry."""
        users: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.used):
                users.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in users.items()}

    @property
    def is_quantized(self) -> bool:
        """True where some node computes on integers with quantization parameters."""
        return any(self.values[o].quant is not None for n in self.nodes for o in n.outputs)

    def with_(
        self,
        *,
        nodes: tuple[Node, ...] | None = None,
        values: Mapping[str, Value] | None = None,
        inputs: tuple[str, ...] | None = None,
        outputs: tuple[str, ...] | None = None,
        states: tuple[State, ...] | None = None,
        notes: tuple[str, ...] | None = None,
    ) -> "Graph":
        """A copy with some parts replaced; values that nothing refers to any more are dropped."""
        g = replace(
            self,
            nodes=self.nodes if nodes is None else nodes,
            values=self.values if values is None else values,
            inputs=self.inputs if inputs is None else inputs,
            outputs=self.outputs if outputs is None else outputs,
            states=self.states if states is None else states,
            notes=self.notes if notes is None else notes,
        )
        live = {*g.inputs, *g.outputs, *(s.read for s in g.states), *(s.written for s in g.states)}
        for node in g.nodes:
            live.update(node.used)
            live.update(node.outputs)
        return replace(g, values={n: v for n, v in g.values.items() if n in live})
