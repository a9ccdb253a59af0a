"""What people read at the terminal. Functions return rich renderables; the CLI prints them."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyml.ir.graph import Node
from tinyml.kernels.rows import image_shape
from tinyml.profile.known_error import known_error
from tinyml.report.document import Report
from tinyml.targets import Board

SHORTEST = 8  # text in a table is cut to no less

_STACK = {
    "measured": "measured in the emulator",
    "reserved": "reserved; what is used was not measured",
    "none": "your application's",
}


def count(n: float) -> str:
    """A large count for reading: 12.50 M, 98.3 k."""
    if n >= 1e6:
        return f"{n / 1e6:.2f} M"
    return f"{n / 1e3:.1f} k" if n >= 1e4 else f"{n:,.0f}"


def size(n: int) -> str:
    """Bytes with their KiB or MiB: `98,304 (96.0 KiB)`."""
    if n >= 1 << 20:
        return f"{n:,} ({n / (1 << 20):.1f} MiB)"
    return f"{n:,} ({n / 1024:.1f} KiB)" if n >= 1024 else f"{n:,}"


def kib(n: int) -> str:
    """Bytes for labels: `22.5 KiB`."""
    return f"{n / 1024:,.1f} KiB"


def duration(ms: float) -> str:
    """Milliseconds in a unit that reads well."""
    if ms < 1:
        return f"{ms * 1e3:.1f} us"
    return f"{ms:.2f} ms" if ms < 1000 else f"{ms / 1e3:.2f} s"


def summary(report: Report, board: Board, warning: str | None) -> RenderableType:
    """The summary of a build. Every figure says what kind it is.

    Args:
        warning: what must come first ("UNCALIBRATED: …"), or None.
    """
    model, memory, flash, latency = report.model, report.memory, report.flash, report.latency
    arenas = [r for r in memory.regions if r.arena_bytes]
    limit = sum(r.bytes for r in arenas)
    linked = flash.code_bytes is not None
    tight = memory.arena_bytes == memory.arena_lower_bound_bytes
    bound = (
        "no plan of these buffers is smaller" if tight else f"at least {memory.arena_lower_bound_bytes:,} are needed"
    )
    rows = [
        ("model", f"{count(model.macs)} MACs", f"{len(report.layers)} steps, {count(model.parameters)} parameters"),
        ("numbers", report.quantization.scheme, ""),
        ("peak SRAM", size(memory.peak_sram_bytes), f"exact, of {size(limit)} there" if linked else "exact"),
        ("  arena" if len(arenas) < 2 else "  arenas", size(memory.arena_bytes), bound),
        *((f"    {r.name}", size(r.arena_bytes), _traffic(r.traffic)) for r in arenas if len(arenas) > 1),
        ("  stack", size(memory.stack_bytes), _STACK[memory.stack_kind] + _bound(memory.stack_bound_bytes)),
        (
            "  static",
            size(memory.static_bytes),
            f"model {memory.model_static_bytes:,}, firmware {memory.firmware_static_bytes:,}",
        ),
        ("flash", size(flash.total_bytes), f"exact, of {size(flash.limit_bytes)}" if linked else "exact, code apart"),
        ("  weights", size(flash.weights_bytes), "with per-channel parameters" + _added(flash.added_weights_bytes)),
    ]
    if flash.code_bytes is not None and report.toolchain is not None:
        parts = f"model {flash.model_code_bytes:,}, firmware {flash.firmware_code_bytes:,}"
        rows.append(("  code", size(flash.code_bytes), parts))
        rows.append(("compiler", report.toolchain.name, report.toolchain.version))
    if latency.instructions is not None:
        rows.append(("instructions", count(latency.instructions), "counted in the emulator"))
    elif linked:
        rows.append(("instructions", "?", f"not counted: the emulator does not run {latency.core}"))
    if latency.cycles is not None:
        error = known_error(board.cache)
        silicon = "several x, as flash is another chip" if error is None else f"{error} x"
        rows.append(("cycles", count(latency.cycles), f"{latency.source} for {latency.core}; silicon: {silicon}"))
    if latency.ms is not None and latency.clock_hz is not None:
        rows.append(("latency", duration(latency.ms), f"{latency.source}, at {latency.clock_hz / 1e6:g} MHz"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for row in rows:
        table.add_row(*row)
    head = [Text(warning, style="bold yellow")] if warning else []
    return Group(*head, Text(f"{model.file} for {board.title}", style="bold"), "", table)


def _traffic(percent: int) -> str:
    return f"some {percent} % of what a run reads and writes"


def _added(weights_bytes: int) -> str:
    return f"; {weights_bytes:,} of it for speed" if weights_bytes else ""


def _bound(stack: int | None) -> str:
    return "" if stack is None else f"; {stack:,} at most, by the call graph"


def short_source(source: str, width: int = 32) -> str:
    """A layer's name for a table: `CONV_2D #3 'model/relu_1/Relu6;…/Conv2D1'` -> `#3 relu_1/Relu6`.

    TFLite joins the names of all that it fused by semicolons; the first says most.
    """
    last = source.split(" + ")[-1]  # of several nodes that were fused, the one that computes
    match = re.fullmatch(r"(?:\w+ )?(#\d+ )?'([^']*)'.*", last, re.DOTALL)
    if match is None:
        return source[:width]
    number, names = match[1] or "", match[2]
    name = "/".join(names.split(";")[0].rstrip("/").split("/")[-2:])
    return number + (name if len(name) <= width else "…" + name[-width:])


def short_name(name: str) -> str:
    """Of a value: converters join the names of all that they fused, and of all that these are part of; PyTorch's numbers
    the outputs of a node."""
    return re.sub(r"_output_\d+$", "", "/".join(name.split(";")[0].rstrip("/").split("/")[-2:]))


def stage_name(step: int, nodes: Sequence[Node]) -> str:
    """`stage 3, conv2d #4 relu_1/Relu6 to add #7 add/add`; of the steps before and after the run, what lives there."""
    if not nodes:
        return "the inputs and outputs"
    ends = dict.fromkeys((nodes[0], nodes[-1]))
    return f"stage {step}, {' to '.join(f'{node.op.value} {short_source(node.source)}' for node in ends)}"


def layer_table(rows: Sequence[Mapping[str, object]], columns: Sequence[tuple[str, str]], width: int) -> Table:
    """A table for people, at most `width` columns wide. columns: (key, heading).

    Numbers are grouped, right-aligned and never cut. Where there is no room the widest text is cut first; a column
    without a heading goes before that.
    """
    cells = {key: [_cell(row[key]) for row in rows] for key, _ in columns}
    widths = {key: max(map(len, [heading, *cells[key]])) for key, heading in columns}
    numeric = {key for key, _ in columns if rows and all(isinstance(row[key], int | float | None) for row in rows)}

    def excess() -> int:
        return sum(widths.values()) + 2 * (len(widths) - 1) - width

    for key, heading in columns:
        if not heading and excess() > 0:
            del widths[key]
    while excess() > 0 and (wide := [k for k in widths if k not in numeric and widths[k] > SHORTEST]):
        widths[max(wide, key=lambda k: widths[k])] -= 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in columns:
        if key in widths:
            justify: Literal["left", "right"] = "right" if key in numeric else "left"
            table.add_column(heading, justify=justify, no_wrap=True, overflow="ellipsis", width=widths[key])
    for i in range(len(rows)):
        table.add_row(*(Text(cells[key][i]) for key, _ in columns if key in widths))
    return table


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return "x".join(str(v) for v in value)
    return str(value)


def shape_text(shape: Sequence[int]) -> str:
    """`48x48x8` of [1, 48, 48, 8]."""
    rows, cols, channels = image_shape(tuple(shape))
    return f"{rows}x{cols}x{channels}"
