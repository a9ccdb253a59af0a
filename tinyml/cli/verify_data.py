"""`tinyml verify MODEL --data DIR`: float, quantized reference and emitted C on the user's own samples."""

import argparse
import tempfile
from pathlib import Path

from tinyml.build.files import write_file
from tinyml.build.host import HostModel, build_host_library
from tinyml.cli.common import Group, console, options_of, print_json, print_notes, progress, require_calibrated
from tinyml.errors import MismatchError
from tinyml.pipeline import compile_model, need
from tinyml.quantize import open_calibration
from tinyml.quantize.calibration import pixels_as_stored
from tinyml.report.accuracy import AccuracyReport, accuracy_html, accuracy_report
from tinyml.report.terminal import layer_table, short_source

BLAMED = 8
_COLUMNS = (
    ("rank", "#"),
    ("op", "op"),
    ("layer", "layer"),
    ("blame", "of the noise, %"),
    ("own", "alone, dB"),
    ("total", "so far, dB"),
    ("saturated", "saturated, %"),
    ("channels", "worst channels (dB)"),
)


def add_flags(group: Group) -> None:
    group.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="compare with the float network on these samples: pictures (folders are classes), a .csv, .npz or .npy",
    )
    group.add_argument("--html", type=Path, metavar="FILE", help="with --data: write a drawn report there")


def run_on_data(arguments: argparse.Namespace) -> int:
    """Exit code 4 where the emitted C gives other bytes than the reference."""
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work, progress(arguments) as say:
        options = options_of(arguments, Path(work))
        done = compile_model(options, stop_after="emit", on_stage=say)
        quantized = need(done.quantized)
        require_calibrated(arguments, quantized)
        graph = need(done.graph)
        preprocess = quantized.preprocess or pixels_as_stored(graph.value(graph.inputs[0]))
        data = open_calibration(arguments.data, graph, preprocess, split="test")
        library = HostModel(build_host_library(need(done.bundle), Path(work) / "host", trace=False))
        report = accuracy_report(done, data, library.run, say)
    if arguments.html is not None:
        write_file(arguments.html, accuracy_html(report).encode())
    if arguments.json:
        print_json(report.to_json())
    else:
        _print(arguments, report, (*quantized.notes, *data.notes))
    if report.c_differs:
        raise MismatchError(
            f"the emitted C differs from the quantized reference on {report.c_differs} of {report.samples} samples",
            "tinyml verify without --data names the first layer that differs; please report it",
        )
    return 0


def _print(arguments: argparse.Namespace, report: AccuracyReport, notes: tuple[str, ...]) -> None:
    out = console(arguments)
    out.print(f"{report.model}  {report.scheme}", style="bold", markup=False)
    same = f"differs from the reference on {report.c_differs}" if report.c_differs else "gives the reference's bytes"
    out.print(f"{report.samples} samples of {report.data}; the emitted C {same}", markup=False)
    if (paired := report.paired) is not None:
        out.print(
            f"against float: {paired.flips} answers flip; outputs change by {paired.mean_error:.4f} on average, "
            f"{paired.largest_error:.4f} at most; {paired.sqnr_db:.1f} dB"
        )
        if (top1 := paired.top1) is not None:
            out.print(
                f"right answers: float {100 * top1.exact:.1f} %, quantized {100 * top1.other:.1f} %, "
                f"difference {100 * top1.difference:+.1f} points "
                f"(95 % interval {100 * top1.low:+.1f} to {100 * top1.high:+.1f})"
            )
    elif report.right is not None:
        out.print(f"right answers: {100 * report.right:.1f} %")
    if report.layers:
        total = sum(layer.blame for layer in report.layers) or 1.0
        rows = [
            {
                "rank": rank,
                "op": layer.op.value,
                "layer": short_source(layer.source),
                "blame": 100 * layer.blame / total,
                "own": layer.own_sqnr_db,
                "total": layer.sqnr_db,
                "saturated": 100 * layer.saturated,
                "channels": ", ".join(f"{channel} ({db:.0f})" for channel, db in layer.channels),
            }
            for rank, layer in enumerate(report.blamed if arguments.verbose else report.blamed[:BLAMED], 1)
        ]
        out.print(f"\nlayers by what they alone do to the output, the worst {len(rows)} of {len(report.layers)}:")
        out.print(layer_table(rows, _COLUMNS, out.width))
    if arguments.html is not None:
        out.print(f"\nwrote {arguments.html}", markup=False)
    print_notes(arguments, notes)
