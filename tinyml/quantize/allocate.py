"""Which precision each layer gets: the choices with the least error for every amount of flash and cycles.

Errors of layers add up (each is small, and they are nearly independent), so this is a knapsack with one pick a layer,
solved by dynamic programming over layers. Of partial choices that take the same flash and cycles only the best goes on;
"the same" is exact where totals are small, and otherwise to one part in GRID, so that a result may take up to
layers / GRID more than the best one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.quantize.precision import NodePrecision

GRID = 4096


@dataclass(frozen=True, slots=True)
class Option:
    """One precision of one layer: bytes of weights, cycles, and the error that it adds."""

    precision: NodePrecision
    bytes: int
    cycles: int
    error: float


@dataclass(frozen=True, slots=True)
class Allocation:
    """Totals of a choice for all layers."""

    precision: Mapping[str, NodePrecision]
    bytes: int
    cycles: int
    error: float


@dataclass(frozen=True, slots=True)
class _Partial:
    bytes: int
    cycles: int
    error: float
    last: Option | None = None
    before: "_Partial | None" = None


def allocations(layers: Mapping[str, Sequence[Option]]) -> list[Allocation]:
    """All choices that no other beats in bytes, cycles and error at once, by rising bytes and then cycles."""
    widths = [sum(max(f(o) for o in options) for options in layers.values()) for f in (_bytes, _cycles)]
    units = [max(1, width // GRID) for width in widths]
    states = [_Partial(0, 0, 0.0)]
    for options in layers.values():
        best: dict[tuple[int, int], _Partial] = {}
        for state in states:
            for option in options:
                new = _Partial(
                    state.bytes + option.bytes, state.cycles + option.cycles, state.error + option.error, option, state
                )
                key = (new.bytes // units[0], new.cycles // units[1])
                if key not in best or new.error < best[key].error:
                    best[key] = new
        states = _undominated(list(best.values()))
    return [_finished(list(layers), state) for state in states]


def _bytes(option: Option) -> int:
    return option.bytes


def _cycles(option: Option) -> int:
    return option.cycles


def _undominated(states: list[_Partial]) -> list[_Partial]:
    """By rising bytes; a state stays where none before it has as few cycles and as little error."""
    kept: list[_Partial] = []
    staircase: list[tuple[int, float]] = []  # of what is kept: cycles rise, errors fall
    for state in sorted(states, key=lambda s: (s.bytes, s.cycles, s.error)):
        if any(cycles <= state.cycles and error <= state.error for cycles, error in staircase):
            continue
        staircase = [(c, e) for c, e in staircase if c < state.cycles or e < state.error]
        staircase.append((state.cycles, state.error))
        kept.append(state)
    return kept


def _finished(names: list[str], state: _Partial) -> Allocation:
    picks: list[NodePrecision] = []
    at: _Partial | None = state
    while at is not None and at.last is not None:
        picks.append(at.last.precision)
        at = at.before
    return Allocation(dict(zip(names, reversed(picks), strict=True)), state.bytes, state.cycles, state.error)
