"""Coordinates of line charts: what a template needs to draw one as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 436, 12, 232


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """points: as SVG writes them."""

    points: str
    style: str


@dataclass(frozen=True, slots=True)
class Mark:
    """style: a class of the style sheet; anchor: where the text is, "start" to the right of the mark; below: its baseline."""

    x: float
    y: float
    text: str
    style: str = "mark"
    anchor: str = "start"
    below: float = 4.0


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of numbers and where it is drawn; logarithmic where it spans more than a factor of ten."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        low, high, x = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        share = 0.5 if high == low else (x - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True, slots=True)
class Plot:
    label: str
    x_name: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    bottom: int = _BOTTOM


def x_axis(low: float, high: float, *, logarithmic: bool = False) -> Axis:
    return Axis(low, high, _LEFT, _RIGHT, logarithmic)


def y_axis(low: float, high: float) -> Axis:
    return Axis(low, high, _BOTTOM, _TOP)


def polyline(points: Sequence[tuple[float, float]], x: Axis, y: Axis, style: str) -> Line:
    return Line(" ".join(f"{x.at(a):g},{y.at(b):g}" for a, b in points), style)


def ticks(axis: Axis, form: str, scale: float = 1.0) -> tuple[Tick, ...]:
    """Round numbers on an axis.

    Args:
        form: format of a number that `scale` was multiplied with.
    """
    values = _powers(axis.low, axis.high) if axis.logarithmic else _round(axis.low, axis.high)
    return tuple(Tick(axis.at(value), form.format(value * scale)) for value in values)


def _powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def _round(low: float, high: float) -> list[float]:
    """About five round numbers from low to high."""
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= 5)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]
