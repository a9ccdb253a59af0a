"""Placing buffers of known size and lifetime in as few bytes as possible: the problem, its bound, the greedy answer.

This is dynamic storage allocation: rectangles of given height that slide vertically, their horizontal extent (the
lifetime) fixed. It is NP-hard; `tinyml.memory.search` improves on the greedy answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinyml.memory.plan import Buffer


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Buffers by index, and which pairs must keep apart.

    Attributes:
        rivals: for each buffer, those that live at the same time as it (empty ones have none).
        twins: for each buffer, the rivals it may nevertheless start at the same offset with, because a kernel computes
            the later one in place of the earlier: {(i, j)} in both directions. Other overlaps of the two are not
            allowed.
        lower_bound: no placement ends below it.
    """

    size: tuple[int, ...]
    alignment: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    rivals: tuple[tuple[int, ...], ...]
    twins: frozenset[tuple[int, int]]
    lower_bound: int

    def __len__(self) -> int:
        return len(self.size)

    def align(self, i: int, offset: int) -> int:
        """The least offset not below `offset` that buffer i may have."""
        a = self.alignment[i]
        return -(-offset // a) * a


def make_problem(buffers: Sequence[Buffer], in_place: Mapping[str, frozenset[str]]) -> Problem:
    """The packing problem of some buffers.

    Args:
        in_place: name of a buffer -> names of the buffers whose offset it may share although their lifetimes meet (in
            one step: the one that writes it and reads them last).
    """
    index = {b.name: i for i, b in enumerate(buffers)}
    rivals = tuple(
        tuple(j for j, b in enumerate(buffers) if j != i and a.bytes and b.bytes and a.lifetime.overlaps(b.lifetime))
        for i, a in enumerate(buffers)
    )
    pairs = {(index[out], index[name]) for out, names in in_place.items() for name in names}
    return Problem(
        tuple(b.bytes for b in buffers),
        tuple(b.alignment for b in buffers),
        tuple(b.lifetime.first for b in buffers),
        tuple(b.lifetime.last for b in buffers),
        rivals,
        frozenset(pairs | {(j, i) for i, j in pairs}),
        _lower_bound(buffers, in_place),
    )


def _lower_bound(buffers: Sequence[Buffer], in_place: Mapping[str, frozenset[str]]) -> int:
    """The most bytes that live at one step.

    An output that may take the place of an input (which is never smaller) adds nothing in the step that computes it.
    All starts are multiples of the least alignment, so all but the highest buffer fill whole multiples of it.
    """
    bound = 0
    for step in {b.lifetime.first for b in buffers}:
        live = [b for b in buffers if b.lifetime.first <= step <= b.lifetime.last and b.bytes]
        names = {b.name for b in live}
        apart = [b for b in live if b.lifetime.first < step or not names & in_place.get(b.name, frozenset())]
        if apart:
            unit = min(b.alignment for b in apart)
            slack = [-b.bytes % unit for b in apart]
            bound = max(bound, sum(b.bytes for b in apart) + sum(slack) - max(slack))
    return bound


Offsets = list[int]


def height(problem: Problem, offsets: Offsets) -> int:
    """Where the highest buffer ends."""
    return max((offset + size for offset, size in zip(offsets, problem.size, strict=True)), default=0)


def place_in_order(problem: Problem, order: Iterable[int], limit: int, placed: Offsets | None = None) -> Offsets | None:
    """Gives each buffer in turn the lowest free offset; in place of a twin wherever that is free.

    Args:
        placed: where other buffers lie already, -1 for those of `order`.

    Returns:
        offsets, or None as soon as a buffer would end at `limit` or above.
    """
    size, rivals = problem.size, problem.rivals
    offsets = [-1] * len(problem) if placed is None else placed.copy()
    for i in order:
        wanted = size[i]
        taken = sorted([(offsets[j], offsets[j] + size[j], j) for j in rivals[i] if offsets[j] >= 0])
        at = _in_place_offset(problem, i, taken) if problem.twins else None
        if at is None:
            at = 0
            for start, end, _ in taken:
                if start >= at + wanted:
                    break
                if end > at:
                    at = problem.align(i, end)
        if at + wanted >= limit:
            return None
        offsets[i] = at
    return offsets


def _in_place_offset(problem: Problem, i: int, taken: list[tuple[int, int, int]]) -> int | None:
    """The lowest offset of a placed twin at which nothing else is in the way."""
    twins, end = problem.twins, problem.size[i]
    for at, _, j in taken:
        if (i, j) in twins and at == problem.align(i, at):
            others = ((start, stop) for start, stop, k in taken if not (start == at and (i, k) in twins))
            if not any(start < at + end and stop > at for start, stop in others):
                return at
    return None


def greedy_orders(problem: Problem) -> list[list[int]]:
    """Orders that do well for one kind of network or another, the commonest winner first."""
    span = [last - first + 1 for first, last in zip(problem.first, problem.last, strict=True)]
    crowd = [sum(problem.size[j] for j in rivals) for rivals in problem.rivals]
    every = range(len(problem))
    keys = (
        lambda i: (-problem.size[i], -span[i]),
        lambda i: (-problem.size[i], problem.first[i]),
        lambda i: (-problem.size[i] * span[i],),
        lambda i: (-span[i], -problem.size[i]),
        lambda i: (-(problem.size[i] + crowd[i]),),
        lambda i: (problem.first[i], -problem.size[i]),
        lambda i: (-problem.last[i], -problem.size[i]),
    )
    return [sorted(every, key=key) for key in keys]
