"""Which neighbours are worth computing as patches, and in what parts.

A value is kept in a ring of lines, or it is computed again, part by part, wherever it is needed. The second pays for wide
values between narrow ones, such as what a block expands its input to: a ring of the narrow input takes the place of rings
of wide values. Here runs of nodes are found that begin and end with something narrow, with the parts in which they take
no more than so much memory; the search tries them all against rings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import product

from tinyml.ir.graph import Graph, Node
from tinyml.kernels.descriptor import Access
from tinyml.kernels.rows import row_bytes
from tinyml.schedule.patch import windows_of
from tinyml.schedule.stream import Tiling, Worker, make_stream

_LONGEST = 5  # nodes of a run: a block of a mobile network, with its residual addition
_TILES = (1, 2, 4)  # rows of a part that are tried
_STRIPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # parts of a row that are tried
_CAPS = 6  # sizes of the workspace that are tried
_LEVELS = 3  # numbers of runs that are tried


@dataclass(frozen=True, slots=True)
class Option:
    """A way to compute a run, and what it costs.

    Attributes:
        bytes: of workspace.
        cycles: predicted, more than what the nodes cost one by one.
    """

    tiling: Tiling
    bytes: int
    cycles: float


@dataclass(frozen=True, slots=True)
class Run:
    """Nodes from `start` on that may be a patch.

    Attributes:
        saved: bytes of rings that become needless, less those that rings of its operands grow by.
    """

    start: int
    nodes: int
    saved: int
    options: tuple[Option, ...]

    def within(self, size: int, rows: int) -> Option | None:
        """The cheapest one whose workspace is no larger, nor its tiles higher: those take more lines of rings."""
        fitting = (option for option in self.options if option.bytes <= size and (option.tiling.rows or 1) <= rows)
        return min(fitting, key=lambda o: o.cycles, default=None)


Price = Callable[[Worker], tuple[int, float]]
"""A worker -> bytes of its workspace, and predicted cycles of all of its calls."""


def find_runs(
    nodes: Sequence[Node], graph: Graph, accesses: Sequence[Access], passing: AbstractSet[str], price: Price
) -> list[Run]:
    """Runs that do not overlap, of those that save memory the ones that save the most together.

    Args:
        accesses: of the nodes' kernels.
        passing: values that have one place and one use: they are no input, output, state or view, and have no views.
    """
    found: dict[int, list[Run]] = {start: [] for start in range(len(nodes))}
    last_read = {name: i for i, node in enumerate(nodes) for name in graph.activations(node)}
    for start in range(len(nodes)):
        for end in range(start + 2, min(start + _LONGEST, len(nodes)) + 1):
            between = [node.outputs[0] for node in nodes[start : end - 1]]
            if not passing >= set(between):
                break
            if any(last_read[name] >= end for name in between):
                continue
            run = _run(start, nodes[start:end], graph, accesses[start:end], price)
            if run is not None and run.saved > 0:
                found[start].append(run)
    best: list[tuple[int, tuple[Run, ...]]] = [(0, ())] * (len(nodes) + 1)  # of the nodes from each position on
    for start in reversed(range(len(nodes))):
        best[start] = best[start + 1]
        for run in found[start]:
            saved, others = best[start + run.nodes]
            if saved + run.saved > best[start][0]:
                best[start] = (saved + run.saved, (run, *others))
    return list(best[0][1])


def _run(start: int, nodes: Sequence[Node], graph: Graph, accesses: Sequence[Access], price: Price) -> Run | None:
    def worker(tiling: Tiling) -> Worker:
        return make_stream(nodes, [tiling], graph, accesses).workers[0]

    try:
        whole = worker(Tiling(1, len(nodes)))
    except ValueError:
        return None
    saved = _saved(whole, graph, accesses)
    alone = sum(
        price(make_stream([node], [Tiling(1)], graph, [access]).workers[0])[1]
        for node, access in zip(nodes, accesses, strict=True)
    )
    width = whole.patch.cols
    options: dict[Tiling, Option] = {}
    for tile in _TILES:
        for strips in _STRIPS:
            tiling = Tiling(min(tile, whole.rows), len(nodes), -(-width // strips))
            if tiling not in options and saved > 0:
                size, cycles = price(worker(tiling))
                options[tiling] = Option(tiling, size, cycles - alone)
    return Run(start, len(nodes), saved, tuple(options.values()))


def _saved(worker: Worker, graph: Graph, accesses: Sequence[Access]) -> int:
    """Bytes of the rings of what lies between the nodes, less what rings of their operands grow by, at tiles of one row."""
    lines: dict[str, int] = {}
    for node, access in zip(worker.nodes, accesses, strict=True):
        for name, window in zip(graph.activations(node), windows_of(node, graph, access), strict=True):
            lines[name] = max(lines.get(name, 1), 1 if window is None else window.extent)
    saved = sum(lines[name] * row_bytes(graph.value(name)) for name in worker.passing)
    for operand in worker.reads:
        grown = min(operand.window.extent, operand.height) - min(lines[operand.value], operand.height)
        saved -= grown * row_bytes(graph.value(operand.value))
    return saved


def variants(runs: Sequence[Run]) -> Iterator[Mapping[int, Tiling]]:
    """Choices of patches: position of the first node -> how they are computed. For some sizes of the workspace and of tiles,
    those runs that save the most memory for a cycle, and fewer of them."""
    sizes = sorted({option.bytes for run in runs for option in run.options})
    for size, rows in product(_spread(sizes, _CAPS), _TILES):
        chosen = [(run, option) for run in runs if (option := run.within(size, rows)) is not None]
        chosen.sort(key=lambda pair: pair[1].cycles / pair[0].saved)
        for count in _spread(range(1, len(chosen) + 1), _LEVELS):
            yield {run.start: option.tiling for run, option in chosen[:count]}


def _spread(values: Sequence[int], most: int) -> list[int]:
    """At most so many of the values, the ends among them."""
    if len(values) <= most:
        return list(values)
    return [values[i * (len(values) - 1) // (most - 1)] for i in range(most)]
