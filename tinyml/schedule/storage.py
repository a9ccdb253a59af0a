"""Which values share memory, and from when to when it is needed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.errors import ModelError
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, StridedSliceAttrs
from tinyml.schedule.model import VIEWS


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Steps from first to last, both included. A network input is written before step 0 (first = -1); an output lives
    on after the last step (last = number of steps)."""

    first: int
    last: int

    def overlaps(self, other: "Lifetime") -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value lies: `offset` bytes into the buffer that is named after the value `root`."""

    root: str
    offset: int = 0


def storage_places(graph: Graph) -> dict[str, Place]:
    """Activation value -> its place. A view lies in its source, the parts of a JOIN in its result, what is written to a
    state where it is read."""
    places = {name: Place(name) for name in (*graph.inputs, *(s.read for s in graph.states))}
    given = set(places)
    inner: dict[str, Place] = {}  # buffers that are inside of others
    for node in graph.nodes:
        for name in node.outputs:
            if node.op in VIEWS and node.op is not Op.JOIN:
                source = places[node.used[0]]
                places[name] = Place(source.root, source.offset + part_offset(graph, node))
            else:
                places[name] = Place(name)
        if node.op is Op.JOIN:
            offset = 0
            for name in node.used:
                inner[places[name].root] = Place(node.output, offset)
                offset += graph.value(name).bytes
    for state in graph.states:
        written = places[state.written].root
        if written in given or written in inner:
            raise ModelError(
                f"state {state.read}: its next value {state.written} is not computed by an operation of its own",
                "let an operation whose result no other state takes compute it",
            )
        inner[written] = Place(state.read)

    def resolved(place: Place) -> Place:
        while place.root in inner:
            outer = inner[place.root]
            place = Place(outer.root, outer.offset + place.offset)
        return place

    return {name: resolved(place) for name, place in places.items()}


def part_offset(graph: Graph, node: Node) -> int:
    """Bytes from the start of a view's source to the start of the view."""
    if node.op is not Op.PART:
        return 0
    attrs, x = node.attrs, graph.value(node.used[0])
    assert isinstance(attrs, StridedSliceAttrs)
    steps = (math.prod(x.shape[i + 1 :]) for i in range(len(x.shape)))
    return sum(b * step for b, step in zip(attrs.begin, steps, strict=True)) * x.dtype.numpy.itemsize


def storage_roots(graph: Graph) -> dict[str, str]:
    """Activation value -> the value that names its buffer."""
    return {name: place.root for name, place in storage_places(graph).items()}


def fed_value(graph: Graph, root: Mapping[str, str]) -> str | None:
    """What is fed where the network's input comes row by row: the input, or the one view of it that nodes read. None:
    the network has several inputs, or several views of one are read."""
    if len(graph.inputs) != 1 or graph.inputs[0] in graph.outputs:
        return None
    read = {name for node in graph.nodes if node.op not in VIEWS for name in graph.activations(node)}
    names = [name for name in root if root[name] == graph.inputs[0] and name in read]
    whole = graph.value(graph.inputs[0]).bytes
    return names[0] if len(names) == 1 and graph.value(names[0]).bytes == whole else None


def storage_lifetimes(
    graph: Graph, steps: Sequence[Sequence[Node]], root: Mapping[str, str], keep_input: bool
) -> dict[str, Lifetime]:
    """Root value -> lifetime of its buffer, where step i computes the nodes of steps[i]."""
    end = len(steps)
    first = {root[name]: -1 for name in (*graph.inputs, *(s.read for s in graph.states))}
    last = dict(first)
    for step, nodes in enumerate(steps):
        for node in nodes:
            for name in (*graph.activations(node), *node.outputs):
                first.setdefault(root[name], step)
                last[root[name]] = step
    kept = (*graph.outputs, *(s.read for s in graph.states), *(graph.inputs if keep_input else ()))
    last.update((root[name], end) for name in kept if not graph.value(name).is_constant)
    return {name: Lifetime(first[name], last[name]) for name in first}
