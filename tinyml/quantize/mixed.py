"""Chooses the precision of each layer, under budgets: 4-bit weights where they cost least, and activations of 16 bits where
no choice of weights reaches the signal to noise that is asked for."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from tinyml.errors import DoesNotFitError
from tinyml.ir.graph import Graph
from tinyml.quantize.allocate import Allocation, Option, allocations
from tinyml.quantize.assign import Assignment
from tinyml.quantize.calibration import Sample
from tinyml.quantize.precision import NodePrecision, Precision
from tinyml.quantize.runs import Run, best_runs
from tinyml.quantize.sensitivity import candidates, output_errors

Progress = Callable[[str, int, int], None]

FEW = 64
"""Samples that sensitivities are measured with."""

W4A8_SHARE = 0.53
"""Of the bytes of int8 weights, what `w4a8` takes: the 3 % beyond one half let small layers that mind keep 8 bits."""


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """A layer that can have 4-bit weights.

    Attributes:
        error: relative noise power that they alone cause at the output.
        cycles: with int8 and with 4-bit weights; 0 where they do not matter.
    """

    node: str
    source: str
    weights: int
    error: float
    cycles: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Search:
    """Attributes:
    layers: what there was to choose for, in order of execution.
    base_error: relative noise power at the output with 8-bit weights throughout.
    front: the best choices by rising bytes of weights; the last is int8 wherever 4 bits would change anything.
    runs: what may have activations of 16 bits, by rising multiply-accumulates; none where they were not asked for.
    """

    layers: tuple[LayerChoice, ...]
    base_error: float
    front: tuple[Allocation, ...]
    runs: tuple[Run, ...] = ()

    @property
    def int8_bytes(self) -> int:
        return sum(layer.weights for layer in self.layers)


def search(
    graph: Graph,
    assignment: Assignment,
    samples: Sequence[Sample],
    budget: "Budget",
    *,
    progress: Progress = lambda what, done, total: None,
) -> Search:
    """Measures each layer and solves for all budgets at once.

    Args:
        budget: what it says of cycles is kept beside each layer; activations of 16 bits are weighed if it asks for an accuracy.
        progress: called with what is under way, how much of it is done, and of how much.
    """
    few = [samples[i * len(samples) // FEW] for i in range(FEW)] if len(samples) > FEW else samples
    weights = candidates(graph, assignment, few)
    base_error, errors = output_errors(
        graph, assignment, weights, few, lambda done: progress("weighing layers", done, len(few))
    )
    nodes = {node.name: node for node in graph.nodes}
    layers = tuple(
        LayerChoice(
            name, nodes[name].source, pair.int8.stored.size, errors[name], budget.layer_cycles.get(name, (0, 0))
        )
        for name, pair in weights.items()
    )
    options = {}
    for layer in layers:
        w8, w4 = layer.cycles
        options[layer.node] = (
            Option("w8a8", layer.weights, w8, 0.0),
            Option("w4a8", packed_bytes(layer.weights), w4, layer.error),
        )
    runs: tuple[Run, ...] = ()
    if budget.sqnr_db is not None:
        weigh = partial(progress, "weighing runs of layers")
        runs = best_runs(graph, assignment, base_error, few, budget.wide_cycles, weigh)
    return Search(layers, base_error, tuple(allocations(options)), runs)


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
        wide_cycles: node name -> cycles that activations of 16 bits take more.
        fits: whether the activations of a choice fit into memory; asked of those with 16 bits alone, as 4-bit weights
            change no activation.
    """

    weight_bytes: int | None = None
    cycles: int | None = None
    layer_cycles: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sqnr_db: float | None = None
    wide_cycles: Mapping[str, int] = field(default_factory=dict)
    fits: Callable[[Precision], bool] = lambda precision: True


def predicted_db(found: Search, allocation: Allocation) -> float:
    """Signal to quantization noise at the output, if the errors of layers add up."""
    return -10.0 * math.log10(max(found.base_error + allocation.error, 1e-30))


def best_within(found: Search, budget: Budget) -> Allocation:
    """Where an accuracy is asked for, the smallest weights that reach it; otherwise the most accurate choice.

    Where no weights reach it with activations of 8 bits, the run of layers with 16 that has the fewest
    multiply-accumulates among those that do, and its smallest weights.

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
    wide = [] if good else [[a for a in widened(found, run) if _keeps(a, budget)] for run in found.runs]
    for choices in wide:
        reaching = [a for a in choices if predicted_db(found, a) >= budget.sqnr_db]
        if reaching and budget.fits(reaching[0].precision):
            return min(reaching, key=lambda a: (a.bytes, a.error))
    if not good:
        best = max(predicted_db(found, a) for a in (*left, *chain(*wide)))
        raise DoesNotFitError(
            f"mixed precision: no choice within the budgets reaches {budget.sqnr_db:g} dB at the output; the best {best:.1f}",
            "lower --min-sqnr, or raise the other budgets",
        )
    return min(good, key=lambda a: (a.bytes, a.error))


def widened(found: Search, run: Run) -> list[Allocation]:
    """The choices of weights outside of a run of layers with activations of 16 bits and 8-bit weights; int8 last."""
    choices = []
    for point in found.front:
        precision: dict[str, NodePrecision] = dict.fromkeys(run.nodes, "w8a16")
        size, cycles, error = 0, run.more_cycles, run.error - found.base_error
        for layer in found.layers:
            narrow = precision.setdefault(layer.node, point.precision[layer.node]) == "w4a8"
            size += packed_bytes(layer.weights) if narrow else layer.weights
            cycles += layer.cycles[narrow]
            error += layer.error if narrow else 0.0
        choices.append(Allocation(precision, size, cycles, error))
    return choices


def _keeps(allocation: Allocation, budget: Budget) -> bool:
    """Whether it keeps the limits of bytes and cycles."""
    return (budget.weight_bytes is None or allocation.bytes <= budget.weight_bytes) and (
        budget.cycles is None or allocation.cycles <= budget.cycles
    )
