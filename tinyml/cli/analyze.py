"""`tinyml analyze`: what a model needs and where it fits."""

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from tinyml.build.files import write_file
from tinyml.cli.common import (
    Verbs,
    add_model_flags,
    add_output_flags,
    add_target_flags,
    console,
    options_of,
    print_json,
    print_notes,
    progress,
)
from tinyml.errors import DoesNotFitError, UsageError
from tinyml.pipeline import compile_model, need
from tinyml.report.analysis import Analysis, Tradeoff, Tradeoffs, analyze, schedule_tradeoffs
from tinyml.report.schedule_page import front_svg, schedule_page, subject_of
from tinyml.report.terminal import count, kib, layer_table, shape_text, short_name, short_source, size
from tinyml.schedule.model import Objective
from tinyml.targets import Board, list_boards
from tinyml.targets.limits import DEFAULT_BOARD


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "analyze", help="what a model needs, layer by layer, and where it fits", allow_abbrev=False
    )
    add_model_flags(parser)
    add_target_flags(parser)
    group = parser.add_argument_group("analyze")
    group.add_argument(
        "--schedule",
        action="store_true",
        help="the trade-offs between SRAM and cycles, and which of them each --objective takes",
    )
    group.add_argument("--svg", type=Path, metavar="FILE", help="draw the trade-offs")
    group.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with drawings: trade-offs, memory over time, the arena"
    )
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    for flag, file in (("--svg", arguments.svg), ("--html", arguments.html)):
        if file is not None and not arguments.schedule:
            raise UsageError(f"{flag} draws what --schedule finds", "add --schedule, or leave it out")
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work, progress(arguments) as on_stage:
        options = replace(options_of(arguments, Path(work)), check_fit=False, several_arenas=False)
        done = compile_model(options, stop_after="memory", on_stage=on_stage)
    limited = arguments.board or arguments.target or arguments.sram or arguments.flash
    chosen = done.options.board if limited else None
    analysis = analyze(done, [chosen] if chosen else list_boards())
    tradeoffs = schedule_tradeoffs(done) if arguments.schedule else None
    if tradeoffs is not None and arguments.svg is not None:
        write_file(arguments.svg, front_svg(subject_of(done), tradeoffs).encode())
    if tradeoffs is not None and arguments.html is not None:
        write_file(arguments.html, schedule_page(subject_of(done), need(done.plan), tradeoffs).encode())
    if arguments.json:
        shown = {} if tradeoffs is None else {"schedules": [asdict(t) for t in tradeoffs.front]}
        print_json(analysis.to_json() | shown)
    else:
        _print(arguments, analysis)
        if tradeoffs is not None:
            _print_tradeoffs(arguments, done.options.board, tradeoffs)
        for file in filter(None, (arguments.svg, arguments.html)):
            console(arguments).print(f"wrote {file}", markup=False)
    return DoesNotFitError.exit_code if chosen and not all(fit.fits for fit in analysis.boards) else 0


def _print_tradeoffs(arguments: argparse.Namespace, board: Board, tradeoffs: Tradeoffs) -> None:
    out, front = console(arguments), tradeoffs.front
    widest, fastest = max(t.arena_bytes for t in front), min(t.cycles for t in front)
    rows = [
        {
            "arena": t.arena_bytes,
            "bar": "█" * max(1, round(12 * t.arena_bytes / widest)),
            "limit": f"{t.limit_bytes >> 10:,}K".rjust(7),
            "cycles": t.cycles,
            "ratio": f"{t.cycles / fastest:.3f} x",
            "stages": t.stages,
            "taken": _taken(t),
        }
        for t in front
    ]
    columns = (
        ("arena", "arena"),
        ("bar", ""),
        ("limit", "fits in"),
        ("cycles", "cycles"),
        ("ratio", "of fewest"),
        ("stages", "stages"),
        ("taken", "--objective"),
    )
    room = kib(max(tradeoffs.capacity, 0))
    fit = (
        f"of those that fit {board.short_name}, {room} of arena"
        if any(t.objectives for t in front)
        else (f"none fits {board.short_name}, {room} of arena")
    )
    out.print("\nschedules that no other beats in both SRAM and cycles", style="bold", markup=False)
    out.print(layer_table(rows, columns, out.width))
    out.print(
        f"<- is built with these flags; --objective: {fit}. fits in: with the stack; --sram SIZE takes the fastest that "
        "does. Bytes are exact, cycles predicted.",
        markup=False,
    )


def _taken(t: Tradeoff) -> str:
    names = "all" if len(t.objectives) == len(Objective) else ", ".join(t.objectives)
    return f"<- {names or 'too big'}" if t.built else names


def _print(arguments: argparse.Namespace, analysis: Analysis) -> None:
    out = console(arguments)
    ranges = "" if analysis.calibrated else ", with made-up ranges"
    out.print(f"{analysis.model}  {analysis.scheme}{ranges}", style="bold", markup=False)
    out.print(
        f"{count(analysis.macs)} MACs, {count(analysis.parameters)} parameters, {size(analysis.weight_bytes)} of constants\n"
    )
    widest = max((layer.activation_bytes for layer in analysis.layers), default=1)
    rows = [
        {
            "index": layer.index,
            "stage": layer.stage,
            "op": layer.op + layer.window,
            "layer": short_source(layer.source),
            "shape": shape_text(layer.shape),
            "macs": layer.macs,
            "parameters": layer.parameters,
            "activation_bytes": layer.activation_bytes,
            "bar": "█" * round(24 * layer.activation_bytes / max(widest, 1)),
        }
        for layer in analysis.layers
    ]
    columns = (
        ("index", "#"),
        ("stage", "stage"),
        ("op", "op"),
        ("layer", "layer"),
        ("shape", "output"),
        ("macs", "MACs"),
        ("parameters", "parameters"),
        ("activation_bytes", "live bytes"),
        ("bar", ""),
    )
    out.print(layer_table(rows, columns, out.width))
    out.print(
        f"\narena {size(analysis.arena_bytes)}; most bytes live in {analysis.blocking_stage}:",
        markup=False,
    )
    for buffer in analysis.blocking_buffers:
        out.print(
            f"  {buffer.bytes:>11,}  {buffer.kind:<10}  {short_name(buffer.name)}",
            markup=False,
            no_wrap=True,
            overflow="ellipsis",
        )
    if analysis.precision_front:
        _print_front(arguments, analysis)
    for fit in analysis.boards:
        if fit.fits:
            out.print(f"  [green]fits[/]     {fit.board}, {fit.sram_bytes - analysis.arena_bytes:,} bytes of SRAM left")
        else:
            over = [
                f"{n:,} bytes of {what} too many"
                for n, what in ((fit.sram_over, "SRAM"), (fit.flash_over, "flash"))
                if n
            ]
            out.print(f"  [red]too big[/]  {fit.board}: {', '.join(over)}")
    if len(analysis.boards) > 1 and any(fit.sram_over for fit in analysis.boards):
        out.print(f"planned for {DEFAULT_BOARD}; --board NAME looks for a schedule that fits there")
    print_notes(arguments, analysis.notes)


def _print_front(arguments: argparse.Namespace, analysis: Analysis) -> None:
    out = console(arguments)
    timed = any(point.cycles for point in analysis.precision_front)
    wide = any(point.wide for point in analysis.precision_front)
    columns = (
        ("bytes", "weights"),
        ("share", "of int8's"),
        *([("cycles", "cycles")] if timed else []),
        ("sqnr", "SQNR, dB"),
        ("count", "4-bit layers"),
        *([("wide", "16-bit nodes")] if wide else []),
        ("taken", ""),
    )
    rows = [
        {
            "bytes": point.weight_bytes,
            "share": point.share,
            "cycles": point.cycles,
            "sqnr": point.sqnr_db,
            "count": len(point.four_bits),
            "wide": len(point.wide),
            "taken": "<- this one" if point.taken else "",
        }
        for point in analysis.precision_front
    ]
    out.print("\nprecision: choices that no other beats")
    out.print(layer_table(rows, columns, out.width))
