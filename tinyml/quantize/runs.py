"""Which neighbouring layers gain most by activations of 16 bits.

A value has 16 bits where the node that makes it and all that read it compute on them; at the seams it is requantized, and
has 8. So single layers gain nothing, and what is chosen is a run of layers one after the other, with all nodes in between.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.interpreter import run as run_graph
from tinyml.ir.macs import macs
from tinyml.ir.quant import QuantParams
from tinyml.quantize.assign import WEIGHTED, Assignment, float_reason
from tinyml.quantize.calibration import Sample
from tinyml.quantize.sensitivity import Candidates, candidates, power
from tinyml.quantize.simulate import decisive, rounded, simulate
from tinyml.quantize.wide import FUNCTIONS

_FEW = 16
"""Samples that runs are measured with."""


@dataclass(frozen=True, slots=True)
class Run:
    """Nodes that compute on 16 bits, in order of execution.

    Attributes:
        macs: their multiply-accumulates, of which each takes about twice as long as in int8.
        error: noise power over signal power at the output, with 8-bit weights throughout.
        more_cycles: than with 8 bits; 0 where they do not matter.
    """

    nodes: tuple[str, ...]
    macs: int
    error: float
    more_cycles: int


def best_runs(
    graph: Graph,
    assignment: Assignment,
    base_error: float,
    samples: Sequence[Sample],
    wide_cycles: Mapping[str, int],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Run, ...]:
    """Runs by rising multiply-accumulates, each with less noise than all before.

    Weights are rounded so that they make up for the rounding of activations, so that what a run gains cannot be measured
    with weights that were rounded for others. It is taken that of the noise beyond that of weights alone, the run leaves the
    share that it leaves with exact weights.

    Args:
        base_error: noise power over signal power at the output, with 8 bits throughout.
        wide_cycles: of nodes by name, what 16 bits take more.
        progress: called with the number of measurements that are done, and of all.
    """
    few = [samples[i * len(samples) // _FEW] for i in range(_FEW)] if len(samples) > _FEW else samples
    noise = value_errors(graph, assignment, few)
    price = {node.name: macs(node, graph) for node in graph.nodes}
    found = sorted(
        (sum(price[name] for name in names), -sum(noise.get(v, 0.0) for v in inside(graph, names)), names)
        for names in _runs(graph)
    )
    picked, least = [], 0.0
    for total, gain, names in found:
        if gain < least:
            least = gain
            picked.append((total, names))
    floor = min(_error(graph, {}, candidates(graph, assignment, samples, exact=True), few), base_error)
    every = max(_error(graph, assignment.params, {}, few), 1e-30)
    runs: list[Run] = []
    for done, (total, names) in enumerate(picked):
        kept = {v: p for v, p in assignment.params.items() if v not in inside(graph, names)}
        error = floor + (base_error - floor) * _error(graph, kept, {}, few) / every
        runs.append(Run(names, total, error, sum(wide_cycles.get(name, 0) for name in names)))
        progress(done + 1, len(picked))
    return tuple(run for i, run in enumerate(runs) if run.error < min([base_error, *(b.error for b in runs[:i])]))


def inside(graph: Graph, names: Sequence[str]) -> frozenset[str]:
    """The values that have 16 bits if these nodes compute on them."""
    chosen = set(names)
    readers, outputs = graph.consumers(), set(graph.outputs)
    return frozenset(
        value
        for node in graph.nodes
        if node.name in chosen
        for value in node.outputs
        if value not in outputs and all(reader.name in chosen for reader in readers.get(value, ()))
    )


def value_errors(graph: Graph, assignment: Assignment, samples: Sequence[Sample]) -> dict[str, float]:
    """Value -> noise power over signal power at the output, if it alone is rounded."""
    targets = decisive(graph)
    reached = _reached(graph)
    errors = dict.fromkeys(reached, 0.0)
    signal = 0.0
    for sample in samples:
        exact = run_graph(graph, sample, all_values=True).values
        signal += power(exact[t] for t in targets)
        for value, later in reached.items():
            if value in assignment.params:
                given = {**exact, value: rounded(exact[value], assignment.params[value])}
                after = simulate(graph, {}, {}, {}, given, only=later)
                errors[value] += power(after[t] - exact[t] for t in targets)
    return {value: e / max(signal, 1e-30) for value, e in errors.items()}


def _reached(graph: Graph) -> dict[str, frozenset[str]]:
    """Value -> names of the nodes that it has an effect on."""
    result = {}
    for made in graph.nodes:
        for value in made.outputs:
            values, names = {value}, set()
            for node in graph.nodes:
                if not values.isdisjoint(node.used):
                    values.update(node.outputs)
                    names.add(node.name)
            result[value] = frozenset(names)
    return result


def _runs(graph: Graph) -> Iterator[tuple[str, ...]]:
    """Every run from one layer to before another, or to the end, whose nodes all have a form in int16."""
    starts = [i for i, node in enumerate(graph.nodes) if node.op in WEIGHTED]
    for k, first in enumerate(starts):
        for end in (*starts[k + 1 :], len(graph.nodes)):
            nodes = graph.nodes[first:end]
            if not all(_has_wide_form(node, graph) for node in nodes):
                break
            yield tuple(node.name for node in nodes)


def _has_wide_form(node: Node, graph: Graph) -> bool:
    return float_reason(node, graph, DType.INT8 if node.op in FUNCTIONS else DType.INT16) is None


def _error(
    graph: Graph, params: Mapping[str, QuantParams], weights: Mapping[str, Candidates], samples: Sequence[Sample]
) -> float:
    """Noise power over signal power at the output, with int8 weights of layers by name; others are exact."""
    real = {str(node.inputs[1]): weights[node.name].int8.real for node in graph.nodes if node.name in weights}
    biases = {name: c.int8.bias for name, c in weights.items()}
    targets = decisive(graph)
    signal = noise = 0.0
    for sample in samples:
        exact = run_graph(graph, sample, all_values=True).values
        live = simulate(graph, params, real, biases, sample)
        signal += power(exact[t] for t in targets)
        noise += power(live[t] - exact[t] for t in targets)
    return noise / max(signal, 1e-30)
