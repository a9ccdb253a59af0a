"""A schedule as one HTML page that needs nothing else, and its front as an SVG file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup

from tinyml.ir.describe import window_text
from tinyml.ir.graph import Graph
from tinyml.ir.macs import macs
from tinyml.kernels.rows import row_bytes
from tinyml.memory import live_bytes, peak_report
from tinyml.memory.plan import BufferKind, MemoryPlan
from tinyml.pipeline import Compilation, need
from tinyml.report.analysis import Tradeoff, Tradeoffs
from tinyml.report.arena_plot import memory_plot, stage_text
from tinyml.report.front_plot import front_plot
from tinyml.report.page import Tile, render_page
from tinyml.report.terminal import count, kib, short_name
from tinyml.schedule.cost import macs_again
from tinyml.schedule.stream import Worker

_KINDS = {
    BufferKind.INPUT: "input",
    BufferKind.ACTIVATION: "values between stages",
    BufferKind.OUTPUT: "output",
    BufferKind.RING: "rings of lines",
    BufferKind.STATE: "state",
    BufferKind.SCRATCH: "scratch of kernels",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page is about. model: name of its file; board_name: a short one."""

    model: str
    board: str
    board_name: str
    numbers: str
    objective: str


def subject_of(done: Compilation) -> Subject:
    options = done.options
    return Subject(
        options.model.name,
        options.board.title,
        options.board.short_name,
        need(done.quantized).scheme,
        options.objective.value,
    )


def schedule_page(subject: Subject, plan: MemoryPlan, tradeoffs: Tradeoffs | None) -> str:
    """The page.

    Args:
        tradeoffs: None where the front was not searched for; the page is then of the plan alone.
    """
    used = {placement.buffer.kind for placement in plan.placements.values()}
    stages = len(plan.schedule.stages)
    front = None if tradeoffs is None else tradeoffs.front
    context = {
        "title": f"{subject.model}: {kib(plan.peak_bytes)} of arena",
        "subtitle": f"{subject.board}, {subject.numbers}, --objective {subject.objective}, {stages} stages",
        "tiles": _tiles(plan, tradeoffs),
        "plot": None if tradeoffs is None else front_plot(_title(subject), tradeoffs, subject.board_name),
        "front_rows": [] if front is None else [_front_row(t, front) for t in front],
        "legend": [(kind.value, text) for kind, text in _KINDS.items() if kind in used],
        "memory_plot": memory_plot(plan),
        "stage_columns": _columns(tradeoffs),
        "stage_rows": _stage_rows(plan, tradeoffs),
    }
    return render_page("schedule.html.j2", context)


def front_svg(subject: Subject, tradeoffs: Tradeoffs) -> str:
    """The front of memory and cycles as an SVG file."""
    plot = front_plot(_title(subject), tradeoffs, subject.board_name)
    return render_page("front_file.svg.j2", {"plot": plot, "style": Markup(_plain_style())})


def _title(subject: Subject) -> str:
    return f"{subject.model} on {subject.board}: memory against cycles"


def _tiles(plan: MemoryPlan, tradeoffs: Tradeoffs | None) -> list[Tile]:
    bound = sum(arena.lower_bound for arena in plan.arenas)
    gap = "no plan of these buffers is smaller" if bound == plan.peak_bytes else f"at least {bound:,} are needed"
    peak = peak_report(plan)
    several = sum(len(stage.nodes) > 1 for stage in plan.schedule.stages)
    together = f"{several} of several operations, which take turns" if several else "each computes one operation"
    tiles = [
        Tile("Arena", kib(plan.peak_bytes), f"exact; {gap}"),
        Tile("Peak", kib(peak.bytes), f"stage {peak.step}: {peak.op}" if peak.nodes else peak.source),
        Tile("Stages", str(len(plan.schedule.stages)), together),
    ]
    if tradeoffs is not None:
        cycles, fastest = sum(tradeoffs.stage_cycles), min(t.cycles for t in tradeoffs.front)
        tiles.append(Tile("Cycles", count(cycles), f"predicted; {cycles / fastest:.3f} x the fewest"))
    return tiles


def _front_row(t: Tradeoff, front: Sequence[Tradeoff]) -> list[str]:
    fastest = min(other.cycles for other in front)
    taken = ", ".join(t.objectives)
    return [
        f"{t.arena_bytes:,}",
        f"{t.cycles:,}",
        f"{t.cycles / fastest:.3f} x",
        str(t.stages),
        f"{t.limit_bytes // 1024}K",
        f"{taken} (this one)" if taken and t.built else "this one" if t.built else taken,
    ]


def _columns(tradeoffs: Tradeoffs | None) -> list[tuple[str, bool]]:
    columns = [("#", True), ("kind", False), ("operations", False), ("rings", False), ("scratch", True)]
    columns.append(("live bytes", True))
    return columns if tradeoffs is None else [*columns, ("cycles, predicted", True), ("", True)]


def _stage_rows(plan: MemoryPlan, tradeoffs: Tradeoffs | None) -> list[list[str]]:
    graph, live = plan.schedule.graph, live_bytes(plan)
    here = [placement.buffer for placement in plan.placements.values()]
    rows = []
    for index, stage in enumerate(plan.schedule.stages):
        buffers = [b for b in here if b.lifetime.first <= index <= b.lifetime.last]
        rings = [
            f"{short_name(b.values[0])}: {plan.rings[b.values[0]]} x {row_bytes(graph.value(b.values[0])):,}"
            for b in buffers
            if b.kind is BufferKind.RING
        ]
        scratch = sum(b.bytes for b in buffers if b.kind is BufferKind.SCRATCH)
        row = [
            str(index),
            stage_text(stage),
            "; ".join(_operations(worker, graph) for worker in stage.stream.workers),
            "; ".join(rings),
            f"{scratch:,}" if scratch else "",
            f"{live[index]:,}",
        ]
        if tradeoffs is not None:
            cycles = tradeoffs.stage_cycles[index]
            row += [f"{cycles:,.0f}", f"{100 * cycles / sum(tradeoffs.stage_cycles):.1f} %"]
        rows.append(row)
    return rows


def _operations(worker: Worker, graph: Graph) -> str:
    """What takes one turn in a stage; of a patch, in which parts, and how much of its work is done again."""
    names = "; ".join(f"{node.op.value}{window_text(node, graph)}" for node in worker.nodes)
    if len(worker.nodes) == 1:
        return names
    again = macs_again(worker, graph) / max(sum(macs(node, graph) for node in worker.nodes), 1)
    rows = "1 row" if worker.tile == 1 else f"{worker.tile} rows"
    return f"[{names}] in parts of {rows} x {worker.patch.cols} columns, {100 * again:.0f} % again"


def _plain_style() -> str:
    """The style sheet of drawings with colours in place of variables, which many programs that show SVG do not know."""
    text = files("tinyml.report").joinpath("pages/drawing.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", part)) for part in text.split("@media", 1))
    rules = text[text.index(".drawing text") :]

    def coloured(colours: dict[str, str]) -> str:
        return re.sub(r"var\(--(\w+)\)", lambda found: colours[found[1]], rules)

    return f"{coloured(light)}@media (prefers-color-scheme: dark) {{\n{coloured(dark)}}}"
