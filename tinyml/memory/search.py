"""Search for a placement that meets the lower bound, or a proof that there is none.

Both searches do a bounded amount of work, counted in pairs of buffers compared and never in seconds, from fixed seeds:
a plan depends on the network alone.
"""

import random
from dataclasses import dataclass

from tinyml.memory.packing import Offsets, Problem, greedy_orders, height, place_in_order

QUICK_WORK = 10_000  # settles small sets at once
LOCAL_WORK = 2_000_000
EXACT_WORK = 1_000_000
UNLIMITED = 1 << 62
EXACT_BUFFERS = 128  # more would rarely be proved, and recurse deeply


@dataclass(frozen=True, slots=True)
class Packing:
    """Offsets by buffer index, and a bound that no placement of these buffers is below."""

    offsets: tuple[int, ...]
    bytes: int
    lower_bound: int


def pack(problem: Problem, effort: float = 1.0) -> Packing:
    """The best placement found: greedy, then exact and local search in turn while the bound is not met.

    Args:
        effort: how much of the usual work the searches may do.
    """
    best: Offsets = []
    best_order: list[int] = []
    least = UNLIMITED
    for order in greedy_orders(problem):
        offsets = place_in_order(problem, order, least)
        if offsets is not None:
            best, best_order, least = offsets, order, height(problem, offsets)
    best, proved = _exact(problem, best, QUICK_WORK)
    if not proved:
        best = _improve(problem, best, best_order, int(LOCAL_WORK * effort))
        best, proved = _exact(problem, best, int(EXACT_WORK * effort))
    least = height(problem, best)
    return Packing(tuple(best), least, least if proved else problem.lower_bound)


def _exact(problem: Problem, best: Offsets, work: int) -> tuple[Offsets, bool]:
    """A better placement if one is found, and whether the best is proved to be so."""
    least = height(problem, best)
    if least == problem.lower_bound:
        return best, True
    if len(problem) > EXACT_BUFFERS:
        return best, False
    search = _BranchAndBound(problem, least, work)
    search.extend(0)
    return search.best or best, search.work > 0


def _improve(problem: Problem, best: Offsets, order: list[int], work: int) -> Offsets:
    """Local search over orders: a buffer that ends highest, or a rival of it, moves to another place in the order.

    Args:
        best: the best placement known.
        order: where to start.
    """
    rng = random.Random(0)
    least = height(problem, best)
    current = place_in_order(problem, order, UNLIMITED)
    assert current is not None
    top = height(problem, current)
    while work > 0 and least > problem.lower_bound:
        moved = rng.choice([i for i, at in enumerate(current) if at + problem.size[i] == top])
        if rng.random() < 0.5 and problem.rivals[moved]:
            moved = rng.choice(problem.rivals[moved])
        old, new = order.index(moved), rng.randrange(len(order))
        trial = order.copy()
        trial.insert(new, trial.pop(old))
        changed = trial[min(old, new) :]
        work -= sum(len(problem.rivals[i]) + 1 for i in changed)
        kept = current.copy()
        for i in changed:
            kept[i] = -1
        offsets = place_in_order(problem, changed, top + 1, kept)
        if offsets is None:
            continue
        order, current, top = trial, offsets, height(problem, offsets)
        if top < least:
            best, least = offsets, top
    return best


class _BranchAndBound:
    """Branch and bound over placements in order of offset.

    A placement can be lowered until every buffer rests on offset 0, or as close to a rival below it as it may come;
    sorted by offset, each buffer of such a placement lies above all rivals before it, or at the same offset where that
    is allowed. The search therefore appends buffers at non-decreasing offsets. It gives up a branch when
    - at some step the buffers that are placed and those to come cannot end below the best placement known, or
    - a buffer left out fits entirely below the one that was chosen: lowering it costs nothing.
    (M. D. Moffitt, "MiniMalloc: a lightweight memory allocator for hardware-accelerated machine learning", ASPLOS 2023,
    states the same for buffers without twins.)
    """

    def __init__(self, problem: Problem, limit: int, work: int) -> None:
        self.problem = problem
        self.limit = limit
        self.best: Offsets | None = None
        self.work = work
        self.offsets = [-1 if size else 0 for size in problem.size]
        starts = sorted({first for first, size in zip(problem.first, problem.size, strict=True) if size})
        every = range(len(problem))
        self.live = [[s for s, step in enumerate(starts) if problem.first[i] <= step <= problem.last[i]] for i in every]
        self.weight = [{s: problem.weight(i, starts[s]) for s in self.live[i]} for i in every]
        self.top = [0] * len(starts)
        self.rest = [sum(self.weight[i].get(s, 0) for i in every) for s in range(len(starts))]

    def extend(self, floor: int) -> None:
        """Tries all ways to place another buffer at `floor` or above."""
        problem = self.problem
        todo = [i for i, at in enumerate(self.offsets) if at < 0]
        if not todo:
            self.best = self.offsets.copy()
            self.limit = height(problem, self.best)
            return
        choices = []
        ceiling = self.limit
        for i in todo:
            self.work -= len(problem.rivals[i])
            options = self._options(i)
            ceiling = min(ceiling, options[0] + problem.size[i])
            choices += [(at, -problem.size[i], i) for at in options if at >= floor]
        seen = set()
        for at, negative, i in sorted(choices):
            if at >= ceiling or self.work <= 0 or self.limit <= problem.lower_bound:
                return
            kind = (at, negative, problem.first[i], problem.last[i], problem.alignment[i])
            if at - negative < self.limit and (problem.closer or kind not in seen):
                seen.add(kind)
                self._place(i, at)

    def _options(self, i: int) -> list[int]:
        """Offsets at which buffer i can rest, given what is placed: the least first."""
        problem = self.problem
        placed = [(self.offsets[j], j) for j in problem.rivals[i] if self.offsets[j] >= 0]
        ends = [(at + problem.distance(j, i), at, j) for at, j in placed]
        alone = problem.align(i, max((end for end, _, _ in ends), default=0))
        options = [alone]
        for at, j in placed:
            if at < alone and problem.closer.get((i, j)) == 0 and at == problem.align(i, at):
                others = [end for end, other, k in ends if not (other == at and problem.closer.get((i, k)) == 0)]
                if max(others, default=0) <= at:
                    options.append(at)
        return sorted(options)

    def _place(self, i: int, at: int) -> None:
        before = [self.top[s] for s in self.live[i]]
        self.offsets[i] = at
        feasible = True
        for s in self.live[i]:
            self.top[s] = max(self.top[s], at + self.weight[i][s])
            self.rest[s] -= self.weight[i][s]
            feasible &= self.top[s] + self.rest[s] < self.limit
        if feasible:
            self.extend(at)
        self.offsets[i] = -1
        for s, top in zip(self.live[i], before, strict=True):
            self.top[s] = top
            self.rest[s] += self.weight[i][s]
