"""`tinyml build`: compile a model to firmware or a C library."""

import argparse
import tempfile
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path

from tinyml.build.benchmark import BENCHMARKS
from tinyml.build.toolchain import find_toolchain
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
from tinyml.dump import dump_artifact
from tinyml.emit.c.text import identifier
from tinyml.frontends import need_model
from tinyml.pipeline import STAGES, UNCALIBRATED, Options, compile_model
from tinyml.report.document import Report
from tinyml.report.folder import write_build
from tinyml.report.terminal import layer_table, shape_text, short_source, summary
from tinyml.store import (
    build_key,
    cached_build,
    keep_build,
    publish,
    read_report,
    refuse_foreign,
)
from tinyml.ways import WAYS, check_ways, default_ways

LAYER_COLUMNS = (
    ("index", "#"),
    ("op", "op"),
    ("layer", "layer"),
    ("shape", "output"),
    ("kernel", "kernel"),
    ("macs", "MACs"),
    ("instructions", "instructions"),
    ("cycles", "cycles"),
    ("arena", "live bytes"),
)


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("build", help="compile a model to firmware, C or .tflite", allow_abbrev=False)
    add_model_flags(parser)
    add_target_flags(parser)
    group = parser.add_argument_group("build")
    group.add_argument(
        "--emit",
        metavar="WAY[,WAY]",
        type=_ways,
        action="extend",
        help="what to write; may be repeated (default: firmware, or a library where a system runs). "
        + "; ".join(f"{name}: {way.meaning}" for name, way in WAYS.items()),
    )
    group.add_argument("--benchmark", choices=tuple(BENCHMARKS), help="firmware that the MLPerf Tiny runner drives")
    group.add_argument(
        "--trace", action="store_true", help="firmware that can also tell the cycles of each layer and send any tensor"
    )
    group.add_argument("-o", "--out", type=Path, metavar="DIR", help="output folder (default: build/<name>-<board>)")
    group.add_argument("--stop-after", choices=tuple(STAGES), metavar="STAGE", help=f"one of {', '.join(STAGES)}")
    group.add_argument("--dump-dir", type=Path, metavar="DIR", help="write what every stage made to this folder")
    group.add_argument("--no-cache", action="store_true", help="build again even where nothing changed")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def _ways(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in WAYS]:
        raise argparse.ArgumentTypeError(f"no way is called {unknown[0]!r}; expected {', '.join(WAYS)}")
    return names


def run(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work:
        options = replace(options_of(arguments, Path(work)), benchmark=arguments.benchmark, traced=arguments.trace)
        if arguments.stop_after or arguments.dump_dir:
            return _partial(arguments, options)
        ways = arguments.emit or default_ways(options.board)
        check_ways(ways, options.board)
        name = f"{identifier(options.model_name)}-{options.board.short_name}{'-trace' if options.traced else ''}"
        out_dir = arguments.out or Path("build") / name
        refuse_foreign(out_dir)
        report = build_report(arguments, options, ways, out_dir, cache=not arguments.no_cache)
    if arguments.json:
        print_json(report.to_json())
        return 0
    out = console(arguments)
    warning = None if report.quantization.calibrated else UNCALIBRATED
    if any(WAYS[way].on_board for way in ways):
        out.print(summary(report, options.board, warning))
    elif warning is not None:
        out.print(warning, style="bold yellow", markup=False)
    print_notes(arguments, report.model.notes)
    if arguments.verbose:
        out.print()
        rows = [
            {
                **asdict(layer),
                "index": i,
                "layer": short_source(layer.source),
                "shape": shape_text(layer.shape),
                "kernel": layer.kernel.removeprefix("tinyml_"),
            }
            for i, layer in enumerate(report.layers)
        ]
        out.print(layer_table(rows, LAYER_COLUMNS, out.width))
    out.print(f"\nwrote {out_dir}", markup=False)
    for way in (way for way in ways if not WAYS[way].on_board):
        for file in sorted((out_dir / way).iterdir()):
            out.print(f"  {way}/{file.name}, {file.stat().st_size:,} bytes", markup=False)
    return 0


def build_report(
    arguments: argparse.Namespace, options: Options, ways: Collection[str], out_dir: Path, *, cache: bool = True
) -> Report:
    """Builds, or takes the finished build of the same content from the cache, into `out_dir`."""
    need_model(options.model)
    toolchain = find_toolchain(options.toolchain)
    key = build_key(options, f"{toolchain.name} {toolchain.version} {' '.join(sorted(set(ways)))}")
    cached = cached_build(key) if cache else None
    if cached is not None:
        report = Report.from_json(read_report(cached))
        publish(cached, out_dir)
        return report
    on_board = any(WAYS[way].on_board for way in ways)
    with progress(arguments) as on_stage:
        done = compile_model(
            options if on_board else replace(options, check_fit=False),
            stop_after=list(STAGES)[-1] if on_board else "emit",
            on_stage=on_stage,
        )
    fresh = options.work_dir / "publish"
    report = write_build(done, ways, fresh)
    keep_build(key, fresh)
    publish(fresh, out_dir)
    return report


def _partial(arguments: argparse.Namespace, options: Options) -> int:
    """Runs to a stage and dumps; prints the artifact of the last stage where no folder is given."""
    last = arguments.stop_after or list(STAGES)[-1]
    written: list[Path] = []

    def on_artifact(stage: str, artifact: object) -> None:
        if arguments.dump_dir:
            written.append(dump_artifact(stage, artifact, arguments.dump_dir))
        elif stage == last:
            written.append(dump_artifact(stage, artifact, Path("build") / "dump"))

    with progress(arguments) as on_stage:
        compile_model(
            options,
            stop_after=last,
            on_stage=on_stage,
            on_artifact=on_artifact,
        )
    if arguments.json:
        print_json([str(path) for path in written])
    else:
        for path in written:
            console(arguments).print(f"wrote {path}", markup=False)
    return 0
