"""`tinyml bench mlperf-tiny`: the benchmark's performance and accuracy scripts, in its runner's own terms."""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tinyml.bench.mlperf_tiny import (
    SCRIPTS,
    Performance,
    Quality,
    Script,
    check_board,
    measure_accuracy,
    measure_performance,
    open_dataset,
)
from tinyml.build.benchmark import BENCHMARKS
from tinyml.cli.common import (
    Verbs,
    add_model_flags,
    add_on_flag,
    add_output_flags,
    add_target_flags,
    console,
    options_of,
    print_json,
    progress,
    refuse_build_flags,
    require_calibrated,
    require_calibrated_build,
    seed,
)
from tinyml.device.client import Client
from tinyml.device.places import EMULATOR, QEMU, check_identity, is_port, open_board
from tinyml.errors import UsageError
from tinyml.ir.dtypes import storage_bytes
from tinyml.pipeline import compile_model, need
from tinyml.report.built import open_build
from tinyml.targets import Board

DISCLAIMER = "runner-compatible, not a submission"
_LENGTHS = "a submission's windows last 10 s or more"


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is measured. elf: None where a board behind a port has it."""

    name: str
    file: str
    board: Board
    plan: str
    elf: Path | None


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "mlperf-tiny", help="latency and accuracy as MLPerf Tiny's runner measures them", allow_abbrev=False
    )
    titles = ", ".join(f"{name} ({script.title})" for name, script in SCRIPTS.items())
    parser.add_argument("script", choices=tuple(SCRIPTS), metavar="BENCHMARK", help=titles)
    add_model_flags(parser, "a model file; or a folder that `tinyml build --benchmark …` wrote")
    add_target_flags(parser)
    group = parser.add_argument_group("mlperf-tiny")
    add_on_flag(group, EMULATOR, QEMU, default=EMULATOR)
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="the runner's data: y_labels.csv and the files that it names"
    )
    group.add_argument("--limit", type=int, metavar="N", help="accuracy on N of the files, evenly spread")
    group.add_argument(
        "--inferences",
        type=int,
        metavar="N",
        help="of a performance window (default: the runner's; on a port as many as take 10 s)",
    )
    group.add_argument("--seed", type=seed, default=0, help="seed of the noise that is run where there is no --data")
    group.add_argument("--allow-uncalibrated", action="store_true", help="go on although outputs mean nothing")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    for flag in ("limit", "inferences"):
        if getattr(arguments, flag) is not None and getattr(arguments, flag) < 1:
            raise UsageError(f"--{flag} {getattr(arguments, flag)}: expected 1 or more")
    script = SCRIPTS[arguments.script]
    about = BENCHMARKS[script.benchmark]
    input_bytes = storage_bytes(about.elements, about.sends)
    data = None if arguments.data is None else open_dataset(arguments.data, input_bytes)
    if data is None:
        inputs = [np.random.default_rng(arguments.seed).bytes(input_bytes)]
    else:
        inputs = [next(data.inputs(stimulus)) for stimulus in data.stimuli[:5]]
    inferences = arguments.inferences or (None if is_port(arguments.on) else script.inferences)
    with _board(arguments, script) as (subject, client), progress(arguments) as on_stage:
        performance = measure_performance(client, script, inputs, inferences, on_stage)
        accuracy = None if data is None else measure_accuracy(client, data, arguments.limit, on_stage)
    if arguments.json:
        print_json(_document(arguments, script, subject, performance, accuracy))
    else:
        _print(arguments, script, subject, performance, accuracy)
    return 0


@contextlib.contextmanager
def _board(arguments: argparse.Namespace, script: Script) -> Iterator[tuple[_Subject, Client]]:
    """The board with the benchmark's firmware running."""
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work:
        building = _built if arguments.model.is_dir() else _compiled
        subject = building(arguments, script, Path(work))
        with open_board(arguments.on, subject.elf, subject.board) as client:
            if is_port(arguments.on):
                found = client.model()
                check_identity(found, arguments.on, name=subject.name, plan=subject.plan, board=subject.board.id)
            check_board(client, script)
            yield subject, client


def _built(arguments: argparse.Namespace, script: Script, work: Path) -> _Subject:
    refuse_build_flags(arguments)
    built = open_build(arguments.model)
    model = built.report.model
    if model.benchmark != script.benchmark:
        raise UsageError(
            f"{arguments.model} was built for {model.benchmark or 'no benchmark'}, not for {script.benchmark}",
            f"build again with --benchmark {script.benchmark}",
        )
    require_calibrated_build(arguments, built.report.quantization.calibrated)
    return _Subject(model.name, model.file, built.board, model.plan_sha256, built.elf)


def _compiled(arguments: argparse.Namespace, script: Script, work: Path) -> _Subject:
    options = replace(options_of(arguments, work), benchmark=script.benchmark)
    if not options.board.has_firmware:
        raise UsageError(f"{options.board.id} takes no firmware", "choose a board: tinyml boards")
    local = not is_port(arguments.on)
    with progress(arguments) as on_stage:
        done = compile_model(options, stop_after="build" if local else "emit", on_stage=on_stage)
    require_calibrated(arguments, need(done.quantized))
    bundle = need(done.bundle)
    elf = need(done.image).elf if local else None
    return _Subject(bundle.name, options.model.name, options.board, bundle.sha256, elf)


def _kind(place: str) -> str:
    """What the times of a place are."""
    return {EMULATOR: "modelled", QEMU: "meaningless"}.get(place, "measured")


def _document(
    arguments: argparse.Namespace,
    script: Script,
    subject: _Subject,
    performance: Performance,
    accuracy: Quality | None,
) -> dict[str, object]:
    timed = arguments.on != QEMU
    return {
        "benchmark": script.benchmark,
        "model": subject.file,
        "board": subject.board.id,
        "on": arguments.on,
        "time": _kind(arguments.on),
        "windows": [asdict(window) for window in performance.windows] if timed else None,
        "throughput": performance.throughput if timed else None,
        "latency_ms": performance.latency_ms if timed else None,
        "long_enough": performance.long_enough if timed else None,
        "quality": None if accuracy is None else asdict(accuracy),
        "note": DISCLAIMER,
    }


def _print(
    arguments: argparse.Namespace,
    script: Script,
    subject: _Subject,
    performance: Performance,
    accuracy: Quality | None,
) -> None:
    out = console(arguments)
    out.print(f"{script.benchmark}, {script.title}: {subject.file} on {subject.board.title}\n", markup=False)
    kind = _kind(arguments.on)
    if arguments.on == QEMU:
        out.print("performance   the script was completed; QEMU's time means nothing")
    else:
        shortest = min(window.microseconds for window in performance.windows) * 1e-6
        windows = f"{len(performance.windows)} windows of {performance.windows[0].inferences:,} inferences"
        short = "" if performance.long_enough else f"; {_LENGTHS}"
        out.print(f"latency     {performance.latency_ms:>10.3f} ms     {kind}")
        out.print(f"throughput  {performance.throughput:>10.3f} inf/s  {kind}, median of {windows}")
        out.print(f"window      {shortest:>10.3f} s      the shortest{short}")
    if accuracy is None:
        out.print("accuracy    not measured: give the runner's --data")
    else:
        _print_quality(arguments, script, accuracy)
    out.print(f"\n{DISCLAIMER}")


def _print_quality(arguments: argparse.Namespace, script: Script, found: Quality) -> None:
    out = console(arguments)
    files = f"{found.files:,} files" + ("" if found.inputs == found.files else f", {found.inputs:,} windows")
    least = f"the closed division asks for {script.least_accuracy or script.least_area:.0%}"
    if found.accuracy is not None:
        out.print(f"accuracy    {100 * found.accuracy:>10.2f} %      {files}; {least}")
    if found.area_under_curve is not None:
        told = f"{files}; {least}" if found.accuracy is None else "area under the curve"
        out.print(f"AUC         {found.area_under_curve:>10.4f}        {told}")
