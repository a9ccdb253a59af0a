"""Which values share memory, and from when to when it is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.errors import ModelError
from tinyml.ir.graph import Graph, Node
from tinyml.schedule.model import VIEWS


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Steps from first to last, both included. A network input is written before step 0 (first = -1); an output lives
    on after the last step (last = number of steps)."""

    first: int
    last: int

    def overlaps(self, other: "Lifetime") -> bool:
        return self.first <= other.last and other.first <= self.last


def storage_roots(graph: Graph) -> dict[str, str]:
    """Activation value -> the value that names its buffer: a view's source, the read side of a state."""
    root = {name: name for name in (*graph.inputs, *(s.read for s in graph.states))}
    given = set(root)
    for node in graph.nodes:
        for name in node.outputs:
            root[name] = root[node.used[0]] if node.op in VIEWS else name
    owner: dict[str, str] = {}
    for state in graph.states:
        written = root[state.written]
        if written in given or written in owner:
            raise ModelError(
                f"state {state.read}: its next value {state.written} is not computed by an operation of its own",
                "let an operation whose result no other state takes compute it",
            )
        owner[written] = state.read
    return {name: owner.get(r, r) for name, r in root.items()}


def fed_value(graph: Graph, root: Mapping[str, str]) -> str | None:
    """What is fed where the network's input comes row by row: the input, or the one view of it that nodes read. None:
    the network has several inputs, or several views of one are read."""
    if len(graph.inputs) != 1 or graph.inputs[0] in graph.outputs:
        return None
    read = {name for node in graph.nodes if node.op not in VIEWS for name in graph.activations(node)}
    names = [name for name in root if root[name] == graph.inputs[0] and name in read]
    return names[0] if len(names) == 1 else None


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
