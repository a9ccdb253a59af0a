"""The front of SRAM and cycles as a drawing."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tinyml.report.analysis import Tradeoff, Tradeoffs
from tinyml.report.labels import Box, Label, place, width
from tinyml.report.plot import Axis, Tick, ticks
from tinyml.report.terminal import count, kib

_WIDTH, _HEIGHT = 1000, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 976, 56, 360
_LOGARITHMIC_FROM = 8.0  # times the least memory: axes that reach further are logarithmic
_FAR = 1.25  # times the most memory, or one over it of the least: a limit beyond is named at the edge


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """style: "taken" by an objective, or "point"; built: it is the schedule of this build."""

    x: float
    y: float
    style: str
    built: bool
    hint: str
    label: Label | None


@dataclass(frozen=True, slots=True)
class Limit:
    """What the board has for the arena. x: None where that is too far away to be drawn to scale."""

    x: float | None
    text: str
    text_x: float
    anchor: str


@dataclass(frozen=True, slots=True)
class FrontPlot:
    title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    steps: str
    points: tuple[FrontPoint, ...]
    limit: Limit
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


def front_plot(title: str, tradeoffs: Tradeoffs, board: str) -> FrontPlot:
    front, limit = tradeoffs.front, max(tradeoffs.capacity, 0)
    least, most = front[0].arena_bytes, front[-1].arena_bytes
    to_scale = least <= _FAR * limit and limit <= _FAR * most
    x = _memory_axis(min(least, limit), max(most, limit)) if to_scale else _memory_axis(least, most)
    cycles = [t.cycles / 1e6 for t in front]
    spread = (max(cycles) - min(cycles)) or 0.02 * max(cycles) or 1.0
    y = Axis(min(cycles) - 0.12 * spread, max(cycles) + 0.18 * spread, _BOTTOM, _TOP)
    at = [(x.at(t.arena_bytes / 1024), y.at(cycle)) for t, cycle in zip(front, cycles, strict=True)]
    corners = _corners(at)
    return FrontPlot(
        title,
        ticks(x, "{:,g}"),
        _cycle_ticks(y),
        " ".join(f"{a:g},{b:g}" for a, b in corners),
        _points(front, at, corners),
        _limit(x.at(limit / 1024) if to_scale else None, limit > most, f"{board}: {kib(limit)} for the arena"),
    )


def _points(
    front: Sequence[Tradeoff], at: Sequence[tuple[float, float]], corners: Sequence[tuple[float, float]]
) -> tuple[FrontPoint, ...]:
    """With labels, of which those of what is taken come first."""
    fastest = min(t.cycles for t in front)
    order = sorted(range(len(at)), key=lambda i: (not front[i].built, not front[i].objectives, i))
    inside = Box(_LEFT + 2, _TOP, _RIGHT, _BOTTOM)
    labels = place([at[i] for i in order], [_text(front[i], fastest) for i in order], inside, _samples(corners))
    labelled = dict(zip(order, labels, strict=True))
    return tuple(
        FrontPoint(
            *at[i],
            "taken" if t.objectives else "point",
            t.built,
            f"{kib(t.arena_bytes)} of arena ({t.arena_bytes:,} bytes)\n{count(t.cycles)} predicted cycles, "
            f"{t.cycles / fastest:.3f} x the fewest\n{t.stages} stages",
            labelled[i],
        )
        for i, t in enumerate(front)
    )


def _limit(x: float | None, beyond: bool, text: str) -> Limit:
    """x: where it is; None: too far to the right (beyond) or to the left."""
    if x is None:
        return Limit(None, f"{text} →", _RIGHT, "end") if beyond else Limit(None, f"← {text}", _LEFT, "start")
    return Limit(x, text, *((x - 8, "end") if x - 8 - width(text) > _LEFT else (x + 8, "start")))


def _memory_axis(least_bytes: int, most_bytes: int) -> Axis:
    """In KiB."""
    least, most = least_bytes / 1024, most_bytes / 1024
    if most > _LOGARITHMIC_FROM * least:
        return Axis(least * 0.85, most * 1.15, _LEFT, _RIGHT, logarithmic=True)
    spread = (most - least) or least
    return Axis(max(0.0, least - 0.08 * spread), most + 0.08 * spread, _LEFT, _RIGHT)


def _cycle_ticks(y: Axis) -> tuple[Tick, ...]:
    """With as many decimals as tell them apart."""
    for decimals in range(5):
        found = ticks(y, f"{{:,.{decimals}f}}")
        if len({tick.text for tick in found}) == len(found):
            break
    return found


def _text(t: Tradeoff, fastest: float) -> str:
    names = ", ".join(t.objectives)
    figures = f"{t.arena_bytes / 1024:.1f} KiB"
    if names or t.built:
        figures += f", {t.cycles / fastest:.3f} x"
    return f"{names}: {figures}" if names else figures


def _corners(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of the staircase: with memory between two points, the cycles are those of the one to the left."""
    corners = [points[0]]
    for x, y in points[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return corners


def _samples(corners: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    found = []
    for (a, b), (c, d) in itertools.pairwise(corners):
        count = max(1, round((abs(c - a) + abs(d - b)) / 12))
        found += [(a + (c - a) * i / count, b + (d - b) * i / count) for i in range(count + 1)]
    return found
