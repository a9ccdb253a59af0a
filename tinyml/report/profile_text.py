"""A profile for people: tables for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyml.report.document import LayerSection
from tinyml.report.profile import Change, ProfileDocument, Spent
from tinyml.report.terminal import count, duration, layer_table, shape_text, short_source

COLUMNS = (
    ("index", "#"),
    ("op", "op"),
    ("layer", "layer"),
    ("shape", "output"),
    ("macs", "MACs"),
    ("instructions", "instructions"),
    ("cycles", "cycles"),
    ("waits", "of them waits"),
    ("ms", "ms"),
    ("share", "share %"),
    ("macs_per_cycle", "MACs/cycle"),
    ("live_bytes", "live bytes"),
)
_PLACES = {"emulator": "in the emulator", "qemu": "in QEMU"}


def heading(profile: ProfileDocument, board_title: str) -> str:
    place = _PLACES.get(profile.place, f"at {profile.place}")
    warm_up = f" after {profile.warm_up} to warm up" if profile.warm_up else ""
    runs = f"{len(profile.runs)} inference{'' if len(profile.runs) == 1 else 's'}"
    return f"{profile.model} on {board_title}, {place}: {runs}{warm_up}"


def profile_summary(profile: ProfileDocument, board_title: str) -> RenderableType:
    """Latency with its spread, and RAM as observed and as planned; every figure says what kind it is."""
    return Group(Text(heading(profile, board_title), style="bold"), "", _latency(profile), "", _memory(profile))


def _latency(profile: ProfileDocument) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    median, least, most, kinds = profile.median, profile.least, profile.most, profile.kinds
    if median.ms is not None and least.ms is not None and most.ms is not None:
        clock = "" if profile.clock_hz is None else f" at {profile.clock_hz / 1e6:g} MHz"
        spread = f"median; {duration(least.ms)} to {duration(most.ms)}"
        table.add_row("latency", duration(median.ms), f"{kinds.cycles}{clock}; {spread}")
    if median.cycles is not None:
        error = f"; {profile.known_error}" if kinds.cycles == "modelled" else ""
        table.add_row("cycles", count(median.cycles), f"{kinds.cycles} for {profile.core}{error}")
        table.add_row("MACs per cycle", f"{profile.macs / median.cycles:.2f}", f"{count(profile.macs)} MACs")
    if median.instructions is not None:
        table.add_row("instructions", count(median.instructions), kinds.instructions)
    if median.cycles is None and median.instructions is None:
        table.add_row("latency", "", "unknown: nothing here counts or measures")
    return table


def _memory(profile: ProfileDocument) -> RenderableType:
    memory = profile.memory
    rows = (
        ("peak SRAM", memory.peak_observed, memory.peak_planned),
        ("  arena", memory.arena_observed, memory.arena_planned),
        ("  stack", memory.stack_observed, memory.stack_bound),
        ("  static", memory.static_bytes, memory.static_bytes),
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("bytes")
    table.add_column("observed", justify="right")
    table.add_column("planned", justify="right")
    for name, observed, planned in rows:
        table.add_row(name, *("unknown" if n is None else f"{n:,}" for n in (observed, planned)))
    return table


def profile_table(profile: ProfileDocument, width: int) -> Table:
    """A row a layer; columns that nothing is known for are left out."""
    rows = [
        {
            **asdict(layer),
            "index": index,
            "layer": short_source(layer.source),
            "shape": shape_text(layer.shape),
            "share": None if layer.share is None else 100 * layer.share,
        }
        for index, layer in enumerate(profile.layers)
    ]
    known = [column for column in COLUMNS if any(row[column[0]] is not None for row in rows)]
    return layer_table(rows, known, width)


def candidates_table(layer: LayerSection) -> Table:
    """The kernels that can compute a layer, the chosen one first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("kernel")
    for name in ("predicted cycles", "counted instructions", "modelled cycles"):
        table.add_column(name, justify="right")
    table.add_column("why", overflow="fold")
    able = [candidate for candidate in layer.candidates if candidate.predicted is not None]
    for index, candidate in enumerate(able):
        figures = (candidate.predicted, candidate.instructions, candidate.cycles)
        table.add_row(
            Text(candidate.kernel.removeprefix("tinyml_"), style="" if index else "bold"),
            *("" if figure is None else f"{figure:,.0f}" for figure in figures),
            Text(("taken: " if not index else "") + candidate.verdict),
        )
    return table


def refusals_table(layer: LayerSection) -> Table:
    """Why the other kernels of its operation cannot, and which they are."""
    refused: dict[str, list[str]] = {}
    for candidate in layer.candidates:
        if candidate.predicted is None:
            refused.setdefault(candidate.verdict, []).append(candidate.kernel.removeprefix("tinyml_"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("cannot compute it", overflow="fold")
    table.add_column("kernels")
    for reason, kernels in refused.items():
        table.add_row(Text(reason), Text(", ".join(kernels)))
    return table


def changes_table(changes: Sequence[Change], unit: str) -> Table:
    """What `compare` found; layers behind a line, those that changed most first."""
    totals, layers = changes[:6], changes[6:]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "earlier", "now", "change"):
        table.add_column(name, justify="left" if not name else "right")
    for change in totals:
        _add(table, change.what, change)
    moved = [change for change in layers if change.before != change.now]
    same = len(layers) - len(moved)
    table.add_section()
    table.add_row(Text(f"{unit} of layers", style="bold"), "", "", "")
    for change in sorted(moved, key=lambda c: -abs((c.now or 0) - (c.before or 0))):
        _add(table, short_source(change.what), change)
    if same:
        table.add_row(f"{same} layer{'' if same == 1 else 's'}", "", "", "as before")
    return table


def _add(table: Table, name: str, change: Change) -> None:
    if change.before is None and change.now is None:
        return
    ratio = change.ratio
    text = "" if ratio is None else "as before" if change.before == change.now else f"{100 * (ratio - 1):+.2f} %"
    table.add_row(name, *("" if n is None else f"{n:,}" for n in (change.before, change.now)), text)


def spent_text(spent: Spent) -> str:
    """The best known figure of an inference."""
    if spent.ms is not None:
        return duration(spent.ms)
    if spent.cycles is not None:
        return f"{count(spent.cycles)} cycles"
    return "" if spent.instructions is None else f"{count(spent.instructions)} instructions"
