"""Where text goes in a drawing, so that no label lies over another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CHARACTER = 6.6  # pixels of a character, at most on average, in text of 12 pixels
LINE = 15.0  # pixels from one line of text to the next

_DISTANCES = (12, 17, 26, 38, 52, 70, 90, 115)
_NEAR = 17  # pixels: text no farther from its point needs no line to it
_CROSSED = 200.0  # what a line across another, or across a point, costs beside pixels of distance
_COVERED = 25.0  # what covering a place of the curve does
_DIRECTIONS = tuple(math.radians(a) for a in (-30, 0, 30, -60, 60, -90, 90, -120, 120, 180, -150, 150))


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, x: float, y: float) -> bool:
        return self.left < x < self.right and self.top < y < self.bottom


@dataclass(frozen=True, slots=True)
class Label:
    """Text beside a point. x, y: its left end and its baseline; far: a line should lead from the text to the point, to
    (lead_x, lead_y) of the text."""

    text: str
    x: float
    y: float
    far: bool
    lead_x: float
    lead_y: float


def width(text: str) -> float:
    return CHARACTER * len(text)


def fitted(text: str, room: float) -> str | None:
    """The text, cut where it is longer than that many pixels; None where nothing worth reading is left."""
    most = int(room / CHARACTER)
    if len(text) <= most:
        return text
    return f"{text[: most - 1]}…" if most >= 5 else None


def place(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    inside: Box,
    curve: Sequence[tuple[float, float]] = (),
) -> list[Label | None]:
    """A label for each point, in the order of the points, which is that of their importance; None where there is no room.

    Args:
        inside: where labels may be.
        curve: places that labels had better leave free.
    """
    taken = [Box(x - 7, y - 7, x + 7, y + 7) for x, y in points]
    leads: list[_Line] = []
    placed: list[Label | None] = []
    for number, ((x, y), text) in enumerate(zip(points, texts, strict=True)):
        best: tuple[float, Box, _Line, bool] | None = None
        others = [point for i, point in enumerate(points) if i != number]
        for distance in _DISTANCES:
            for rank, angle in enumerate(_DIRECTIONS):
                box = _beside(x + distance * math.cos(angle), y + distance * math.sin(angle), angle, width(text))
                if _outside(box, inside) or any(box.meets(other) for other in taken):
                    continue
                lead = (x, y), (min(max(x, box.left), box.right), min(max(y, box.top), box.bottom))
                crossed = sum(_cross(lead, other) for other in leads) + sum(_touches(lead, at) for at in others)
                crossed += sum(_cross(other, side) for other in leads for side in _diagonals(box))
                covered = sum(box.holds(*at) for at in curve)
                cost = distance + rank + _CROSSED * crossed + _COVERED * covered
                if best is None or cost < best[0]:
                    best = cost, box, lead, distance > _NEAR
        if best is None:
            placed.append(None)
            continue
        _, box, lead, far = best
        taken.append(box)
        if far:
            leads.append(lead)
        placed.append(Label(text, box.left, box.bottom - 4, far, *lead[1]))
    return placed


_Line = tuple[tuple[float, float], tuple[float, float]]


def _cross(one: _Line, other: _Line) -> bool:
    def side(line: _Line, at: tuple[float, float]) -> bool:
        (ax, ay), (bx, by) = line
        return (bx - ax) * (at[1] - ay) > (by - ay) * (at[0] - ax)

    return side(one, other[0]) != side(one, other[1]) and side(other, one[0]) != side(other, one[1])


def _touches(line: _Line, at: tuple[float, float]) -> bool:
    """Whether a line passes a point within 7 pixels."""
    (ax, ay), (bx, by) = line
    length = math.hypot(bx - ax, by - ay) or 1.0
    along = min(max(((at[0] - ax) * (bx - ax) + (at[1] - ay) * (by - ay)) / length**2, 0.0), 1.0)
    return math.hypot(ax + along * (bx - ax) - at[0], ay + along * (by - ay) - at[1]) < 7


def _diagonals(box: Box) -> tuple[_Line, _Line]:
    return ((box.left, box.top), (box.right, box.bottom)), ((box.left, box.bottom), (box.right, box.top))


def _beside(x: float, y: float, angle: float, size: float) -> Box:
    """A box of text that touches (x, y) from the side of that angle."""
    across = math.cos(angle)
    left = x if across > 0.3 else x - size if across < -0.3 else x - size / 2
    return Box(left, y - LINE / 2, left + size, y + LINE / 2)


def _outside(box: Box, inside: Box) -> bool:
    return box.left < inside.left or box.right > inside.right or box.top < inside.top or box.bottom > inside.bottom
