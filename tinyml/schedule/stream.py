"""How a stream runs: nodes that advance in lock-step by tiles of rows, with rings of lines between them.

The emitted C follows the same rule, so what is found here holds there to the byte:

    for every row that is fed:
        repeat:
            each node in order: if the rows that its next tile reads are there, compute the tile
        until no node could

A node computes at most one tile a pass, so that those after it use the rows at once and none pile up at the bottom of
the image, where padding completes several rows together.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tinyml.ir.graph import Graph, Node
from tinyml.kernels.descriptor import Access
from tinyml.kernels.rows import image_shape
from tinyml.kernels.windows import ROWS, SAME_ROW, RowWindow
from tinyml.schedule.patch import Part, Patch, make_patch, windows_of


@dataclass(frozen=True, slots=True)
class Operand:
    """An activation that a node of a stream reads row by row.

    Attributes:
        height: rows of the value.
        fed: it is an input of the stream, of which the node may read as many rows as were fed. Where a node has an
            operand that is computed in the stream, its pace is that one's, and all rows of its other operands are there.
            A patch, which may read them further ahead, waits for all.
    """

    value: str
    window: RowWindow
    height: int
    fed: bool


@dataclass(frozen=True, slots=True)
class Tiling:
    """How neighbouring nodes are computed in a stream.

    Attributes:
        rows: of a tile; None: all.
        nodes: how many of them make up one patch.
        cols: columns of a part of the patch; None: all.
        keeps: positions in the patch of nodes of whose results columns are kept from part to part.
    """

    rows: int | None = None
    nodes: int = 1
    cols: int | None = None
    keeps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Worker:
    """What takes a turn in a stream: a node, or several that are computed together as a patch.

    Attributes:
        nodes: the last one computes what others read.
        rows: that it computes one after the other: of its output or, where it reduces them, of its input.
        tile: how many of them in one call.
        waits: operands whose rows it waits for.
        reads: all that it reads row by row.
        reduces: the rows of its output are there together, after the last call.
        patch: in which parts it is computed.
    """

    nodes: tuple[Node, ...]
    rows: int
    tile: int
    waits: tuple[Operand, ...]
    reads: tuple[Operand, ...]
    reduces: bool
    patch: Patch

    @property
    def node(self) -> Node:
        """The one that computes what others read."""
        return self.nodes[-1]

    @property
    def passing(self) -> tuple[str, ...]:
        """Values between its nodes, of which there is never more than a part."""
        return tuple(node.output for node in self.nodes[:-1])

    def parts(self, row: int, end: int) -> Iterator[tuple[Part, ...]]:
        """What a call for rows [row, end) computes, part by part: the part of each node's result."""
        return self.patch.parts(row, end)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a kernel: rows [row, end) of worker `worker`, once `fed` rows of the stream were fed."""

    worker: int
    row: int
    end: int
    fed: int


@dataclass(frozen=True, slots=True)
class Stream:
    """Workers in topological order.

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


def make_stream(nodes: Sequence[Node], tilings: Sequence[Tiling], graph: Graph, accesses: Sequence[Access]) -> Stream:
    """The stream of some nodes, in topological order.

    Args:
        tilings: how they are computed, those of the first ones first.
        accesses: of their kernels.

    Raises:
        ValueError: a node takes an operand whole that another node of the stream computes; nodes cannot be computed as
            the patch that a tiling makes of them.
    """
    inside = {name for node in nodes for name in node.outputs}
    workers: list[Worker] = []
    whole: set[str] = set()
    start = 0
    for tiling in tilings:
        end = start + tiling.nodes
        workers.append(_make_worker(nodes[start:end], tiling, graph, accesses[start:end], inside, whole))
        start = end
    assert start == len(nodes), "every node is in one tiling"
    inputs = tuple(dict.fromkeys(r.value for w in workers for r in w.reads if r.fed))
    return Stream(tuple(workers), inputs, frozenset(whole), max((_height(graph, name) for name in inputs), default=1))


def _make_worker(
    nodes: Sequence[Node],
    tiling: Tiling,
    graph: Graph,
    accesses: Sequence[Access],
    inside: Collection[str],
    whole: set[str],
) -> Worker:
    """Adds to `whole` what its nodes take whole."""
    patch = make_patch(nodes, graph, accesses, tiling.cols, tiling.keeps)
    own = {name for node in nodes for name in node.outputs}
    reads: dict[str, Operand] = {}
    for node, access, through in zip(nodes, accesses, patch.through, strict=True):
        for name, window in zip(graph.activations(node), windows_of(node, graph, access), strict=True):
            if name in own:
                continue
            if window is None:
                if name in inside:
                    raise ValueError(f"{node.name} takes {name} whole, which the same stream computes")
                whole.add(name)
                continue
            window = through.of(window)
            if name in reads:
                window = window.union(reads[name].window)
            reads[name] = Operand(name, window, _height(graph, name), name not in inside)
    access = accesses[-1]
    rows = patch.images[-1][ROWS]
    operands = tuple(reads.values())
    computed = tuple(r for r in operands if not r.fed)
    waits = operands if len(nodes) > 1 or not computed else computed
    tile = rows if tiling.rows is None or access.whole else min(tiling.rows, rows)
    return Worker(tuple(nodes), rows, tile, waits, operands, access.reduces, patch)


def tiling_of(worker: Worker) -> Tiling:
    """The tiling that makes such a worker."""
    patch = worker.patch
    return Tiling(worker.tile, len(worker.nodes), patch.cols if len(worker.nodes) > 1 else None, patch.keeps)


def _height(graph: Graph, name: str) -> int:
    return image_shape(graph.value(name).shape)[0]


def rows_fed(fed: int, feeds: int, height: int) -> int:
    """Rows of an input of that height that nodes may read when `fed` of `feeds` rows were fed."""
    return fed if height == feeds else -(-fed * height // feeds)


def _by_row(worker: Worker) -> bool:
    """It makes one row of its result from one row of each operand."""
    return len(worker.nodes) == 1 and not worker.reduces


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
        if len(found) == 1 and found[0][1] == SAME_ROW and _by_row(workers[found[0][0]])
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
