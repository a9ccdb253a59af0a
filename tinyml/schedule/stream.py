"""How a stream runs: nodes that advance in lock-step by tiles of rows, with rings of lines between them.

The emitted C follows the same rule, so what is found here holds there to the byte:

    for every row that is fed:
        repeat:
            each node in order: if the rows that its next tile reads are there, compute the tile
        until no node could

A node computes at most one tile a pass, so that those after it use the rows at once and none pile up at the bottom of
the image, where padding completes several rows together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tinyml.ir.graph import Graph, Node
from tinyml.kernels.descriptor import Access
from tinyml.kernels.rows import image_shape
from tinyml.kernels.windows import SAME_ROW, RowWindow, row_windows


@dataclass(frozen=True, slots=True)
class Operand:
    """An activation that a node of a stream reads row by row.

    Attributes:
        height: rows of the value.
        fed: it is an input of the stream, of which the node may read as many rows as were fed. Where a node has an
            operand that is computed in the stream, its pace is that one's, and all rows of its other operands are there.
    """

    value: str
    window: RowWindow
    height: int
    fed: bool


@dataclass(frozen=True, slots=True)
class Worker:
    """A node of a stream.

    Attributes:
        rows: that it computes one after the other: of its output or, where it reduces them, of its input.
        tile: how many of them in one call.
        waits: operands whose rows it waits for.
        reads: all that it reads row by row.
        reduces: the rows of its output are there together, after the last call.
    """

    node: Node
    rows: int
    tile: int
    waits: tuple[Operand, ...]
    reads: tuple[Operand, ...]
    reduces: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a kernel: rows [row, end) of worker `worker`, once `fed` rows of the stream were fed."""

    worker: int
    row: int
    end: int
    fed: int


@dataclass(frozen=True, slots=True)
class Stream:
    """The nodes of a stream, in topological order.

    Attributes:
        inputs: values that are there before the stream and read row by row.
        whole: values that some node takes whole; they are there before the stream.
        feeds: rows that are fed, one after the other: the height of the highest input.
    """

    workers: tuple[Worker, ...]
    inputs: tuple[str, ...]
    whole: frozenset[str]
    feeds: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What a stream does.

    Attributes:
        calls: in order.
        calls_of: for each worker the indices of its calls.
        oldest: input -> for each call the first row that it, or a later one, reads. All rows before are dead.
        later: the same without the call itself.
        lines: value -> how many lines a ring of it takes, for the inputs of the stream and what its nodes compute.
        shared: operand -> how many lines a ring takes that holds it and, in its place, what the only node that reads it
            makes of it row by row.
    """

    calls: tuple[Call, ...]
    calls_of: tuple[tuple[int, ...], ...]
    oldest: Mapping[str, tuple[int, ...]]
    later: Mapping[str, tuple[int, ...]]
    lines: Mapping[str, int]
    shared: Mapping[str, int]


def make_stream(nodes: Sequence[Node], tiles: Sequence[int | None], graph: Graph, accesses: Sequence[Access]) -> Stream:
    """The stream of some nodes, in topological order.

    Args:
        tiles: rows that each of them computes in one call; None: all.
        accesses: of their kernels.

    Raises:
        ValueError: a node takes an operand whole that another node of the stream computes.
    """
    inside = {name for node in nodes for name in node.outputs}
    workers = []
    whole: set[str] = set()
    for node, tile, access in zip(nodes, tiles, accesses, strict=True):
        names = graph.activations(node)
        windows = operand_windows(node, graph, access)
        reads = []
        for name, window in zip(names, windows, strict=True):
            if window is not None:
                reads.append(Operand(name, window, _height(graph, name), name not in inside))
            elif name in inside:
                raise ValueError(f"{node.name} takes {name} whole, which the same stream computes")
            else:
                whole.add(name)
        rows = _height(graph, names[0] if access.reduces else node.outputs[0])
        waits = tuple(r for r in reads if not r.fed) or tuple(reads)
        tile = rows if tile is None or access.whole else min(tile, rows)
        workers.append(Worker(node, rows, tile, waits, tuple(reads), access.reduces))
    inputs = tuple(dict.fromkeys(r.value for w in workers for r in w.reads if r.fed))
    return Stream(tuple(workers), inputs, frozenset(whole), max((_height(graph, name) for name in inputs), default=1))


def operand_windows(node: Node, graph: Graph, access: Access) -> tuple[RowWindow | None, ...]:
    """For each activation that a node reads, the rows of it that a row takes; None: all."""
    if access.reduces:
        return (SAME_ROW,) * len(graph.activations(node))
    if access.whole:
        return (None,) * len(graph.activations(node))
    return row_windows(node, graph)


def _height(graph: Graph, name: str) -> int:
    return image_shape(graph.value(name).shape)[0]


def rows_fed(fed: int, feeds: int, height: int) -> int:
    """Rows of an input of that height that nodes may read when `fed` of `feeds` rows were fed."""
    return fed if height == feeds else -(-fed * height // feeds)


def run_stream(stream: Stream) -> Trace:
    """Runs a stream with counters for data."""
    workers = stream.workers
    done = [0] * len(workers)
    there = dict.fromkeys(stream.inputs, 0) | {name: 0 for w in workers for name in w.node.outputs}
    heights = {r.value: r.height for w in workers for r in w.reads}
    readers: dict[str, list[tuple[int, RowWindow]]] = {name: [] for name in there}
    for i, worker in enumerate(workers):
        for operand in worker.reads:
            readers[operand.value].append((i, operand.window))
    lines = dict.fromkeys(there, 1)
    heirs = {
        name: workers[found[0][0]].node.output
        for name, found in readers.items()
        if len(found) == 1 and found[0][1] == SAME_ROW and not workers[found[0][0]].reduces
    }
    shared = dict.fromkeys(heirs, 1)
    oldest: dict[str, list[int]] = {name: [] for name in stream.inputs}
    later: dict[str, list[int]] = {name: [] for name in stream.inputs}
    calls: list[Call] = []

    def first_needed(name: str) -> int:
        rows = [window.first(done[i]) for i, window in readers[name] if done[i] < workers[i].rows]
        return min(rows, default=heights.get(name, there[name]))

    for fed in range(1, stream.feeds + 1):
        for name in stream.inputs:
            there[name] = rows_fed(fed, stream.feeds, heights[name])
            lines[name] = max(lines[name], there[name] - first_needed(name))
        busy = True
        while busy:
            busy = False
            for i, worker in enumerate(workers):
                if done[i] == worker.rows:
                    continue
                end = min(done[i] + worker.tile, worker.rows)
                if any(there[r.value] < r.window.end(end - 1, r.height) for r in worker.waits):
                    continue
                busy = True
                calls.append(Call(i, done[i], end, fed))
                for name, rows in oldest.items():
                    rows.append(first_needed(name))
                done[i] = end
                for name, rows in later.items():
                    rows.append(first_needed(name))
                for name in worker.node.outputs:
                    if not worker.reduces:
                        lines[name] = max(lines[name], end - min(first_needed(name), calls[-1].row))
                        there[name] = end
                        if name in heirs:
                            oldest_kept = min(first_needed(name), first_needed(heirs[name]), calls[-1].row)
                            shared[name] = max(shared[name], end - oldest_kept)
                    elif end == worker.rows:
                        there[name] = 1
    return Trace(
        tuple(calls),
        tuple(tuple(n for n, call in enumerate(calls) if call.worker == i) for i in range(len(workers))),
        MappingProxyType({name: tuple(rows) for name, rows in oldest.items()}),
        MappingProxyType({name: tuple(rows) for name, rows in later.items()}),
        MappingProxyType(lines),
        MappingProxyType(shared),
    )
