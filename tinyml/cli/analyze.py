"""`tinyml analyze`: what a model needs and where it fits."""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from tinyml.cli.common import (
    Verbs,
    add_model_flags,
    add_output_flags,
    add_target_flags,
    console,
    end_progress,
    need_file,
    options_of,
    print_json,
    progress,
)
from tinyml.pipeline import compile_model
from tinyml.report.analysis import Analysis, analyze
from tinyml.report.terminal import count, layer_table, shape_text, short_source, size
from tinyml.targets import list_boards


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("analyze", help="what a model needs, layer by layer, and which boards it fits")
    add_model_flags(parser)
    add_target_flags(parser)
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    need_file(arguments.model)
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work:
        try:
            options = replace(options_of(arguments, Path(work)), check_fit=False)
            done = compile_model(options, stop_after="memory", on_stage=progress(arguments))
        finally:
            end_progress(arguments)
    analysis = analyze(done, list_boards())
    if arguments.json:
        print_json(analysis.to_json())
    else:
        _print(arguments, analysis)
    return 0


def _print(arguments: argparse.Namespace, analysis: Analysis) -> None:
    out = console(arguments)
    out.print(f"[bold]{analysis.model}[/]  {analysis.scheme}")
    out.print(
        f"{count(analysis.macs)} MACs, {count(analysis.parameters)} parameters, {size(analysis.weight_bytes)} of constants\n"
    )
    widest = max((layer.activation_bytes for layer in analysis.layers), default=1)
    rows = [
        {
            "index": layer.index,
            "op": layer.op,
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
        ("op", "op"),
        ("layer", "layer"),
        ("shape", "output"),
        ("macs", "MACs"),
        ("parameters", "parameters"),
        ("activation_bytes", "live bytes"),
        ("bar", ""),
    )
    out.print(layer_table(rows, columns))
    out.print(
        f"\narena {size(analysis.arena_bytes)}, held by layer {analysis.blocking_step}, {analysis.blocking_op} "
        f"{short_source(analysis.blocking_layer)}, while it runs:",
        markup=False,
    )
    for buffer in analysis.blocking_buffers:
        out.print(
            f"  {buffer.bytes:>11,}  {buffer.kind:<10}  {buffer.name}", markup=False, no_wrap=True, overflow="ellipsis"
        )
    for fit in analysis.boards:
        if fit.fits:
            out.print(f"  [green]fits[/]   {fit.board}")
        else:
            over = [
                f"{n:,} bytes of {what} too many"
                for n, what in ((fit.sram_over, "SRAM"), (fit.flash_over, "flash"))
                if n
            ]
            out.print(f"  [red]too big[/] {fit.board}: {', '.join(over)}")
    for note in analysis.notes:
        out.print(f"note: {note}", markup=False)
