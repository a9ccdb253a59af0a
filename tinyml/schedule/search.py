"""The search for schedules: where to cut a network into stages, and how high their tiles are.

A stage is a run of nodes in the order of the graph. For each run that can advance row by row, and for each tile height,
an estimate says what memory it needs and how many cycles it takes; dynamic programming over the cuts then keeps every
schedule that no other beats in both. The memory of those few is measured by the planner itself.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tinyml.ir.graph import Graph, Node
from tinyml.kernels.rows import row_bytes
from tinyml.schedule.model import VIEWS, Schedule
from tinyml.schedule.overlap import distance, guests
from tinyml.schedule.storage import fed_value, storage_lifetimes, storage_roots
from tinyml.schedule.stream import Stream, Trace, Worker, make_stream, operand_windows, run_stream

TILES = (1, 2, 4)
"""Rows of a tile that are tried."""

LONGEST = 64
"""Nodes of the longest stage that is tried."""

CALL_CYCLES = 40.0
"""Of the loop around a call in a stream: counted in the emulator, at 10 nodes a stage."""

_FRONT = 96
"""Schedules that are kept for the first n nodes."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A stage that might be: nodes [start, end) in tiles of that many rows; None: one node, all rows at once.

    Attributes:
        bytes: that live while it runs, where buffers can be packed without gaps.
    """

    start: int
    end: int
    tile: int | None
    bytes: int
    cycles: float


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A schedule, and what it costs: estimated bytes of arena, and predicted cycles."""

    cuts: tuple[Cut, ...]
    bytes: int
    cycles: float

    def schedule(self, base: Schedule) -> Schedule:
        nodes = computed_nodes(base.graph)
        return replace(base, stages=tuple(base.stage(nodes[cut.start : cut.end], cut.tile) for cut in self.cuts))


_Reached = tuple[int, float, Cut | None, int]  # bytes, cycles, the last cut, index into the front where it starts


def computed_nodes(graph: Graph) -> tuple[Node, ...]:
    return tuple(node for node in graph.nodes if node.op not in VIEWS)


def search(estimates: "Estimates") -> tuple[Point, ...]:
    """The schedules that no other beats in both memory and cycles, from the least memory to the fewest cycles."""
    nodes = estimates.nodes
    if estimates.base.stream_input and estimates.fed is None:
        return ()
    ending: dict[int, list[Cut]] = {end: [] for end in range(len(nodes) + 1)}
    for cut in estimates.cuts():
        ending[cut.end].append(cut)
    fronts: list[list[_Reached]] = [[(0, 0.0, None, 0)]]
    for end in range(1, len(nodes) + 1):
        reached: list[_Reached] = [
            (max(size, cut.bytes), cycles + cut.cycles, cut, index)
            for cut in ending[end]
            for index, (size, cycles, _, _) in enumerate(fronts[cut.start])
        ]
        fronts.append(_thinned(_unbeaten(reached)))
    return tuple(Point(_cuts(fronts, index), point[0], point[1]) for index, point in enumerate(fronts[-1]))


def _cuts(fronts: Sequence[Sequence[_Reached]], index: int) -> tuple[Cut, ...]:
    cuts: list[Cut] = []
    end = len(fronts) - 1
    while end:
        _, _, cut, index = fronts[end][index]
        assert cut is not None
        cuts.append(cut)
        end = cut.start
    return tuple(reversed(cuts))


def _unbeaten(
    points: list[_Reached],
) -> list[_Reached]:
    """Those that no other beats in both, by memory."""
    kept: list[_Reached] = []
    for point in sorted(points, key=lambda p: (p[0], p[1])):
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    return kept


def _thinned(
    points: list[_Reached],
) -> list[_Reached]:
    """At most `_FRONT` of them, the ends among them, evenly by cycles."""
    while len(points) > _FRONT:
        gaps = [points[i - 1][1] - points[i + 1][1] for i in range(1, len(points) - 1)]
        spare = set(sorted(range(1, len(points) - 1), key=lambda i: gaps[i - 1])[: len(points) - _FRONT][::2] or [1])
        points = [point for i, point in enumerate(points) if i not in spare]
    return points


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
        self.scratch: dict[tuple[str, int], int] = {}
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

    def cut(self, start: int, end: int, tile: int) -> Cut | None:
        """The stage of these nodes in tiles of that height; None where there is none."""
        if self._longest(start) < end:
            return None
        return next((cut for cut in self._streams(start, end, tile) if cut.end == end), None)

    def cuts(self) -> Iterator[Cut]:
        """All stages that might be."""
        for start in range(len(self.nodes)):
            if start or self.fed is None:
                yield self._layer(start)
            end = self._longest(start)
            for tile in TILES:
                if end > start:
                    yield from self._streams(start, end, tile)

    def _layer(self, start: int) -> Cut:
        node = self.nodes[start]
        stage = self.base.stage((node,))
        tile = stage.stream.workers[0].tile
        kernel = self.base.kernel(node)
        needed = self._bytes(start, start + 1, stage.stream, stage.trace)
        return Cut(start, start + 1, None, needed, kernel.cost_in_tiles(node, self.graph, tile))

    def _longest(self, start: int) -> int:
        """The end of the longest run from `start` on that can advance row by row."""
        inside: set[str] = set()
        for end in range(start, min(start + LONGEST, len(self.nodes))):
            node, access = self.nodes[end], self.accesses[end]
            if access.whole or len(node.outputs) > 1:
                return end
            for name, window in zip(
                self.graph.activations(node), operand_windows(node, self.graph, access), strict=True
            ):
                if self.root[name] in inside and (window is None or name not in inside):
                    return end  # taken whole, or a view of what the stream computes
            inside.update(node.outputs)
        return min(start + LONGEST, len(self.nodes))

    def _streams(self, start: int, end: int, tile: int) -> Iterator[Cut]:
        """All stages that start there. One run serves them all: that others follow changes nothing for a node."""
        nodes = self.nodes[start:end]
        stream = make_stream(nodes, [tile] * len(nodes), self.graph, self.accesses[start:end])
        trace = run_stream(stream)
        cycles = 0.0
        for i, worker in enumerate(stream.workers):
            cycles += self.base.kernel(worker.node).cost_in_tiles(worker.node, self.graph, worker.tile)
            cycles += CALL_CYCLES * len(trace.calls_of[i])
            if i == 0 and worker.tile == worker.rows and (start or self.fed is None):
                continue  # the layer as a whole
            if start == 0 and self.fed is not None and self.life[self.graph.inputs[0]].last > i:
                continue  # not all that read the rows that are fed
            yield Cut(start, start + i + 1, tile, self._bytes(start, start + i + 1, stream, trace), cycles)

    def _bytes(self, start: int, end: int, stream: Stream, trace: Trace) -> int:
        """Live while nodes [start, end) run as a stage: the first ones of the stream."""
        total = 0
        dying: list[str] = []
        born: list[str] = []
        rings: dict[str, int] = {}
        for root, life in self.life.items():
            if life.last < start or life.first >= end:
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
        for guest, host in guests(self.graph, stream, self.accesses[start:end], rings, born).items():
            lines = rings.pop(guest)
            if host in rings:
                rings[host] = max(rings[host], lines, trace.shared[guest])
        total += sum(-(-lines * self.row[name] // 4) * 4 for name, lines in rings.items())
        shared = 0
        for worker in stream.workers[: end - start]:
            scratch = self._scratch(worker)
            if worker.reduces:
                total += scratch
            else:
                shared = max(shared, scratch)
        return total + shared - self._saved(stream, trace, born, dying)

    def _scratch(self, worker: Worker) -> int:
        key = (worker.node.name, worker.tile)
        if key not in self.scratch:
            kernel = self.base.kernel(worker.node)
            self.scratch[key] = kernel.scratch_bytes(worker.node, self.graph, worker.tile)
        return self.scratch[key]

    def _saved(self, stream: Stream, trace: Trace, born: Sequence[str], dying: Sequence[str]) -> int:
        """What the best overlap of a result with an operand saves."""
        saved = 0
        for i, worker in enumerate(stream.workers):
            if not dying or len(worker.node.outputs) > 1 or worker.node.output not in born:
                continue
            out, access = worker.node.output, self.base.kernel(worker.node).access
            for host in dying:
                apart = distance(self.graph, stream, trace, i, access, self.readings[host])
                together = max(self.size[out], apart + self.size[host])
                saved = max(saved, self.size[out] + self.size[host] - together)
        return saved
