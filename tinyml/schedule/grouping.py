"""Which neighbours are worth computing as patches, and in what parts.

A value is kept in a ring of lines, or it is computed again, part by part, wherever it is needed, or of its parts those
columns are kept that the next one needs. The last two pay for wide values between narrow ones, such as what a block expands
its input to: a ring of the narrow input takes the place of rings of wide values. Here runs of nodes are found that begin and
end with something narrow, with the parts in which they take no more than so much memory; the search tries them all against
rings.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeVar

from tinyml.ir.graph import Graph, Node
from tinyml.kernels.descriptor import Access
from tinyml.kernels.rows import row_bytes
from tinyml.kernels.windows import COLUMNS
from tinyml.schedule.patch import Patch, windows_of
from tinyml.schedule.stream import Tiling, Worker, make_stream, tiling_of

_LONGEST = 5  # nodes of a run: a block of a mobile network, with its residual addition
_TILES = (1, 2, 4)  # rows of a part that are tried
_STRIPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # parts of a row that are tried
_CAPS = 8  # sizes of the workspace that are tried
_RATES = 5  # prices of memory that are tried


@dataclass(frozen=True, slots=True)
class Option:
    """A way to compute a run, and what it costs.

    Attributes:
        bytes: of workspace.
        saved: bytes of rings that become needless, less those that rings of its operands and of its result grow by.
        cycles: predicted, more than what the nodes cost one by one.
    """

    tiling: Tiling
    bytes: int
    saved: int
    cycles: float


@dataclass(frozen=True, slots=True)
class Run:
    """Nodes from `start` on that may be a patch, and those ways to compute it that no other beats in everything."""

    start: int
    nodes: int
    options: tuple[Option, ...]


Price = Callable[[int, Worker], tuple[int, float]]
"""The position of its first node and a worker -> bytes of its workspace, and predicted cycles of all of its calls."""


def find_runs(
    nodes: Sequence[Node], graph: Graph, accesses: Sequence[Access], passing: AbstractSet[str], price: Price
) -> list[Run]:
    """All runs that save memory.

    Args:
        accesses: of the nodes' kernels.
        passing: values that have one place and one use: they are no input, output, state or view, and have no views.
    """
    found: list[Run] = []
    last_read = {name: i for i, node in enumerate(nodes) for name in graph.activations(node)}
    for start in range(len(nodes)):
        for end in range(start + 2, min(start + _LONGEST, len(nodes)) + 1):
            between = [node.outputs[0] for node in nodes[start : end - 1]]
            if not passing >= set(between):
                break
            if any(last_read[name] >= end for name in between):
                continue
            options = _options(start, nodes[start:end], graph, accesses[start:end], price)
            if options:
                found.append(Run(start, end - start, options))
    return found


def _options(
    start: int, nodes: Sequence[Node], graph: Graph, accesses: Sequence[Access], price: Price
) -> tuple[Option, ...]:
    def worker(tiling: Tiling) -> Worker:
        return make_stream(nodes, [tiling], graph, accesses).workers[0]

    try:
        whole = worker(Tiling(1, len(nodes)))
    except ValueError:
        return ()
    if _saved(whole, graph, accesses) <= 0:
        return ()
    alone = sum(
        price(position, make_stream([node], [Tiling(1)], graph, [access]).workers[0])[1]
        for position, (node, access) in enumerate(zip(nodes, accesses, strict=True), start)
    )
    width = whole.patch.cols
    shapes = {(min(tile, whole.rows), -(-width // strips)) for tile in _TILES for strips in _STRIPS}
    options: list[Option] = []
    for rows, cols in sorted(shapes):
        for keeps in _subsets(_overlapping(whole.patch)) if cols < width else [()]:
            try:
                patch = worker(Tiling(rows, len(nodes), cols, keeps))
            except ValueError:
                continue
            size, cycles = price(start, patch)
            options.append(Option(tiling_of(patch), size, _saved(patch, graph, accesses), cycles - alone))
    return tuple(_unbeaten(option for option in options if option.saved > 0))


def _unbeaten(options: Iterable[Option]) -> Iterator[Option]:
    kept: list[Option] = []
    for option in sorted(options, key=lambda o: (o.bytes, o.cycles, -o.saved)):
        if not any(other.cycles <= option.cycles and other.saved >= option.saved for other in kept):
            kept.append(option)
            yield option


def _overlapping(patch: Patch) -> list[int]:
    """Positions of the values of which neighbouring parts of a row read the same columns."""
    across = [[reader.windows[COLUMNS] for reader in readers] for readers in patch.readers]
    return [i for i, windows in enumerate(across) if any(window.extent > window.stride for window in windows)]


def _subsets(positions: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for count in range(len(positions) + 1):
        yield from combinations(positions, count)


def _saved(worker: Worker, graph: Graph, accesses: Sequence[Access]) -> int:
    """Bytes of the rings of what lies between the nodes, at tiles of one row, less what rings of its operands and of its
    result grow by."""
    lines: dict[str, int] = {}
    for node, access in zip(worker.nodes, accesses, strict=True):
        for name, window in zip(graph.activations(node), windows_of(node, graph, access), strict=True):
            lines[name] = max(lines.get(name, 1), 1 if window is None else window.extent)
    saved = sum(lines[name] * row_bytes(graph.value(name)) for name in worker.passing)
    for operand in worker.reads:
        taken = operand.window.extent + (worker.tile - 1) * operand.window.stride
        grown = min(taken, operand.height) - min(lines[operand.value], operand.height)
        saved -= grown * row_bytes(graph.value(operand.value))
    return saved - (worker.tile - 1) * row_bytes(graph.value(worker.node.output))


def variants(runs: Sequence[Run]) -> Iterator[Mapping[int, Tiling]]:
    """Choices of patches that do not overlap: position of the first node -> how they are computed. For some sizes of the
    workspace and some prices of memory, in cycles a byte, the cheapest choice."""
    options = [option for run in runs for option in run.options]
    sizes = sorted({option.bytes for option in options})
    rates = sorted({max(option.cycles, 0.0) / option.saved for option in options})
    seen: list[Mapping[int, Tiling]] = []
    for size, rate in product(_spread(sizes, _CAPS), _spread(rates, _RATES)):
        chosen = _cheapest(runs, size, rate)
        if chosen and chosen not in seen:
            seen.append(chosen)
            yield chosen


def _cheapest(runs: Sequence[Run], size: int, rate: float) -> Mapping[int, Tiling]:
    """The patches whose workspace is no larger and that are worth more together than others, at a price of memory."""
    starting: dict[int, list[tuple[float, Run, Tiling]]] = {}
    for run in runs:
        costs = [(o.cycles - rate * o.saved, o.tiling) for o in run.options if o.bytes <= size]
        if costs:
            cost, tiling = min(costs, key=lambda pair: pair[0])
            starting.setdefault(run.start, []).append((cost, run, tiling))
    best: dict[int, tuple[float, dict[int, Tiling]]] = {}  # of the nodes from each position on
    beyond = max((run.start + run.nodes for run in runs), default=0)
    best[beyond] = (0.0, {})
    for start in reversed(range(beyond)):
        best[start] = best[start + 1]
        for cost, run, tiling in starting.get(start, ()):
            others, chosen = best[start + run.nodes]
            if cost + others < best[start][0]:
                best[start] = (cost + others, {start: tiling, **chosen})
    return best[0][1]


T = TypeVar("T", int, float)


def _spread(values: Sequence[T], most: int) -> list[T]:
    """At most so many of the values, the ends among them."""
    if len(values) <= most:
        return list(values)
    return [values[i * (len(values) - 1) // (most - 1)] for i in range(most)]
