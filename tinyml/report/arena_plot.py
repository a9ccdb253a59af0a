"""Memory over time as drawings: bytes at every step, and the arenas as rectangles of address and step."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyml.ir.describe import window_text
from tinyml.memory import live_bytes, peak_report
from tinyml.memory.plan import Arena, BufferKind, MemoryPlan
from tinyml.report.labels import LINE, fitted, width
from tinyml.report.occupancy import Block, blocks, moments, needed_bytes
from tinyml.report.plot import Axis, Tick, ticks
from tinyml.report.terminal import shape_text, short_name, stage_name
from tinyml.schedule.model import Stage, StageKind

_WIDTH = 1240.0
_LEFT, _RIGHT = 68.0, 12.0  # margins
_NARROWEST = 18.0  # pixels of a node
_NUMBERED = 5  # stages too narrow for their numbers, of which one has it all the same
_ENDS = 0.6  # width of what is before and after the run, in nodes
_TOP, _STEPS_HEIGHT = 26.0, 150.0  # of the bytes over time
_BAND = 20.0  # height of the stages' names
_ARENA_HEIGHT, _LEAST_ARENA, _GAP = 460.0, 70.0, 30.0
_THIN = 3.0  # pixels: lines of rings that are closer are not drawn


@dataclass(frozen=True, slots=True)
class Band:
    """A stage: its place on the axis of steps, and what is written there."""

    x: float
    width: float
    style: str
    text: str | None
    hint: str


@dataclass(frozen=True, slots=True)
class Name:
    """An operation's name below the axis; turned: written from the bottom to the top."""

    x: float
    text: str
    turned: bool


@dataclass(frozen=True, slots=True)
class Inscription:
    x: float
    y: float
    text: str
    turned: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """A buffer. needed: the outline of its bytes that matter; lines: between those of a ring."""

    style: str
    x: float
    y: float
    width: float
    height: float
    needed: str
    lines: tuple[float, ...]
    hint: str
    inscription: Inscription | None


@dataclass(frozen=True, slots=True)
class ArenaPlot:
    """title: where there are several."""

    title: str | None
    top: float
    ticks: tuple[Tick, ...]
    drawn: tuple[Drawn, ...]


@dataclass(frozen=True, slots=True)
class PeakMark:
    """Where most bytes live, and which layer holds them. x: of the mark; text_x, anchor: of the text."""

    x: float
    y: float
    text: str
    text_x: float
    anchor: str


@dataclass(frozen=True, slots=True)
class MemoryPlot:
    """taken, needed: outlines of the bytes that buffers take, and of those that matter, over the steps."""

    width: float
    height: float
    left: float
    right: float
    steps_top: float
    steps_bottom: float
    steps_ticks: tuple[Tick, ...]
    taken: str
    needed: str
    peak: PeakMark
    bands: tuple[Band, ...]
    band_top: float
    band_height: float
    arenas: tuple[ArenaPlot, ...]
    names: tuple[Name, ...]
    names_top: float


def memory_plot(plan: MemoryPlan) -> MemoryPlot:
    found = blocks(plan)
    steps = _Steps(plan)
    band_top = _TOP + _STEPS_HEIGHT + 16
    several = len(plan.arenas) > 1
    arenas, bottom = [], band_top + _BAND + (_GAP if several else 8)
    tallest = max(arena.bytes for arena in plan.arenas)
    for arena in plan.arenas:
        here = [block for block in found if block.arena == arena.name]
        if not here:
            continue
        height = max(_LEAST_ARENA, _ARENA_HEIGHT * arena.bytes / max(tallest, 1))
        title = _arena_title(arena) if several else None
        arenas.append(_arena_plot(title, here, plan, steps, Axis(0, max(arena.bytes, 1), bottom + height, bottom)))
        bottom += height + _GAP
    names_top = bottom - _GAP + 8
    names = _names(plan, steps)
    deepest = max((width(name.text) if name.turned else LINE for name in names), default=0.0)
    live = live_bytes(plan)
    y = Axis(0, max(plan.peak_bytes, 1), _TOP + _STEPS_HEIGHT, _TOP)
    needed = needed_bytes(plan, found)
    return MemoryPlot(
        width=steps.end + _RIGHT,
        height=names_top + deepest + 12,
        left=_LEFT,
        right=steps.end,
        steps_top=_TOP,
        steps_bottom=_TOP + _STEPS_HEIGHT,
        steps_ticks=_byte_ticks(y),
        taken=_area([(steps.at(i), steps.at(i + 1), n) for i, n in enumerate(live)], y),
        needed=_area([span for i, row in enumerate(needed) for span in _spread(steps, i, row)], y),
        peak=_peak(plan, steps, y),
        bands=tuple(_band(plan, stage, i, steps) for i, stage in enumerate(plan.schedule.stages)),
        band_top=band_top,
        band_height=_BAND,
        arenas=tuple(arenas),
        names=names,
        names_top=names_top,
    )


class _Steps:
    """The axis of steps: a stage is as wide as it has nodes."""

    def __init__(self, plan: MemoryPlan) -> None:
        counts = [max(1, len(stage.nodes)) for stage in plan.schedule.stages]
        unit = max(_NARROWEST, (_WIDTH - _LEFT - _RIGHT) / (sum(counts) + 2 * _ENDS))
        self.unit = unit
        self._edges = [_LEFT, _LEFT + _ENDS * unit]
        for count in (*counts, _ENDS):
            self._edges.append(self._edges[-1] + count * unit)

    def at(self, step: int) -> float:
        """Where a step begins. -1: before the run; the number of steps: after it, which ends at the next number."""
        return self._edges[step + 1]

    @property
    def end(self) -> float:
        return self._edges[-1]


def _byte_ticks(y: Axis) -> tuple[Tick, ...]:
    """In KiB, or in bytes where there are few."""
    scale = 1024 if y.high >= 2048 else 1
    scaled = Axis(y.low / scale, y.high / scale, y.start, y.end)
    return ticks(scaled, "{:,g} KiB" if scale > 1 else "{:,g}")


def _spread(steps: _Steps, step: int, row: Sequence[int]) -> list[tuple[float, float, int]]:
    """The moments of a step, side by side: from, to, bytes."""
    start, size = steps.at(step), (steps.at(step + 1) - steps.at(step)) / len(row)
    return [(start + i * size, start + (i + 1) * size, n) for i, n in enumerate(row)]


def _area(spans: Sequence[tuple[float, float, int]], y: Axis) -> str:
    """The path of an area above the axis."""
    floor = y.at(0)
    path, before = [f"M{spans[0][0]:.1f},{floor:g}"], None
    for start, _, value in spans:
        if value != before:
            path.append(f"H{start:.1f}V{y.at(value):g}")
            before = value
    return f"{''.join(path)}H{spans[-1][1]:.1f}V{floor:g}Z"


def _peak(plan: MemoryPlan, steps: _Steps, y: Axis) -> PeakMark:
    peak = peak_report(plan)
    x = (steps.at(peak.step) + steps.at(peak.step + 1)) / 2
    text = f"peak {peak.bytes:,} bytes: {stage_name(peak.step, peak.nodes)}"
    room = width(text)
    fits = x + 10 + room < steps.end
    return PeakMark(
        x, y.at(peak.bytes), text, x + 10 if fits else max(x - 10, _LEFT + room), "start" if fits else "end"
    )


def stage_text(stage: Stage) -> str:
    """`stream of 6, tiles of 2 rows`."""
    if stage.kind is StageKind.LAYER:
        return "layer"
    tiles = sorted({worker.tile for worker in stage.stream.workers})
    rows = " or ".join(str(tile) for tile in tiles)
    return f"{stage.kind.value} of {len(stage.nodes)}, tiles of {rows} row{'' if tiles == [1] else 's'}"


def _band(plan: MemoryPlan, stage: Stage, index: int, steps: _Steps) -> Band:
    x, room = steps.at(index), steps.at(index + 1) - steps.at(index)
    what = stage_text(stage)
    texts = [f"{index}: {what}", f"{index}: {stage.kind.value}", str(index)]
    if stage.kind is StageKind.LAYER:
        texts = texts[1:]
    numbered = str(index) if index % _NUMBERED == 0 else None
    text = next((t for t in texts if width(t) + 4 <= room), numbered)
    graph = plan.schedule.graph
    layers = "\n".join(f"{n.op.value}{window_text(n, graph)}" for n in stage.nodes)
    return Band(x, room, stage.kind.value, text, f"stage {index}: {what}\n{layers}")


def _names(plan: MemoryPlan, steps: _Steps) -> tuple[Name, ...]:
    graph = plan.schedule.graph
    nodes = [(i, k, node) for i, stage in enumerate(plan.schedule.stages) for k, node in enumerate(stage.nodes)]
    texts = [f"{node.op.value}{window_text(node, graph)}" for *_, node in nodes]
    turned = max(map(width, texts), default=0.0) + 6 > steps.unit
    return tuple(
        Name(steps.at(i) + (k + 0.5) * steps.unit, text, turned) for (i, k, _), text in zip(nodes, texts, strict=True)
    )


def _arena_title(arena: Arena) -> str:
    where = "" if arena.region is None else f" in {arena.region}"
    return f"{arena.name}{where}: {arena.bytes:,} bytes"


def _arena_plot(title: str | None, here: Sequence[Block], plan: MemoryPlan, steps: _Steps, y: Axis) -> ArenaPlot:
    drawn = tuple(_drawn(block, here, plan.schedule.stages, steps, y) for block in here)
    return ArenaPlot(title, y.end, _byte_ticks(y), drawn)


def _drawn(block: Block, here: Sequence[Block], stages: Sequence[Stage], steps: _Steps, y: Axis) -> Drawn:
    x, end = steps.at(block.first), steps.at(block.last + 1)
    top, bottom = y.at(block.end), y.at(block.offset)
    lines = block.lines or 1
    close = (bottom - top) / lines < _THIN
    between = () if close else tuple(y.at(block.offset + block.bytes * i / lines) for i in range(1, lines))
    style = block.kind.value
    return Drawn(
        style, x, top, end - x, bottom - top, _outline(block, stages, steps, y), between, _hint(block, len(stages)),
        _inscription(block, here, steps, y),
    )  # fmt: skip


def _outline(block: Block, stages: Sequence[Stage], steps: _Steps, y: Axis) -> str:
    """Of the bytes that matter: along their upper end, and back along the lower one."""
    spans: list[tuple[float, float, int, int]] = []
    for step in range(block.first, block.last + 1):
        start = steps.at(step)
        end = steps.at(step + 1)
        count = moments(stages[step]) if step in block.moves else 1
        for moment in range(count):
            low, high = block.needed(step, moment)
            a, b = start + (end - start) * moment / count, start + (end - start) * (moment + 1) / count
            if spans and spans[-1][2:] == (low, high):
                spans[-1] = (spans[-1][0], b, low, high)
            else:
                spans.append((a, b, low, high))
    path = [f"M{spans[0][0]:.1f},{y.at(spans[0][2]):g}"]
    path += [f"H{a:.1f}V{y.at(high):g}" for a, _, _, high in spans]
    path += [f"H{b:.1f}V{y.at(low):g}" for _, b, low, _ in reversed(spans)]
    return f"{''.join(path)}Z"


def _hint(block: Block, end: int) -> str:
    first = "before the run" if block.first < 0 else f"stage {block.first}"
    last = "after the run" if block.last == end else f"stage {block.last}"
    when = first if first == last else f"{first} to {last}"
    what = block.kind.value
    if block.lines is not None:
        what = f"ring of {block.lines} lines of {block.bytes // block.lines:,} bytes"
    shape = "" if block.shape is None else f", {shape_text(block.shape)}"
    return f"{block.value}\n{what}{shape}\n{block.bytes:,} bytes at {block.offset:,}\n{when}"


def _inscription(block: Block, here: Sequence[Block], steps: _Steps, y: Axis) -> Inscription | None:
    """The name, where most of it can be read: in the largest part of the rectangle that no other lies over."""
    text = short_name(block.value) if block.kind is not BufferKind.SCRATCH else "scratch"
    best: tuple[tuple[int, bool, float], Inscription] | None = None
    free = {step: _free(block, here, step) for step in range(block.first, block.last + 1)}
    for start in free:
        low, high = block.offset, block.end
        for step in range(start, block.last + 1):
            low, high = max(low, free[step][0]), min(high, free[step][1])
            if low >= high:
                break
            x = steps.at(start)
            across = steps.at(step + 1) - x
            top, tall = y.at(high), y.at(low) - y.at(high)
            for turned, room, thick in ((False, across, tall), (True, tall, across)):
                shown = fitted(text, room - 8) if thick >= LINE - 2 else None
                if shown is None:
                    continue
                rank = (len(shown), not turned, thick)
                if best is None or rank > best[0]:
                    best = rank, Inscription(x + across / 2, top + tall / 2, shown, turned)
    return None if best is None else best[1]


def _free(block: Block, here: Sequence[Block], step: int) -> tuple[int, int]:
    """The longest run of its bytes in that step that no other buffer has."""
    spans = sorted(
        (o.offset, o.end) for o in here if o is not block and o.first <= step <= o.last and o.offset < block.end
    )
    best, at = (block.offset, block.offset), block.offset
    for start, end in (*spans, (block.end, block.end)):
        if min(start, block.end) - at > best[1] - best[0]:
            best = (at, min(start, block.end))
        at = max(at, end)
    return best
