"""Placing buffers of known size and lifetime in as few bytes as possible: the problem, its bound, the greedy answer.

This is dynamic storage allocation: rectangles of given height that slide vertically, their horizontal extent (the
lifetime) fixed. It is NP-hard; `tinyml.memory.search` improves on the greedy answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from tinyml.memory.plan import Buffer


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Buffers by index, and how far rivals must keep apart.

    Attributes:
        rivals: for each buffer, those that live at the same time as it (empty ones have none).
        closer: (i, j) -> how far i must start below j, if it lies below, where that is less than its size. 0 allows
            both the same offset. Pairs that are not here may not overlap.
        lower_bound: no placement ends below it.
    """

    size: tuple[int, ...]
    alignment: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    rivals: tuple[tuple[int, ...], ...]
    closer: Mapping[tuple[int, int], int]
    lower_bound: int

    def __len__(self) -> int:
        return len(self.size)

    def align(self, i: int, offset: int) -> int:
        """The least offset not below `offset` that buffer i may have."""
        a = self.alignment[i]
        return -(-offset // a) * a

    def distance(self, i: int, j: int) -> int:
        """How far buffer i must start below j, if it lies below."""
        return self.closer.get((i, j), self.size[i])

    def weight(self, i: int, step: int) -> int:
        """What buffer i is sure to add to what lives at a step: not all of it where it may run into another."""
        near = [d for (k, j), d in self.closer.items() if k == i and self.last[j] == step]
        return min([self.size[i], *near]) if self.first[i] == step else self.size[i]


def make_problem(buffers: Sequence[Buffer], distances: Mapping[tuple[str, str], int]) -> Problem:
    """The packing problem of some buffers.

    Args:
        distances: (a, b), names of buffers that meet in the step that computes a and reads b last -> how far a must
            start below b, if it does: 0 or more.
    """
    index = {b.name: i for i, b in enumerate(buffers)}
    spans = [(i, b.lifetime.first, b.lifetime.last) for i, b in enumerate(buffers) if b.bytes]
    rivals: list[tuple[int, ...]] = [()] * len(buffers)
    for i, first, last in spans:
        rivals[i] = tuple(j for j, other, end in spans if other <= last and first <= end and j != i)
    closer = {
        (index[a], index[b]): distance
        for (a, b), distance in distances.items()
        if distance < buffers[index[a]].bytes and buffers[index[b]].bytes
    }
    problem = Problem(
        tuple(b.bytes for b in buffers),
        tuple(b.alignment for b in buffers),
        tuple(b.lifetime.first for b in buffers),
        tuple(b.lifetime.last for b in buffers),
        tuple(rivals),
        MappingProxyType(closer),
        0,
    )
    return replace(problem, lower_bound=_lower_bound(problem))


def _lower_bound(problem: Problem) -> int:
    """The most bytes that live at one step, by weight.

    All starts are multiples of the least alignment, so all but the highest buffer fill whole multiples of it.
    """
    bound = max(problem.size, default=0)
    for step in set(problem.first):
        live = [i for i in range(len(problem)) if problem.first[i] <= step <= problem.last[i] and problem.size[i]]
        weights = [(i, problem.weight(i, step)) for i in live]
        unit = min((problem.alignment[i] for i in live), default=1)
        slack = [-weight % unit for _, weight in weights]
        bound = max(bound, sum(weight for _, weight in weights) + sum(slack) - max(slack, default=0))
    return bound


Offsets = list[int]


def height(problem: Problem, offsets: Offsets) -> int:
    """Where the highest buffer ends."""
    return max((offset + size for offset, size in zip(offsets, problem.size, strict=True)), default=0)


def place_in_order(problem: Problem, order: Iterable[int], limit: int, placed: Offsets | None = None) -> Offsets | None:
    """Gives each buffer in turn the lowest offset that its rivals leave it.

    Args:
        placed: where other buffers lie already, -1 for those of `order`.

    Returns:
        offsets, or None as soon as a buffer would end at `limit` or above.
    """
    size, rivals, closer = problem.size, problem.rivals, problem.closer
    offsets = [-1] * len(problem) if placed is None else placed.copy()
    for i in order:
        wanted = size[i]
        if closer:
            taken = sorted(
                (offsets[j] - closer.get((i, j), wanted), offsets[j] + closer.get((j, i), size[j]))
                for j in rivals[i]
                if offsets[j] >= 0
            )
        else:
            taken = sorted((offsets[j] - wanted, offsets[j] + size[j]) for j in rivals[i] if offsets[j] >= 0)
        at = 0
        for below, above in taken:  # offsets in between are not free
            if at <= below:
                break
            if at < above:
                at = problem.align(i, above)
        if at + wanted >= limit:
            return None
        offsets[i] = at
    return offsets


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
