"""Chooses the precision of each layer: 4-bit weights where they cost least, under budgets."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tinyml.errors import DoesNotFitError
from tinyml.ir.graph import Graph
from tinyml.quantize.allocate import Allocation, Option, allocations
from tinyml.quantize.assign import Assignment
from tinyml.quantize.calibration import Sample
from tinyml.quantize.sensitivity import candidates, output_errors

FEW = 64
"""Samples that sensitivities are measured with."""

W4A8_SHARE = 0.53
"""Of the bytes of int8 weights, what `w4a8` takes: the 3 % beyond one half let small layers that mind keep 8 bits."""


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """A layer that can have 4-bit weights. error: relative noise power that they alone cause at the output."""

    node: str
    source: str
    weights: int
    error: float


@dataclass(frozen=True, slots=True)
class Search:
    """Attributes:
    layers: what there was to choose for, in order of execution.
    base_error: relative noise power at the output with 8-bit weights throughout.
    front: the best choices by rising bytes of weights; the last is int8 wherever 4 bits would change anything.
    """

    layers: tuple[LayerChoice, ...]
    base_error: float
    front: tuple[Allocation, ...]

    @property
    def int8_bytes(self) -> int:
        return sum(layer.weights for layer in self.layers)


def search(
    graph: Graph,
    assignment: Assignment,
    samples: Sequence[Sample],
    *,
    cycles: Mapping[str, tuple[int, int]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Search:
    """Measures each layer and solves for all budgets at once.

    Args:
        cycles: of layers by name, with int8 and with 4-bit weights; None where they do not matter.
        progress: called with the number of samples that are done, and of all.
    """
    few = [samples[i * len(samples) // FEW] for i in range(FEW)] if len(samples) > FEW else samples
    weights = candidates(graph, assignment, few)
    base_error, errors = output_errors(graph, assignment, weights, few, lambda done: progress(done, len(few)))
    nodes = {node.name: node for node in graph.nodes}
    layers = tuple(
        LayerChoice(name, nodes[name].source, pair.int8.stored.size, errors[name]) for name, pair in weights.items()
    )
    options = {}
    for layer in layers:
        w8, w4 = (cycles or {}).get(layer.node, (0, 0))
        options[layer.node] = (
            Option("w8a8", layer.weights, w8, 0.0),
            Option("w4a8", packed_bytes(layer.weights), w4, layer.error),
        )
    return Search(layers, base_error, tuple(allocations(options)))


def packed_bytes(elements: int) -> int:
    """Bytes of 4-bit weights."""
    return (elements + 1) // 2


@dataclass(frozen=True, slots=True)
class Choice:
    """A search, and which point of its front was taken."""

    search: Search
    taken: Allocation


@dataclass(frozen=True, slots=True)
class Budget:
    """What a choice of precisions must keep; None where it does not matter.

    Attributes:
        weight_bytes: of all layers together; their biases and multipliers, constants of other operations, and code apart.
        cycles: of all layers that there is a choice for, in the unit of `layer_cycles`.
        layer_cycles: node name -> (with int8 weights, with 4-bit weights).
        sqnr_db: least signal to quantization noise at the output (before a last softmax or sigmoid), as predicted.
    """

    weight_bytes: int | None = None
    cycles: int | None = None
    layer_cycles: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sqnr_db: float | None = None


def predicted_db(found: Search, allocation: Allocation) -> float:
    """Signal to quantization noise at the output, if the errors of layers add up."""
    return -10.0 * math.log10(max(found.base_error + allocation.error, 1e-30))


def best_within(found: Search, budget: Budget) -> Allocation:
    """Where an accuracy is asked for, the smallest weights that reach it; otherwise the most accurate choice.

    Raises:
        DoesNotFitError: no choice keeps the budget; the message says how near one comes.
    """
    left = list(found.front)
    if budget.weight_bytes is not None:
        left = [a for a in left if a.bytes <= budget.weight_bytes]
        if not left:
            raise DoesNotFitError(
                f"mixed precision: weights take at least {found.front[0].bytes:,} bytes, with 4 bits throughout; "
                f"{max(budget.weight_bytes, 0):,} are left for them",
                "give more flash, or take a smaller model",
            )
    if budget.cycles is not None:
        fastest = min(a.cycles for a in left)
        left = [a for a in left if a.cycles <= budget.cycles]
        if not left:
            raise DoesNotFitError(
                f"mixed precision: every choice of layers takes {fastest:,} cycles or more; the budget is {budget.cycles:,}",
                "raise --cycles, or take a smaller model",
            )
    if budget.sqnr_db is None:
        return min(left, key=lambda a: (a.error, a.bytes))
    good = [a for a in left if predicted_db(found, a) >= budget.sqnr_db]
    if not good:
        best = max(predicted_db(found, a) for a in left)
        raise DoesNotFitError(
            f"mixed precision: no choice within the budgets reaches {budget.sqnr_db:g} dB at the output; the best {best:.1f}",
            "lower --min-sqnr, or raise the other budgets",
        )
    return min(good, key=lambda a: (a.bytes, a.error))
