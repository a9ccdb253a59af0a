"""What a run of nodes would need as a stage: bytes while it runs, and predicted cycles.

Estimates know neither alignment nor gaps between buffers. One run of a stream serves all the stages that begin as it does,
and kernels that take their operands alike share it.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyml.kernels.rows import row_bytes
from tinyml.schedule.cost import cycles_of, macs_again
from tinyml.schedule.grouping import find_runs, variants
from tinyml.schedule.model import Schedule, Stage, StageKind, computed_nodes
from tinyml.schedule.overlap import distance, guests
from tinyml.schedule.patch import windows_of
from tinyml.schedule.storage import fed_value, storage_lifetimes, storage_roots
from tinyml.schedule.stream import Tiling, Worker, tiling_of
from tinyml.schedule.workspace import workspace

TILES = (1, 2, 4)
"""Rows of a tile that are tried."""

LONGEST = 64
"""Nodes of the longest stage that is tried."""

CALL_CYCLES = 40.0
"""Of the loop around a call in a stream: counted in the emulator, at 10 nodes a stage."""


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
        hosts: see `Stage`.
    """

    start: int
    end: int
    tilings: tuple[Tiling, ...]
    apart: int
    cycles: float
    again: int = 0
    overlap: Overlap | None = None
    hosts: bool = True

    def bytes(self, below: int) -> int:
        """What lives where the result lies at least `below` bytes above the bottom, and close to the operand. What else
        lives may use the room."""
        if self.overlap is None:
            return self.apart
        both = self.overlap.result_bytes + self.overlap.operand_bytes
        return below + self.overlap.together + max(0, self.apart - both - below)


def cycles_in_all(schedule: Schedule) -> float:
    """Predicted, of a run of a schedule."""
    total = 0.0
    for stage in schedule.stages:
        total += sum(cycles_of(worker, schedule) for worker in stage.stream.workers)
        if stage.kind is not StageKind.LAYER:
            total += CALL_CYCLES * len(stage.trace.calls)
    return total


class Stages:
    """The stages of a network, each made once: they are the same for all kernels that take their operands alike.

    Args:
        base: any schedule of it.
    """

    def __init__(self, base: Schedule) -> None:
        self._base = base
        self._nodes = computed_nodes(base.graph)
        self._made: dict[tuple[int, tuple[Tiling, ...]], Stage] = {}

    def serve(self, other: Schedule) -> bool:
        """Whether another schedule could be made of them."""
        return other.graph is self._base.graph and all(
            self._base.kernel(node).access.pace == other.kernel(node).access.pace for node in self._nodes
        )

    def of(self, start: int, tilings: tuple[Tiling, ...], hosts: bool = True) -> Stage:
        """That of the nodes from `start` on which are in the tilings."""
        key = (start, tilings)
        if key not in self._made:
            self._made[key] = self.once(start, tilings)
        return self._made[key] if hosts else replace(self._made[key], hosts=False)

    def once(self, start: int, tilings: tuple[Tiling, ...]) -> Stage:
        """The same, of which no copy is kept."""
        return self._base.stage(self._nodes[start : start + sum(tiling.nodes for tiling in tilings)], tilings)


@dataclass(frozen=True, slots=True)
class _Price:
    """Of a worker.

    Attributes:
        turn: bytes for its turn alone.
        kept: bytes that it keeps between its turns.
        again: multiply-accumulates that it computes more than once.
    """

    cycles: float
    turn: int
    kept: int
    again: int


class Estimates:
    """What every run of nodes would need as a stage.

    Args:
        base: kernels for every node, any stages, and whether the input is streamed.
        keep_input: nothing may overwrite the network's inputs.
        stages: of a schedule with other kernels, to share what does not depend on them.
    """

    def __init__(self, base: Schedule, keep_input: bool = False, stages: Stages | None = None) -> None:
        graph = base.graph
        nodes = computed_nodes(graph)
        self.base, self.graph, self.nodes = base, graph, nodes
        self.stages = stages if stages is not None and stages.serve(base) else Stages(base)
        self.root = storage_roots(graph)
        self.fed = fed_value(graph, self.root) if base.stream_input else None
        self.accesses = [base.kernel(node).access for node in nodes]
        self.life = storage_lifetimes(graph, [(node,) for node in nodes], self.root, keep_input)
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
        self._born: list[list[str]] = [[] for _ in nodes]
        self._dead: list[list[str]] = [[] for _ in nodes]  # those that may be rings
        for root, life in self.life.items():
            if life.first >= 0:
                self._born[life.first].append(root)
                if life.last < len(nodes) and root in self.alone:
                    self._dead[life.last].append(root)
        self._prices: dict[tuple[int, Tiling], _Price] = {}
        self._ends = [self._longest(start) for start in range(len(nodes))]

    def cut(self, start: int, tilings: Sequence[Tiling], hosts: bool = True) -> Cut | None:
        """The stage of as many nodes as are in the tilings; None where there is none, or it hosts nothing."""
        end = start + sum(tiling.nodes for tiling in tilings)
        if self._ends[start] < end:
            return None
        cuts = self._streams(start, self.stages.of(start, tuple(tilings)), {len(tilings)})
        return next((cut for cut in cuts if cut.hosts == hosts), None)

    def cuts(self) -> Iterator[Cut]:
        """All stages that might be."""
        for start, end in enumerate(self._ends):
            if start or self.fed is None:
                yield self._layer(start)
            for tile in TILES:
                yield from self._streams(start, self.stages.of(start, (Tiling(tile),) * (end - start)))

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
            self.nodes,
            self.graph,
            self.accesses,
            passing,
            self._turn_and_cycles,
        )
        seen: set[tuple[int, tuple[Tiling, ...]]] = set()  # first nodes and tilings of stages that were yielded
        for variant in variants(runs):
            within = {start + i for start, tiling in variant.items() for i in range(1, tiling.nodes)}
            for start in range(len(self.nodes)):
                tilings = self._tilings(start, variant)
                first = next((i for i, tiling in enumerate(tilings) if tiling.nodes > 1), len(tilings))
                ends = [tilings[:count] for count in range(first + 1, len(tilings) + 1)]
                fresh = {len(some) for some in ends if start not in within and (start, some) not in seen}
                if fresh:
                    seen.update((start, some) for some in ends)
                    stage = self.stages.once(start, tilings)
                    yield from (cut for cut in self._streams(start, stage, fresh) if cut.again <= again)

    def _tilings(self, start: int, variant: Mapping[int, Tiling]) -> tuple[Tiling, ...]:
        """Of the longest stage that starts there: its patches, up to the last, and tiles of one row between them."""
        tilings: list[Tiling] = []
        position, end = start, self._ends[start]
        while position < end:
            tiling = variant.get(position, Tiling(1))
            if position + tiling.nodes > end:
                break
            tilings.append(tiling)
            position += tiling.nodes
        return tuple(tilings)

    def _layer(self, start: int) -> Cut:
        return next(self._cuts(start, self.stages.of(start, (Tiling(),)), 0.0))

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

    def _streams(self, start: int, stage: Stage, counts: Collection[int] | None = None) -> Iterator[Cut]:
        """All streams that begin as a stage does, or those of so many workers."""
        workers = stage.stream.workers
        if not workers:
            return  # the first node cannot advance row by row
        framed = start > 0 or self.fed is None
        for cut in self._cuts(start, stage, CALL_CYCLES, counts):
            if framed:
                if len(cut.tilings) == 1 and len(workers[0].nodes) == 1 and workers[0].tile == workers[0].rows:
                    continue  # the layer as a whole
            elif self.life[self.graph.inputs[0]].last >= cut.end:
                continue  # not all that read the rows that are fed
            yield cut

    def _cuts(self, start: int, stage: Stage, call: float, counts: Collection[int] | None = None) -> Iterator[Cut]:
        """What begins as a stage does: its first worker, its first two, and so on. One run of the stream serves them all:
        that others follow changes nothing for a worker.

        Args:
            call: cycles of each call besides those of the kernel.
            counts: of workers, where not all are wanted.
        """
        workers, trace = stage.stream.workers, stage.trace
        tilings = tuple(tiling_of(worker) for worker in workers)
        hosted = self._hosted(start, stage)
        lines = dict(trace.lines) | dict.fromkeys(hosted, 0)
        for guest, host in hosted.items():
            lines[host] = max(trace.lines[host], trace.lines[guest], trace.shared[guest])
        before = [root for root, life in self.life.items() if life.first < start <= life.last]
        if self.fed is not None:
            before = [root for root in before if root not in self.graph.inputs]
        standing = sum(self.size[root] for root in before)
        if self.fed is not None and start == 0:
            standing += _words(lines[self.fed] * self.row[self.fed])
        by: dict[str, int] = {}  # results -> the workers that compute them
        whole: set[str] = set()  # those that have a place for all of their rows
        dead: list[str] = []
        distances: dict[tuple[int, str], int] = {}
        rings = turn = kept = again = 0
        cycles, end = 0.0, start
        for i, (worker, tiling) in enumerate(zip(workers, tilings, strict=True)):
            first, end = end, end + tiling.nodes
            price = self._price(first, tiling, worker)
            cycles += price.cycles + call * len(trace.calls_of[i])
            turn, kept, again = max(turn, price.turn), kept + price.kept, again + price.again
            made = self._made(worker, first)
            by |= dict.fromkeys(made, i)
            whole.update(made)
            dead += [root for position in range(first, end) for root in self._dead[position] if root in whole]
            if end > start + 1:
                whole.difference_update(dead)
                rings += sum(_words(lines[root] * self.row[root]) for root in dead)
                dead.clear()
            if counts is not None and i + 1 not in counts:
                continue
            size = standing + sum(self.size[root] for root in whole) + rings + kept + turn
            dying = [root for root in before if self.life[root].last < end]
            writers = {root: [i] for root, i in by.items() if root in whole}
            taken = [guest for guest, host in hosted.items() if host in whole]
            if taken and dying:
                own = sum(_words(trace.lines[root] * self.row[root]) for root in taken)
                overlap = self._overlap(stage, writers, dying, distances)
                yield Cut(start, end, tilings[: i + 1], size + own, cycles, again, overlap, hosts=False)
            for guest in taken:
                writers[hosted[guest]].append(by[guest])
            overlap = self._overlap(stage, writers, dying, distances)
            yield Cut(start, end, tilings[: i + 1], size, cycles, again, overlap)

    def _made(self, worker: Worker, first: int) -> list[str]:
        """The buffers of what a worker computes that others read, or that are no part of a patch."""
        positions = range(first, first + len(worker.nodes))
        return [root for position in positions for root in self._born[position] if root not in worker.passing]

    def _hosted(self, start: int, stage: Stage) -> Mapping[str, str]:
        """Values that are made into others in the same place -> those others."""
        made: list[str] = []
        end = start
        for worker in stage.stream.workers:
            made += self._made(worker, end)
            end += len(worker.nodes)
        rings = {root for root in made if root in self.alone and self.life[root].last < end}
        accesses = [self.base.kernel(worker.node).access for worker in stage.stream.workers]
        return guests(self.graph, stage.stream.workers, accesses, rings, set(made) - rings)

    def _turn_and_cycles(self, start: int, worker: Worker) -> tuple[int, float]:
        price = self._price(start, tiling_of(worker), worker)
        return price.turn, price.cycles

    def _price(self, start: int, tiling: Tiling, worker: Worker) -> _Price:
        key = (start, tiling)
        if key not in self._prices:
            node, kernel = worker.node, self.base.kernel(worker.node)
            self._prices[key] = _Price(
                cycles_of(worker, self.base),
                workspace(worker, self.graph, self.base.kernel).bytes,
                kernel.scratch_bytes(node, self.graph, worker.tile) if worker.reduces else 0,
                macs_again(worker, self.graph),
            )
        return self._prices[key]

    def _overlap(
        self,
        stage: Stage,
        writers: Mapping[str, Sequence[int]],
        dying: Sequence[str],
        distances: dict[tuple[int, str], int],
    ) -> Overlap | None:
        """The overlap of a result with an operand that saves most.

        Args:
            writers: of results, the workers that write where they lie: those that compute them first.
            distances: of workers from operands, as far as they are known; others are added.
        """
        best: Overlap | None = None
        saved = 0
        for result, found in writers.items() if dying else ():
            if stage.stream.workers[found[0]].node.outputs != (result,):
                continue
            for operand in dying:
                for i in found:
                    if (i, operand) not in distances:
                        access, read = self.base.kernel(stage.stream.workers[i].node).access, self.readings[operand]
                        distances[i, operand] = distance(self.graph, stage.stream, stage.trace, i, access, read)
                sizes = self.size[result], self.size[operand]
                overlap = Overlap(result, operand, *sizes, max(distances[i, operand] for i in found))
                if sum(sizes) - overlap.together > saved:
                    best, saved = overlap, sum(sizes) - overlap.together
        return best


def _words(size: int) -> int:
    """Bytes with those that are lost until the next word."""
    return -(-size // 4) * 4
