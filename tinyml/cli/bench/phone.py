"""`tinyml bench phone`: the emitted C where programs run, beside the same network's .tflite in LiteRT."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from tinyml.bench.phone import Agreement, compare, run_litert
from tinyml.build.library import Library, build_library
from tinyml.cli.common import (
    Verbs,
    add_model_flags,
    add_output_flags,
    add_target_flags,
    console,
    options_of,
    print_json,
    progress,
    require_calibrated,
    seed,
)
from tinyml.device.programs import ADB, HERE, QEMU, benchmark
from tinyml.errors import MismatchError, ModelError, ToolError, UsageError
from tinyml.ir.interpreter import run as interpret
from tinyml.pipeline import Compilation, compile_model, need
from tinyml.verification import FLOAT_TOLERANCE, random_inputs
from tinyml.ways import WAYS

SAMPLES = 4


@dataclass(frozen=True, slots=True)
class _Row:
    """
    Attributes:
        time: what the latencies are: "measured", or "meaningless" in QEMU.
        latency_ms: median, least and most.
        memory_kind: "exact" (arena and constants) or "measured".
    """

    what: str
    where: str
    time: str
    latency_ms: tuple[float, float, float]
    memory_bytes: int | None
    memory_kind: str
    agreement: Agreement


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "phone", help="the C on a phone, in QEMU or here, beside its .tflite in LiteRT", allow_abbrev=False
    )
    add_model_flags(parser)
    add_target_flags(parser)
    group = parser.add_argument_group("phone")
    group.add_argument(
        "--on",
        type=_place,
        metavar="PLACE",
        help=f"{QEMU} (user mode; the default where --board is none of this machine's kind), {ADB}, {ADB}:SERIAL or {HERE}",
    )
    group.add_argument("--runs", type=int, default=20, metavar="N", help="inferences that are timed (default: 20)")
    group.add_argument("--seed", type=seed, default=0, help="seed of the inputs")
    group.add_argument("--allow-uncalibrated", action="store_true", help="go on although outputs mean nothing")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def _place(text: str) -> str:
    if text in (HERE, QEMU, ADB) or text.startswith(f"{ADB}:"):
        return text
    raise argparse.ArgumentTypeError(f"{text!r}: expected {HERE}, {QEMU}, {ADB} or {ADB}:SERIAL")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 4 where the C gives something else than the reference."""
    if arguments.runs < 1:
        raise UsageError(f"--runs {arguments.runs}: expected 1 or more")
    if not (arguments.board or arguments.target):
        arguments.board = "android_arm64"
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work, progress(arguments) as on_stage:
        options = options_of(arguments, Path(work))
        board = options.board
        if not board.core.hosted:
            raise UsageError(f"{board.id} takes firmware, no programs", "--board android-arm64, linux-arm64 or host")
        place = arguments.on or (HERE if board.core.qemu_user is None else QEMU)
        done = compile_model(options, stop_after="emit", on_stage=on_stage)
        require_calibrated(arguments, need(done.quantized))
        on_stage(f"benchmark on {place}")
        library = build_library(need(done.bundle), board, Path(work) / "library")
        samples = [random_inputs(need(done.schedule).graph, arguments.seed + i) for i in range(SAMPLES)]
        expected = [_reference(done, sample) for sample in samples]
        rows = [_ours(done, library, place, samples, expected, arguments.runs)]
        on_stage("benchmark in LiteRT")
        beside, notes = _litert(done, samples, expected, arguments.runs)
        rows += beside
    if arguments.json:
        print_json({"model": options.model.name, "board": board.id, "rows": [asdict(r) for r in rows], "notes": notes})
    else:
        out = console(arguments)
        out.print(f"{options.model.name} for {board.title}\n", markup=False)
        out.print(_table(rows))
        for note in notes:
            out.print(f"note: {note}", markup=False)
    if rows[0].agreement.differing:
        raise MismatchError(
            f"the C at {place} differs from the reference in {rows[0].agreement.differing} of {rows[0].agreement.total} "
            "elements of its outputs",
            "tinyml verify names the first layer that differs; please report it",
        )
    return 0


def _reference(done: Compilation, sample: dict[str, np.ndarray]) -> list[bytes]:
    """Bytes of every output."""
    outputs = interpret(need(done.schedule).graph, sample).outputs
    return [np.ascontiguousarray(array).tobytes() for array in outputs.values()]


def _ours(
    done: Compilation,
    library: Library,
    place: str,
    samples: Sequence[dict[str, np.ndarray]],
    expected: Sequence[list[bytes]],
    runs: int,
) -> _Row:
    graph, plan, bundle = need(done.schedule).graph, need(done.plan), need(done.bundle)
    found = []
    for index, sample in enumerate(samples):
        inputs = [np.ascontiguousarray(sample[name]).tobytes() for name in graph.inputs]
        found.append(benchmark(library.benchmark, done.options.board.core, place, inputs, 1 if index else runs))
    if found[0].times.plan != bundle.sha256:
        raise ToolError(f"what ran at {place} is another build ({found[0].times.plan[:12]}…)")
    total, differing, largest = 0, 0, 0.0
    for wanted, got in zip(expected, found, strict=True):
        rest = got.outputs
        for name, raw in zip(graph.outputs, wanted, strict=True):
            one = compare(graph.value(name), [raw], [rest[: len(raw)]])
            rest = rest[len(raw) :]
            total, largest = total + one.total, max(largest, one.largest)
            exact = graph.value(name).dtype.is_integer
            differing += one.differing if exact or one.largest > _float_limit(raw) else 0
    times = found[0].times
    return _Row(
        "our C",
        place,
        "meaningless" if place == QEMU else "measured",
        (times.median_ns * 1e-6, times.least_ns * 1e-6, times.most_ns * 1e-6),
        plan.peak_bytes + bundle.weights_bytes + bundle.parameters_bytes,
        "exact",
        Agreement(differing, total, largest),
    )


def _float_limit(raw: bytes) -> float:
    return FLOAT_TOLERANCE * max(float(np.abs(np.frombuffer(raw, np.float32)).max(initial=0.0)), 1e-6)


def _litert(
    done: Compilation, samples: Sequence[dict[str, np.ndarray]], expected: Sequence[list[bytes]], runs: int
) -> tuple[list[_Row], list[str]]:
    """Rows of the same network's .tflite in LiteRT on this machine, or a note that says why there are none."""
    graph = need(done.schedule).graph
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return [], ["LiteRT is asked about networks of one input and one output only"]
    rows: list[_Row] = []
    inputs = [np.ascontiguousarray(sample[graph.inputs[0]]).tobytes() for sample in samples]
    try:
        model = _tflite(done)
        both = [(kind, run_litert(model, reference=kind, inputs=inputs, runs=runs)) for kind in (True, False)]
    except (ToolError, ModelError) as error:
        return [], [f"LiteRT was not asked: {error.what}"]
    for reference, found in both:
        rows.append(
            _Row(
                "LiteRT, reference kernels" if reference else "LiteRT, XNNPACK",
                HERE,
                "measured",
                (found.median_ns * 1e-6, found.least_ns * 1e-6, found.most_ns * 1e-6),
                found.memory_bytes,
                "measured",
                compare(graph.value(graph.outputs[0]), [outputs[0] for outputs in expected], found.outputs),
            )
        )
    return rows, []


def _tflite(done: Compilation) -> Path:
    """The quantized network as `--emit tflite` gives it."""
    (content,) = WAYS["tflite"].files(done).values()
    path = done.options.work_dir / "network.tflite"
    path.write_bytes(content)
    return path


def _table(rows: Sequence[_Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "on", "median", "least", "most", "", "memory", "", "outputs"):
        table.add_column(name, justify="right" if name in ("median", "least", "most", "memory") else "left")
    for row in rows:
        found = row.agreement
        same = (
            "the reference's"
            if not found.differing
            else f"{found.differing} of {found.total} differ, by {found.largest:g}"
        )
        timed = row.time == "measured"
        times = (f"{ms:.3f} ms" if timed else "" for ms in row.latency_ms)
        memory = "" if row.memory_bytes is None else f"{row.memory_bytes / 1024:,.1f} KiB"
        kind = "time means nothing" if not timed else row.time
        table.add_row(row.what, row.where, *times, kind, memory, row.memory_kind if memory else "", same)
    return table
