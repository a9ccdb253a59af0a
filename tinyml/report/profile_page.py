"""A profile as one HTML page that needs nothing else: bars of the layers' cost, and the arena step by step."""

from collections.abc import Iterable, Sequence
from html import escape

from tinyml.report.profile import ProfiledLayer, ProfileDocument
from tinyml.report.profile_text import COLUMNS, heading, spent_text
from tinyml.report.terminal import shape_text, short_source, size

_STYLE = """
:root { color-scheme: light dark; --bar: #2f6fb3; --limit: #c0392b; --soft: #8884; }
body { font: 14px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid var(--soft); white-space: nowrap; }
td.text, th.text { text-align: left; }
svg text { fill: currentColor; font: 11px system-ui, sans-serif; }
svg rect { fill: var(--bar); } svg rect:hover { opacity: .75; }
svg line { stroke: var(--limit); stroke-dasharray: 4 3; }
p.note { color: #777; }
"""
_LABEL, _BAR, _FIGURE, _ROW = 300, 520, 150, 18  # pixels of the drawing of bars
_HEIGHT, _AXIS = 180, 70  # of the drawing of memory
_TEXT_KEYS = frozenset({"op", "layer", "shape"})


def profile_page(profile: ProfileDocument, board_title: str) -> str:
    """The page. Text of the model (names of layers) is escaped; nothing is loaded from anywhere."""
    title = escape(heading(profile, board_title))
    kinds = profile.kinds
    known = {"counted": "counted in the emulator", "none": "unknown"}
    notes = [
        f"instructions: {known.get(kinds.instructions, kinds.instructions)}",
        f"cycles and milliseconds: {kinds.cycles}"
        + (f" ({profile.known_error})" if kinds.cycles == "modelled" else ""),
        "planned bytes: exact; observed bytes: measured",
    ]
    median, least, most = map(spent_text, (profile.median, profile.least, profile.most))
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>',
            f"<h1>{title}</h1>",
            f"<p>{escape(median)} an inference ({escape(least)} to {escape(most)})</p>",
            f'<p class="note">{escape("; ".join(notes))}. tinyml {escape(profile.tinyml_version)}, '
            f"model file sha256 {escape(profile.sha256)}</p>",
            "<h2>Memory</h2>",
            _memory_table(profile),
            "<h2>Cost of layers</h2>",
            _bars(profile.layers),
            "<h2>Arena, step by step</h2>",
            _steps(profile.layers, profile.memory.arena_planned),
            "<h2>Layers</h2>",
            _table(profile.layers),
            "</body></html>\n",
        ]
    )


def _memory_table(profile: ProfileDocument) -> str:
    memory = profile.memory
    rows = (
        ("arena", memory.arena_observed, memory.arena_planned),
        ("stack", memory.stack_observed, memory.stack_bound),
        ("static", memory.static_bytes, memory.static_bytes),
        ("peak SRAM", memory.peak_observed, memory.peak_planned),
    )
    body = ((name, *("unknown" if figure is None else size(figure) for figure in figures)) for name, *figures in rows)
    return _html_table(("bytes", "observed", "planned"), body, 1)


def _bars(layers: Sequence[ProfiledLayer]) -> str:
    """A bar a layer, as long as its share; a hint shows the rest."""
    if not any(layer.share for layer in layers):
        return '<p class="note">What a layer costs is not known from this place.</p>'
    longest = max(layer.share or 0.0 for layer in layers)
    marks = []
    for index, layer in enumerate(layers):
        y, share = index * _ROW, layer.share or 0.0
        length = _BAR * share / longest
        figure = f"{100 * share:.1f} %"
        if layer.macs_per_cycle:
            figure += f", {layer.macs_per_cycle:.2f} MACs/cycle"
        marks += [
            f'<text x="{_LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(_label(index, layer))}</text>',
            f'<rect x="{_LABEL}" y="{y + 2}" width="{length:.1f}" height="{_ROW - 4}">'
            f"<title>{escape(_hint(layer))}</title></rect>",
            f'<text x="{_LABEL + length + 6:.1f}" y="{y + 13}">{figure}</text>',
        ]
    return _svg(_LABEL + _BAR + _FIGURE, len(layers) * _ROW, marks)


def _steps(layers: Sequence[ProfiledLayer], planned: int) -> str:
    """Live bytes of the arena at each step, below the arena's size."""
    width = _LABEL + _BAR + _FIGURE - _AXIS
    step = width / max(len(layers), 1)
    scale = (_HEIGHT - 30) / max(planned, 1)
    floor = _HEIGHT - 16
    marks = []
    for index, layer in enumerate(layers):
        height = layer.live_bytes * scale
        hint = f"{_label(index, layer)}: {layer.live_bytes:,} bytes live"
        marks.append(
            f'<rect x="{_AXIS + index * step:.1f}" y="{floor - height:.1f}" width="{max(step - 1, 1):.1f}" '
            f'height="{height:.1f}"><title>{escape(hint)}</title></rect>'
        )
    top = floor - planned * scale
    marks += [
        f'<line x1="{_AXIS}" x2="{_AXIS + width}" y1="{top:.1f}" y2="{top:.1f}"/>',
        f'<text x="{_AXIS - 6}" y="{top + 4:.1f}" text-anchor="end">{planned:,}</text>',
        f'<text x="{_AXIS - 6}" y="{floor}" text-anchor="end">0</text>',
        f'<text x="{_AXIS}" y="{_HEIGHT - 2}">step 0</text>',
        f'<text x="{_AXIS + width}" y="{_HEIGHT - 2}" text-anchor="end">step {max(len(layers) - 1, 0)}</text>',
    ]
    return _svg(_AXIS + width, _HEIGHT, marks)


def _table(layers: Sequence[ProfiledLayer]) -> str:
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
    body = ([_cell(row[key]) for key in keys] for row in rows)
    text = {i for i, key in enumerate(keys) if key in _TEXT_KEYS}
    return _html_table([dict(COLUMNS)[key] for key in keys], body, text)


def _cell(value: int | float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else value


def _html_table(headings: Sequence[str], rows: Iterable[Sequence[str]], text: int | set[int]) -> str:
    """text: which columns are text, or how many of the first."""
    left = set(range(text)) if isinstance(text, int) else text

    def line(tag: str, cells: Sequence[str]) -> str:
        marks = (f"<{tag}{' class=text' if i in left else ''}>{escape(c)}</{tag}>" for i, c in enumerate(cells))
        return f"<tr>{''.join(marks)}</tr>"

    return "\n".join(["<table>", line("th", headings), *(line("td", row) for row in rows), "</table>"])


def _svg(width: float, height: float, marks: Iterable[str]) -> str:
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" width="100%" style="max-width:{width:.0f}px" role="img"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {box}>', *marks, "</svg>"])


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
