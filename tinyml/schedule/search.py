"""The search for schedules: where to cut a network into stages, and how high their tiles are.

A stage is a run of nodes in the order of the graph. For each run that can advance row by row, and for each tile height,
an estimate says what memory it needs and how many cycles it takes; dynamic programming over the cuts, from the last node
to the first, then keeps every schedule that no other beats in both. The memory of those few is measured by the planner
itself.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import NamedTuple

from tinyml.schedule.estimate import Cut, Estimates, Overlap, Stages
from tinyml.schedule.model import Schedule

_FRONT = 32
"""Schedules of the last n nodes that are kept for each of `_ROOM`."""

_ROOM = (0, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10)
"""Bytes below the input of those nodes by which their schedules are told apart."""


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

    def with_cut(self, index: int, cut: Cut) -> "Point":
        """The schedule with another stage of the same nodes; `bytes` stay those that were estimated before."""
        cuts = (*self.cuts[:index], cut, *self.cuts[index + 1 :])
        return replace(self, cuts=cuts, cycles=self.cycles - self.cuts[index].cycles + cut.cycles)

    def schedule(self, base: Schedule, stages: Stages) -> Schedule:
        """The stages, of kernels that they serve."""
        return replace(base, stages=tuple(stages.of(cut.start, cut.tilings, cut.hosts) for cut in self.cuts))


class _Suffix(NamedTuple):
    """A schedule of the last nodes.

    Attributes:
        below: bytes that must be free below the operand that its first stage overlaps: a chain of results that each run
            into the one before moves down in the arena.
        rest: the schedule of what follows the first stage.
    """

    bytes: int
    cycles: float
    below: int
    cut: Cut | None = None
    overlaps: str | None = None
    rest: "_Suffix | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class _Front:
    """Schedules of the last nodes.

    Attributes:
        best: those that no other beats, if it does not matter what is below.
        chained: operands below which some need room.
    """

    every: Sequence[_Suffix]
    best: Sequence[_Suffix]
    chained: frozenset[str | None]

    def over(self, size: int) -> Sequence[_Suffix]:
        """Of the best, those that need more, and the fastest of those that do not."""
        return self.best[max(0, bisect_right(self.best, size, key=lambda s: s.bytes) - 1) :]


def search(estimates: Estimates, again: int = 0) -> tuple[Point, ...]:
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
    fronts = {len(nodes): _front([_Suffix(0, 0.0, 0)])}
    for start in reversed(range(len(nodes))):
        fronts[start] = _front([grown for cut in _useful(starting[start]) for grown in _grown(cut, fronts[cut.end])])
    points = (Point(_cuts(suffix), suffix.bytes, suffix.cycles) for suffix in fronts[0].best)
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


def _grown(cut: Cut, front: _Front) -> Iterator[_Suffix]:
    """The schedules that begin with a stage before those of a front."""
    for rest in front.over(cut.apart):
        yield _Suffix(max(rest.bytes, cut.apart), cut.cycles + rest.cycles, 0, cut, None, rest)
    if cut.overlap is not None:
        result, operand, distance = cut.overlap.result, cut.overlap.operand, cut.overlap.distance
        for rest in front.every if result in front.chained else front.over(cut.bytes(0)):
            below = rest.below if rest.overlaps == result else 0
            size = max(rest.bytes, cut.bytes(below))
            yield _Suffix(size, cut.cycles + rest.cycles, below + distance, cut, operand, rest)


def _cuts(suffix: _Suffix | None) -> tuple[Cut, ...]:
    cuts: list[Cut] = []
    while suffix is not None and suffix.cut is not None:
        cuts.append(suffix.cut)
        suffix = suffix.rest
    return tuple(cuts)


def _front(suffixes: Iterable[_Suffix]) -> _Front:
    """For each step of `_ROOM` those that no other beats, thinned."""
    rooms: dict[int, list[_Suffix]] = {}
    for suffix in suffixes:
        rooms.setdefault(bisect_left(_ROOM, suffix.below), []).append(suffix)
    every = [suffix for room in rooms.values() for suffix in _thinned(_unbeaten(room))]
    return _Front(every, _unbeaten(every), frozenset(suffix.overlaps for suffix in every if suffix.below))


def _unbeaten(suffixes: Iterable[_Suffix]) -> list[_Suffix]:
    """Those that no other beats in both memory and cycles, by memory."""
    kept: list[_Suffix] = []
    for suffix in sorted(suffixes, key=itemgetter(0, 1, 2)):
        if not kept or suffix.cycles < kept[-1].cycles:
            kept.append(suffix)
    return kept


def _thinned(suffixes: list[_Suffix]) -> list[_Suffix]:
    """At most `_FRONT` of them, the ends among them."""
    if len(suffixes) <= _FRONT:
        return suffixes
    return [suffixes[i * (len(suffixes) - 1) // (_FRONT - 1)] for i in range(_FRONT)]
