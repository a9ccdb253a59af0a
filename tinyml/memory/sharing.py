"""Which buffer goes to which RAM: a knapsack for each region, in which things lie for a time and must not overlap.

Each buffer has a price in each region, the cycles that a run waits for its bytes there. Greedy orders share the buffers
out; then buffers trade places. A Lagrangian relaxation gives the bound: room is paid for by the byte and the step, no
region overflows but by paying, and whatever the prices, what is saved on waiting less what is paid is at most the least
waiting that any sharing has. (M. L. Fisher, "The Lagrangian relaxation method for solving integer programming problems",
Management Science 27, 1981.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyml.memory.packing import Offsets, Problem, greedy_orders, place_in_order

_ROUNDS = 200  # of the search for prices
_TRADES = 400  # of buffers that are tried

Costs = Sequence[Sequence[float]]  # buffer -> region -> what it costs there; infinite where it must not lie


@dataclass(frozen=True, slots=True)
class Sharing:
    """Attributes:
    rooms: the region of each buffer; offsets: where in it.
    excess: bytes of buffers that are in a region without room for them; 0 where all fit.
    """

    rooms: tuple[int, ...]
    offsets: tuple[int, ...]
    excess: int
    cost: float
    lower_bound: float


def share_out(problem: Problem, capacity: Sequence[int], costs: Costs) -> Sharing:
    """Shares buffers out among regions, for the least cost.

    Args:
        capacity: of each region; the first ones are taken where costs are equal.
        costs: at least one region is allowed for each buffer.
    """
    every = range(len(problem))
    span = [last - first + 1 for first, last in zip(problem.first, problem.last, strict=True)]
    gain = [_spread(costs[i]) for i in every]
    size = [max(1, problem.size[i]) for i in every]
    keys = (
        lambda i: -gain[i] / (size[i] * span[i]),
        lambda i: -gain[i] / size[i],
        lambda i: -gain[i],
        lambda i: -size[i],
    )
    best: _Rooms | None = None
    for key in keys:
        rooms = _Rooms(problem, capacity, costs)
        for i in sorted(every, key=lambda i: (_choices(costs[i]), key(i))):
            rooms.settle(i)
        rooms.trade(sorted(every, key=lambda i: -gain[i]))
        if best is None or rooms.rank() < best.rank():
            best = rooms
    assert best is not None
    cost = best.rank()[1]
    bound = cost if cost == sum(map(min, costs)) else _lower_bound(problem, capacity, costs, cost)
    return Sharing(tuple(best.room), tuple(best.at), best.rank()[0], cost, min(bound, cost))


def _spread(costs: Sequence[float]) -> float:
    allowed = [cost for cost in costs if cost < math.inf]
    return max(allowed) - min(allowed)


def _choices(costs: Sequence[float]) -> int:
    return sum(cost < math.inf for cost in costs) > 1


class _Rooms:
    """Buffers in regions, so far.

    Attributes:
        room: of each buffer; -1 for those that have none yet.
        at: their offsets there.
    """

    def __init__(self, problem: Problem, capacity: Sequence[int], costs: Costs) -> None:
        self._problem = problem
        self._capacity = capacity
        self._costs = costs
        self._orders = greedy_orders(problem)
        self.room = [-1] * len(problem)
        self.at: Offsets = [-1] * len(problem)
        self._homeless: list[int] = []

    def rank(self) -> tuple[int, float]:
        """What to make less of: bytes without room, then the cost."""
        cost = sum(costs[room] for costs, room in zip(self._costs, self.room, strict=True))
        return sum(self._problem.size[i] for i in self._homeless), cost

    def settle(self, i: int) -> None:
        """Puts a buffer where it costs least among the regions that have room; where none has, beyond the end of one."""
        allowed = [r for r, cost in enumerate(self._costs[i]) if cost < math.inf]
        for room in sorted(allowed, key=lambda r: self._costs[i][r]):
            packed = self._packed(room, i)
            if packed is not None:
                self._take(room, packed)
                return
        self._homeless.append(i)
        room = max(allowed, key=lambda r: self._capacity[r])
        packed = place_in_order(self._problem, [i], 1 << 62, self._in(room))
        assert packed is not None
        self._take(room, packed)

    def trade(self, buffers: Sequence[int]) -> None:
        """Lets buffers move to a cheaper region, or change places with one that is there, while that saves something."""
        tries = _TRADES
        for i in (i for i in buffers if i not in self._homeless):
            for room, cost in enumerate(self._costs[i]):
                for j in self._partners(i, room) if cost < self._costs[i][self.room[i]] else ():
                    tries -= 1
                    if tries < 0 or self._moved(i, room, j):
                        break

    def _partners(self, i: int, room: int) -> list[int | None]:
        """None, and buffers of a region that lose less by giving way to buffer i than it gains."""
        here = self.room[i]
        saved = self._costs[i][here] - self._costs[i][room]
        rivals = [j for j in self._problem.rivals[i] if self.room[j] == room and j not in self._homeless]
        return [None, *(j for j in rivals if self._costs[j][here] - self._costs[j][room] < saved)]

    def _moved(self, i: int, room: int, other: int | None) -> bool:
        """Moves buffer i to a region, and another one from there to where i was; False where they do not fit."""
        old = self.room[i]
        before = self.room.copy(), self.at.copy()
        self.room[i] = -1
        self.at[i] = -1
        if other is not None:
            self.room[other] = -1
            self.at[other] = -1
        for moving, target in ((i, room), *([] if other is None else [(other, old)])):
            packed = self._packed(target, moving)
            if packed is None:
                self.room, self.at = before
                return False
            self._take(target, packed)
        return True

    def _in(self, room: int) -> Offsets:
        """Offsets of the buffers of a region, -1 for all others."""
        return [at if r == room else -1 for at, r in zip(self.at, self.room, strict=True)]

    def _packed(self, room: int, i: int) -> Offsets | None:
        """Offsets of the buffers of a region and one more; None where they do not fit."""
        limit = self._capacity[room] + 1
        found = place_in_order(self._problem, [i], limit, self._in(room))
        for order in self._orders if found is None else ():
            found = place_in_order(self._problem, [j for j in order if j == i or self.room[j] == room], limit)
            if found is not None:
                break
        return found

    def _take(self, room: int, offsets: Offsets) -> None:
        for i, at in enumerate(offsets):
            if at >= 0:
                self.room[i], self.at[i] = room, at


def _lower_bound(problem: Problem, capacity: Sequence[int], costs: Costs, cost: float) -> float:
    """No sharing costs less: the best that subgradient steps find, which need not be the best there is."""
    steps = sorted({first for first, size in zip(problem.first, problem.size, strict=True) if size})
    live = np.zeros((len(problem), len(steps)))
    for i in range(len(problem)):
        for s, step in enumerate(steps):
            if problem.first[i] <= step <= problem.last[i]:
                live[i, s] = problem.weight(i, step)
    base = np.array(costs, dtype=np.float64)
    room = np.array(capacity, dtype=np.float64)
    prices = np.zeros((len(capacity), len(steps)))
    best, pace = -math.inf, 1.0
    for _ in range(_ROUNDS):
        paid = base + live @ prices.T
        choice = paid.argmin(axis=1)
        value = float(paid[np.arange(len(problem)), choice].sum() - (room[:, None] * prices).sum())
        pace = pace if value > best else pace * 0.97
        best = max(best, value)
        taken = np.stack([live[choice == r].sum(axis=0) for r in range(len(capacity))])
        slope = taken - room[:, None]
        norm = float((slope * slope).sum())
        if not norm or value >= cost:
            break
        prices = np.maximum(0.0, prices + pace * (cost - value) / norm * slope)
    return best
