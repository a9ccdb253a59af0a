"""The choice of one schedule among those of the search, by what the user strives for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from tinyml.errors import UsageError
from tinyml.ir.graph import Node
from tinyml.ir.macs import macs
from tinyml.schedule.estimate import TILES, Cut, Estimates, Stages
from tinyml.schedule.model import Objective, Schedule, Selection, extra_weights
from tinyml.schedule.search import Point, search
from tinyml.schedule.stream import Tiling

SRAM_CYCLES = 1.05
"""`Objective.SRAM` may take this many times the cycles of the fastest schedule."""

_TRIES = 6  # schedules of least estimated memory that are measured and polished

Measure = Callable[[Schedule], int]  # a schedule -> bytes of its arena, as the planner packs it


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A schedule of the front, with its measured arena."""

    point: Point
    schedule: Schedule
    bytes: int

    @property
    def cycles(self) -> float:
        return self.point.cycles


class Chooser:
    """Measures schedules, each once.

    Args:
        base: kernels for every node.
        measure: plans the memory of a schedule.
        recompute: share of the network's multiply-accumulates that may be computed again where that saves memory.
        stages: of another chooser for the same graph, to share them.
    """

    def __init__(
        self,
        base: Schedule,
        measure: Measure,
        *,
        keep_input: bool = False,
        recompute: float = 0.0,
        stages: Stages | None = None,
    ) -> None:
        self.base = base
        work = {node.name: macs(node, base.graph) for node in base.graph.nodes}
        spent = sum(work[name] for name in base.copies)
        self._again = int(recompute * (sum(work.values()) - spent)) - spent
        self._slower = SRAM_CYCLES + recompute
        self._measure = measure
        self._estimates = Estimates(base, keep_input, stages)
        self.stages = self._estimates.stages
        self._known: dict[tuple[tuple[tuple[Tiling, ...], bool], ...], Choice] = {}
        self.points: Sequence[Point] = search(self._estimates, max(self._again, 0))
        if not self.points:
            raise UsageError(
                f"--stream-input: {base.graph.name} cannot take its input row by row: it has several inputs, or a layer "
                "near the input takes all of it at once",
                "build it without --stream-input",
            )

    def measured(self, point: Point) -> Choice:
        key = tuple((cut.tilings, cut.hosts) for cut in point.cuts)
        if key not in self._known:
            schedule = point.schedule(self.base, self.stages)
            self._known[key] = Choice(point, schedule, self._measure(schedule))
        return self._known[key]

    def front(self, most: int = 24) -> tuple[Choice, ...]:
        """Measured schedules that no other beats, from the least memory to the fewest cycles."""
        step = max(1, len(self.points) // most)
        points = [*self.points[:-1:step], self.points[-1]]
        choices = [self.measured(point) for point in points]
        choices.append(self.least(float("inf")))
        kept: list[Choice] = []
        for choice in sorted(choices, key=lambda c: (c.bytes, c.cycles)):
            if not kept or choice.cycles < kept[-1].cycles:
                kept.append(choice)
        return tuple(kept)

    def choose(self, objective: Objective, capacity: int | None = None, standard: float | None = None) -> Choice:
        """The best schedule for an objective among those that fit; the smallest where none does.

        Args:
            standard: cycles that those of the least memory are compared with, where not the fewest of this network with
                these kernels.

        latency, flash: the fewest cycles (loops around streams cost code, too).
        sram: the least memory at no more than `SRAM_CYCLES` times those cycles, and as many more as may be spent on
        computing again.
        balanced: the least product of memory and cycles, the knee of the front.
        """
        fastest = self._fastest(capacity)
        if fastest is None:
            return self.least(float("inf"))
        if objective in (Objective.LATENCY, Objective.FLASH):
            return fastest
        smallest = self.least(self._slower * (standard or fastest.cycles))
        if objective is Objective.SRAM:
            return smallest
        return min((smallest, fastest), key=lambda c: c.bytes * c.cycles)

    def _fastest(self, capacity: int | None) -> Choice | None:
        """The fewest cycles that fit."""
        for point in reversed(self.points):
            if capacity is None or point.bytes <= capacity:
                choice = self.measured(point)
                if capacity is None or choice.bytes <= capacity:
                    return choice
        return None

    def with_kernels(self, choice: Choice, thrifty: Schedule, most: float) -> Choice:
        """The choice with kernels of another schedule: stage by stage, those that save the most scratch first, as far as
        that saves memory at no more than so many cycles, and a larger share of memory than it costs in cycles."""
        graph, best = thrifty.graph, choice

        def saved(node: Node, tile: int) -> int:
            old, new = choice.schedule.kernel(node), thrifty.kernel(node)
            return old.scratch_bytes(node, graph, tile) - new.scratch_bytes(node, graph, tile)

        most_weights = max(extra_weights(choice.schedule), extra_weights(thrifty))
        for stage in choice.schedule.stages:
            selections, cycles = dict(best.schedule.selections), best.cycles
            nodes = [(node, worker.tile) for worker in stage.stream.workers for node in worker.nodes]
            for node, tile in sorted(nodes, key=lambda pair: -saved(*pair)):
                if saved(node, tile) <= 0:
                    break
                old, new = choice.schedule.kernel(node), thrifty.kernel(node)
                cycles += new.cost_in_tiles(node, graph, tile) - old.cost_in_tiles(node, graph, tile)
                selections[node.name] = thrifty.selections[node.name]
                exchanged = self._exchanged(choice, selections)
                if cycles <= most and extra_weights(exchanged) <= most_weights:
                    size = self._measure(exchanged)
                    if size < best.bytes and size * cycles < best.bytes * best.cycles:
                        best = Choice(replace(choice.point, cycles=cycles), exchanged, size)
        return best if best is choice else self._rehosted(best)

    def with_fewer(self, choice: Choice, other: Schedule) -> Choice:
        """The choice with kernels of another schedule where they need no more memory: all at once, or node by node. Their
        weights take no more than in either schedule."""
        own, copies = choice.schedule.selections, choice.schedule.copies
        most = max(extra_weights(choice.schedule), extra_weights(other))
        smaller_first = sorted(other.selections.items(), key=lambda pair: pair[1].kernel.extra_weights is not None)
        others = [
            dict.fromkeys((name, *(copy for copy, node in copies.items() if node == name)), selection)
            for name, selection in smaller_first
            if selection.kernel.symbol != own[name].kernel.symbol
            and selection.kernel.access.pace == own[name].kernel.access.pace
        ]
        every = {name: selection for alike in others for name, selection in alike.items()}
        for alike in (every, *others) if others else ():
            exchanged = self._exchanged(choice, {**choice.schedule.selections, **alike})
            if extra_weights(exchanged) <= most and (size := self._measure(exchanged)) <= choice.bytes:
                choice = Choice(choice.point, exchanged, size)
                if alike is every:
                    break
        return choice

    def _exchanged(self, choice: Choice, selections: Mapping[str, Selection]) -> Schedule:
        """The same stages with other kernels."""
        return replace(choice.schedule, selections=MappingProxyType(dict(selections)))

    def least(self, cycles: float) -> Choice:
        """The least memory at no more than that many cycles."""
        within = [point for point in self.points if point.cycles <= cycles] or list(self.points[-1:])
        best: Choice | None = None
        for point in within[:_TRIES]:
            if best is None or point.bytes < best.bytes:
                found = self._polished(self.measured(point), cycles)
                if best is None or (found.bytes, found.cycles) < (best.bytes, best.cycles):
                    best = found
        assert best is not None
        return best

    def _polished(self, choice: Choice, cycles: float) -> Choice:
        """The schedule with lower tiles where they save memory that gaps take: estimates do not know of those."""
        choice, improved = self._rehosted(choice), True
        while improved and choice.bytes > choice.point.bytes:
            improved = False
            for index, cut in enumerate(choice.point.cuts):
                for other in self._retiled(cut):
                    trial = choice.point.with_cut(index, other)
                    if trial.cycles <= cycles and trial.again <= self._again:
                        found = self.measured(trial)
                        if found.bytes < choice.bytes:
                            choice, improved = found, True
        return choice

    def _rehosted(self, choice: Choice) -> Choice:
        """The schedule whose results take in others' values, or no longer do, where the planner finds that better."""
        for index, cut in enumerate(choice.point.cuts):
            if self._estimates.cut(cut.start, cut.tilings, not cut.hosts) is not None:
                stages = list(choice.schedule.stages)  # which may have other kernels than the point's
                stages[index] = replace(stages[index], hosts=not cut.hosts)
                schedule = replace(choice.schedule, stages=tuple(stages))
                point = choice.point.with_cut(index, replace(cut, hosts=not cut.hosts))
                found = Choice(point, schedule, self._measure(schedule))
                choice = found if found.bytes < choice.bytes else choice
        return choice

    def _retiled(self, cut: Cut) -> Iterable[Cut]:
        for tile in TILES:
            tilings = tuple(replace(t, rows=min(tile, t.rows or tile)) for t in cut.tilings)
            if tilings != cut.tilings and (other := self._estimates.cut(cut.start, tilings, cut.hosts)) is not None:
                yield other


def better(one: Choice, other: Choice, objective: Objective, capacity: int | None = None) -> Choice:
    """Of the choices that two orders of the nodes allow the one that serves the objective; the first of equals."""

    def rank(choice: Choice) -> tuple[float, float, float]:
        excess = 0 if capacity is None else max(0, choice.bytes - capacity)
        if objective is Objective.BALANCED:
            return excess, choice.bytes * choice.cycles, 0
        by_bytes = objective is Objective.SRAM
        return (excess, choice.bytes, choice.cycles) if by_bytes else (excess, choice.cycles, choice.bytes)

    return min(one, other, key=rank)
