"""A profile as one HTML page that needs nothing else: bars of the layers' cost, and the arena step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyml.report.page import Tile, render_page
from tinyml.report.profile import ProfiledLayer, ProfileDocument
from tinyml.report.profile_text import COLUMNS, heading, spent_text
from tinyml.report.terminal import count, kib, shape_text, short_source, size

_LABEL, _BAR, _FIGURE, _ROW = 300, 600, 180, 18  # pixels of the drawing of bars
_HEIGHT, _AXIS = 180, 70  # of the drawing of memory
_TEXT_KEYS = frozenset({"op", "layer", "shape"})


@dataclass(frozen=True, slots=True)
class _Bar:
    """A layer's cost; as long as its share."""

    y: float
    length: float
    label: str
    figure: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Bars:
    bars: tuple[_Bar, ...]
    start: int = _LABEL
    row: int = _ROW
    width: int = _LABEL + _BAR + _FIGURE

    @property
    def height(self) -> int:
        return _ROW * len(self.bars)


@dataclass(frozen=True, slots=True)
class _Step:
    x: float
    y: float
    width: float
    hint: str


@dataclass(frozen=True, slots=True)
class _Steps:
    """Live bytes of the arena at each step, below the arena's size."""

    bars: tuple[_Step, ...]
    top: float
    planned: str
    left: int = _AXIS
    floor: int = _HEIGHT - 16
    width: int = _LABEL + _BAR + _FIGURE
    height: int = _HEIGHT


def profile_page(profile: ProfileDocument, board_title: str) -> str:
    """The page. Text of the model (names of layers) is escaped; nothing is loaded from anywhere."""
    known = {"counted": "counted in the emulator", "none": "unknown"}
    kinds = profile.kinds
    error = f" ({profile.known_error})" if kinds.cycles == "modelled" else ""
    columns, rows = _table(profile.layers)
    context = {
        "title": heading(profile, board_title),
        "notes": f"instructions: {known.get(kinds.instructions, kinds.instructions)}; cycles and milliseconds: "
        f"{kinds.cycles}{error}; planned bytes: exact; observed bytes: measured. tinyml {profile.tinyml_version}, "
        f"model file sha256 {profile.sha256}",
        "tiles": _tiles(profile),
        "memory": _memory(profile),
        "bars": _bars(profile.layers),
        "steps": _steps(profile.layers, profile.memory.arena_planned),
        "columns": columns,
        "rows": rows,
    }
    return render_page("profile.html.j2", context)


def _tiles(profile: ProfileDocument) -> list[Tile]:
    median, least, most = map(spent_text, (profile.median, profile.least, profile.most))
    tiles = [
        Tile("An inference", median or "unknown", f"median; {least} to {most}" if median else ""),
        Tile("Peak SRAM", kib(profile.memory.peak_observed), "observed"),
    ]
    if profile.median.instructions is not None:
        tiles.append(Tile("Instructions", count(profile.median.instructions), profile.kinds.instructions))
    if profile.median.cycles:
        tiles.append(Tile("MACs per cycle", f"{profile.macs / profile.median.cycles:.2f}", profile.kinds.cycles))
    return tiles


def _memory(profile: ProfileDocument) -> list[tuple[str, ...]]:
    memory = profile.memory
    rows = (
        ("arena", memory.arena_observed, memory.arena_planned),
        ("stack", memory.stack_observed, memory.stack_bound),
        ("static", memory.static_bytes, memory.static_bytes),
        ("peak SRAM", memory.peak_observed, memory.peak_planned),
    )
    return [(name, *("unknown" if figure is None else size(figure) for figure in figures)) for name, *figures in rows]


def _bars(layers: Sequence[ProfiledLayer]) -> _Bars | None:
    longest = max((layer.share or 0.0 for layer in layers), default=0.0)
    if not longest:
        return None
    bars = []
    for index, layer in enumerate(layers):
        share = layer.share or 0.0
        figure = f"{100 * share:.1f} %"
        if layer.macs_per_cycle:
            figure += f", {layer.macs_per_cycle:.2f} MACs/cycle"
        bars.append(_Bar(index * _ROW, _BAR * share / longest, _label(index, layer), figure, _hint(layer)))
    return _Bars(tuple(bars))


def _steps(layers: Sequence[ProfiledLayer], planned: int) -> _Steps:
    floor, width = _HEIGHT - 16, _LABEL + _BAR + _FIGURE - _AXIS
    scale, step = (_HEIGHT - 30) / max(planned, 1), width / max(len(layers), 1)
    bars = tuple(
        _Step(
            _AXIS + index * step,
            floor - layer.live_bytes * scale,
            max(step - 1, 1),
            f"{_label(index, layer)}: {layer.live_bytes:,} bytes live",
        )
        for index, layer in enumerate(layers)
    )
    return _Steps(bars, floor - planned * scale, f"{planned:,}")


def _table(layers: Sequence[ProfiledLayer]) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """The columns, each with whether it is of numbers, and the rows; columns that nothing is known for are left out."""
    rows: list[dict[str, int | float | str | None]] = []
    for index, layer in enumerate(layers):
        cells: dict[str, int | float | str | None] = {
            "index": index,
            "op": layer.op,
            "layer": short_source(layer.source),
            "shape": shape_text(layer.shape),
            "macs": layer.macs,
            "instructions": layer.instructions,
            "cycles": layer.cycles,
            "waits": layer.waits,
            "ms": layer.ms,
            "share": None if layer.share is None else 100 * layer.share,
            "macs_per_cycle": layer.macs_per_cycle,
            "live_bytes": layer.live_bytes,
        }
        rows.append(cells)
    keys = [key for key, _ in COLUMNS if any(row[key] is not None for row in rows)]
    columns = [(dict(COLUMNS)[key], key not in _TEXT_KEYS) for key in keys]
    return columns, [[_cell(row[key]) for key in keys] for row in rows]


def _cell(value: int | float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else value


def _label(index: int, layer: ProfiledLayer) -> str:
    return f"{index:02d} {layer.op} {short_source(layer.source, 22)}"


def _hint(layer: ProfiledLayer) -> str:
    figures = [
        f"{layer.source}",
        f"{shape_text(layer.shape)} by {layer.kernel}",
        f"{layer.macs:,} MACs",
    ]
    if layer.instructions is not None:
        figures.append(f"{layer.instructions:,} instructions")
    if layer.cycles is not None:
        figures.append(f"{layer.cycles:,} cycles")
    return "\n".join(figures)
