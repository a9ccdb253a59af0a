"""The front of SRAM and cycles as a drawing."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tinyml.report.analysis import Tradeoff
from tinyml.report.labels import Box, Label, place, width
from tinyml.report.plot import Axis, Tick, ticks
from tinyml.report.terminal import count, kib

_WIDTH, _HEIGHT = 1000, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 976, 56, 360
_LOGARITHMIC_FROM = 8.0  # times the least memory: axes that reach further are logarithmic
_FAR = 1.25  # times the most memory: a limit beyond it is named at the edge, not drawn to scale


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
    """What the board has for the arena. x: None where that is too far to the right to be drawn to scale."""

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


def front_plot(title: str, tradeoffs: Sequence[Tradeoff], limit_bytes: int, board: str) -> FrontPlot:
    """Args:
    tradeoffs: from the least memory to the fewest cycles.
    limit_bytes: what the board, or the user, leaves for the arena.
    """
    sizes = [t.arena_bytes / 1024 for t in tradeoffs]
    cycles = [t.cycles / 1e6 for t in tradeoffs]
    limit = limit_bytes / 1024
    most = max(sizes[-1], limit) if limit <= _FAR * sizes[-1] else sizes[-1]
    x = _wide(sizes[0], most)
    spread = (max(cycles) - min(cycles)) or 0.02 * max(cycles) or 1.0
    y = Axis(min(cycles) - 0.12 * spread, max(cycles) + 0.18 * spread, _BOTTOM, _TOP)
    at = [(x.at(size), y.at(cycle)) for size, cycle in zip(sizes, cycles, strict=True)]
    corners = _corners(at)
    fastest = min(t.cycles for t in tradeoffs)
    texts = [_text(t, fastest) for t in tradeoffs]
    order = sorted(range(len(at)), key=lambda i: (not tradeoffs[i].built, not tradeoffs[i].objectives, i))
    inside = Box(_LEFT + 2, _TOP, _RIGHT, _BOTTOM)
    labels = place([at[i] for i in order], [texts[i] for i in order], inside, _samples(corners))
    labelled = dict(zip(order, labels, strict=True))
    points = tuple(
        FrontPoint(
            *at[i],
            "taken" if t.objectives else "point",
            t.built,
            f"{kib(t.arena_bytes)} of arena ({t.arena_bytes:,} bytes)\n{count(t.cycles)} predicted cycles, "
            f"{t.cycles / fastest:.3f} x the fewest\n{t.stages} stages",
            labelled[i],
        )
        for i, t in enumerate(tradeoffs)
    )
    return FrontPlot(
        title,
        ticks(x, "{:,g}"),
        _cycle_ticks(y),
        " ".join(f"{a:g},{b:g}" for a, b in corners),
        points,
        _limit(x, limit, limit <= most, f"{board}: {kib(limit_bytes)} for the arena"),
    )


def _limit(x: Axis, limit: float, to_scale: bool, text: str) -> Limit:
    if not to_scale:
        return Limit(None, f"{text} →", _RIGHT, "end")
    at = x.at(limit)
    return Limit(at, text, *((at - 8, "end") if at - 8 - width(text) > _LEFT else (at + 8, "start")))


def _wide(least: float, most: float) -> Axis:
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
