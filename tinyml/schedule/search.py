"""The search for schedules: where to cut a network into stages, and how high their tiles are.

A stage is a run of nodes in the order of the graph. For each run that can advance row by row, and for each tile height,
an estimate says what memory it needs and how many cycles it takes; dynamic programming over the cuts, from the last node
to the first, then keeps every schedule that no other beats in both. The memory of those few is measured by the planner
itself.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.kernels.rows import row_bytes
from tinyml.schedule.grouping import find_runs, variants
from tinyml.schedule.model import VIEWS, Schedule
from tinyml.schedule.overlap import distance, guests
from tinyml.schedule.patch import windows_of
from tinyml.schedule.storage import fed_value, storage_lifetimes, storage_roots
from tinyml.schedule.stream import Stream, Tiling, Trace, Worker, make_stream, run_stream, tiling_of
from tinyml.schedule.workspace import workspace

TILES = (1, 2, 4)
"""Rows of a tile that are tried."""

LONGEST = 64
"""Nodes of the longest stage that is tried."""

CALL_CYCLES = 40.0
"""Of the loop around a call in a stream: counted in the emulator, at 10 nodes a stage."""

PART_CYCLES = 100.0
"""Of the call of a kernel for a part of a patch, besides those that its formula has for a tile."""

_FRONT = 32
"""Schedules of the last n nodes that are kept for each of `_ROOM`."""

_ROOM = (0, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10)
"""Bytes below the input of those nodes by which their schedules are told apart."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """A result that may start less than its size below an operand that dies: see `tinyml.schedule.overlap`."""

    result: str
    operand: str
    result_bytes: int
    operand_bytes: int
    distance: int

    @property
    def together(self) -> int:
        """Bytes that both take."""
        return max(self.result_bytes, self.distance + self.operand_bytes)


@dataclass(frozen=True, slots=True)
class Cut:
    """A stage that might be: nodes [start, end).

    Attributes:
        tilings: how they are computed.
        apart: bytes that live while it runs, where no result overlaps an operand and nothing is lost to gaps.
        again: multiply-accumulates that are computed more than once.
        overlap: the one that saves most.
    """

    start: int
    end: int
    tilings: tuple[Tiling, ...]
    apart: int
    cycles: float
    again: int = 0
    overlap: Overlap | None = None

    def bytes(self, below: int) -> int:
        """What lives where the result lies at least `below` bytes above the bottom, and close to the operand. What else
        lives may use the room."""
        if self.overlap is None:
            return self.apart
        both = self.overlap.result_bytes + self.overlap.operand_bytes
        return below + self.overlap.together + max(0, self.apart - both - below)


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A schedule, and what it costs: estimated bytes of arena, and predicted cycles."""

    cuts: tuple[Cut, ...]
    bytes: int
    cycles: float

    @property
    def again(self) -> int:
        """Multiply-accumulates that are computed more than once."""
        return sum(cut.again for cut in self.cuts)

    def schedule(self, base: Schedule) -> Schedule:
        nodes = computed_nodes(base.graph)
        return replace(base, stages=tuple(base.stage(nodes[cut.start : cut.end], cut.tilings) for cut in self.cuts))


@dataclass(frozen=True, slots=True)
class _Suffix:
    """A schedule of the last nodes.

    Attributes:
        below: bytes that must be free below the operand that its first stage overlaps: a chain of results that each run
            into the one before moves down in the arena.
        index: of the schedule of what follows the first stage, in the front of those.
    """

    bytes: int
    cycles: float
    below: int
    cut: Cut | None = None
    overlaps: str | None = None
    index: int = 0


def computed_nodes(graph: Graph) -> tuple[Node, ...]:
    return tuple(node for node in graph.nodes if node.op not in VIEWS)


def search(estimates: "Estimates", again: int = 0) -> tuple[Point, ...]:
    """The schedules that no other beats in both memory and cycles, from the least memory to the fewest cycles.

    Args:
        again: multiply-accumulates that may be computed more than once where that saves memory.
    """
    nodes = estimates.nodes
    if estimates.base.stream_input and estimates.fed is None:
        return ()
    starting: dict[int, list[Cut]] = {start: [] for start in range(len(nodes))}
    for cut in (*estimates.cuts(), *(estimates.patched(again) if again else ())):
        starting[cut.start].append(cut)
    fronts: dict[int, list[_Suffix]] = {len(nodes): [_Suffix(0, 0.0, 0)]}
    for start in reversed(range(len(nodes))):
        fronts[start] = _kept(
            grown
            for cut in _useful(starting[start])
            for index, suffix in enumerate(fronts[cut.end])
            for grown in _grown(cut, suffix, index)
        )
    points = (Point(_cuts(fronts, suffix), suffix.bytes, suffix.cycles) for suffix in _unbeaten(fronts[0]))
    return tuple(point for point in points if point.again <= again)


def _useful(cuts: Sequence[Cut]) -> list[Cut]:
    """Stages with one start, without those that another one beats that ends where they do and overlaps what they do."""
    kept: dict[tuple[int, str | None], list[Cut]] = {}
    for cut in sorted(cuts, key=lambda c: c.cycles):
        others = kept.setdefault((cut.end, None if cut.overlap is None else cut.overlap.operand), [])
        if not any(other.apart <= cut.apart and _closer(other.overlap, cut.overlap) for other in others):
            others.append(cut)
    return [cut for group in kept.values() for cut in group]


def _closer(one: Overlap | None, other: Overlap | None) -> bool:
    return one is None or other is None or (one.result == other.result and one.distance <= other.distance)


def _grown(cut: Cut, suffix: _Suffix, index: int) -> Iterator[_Suffix]:
    """The schedules that begin with a stage before those of a suffix."""
    cycles = cut.cycles + suffix.cycles
    yield _Suffix(max(suffix.bytes, cut.apart), cycles, 0, cut, None, index)
    if cut.overlap is not None:
        below = suffix.below if suffix.overlaps == cut.overlap.result else 0
        size = max(suffix.bytes, cut.bytes(below))
        yield _Suffix(size, cycles, below + cut.overlap.distance, cut, cut.overlap.operand, index)


def _cuts(fronts: Mapping[int, Sequence[_Suffix]], suffix: _Suffix) -> tuple[Cut, ...]:
    cuts: list[Cut] = []
    while suffix.cut is not None:
        cuts.append(suffix.cut)
        suffix = fronts[suffix.cut.end][suffix.index]
    return tuple(cuts)


def _kept(suffixes: Iterable[_Suffix]) -> list[_Suffix]:
    """For each step of `_ROOM` those that no other beats, thinned."""
    rooms: dict[int, list[_Suffix]] = {}
    for suffix in suffixes:
        rooms.setdefault(bisect_left(_ROOM, suffix.below), []).append(suffix)
    return [suffix for room in rooms.values() for suffix in _thinned(_unbeaten(room))]


def _unbeaten(suffixes: Iterable[_Suffix]) -> list[_Suffix]:
    """Those that no other beats in both memory and cycles, by memory."""
    kept: list[_Suffix] = []
    for suffix in sorted(suffixes, key=lambda s: (s.bytes, s.cycles, s.below)):
        if not kept or suffix.cycles < kept[-1].cycles:
            kept.append(suffix)
    return kept


def _thinned(suffixes: list[_Suffix]) -> list[_Suffix]:
    """At most `_FRONT` of them, the ends among them."""
    if len(suffixes) <= _FRONT:
        return suffixes
    return [suffixes[i * (len(suffixes) - 1) // (_FRONT - 1)] for i in range(_FRONT)]


def cycles_of(worker: Worker, schedule: Schedule) -> float:
    """Predicted, of all calls of a worker's kernels."""
    graph = schedule.graph
    if len(worker.nodes) == 1:
        return schedule.kernel(worker.node).cost_in_tiles(worker.node, graph, worker.tile)
    total = 0.0
    patch = worker.patch
    parts = math.ceil(worker.rows / worker.tile) * len(patch.strips())
    sizes, computed = patch.sizes(worker.tile), patch.computed(worker.tile)
    for node, (rows, _), pixels, image in zip(worker.nodes, sizes, computed, patch.images, strict=True):
        kernel = schedule.kernel(node)
        total += kernel.cost_in_tiles(node, graph, rows) * pixels / math.prod(image) + PART_CYCLES * parts
    return total


class Estimates:
    """What every run of nodes would need as a stage.

    Args:
        base: kernels for every node, any stages, and whether the input is streamed.
        keep_input: nothing may overwrite the network's inputs.
    """

    def __init__(self, base: Schedule, keep_input: bool = False) -> None:
        graph = base.graph
        nodes = computed_nodes(graph)
        self.base, self.graph, self.nodes = base, graph, nodes
        self.fed = fed_value(graph, storage_roots(graph)) if base.stream_input else None
        self.accesses = [base.kernel(node).access for node in nodes]
        self.root = storage_roots(graph)
        self.life = storage_lifetimes(graph, [(node,) for node in nodes], self.root, keep_input)
        self.scratch: dict[tuple[str, Tiling], tuple[int, int]] = {}
        self.size = dict.fromkeys(self.life, 0)
        for name, root in self.root.items():
            self.size[root] = max(self.size[root], graph.value(name).bytes)
        shared = Counter(self.root.values())
        self.alone = frozenset(root for root, names in shared.items() if names == 1)
        self.readings: dict[str, set[str]] = {root: set() for root in self.life}
        for node in nodes:
            for name in graph.activations(node):
                self.readings[self.root[name]].add(name)
        self.row = {name: row_bytes(graph.value(name)) for name in self.root}

    def cut(self, start: int, tilings: Sequence[Tiling]) -> Cut | None:
        """The stage of as many nodes as are in the tilings; None where there is none."""
        end = start + sum(tiling.nodes for tiling in tilings)
        if self._longest(start) < end:
            return None
        return next((cut for cut in self._streams(start, tilings) if cut.end == end), None)

    def cuts(self) -> Iterator[Cut]:
        """All stages that might be."""
        for start in range(len(self.nodes)):
            if start or self.fed is None:
                yield self._layer(start)
            for tile in TILES:
                yield from self._streams(start, [Tiling(tile)] * (self._longest(start) - start))

    def patched(self, again: int) -> Iterator[Cut]:
        """Stages with patches that are worth a trial, and compute no more than that again: see
        `tinyml.schedule.grouping`."""
        inside = {node.outputs[0] for node in self.nodes if len(node.outputs) == 1 and node.outputs[0] in self.life}
        passing = {
            name
            for name in inside & self.alone
            if self.life[name].first >= 0 and self.life[name].last < len(self.nodes)
        }
        runs = find_runs(
            self.nodes, self.graph, self.accesses, passing, lambda w: (self._scratch(w)[0], cycles_of(w, self.base))
        )
        seen: set[tuple[int, tuple[Tiling, ...]]] = set()  # first nodes and tilings of stages that were yielded
        for variant in variants(runs):
            within = {run.start + i for run in runs if run.start in variant for i in range(1, run.nodes)}
            for start in range(len(self.nodes)):
                tilings = self._tilings(start, variant)
                first = next((i for i, tiling in enumerate(tilings) if tiling.nodes > 1), len(tilings))
                ends = [tilings[:count] for count in range(first + 1, len(tilings) + 1)]
                fresh = {len(some) for some in ends if start not in within and (start, some) not in seen}
                if fresh:
                    seen.update((start, some) for some in ends)
                    yield from (cut for cut in self._streams(start, tilings, fresh) if cut.again <= again)

    def _tilings(self, start: int, variant: Mapping[int, Tiling]) -> tuple[Tiling, ...]:
        """Of the longest stage that starts there: its patches, up to the last, and tiles of one row between them."""
        tilings: list[Tiling] = []
        position, end = start, self._longest(start)
        while position < end:
            tiling = variant.get(position, Tiling(1))
            if position + tiling.nodes > end:
                break
            tilings.append(tiling)
            position += tiling.nodes
        return tuple(tilings)

    def _layer(self, start: int) -> Cut:
        stage = self.base.stage((self.nodes[start],))
        (worker,) = stage.stream.workers
        return self._cut(start, start + 1, stage.stream, stage.trace, cycles_of(worker, self.base), 0)

    def _longest(self, start: int) -> int:
        """The end of the longest run from `start` on that can advance row by row."""
        inside: set[str] = set()  # what the run computes, and where
        buffers: set[str] = set()
        for end in range(start, min(start + LONGEST, len(self.nodes))):
            node, access = self.nodes[end], self.accesses[end]
            if access.whole or len(node.outputs) > 1:
                return end
            for name, window in zip(self.graph.activations(node), windows_of(node, self.graph, access), strict=True):
                if self.root[name] in buffers and (window is None or name not in inside):
                    return end  # taken whole, or a view of what the stream computes
            inside.update(node.outputs)
            buffers.update(self.root[name] for name in node.outputs)
        return min(start + LONGEST, len(self.nodes))

    def _streams(self, start: int, tilings: Sequence[Tiling], counts: Collection[int] | None = None) -> Iterator[Cut]:
        """All stages that start there, or those of so many workers. One run serves them all: that others follow changes
        nothing for a node."""
        end = start + sum(tiling.nodes for tiling in tilings)
        stream = make_stream(self.nodes[start:end], tilings, self.graph, self.accesses[start:end])
        trace = run_stream(stream)
        cycles, again, end = 0.0, 0, start
        for i, worker in enumerate(stream.workers):
            end += len(worker.nodes)
            cycles += cycles_of(worker, self.base) + CALL_CYCLES * len(trace.calls_of[i])
            again += self._again(worker)
            if counts is not None and i + 1 not in counts:
                continue
            if i == 0 and len(worker.nodes) == 1 and worker.tile == worker.rows and (start or self.fed is None):
                continue  # the layer as a whole
            if start == 0 and self.fed is not None and self.life[self.graph.inputs[0]].last >= end:
                continue  # not all that read the rows that are fed
            yield self._cut(start, end, stream, trace, cycles, again, i + 1)

    def _again(self, worker: Worker) -> int:
        """Multiply-accumulates that a patch computes more than once."""
        if len(worker.nodes) == 1:
            return 0
        computed = worker.patch.computed(worker.tile)
        return sum(
            macs(node, self.graph) * pixels // math.prod(image) - macs(node, self.graph)
            for node, pixels, image in zip(worker.nodes, computed, worker.patch.images, strict=True)
        )

    def _cut(
        self, start: int, end: int, stream: Stream, trace: Trace, cycles: float, again: int, count: int = 1
    ) -> Cut:
        """Nodes [start, end) as a stage: the first `count` workers of the stream."""
        workers = stream.workers[:count]
        passing = {name for worker in workers for name in worker.passing}
        total = 0
        dying: list[str] = []
        born: list[str] = []
        rings: dict[str, int] = {}
        for root, life in self.life.items():
            if life.last < start or life.first >= end or root in passing:
                continue
            if self.fed is not None and root in self.graph.inputs:
                total += -(-trace.lines[self.fed] * row_bytes(self.graph.value(self.fed)) // 4) * 4 if start == 0 else 0
            elif life.first < start:
                total += self.size[root]
                if life.last < end:
                    dying.append(root)
            elif life.last >= end or end == start + 1 or root not in self.alone:
                total += self.size[root]
                born.append(root)
            else:
                rings[root] = trace.lines[root]
        accesses = [self.base.kernel(worker.node).access for worker in workers]
        for guest, host in guests(self.graph, workers, accesses, rings, born).items():
            lines = rings.pop(guest)
            if host in rings:
                rings[host] = max(rings[host], lines, trace.shared[guest])
        total += sum(-(-lines * self.row[name] // 4) * 4 for name, lines in rings.items())
        shared = 0
        for worker in workers:
            turn, kept = self._scratch(worker)
            total, shared = total + kept, max(shared, turn)
        tilings = tuple(tiling_of(worker) for worker in workers)
        return Cut(start, end, tilings, total + shared, cycles, again, self._overlap(stream, trace, born, dying))

    def _scratch(self, worker: Worker) -> tuple[int, int]:
        """Bytes for the turn of a worker, and those that it keeps between its turns."""
        key = (worker.nodes[0].name, tiling_of(worker))
        if key not in self.scratch:
            node, turn = worker.node, workspace(worker, self.graph, self.base.kernel).bytes
            kernel = self.base.kernel(node)
            self.scratch[key] = (turn, kernel.scratch_bytes(node, self.graph, worker.tile) if worker.reduces else 0)
        return self.scratch[key]

    def _overlap(self, stream: Stream, trace: Trace, born: Sequence[str], dying: Sequence[str]) -> Overlap | None:
        """The overlap of a result with an operand that saves most."""
        best: Overlap | None = None
        saved = 0
        for i, worker in enumerate(stream.workers):
            if not dying or len(worker.node.outputs) > 1 or worker.node.output not in born:
                continue
            out, access = worker.node.output, self.base.kernel(worker.node).access
            for host in dying:
                apart = distance(self.graph, stream, trace, i, access, self.readings[host])
                overlap = Overlap(out, host, self.size[out], self.size[host], apart)
                if self.size[out] + self.size[host] - overlap.together > saved:
                    best, saved = overlap, self.size[out] + self.size[host] - overlap.together
        return best
