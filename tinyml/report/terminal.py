"""What people read at the terminal. Functions return rich renderables; the CLI prints them."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyml.report.document import Report


def count(n: float) -> str:
    """A large count for reading: 12.50 M, 98.3 k."""
    if n >= 1e6:
        return f"{n / 1e6:.2f} M"
    return f"{n / 1e3:.1f} k" if n >= 1e4 else f"{n:.0f}"


def size(n: int) -> str:
    """Bytes with their KiB: `98,304 (96.0 KiB)`."""
    return f"{n:,} ({n / 1024:.1f} KiB)" if n >= 1024 else f"{n:,}"


def summary(report: Report, board_title: str, warning: str | None) -> RenderableType:
    """The summary of a build. Every figure says what kind it is.

    Args:
        warning: what must come first ("UNCALIBRATED: …"), or None.
    """
    model, memory, flash, latency, tools = report.model, report.memory, report.flash, report.latency, report.toolchain
    limit = sum(r.bytes for r in memory.regions if r.arena_bytes)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    tight = memory.arena_bytes == memory.arena_lower_bound_bytes
    bound = (
        "no plan of these buffers is smaller" if tight else f"at least {memory.arena_lower_bound_bytes:,} are needed"
    )
    rows = [
        ("model", f"{count(model.macs)} MACs", f"{len(report.layers)} steps, {count(model.parameters)} parameters"),
        ("numbers", report.quantization.scheme, ""),
        ("peak SRAM", size(memory.peak_sram_bytes), f"exact; the board has {size(limit)} there"),
        ("  arena", size(memory.arena_bytes), bound),
        ("  stack", size(memory.stack_bytes), f"{memory.stack_kind} in the emulator"),
        (
            "  static",
            size(memory.static_bytes),
            f"model {memory.model_static_bytes:,}, firmware {memory.firmware_static_bytes:,}",
        ),
        ("flash", size(flash.total_bytes), f"exact; the board has {size(flash.limit_bytes)}"),
        ("  weights", size(flash.weights_bytes), "with per-channel parameters"),
        ("  code", size(flash.code_bytes), f"{tools.name} {tools.version}"),
        ("instructions", count(latency.instructions), "counted in the emulator"),
    ]
    if latency.cycles is not None:
        error = "silicon may take up to 1.4 times as many"
        rows.append(("cycles", count(latency.cycles), f"{latency.source} for {latency.core}; {error}"))
    if latency.ms is not None and latency.clock_hz is not None:
        rows.append(("latency", f"{latency.ms:.2f} ms", f"{latency.source}, at {latency.clock_hz / 1e6:g} MHz"))
    for row in rows:
        table.add_row(*row)
    head = [Text(warning, style="bold yellow")] if warning else []
    return Group(*head, Text(f"{model.file} for {board_title}", style="bold"), "", table)


def layer_table(rows: Sequence[Mapping[str, object]], columns: Sequence[tuple[str, str]]) -> Table:
    """A table of layers. columns: (key, heading); numbers are right-aligned and grouped."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    numeric = {key for key, _ in columns if rows and all(isinstance(r[key], int | float) for r in rows)}
    for key, heading in columns:
        table.add_column(heading, justify="right" if key in numeric else "left", overflow="fold")
    for r in rows:
        table.add_row(*(_cell(r[key]) for key, _ in columns))
    return table


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return "x".join(str(v) for v in value)
    return str(value)
