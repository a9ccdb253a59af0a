"""What a pass is, and how the infrastructure holds it to its word."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op
from tinyml.ir.verify import verify


class PassError(AssertionError):
    """A pass did not find what it requires, or did not ensure what it declares: a bug of ours."""


@dataclass(frozen=True, slots=True)
class Property:
    """Something that can be said of a graph.

    Attributes:
        violation: what in a graph contradicts it, or None where it holds.
    """

    name: str
    violation: Callable[[Graph], str | None]


@dataclass(frozen=True, slots=True)
class Pass:
    """A rewrite of a graph into an equivalent one.

    Attributes:
        run: keeps the names, the order and the types of the network's inputs and outputs; only their axes may move.
        requires: what must hold before.
        ensures: what holds afterwards, whatever held before.
    """

    name: str
    run: Callable[[Graph], Graph]
    requires: tuple[Property, ...] = ()
    ensures: tuple[Property, ...] = ()


def without(*ops: Op) -> Property:
    """No node has one of these operations."""

    def violation(graph: Graph) -> str | None:
        return next((f"node {node.name} is a {node.op.value}" for node in graph.nodes if node.op in ops), None)

    return Property("no " + " or ".join(op.value for op in ops), violation)


def _dead(graph: Graph) -> str | None:
    used = {*graph.outputs, *(state.written for state in graph.states)}
    for node in reversed(graph.nodes):
        if used.isdisjoint(node.outputs):
            return f"nothing reads what node {node.name} computes"
        used.update(node.used)
    return None


NO_DEAD_NODES = Property("no dead nodes", _dead)


def run_pass(graph: Graph, step: Pass) -> Graph:
    """Runs one pass and checks that it told the truth.

    Raises:
        PassError: something that it requires or ensures does not hold.
        VerifyError: what it returned is no good graph.
    """
    for needed in step.requires:
        _check(graph, needed, f"pass {step.name} requires '{needed.name}'")
    result = step.run(graph)
    verify(result, quantized=graph.is_quantized)
    for promised in step.ensures:
        _check(result, promised, f"pass {step.name} ensures '{promised.name}'")
    for what, before, after in (("input", graph.inputs, result.inputs), ("output", graph.outputs, result.outputs)):
        if before != after:
            raise PassError(f"pass {step.name} changed the network's {what}s from {before} to {after}")
        for name in before:
            old, new = graph.values[name], result.values[name]
            if (old.dtype, old.quant, old.elements) != (new.dtype, new.quant, new.elements):
                raise PassError(f"pass {step.name} changed the type of network {what} {name}")
    return result


def run_passes(graph: Graph, steps: Iterable[Pass]) -> Graph:
    """Runs passes from first to last; see `run_pass`."""
    for step in steps:
        graph = run_pass(graph, step)
    return graph


def _check(graph: Graph, said: Property, claim: str) -> None:
    problem = said.violation(graph)
    if problem is not None:
        raise PassError(f"{claim}, but {problem}")
