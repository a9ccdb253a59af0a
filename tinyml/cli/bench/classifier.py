"""What `bench wake-vision` and `bench folder` share: flags, and the run from model to report."""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tinyml.bench.data import Dataset, Selection
from tinyml.bench.document import BenchReport, Cost, Decision, Other, Setup, make_report
from tinyml.bench.engines import EmulatorEngine, Engine, HostEngine, LiteRtEngine, OnnxRuntimeEngine
from tinyml.bench.execute import Inline, Job, OnBoard, Pooled, Runner, local_processes
from tinyml.bench.inputs import Encoding, Interface, Output, interface_of, output_of, same_numbers
from tinyml.bench.pictures import Filter, Fit, Preparation
from tinyml.bench.results import Record, ResultLog
from tinyml.build.files import write_file
from tinyml.build.host import build_host_library
from tinyml.cli.common import (
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
from tinyml.device.client import Client
from tinyml.device.places import EMULATOR, QEMU, check_identity, is_port, open_board
from tinyml.device.serial_port import pulse_reset
from tinyml.errors import DoesNotFitError, UsageError
from tinyml.frontends import need_model
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.report.bench_page import bench_page
from tinyml.report.bench_terminal import bench_tables
from tinyml.report.document import make_report as make_build_report
from tinyml.targets import load_board

HOST = "host"
_LIBRARIES = ("litert", "litert-reference", "onnxruntime")
_FLOAT = "float"
_LONGEST_INFERENCE = 60.0  # seconds on a board of which no latency is known


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_flags(parser)
    add_target_flags(parser)
    group = parser.add_argument_group("data")
    group.add_argument("--data", type=Path, metavar="DIR", required=True, help="labelled pictures")
    group.add_argument("--split", metavar="NAME", help="part of the data (default: test, where there are parts)")
    group.add_argument("--limit", type=int, metavar="N", help="only N pictures, drawn at random")
    group.add_argument("--seed", type=seed, default=0, help="of that draw")
    group.add_argument("--shard", metavar="I/N", type=_shard, default=(1, 1), help="only the I-th of N equal parts")
    group.add_argument("--resize", choices=[f.value for f in Fit], default=Fit.SQUASH.value, help="default: squash")
    group.add_argument(
        "--filter", choices=[f.value for f in Filter], help="default: bilinear where squashed, area where cropped"
    )
    group = parser.add_argument_group("run")
    group.add_argument(
        "--on",
        metavar="PLACE",
        default=HOST,
        help=f"host (default), emulator, qemu, a serial port, or {', '.join(_LIBRARIES)} for the model file itself",
    )
    group.add_argument(
        "--against",
        choices=(HOST, _FLOAT, *_LIBRARIES),
        help="run the same pictures there, too, and compare; float: a float model before it was quantized",
    )
    group.add_argument(
        "--jobs", type=int, metavar="N", default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    group.add_argument("-o", "--out", type=Path, metavar="DIR", help="results and reports (default: below build/)")
    group.add_argument("--resume", action="store_true", help="go on with the results that are in that folder")
    group.add_argument("--allow-uncalibrated", action="store_true", help="go on although outputs mean nothing")
    add_output_flags(parser)


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 1/4")
    return int(part), int(parts)


@dataclass(frozen=True, slots=True)
class _Place:
    """Something that runs the network. latency_kind: of the microseconds in its records; "none" drops them."""

    name: str
    runner: Runner
    output: Output
    latency_kind: str = "none"


def run_classifier(
    arguments: argparse.Namespace, benchmark: str, open_data: Callable[[], Dataset], person_output: int = 1
) -> int:
    """Runs a model over a labelled set, and writes results.jsonl, report.json and report.html."""
    need_model(arguments.model)
    if arguments.jobs < 1:
        raise UsageError(f"--jobs {arguments.jobs}: expected 1 or more")
    selection = Selection(arguments.limit, arguments.seed, arguments.shard)
    dataset = open_data()
    indices = selection.indices(len(dataset))
    if not indices:
        raise UsageError(f"--shard {arguments.shard[0]}/{arguments.shard[1]}: there are only {len(dataset)} pictures")
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work, ExitStack() as stack:
        bench = _Bench(arguments, Path(work), stack)
        bench.compile()
        place = bench.place(arguments.on)
        against = None if arguments.against is None else bench.place(arguments.against)
        setup = bench.setup(benchmark, dataset, selection)
        folder = arguments.out or Path("build") / f"bench-{benchmark}-{bench.model_name}-{_plain(arguments.on)}"
        identity = {**asdict(setup), "data fingerprint": dataset.fingerprint, "code": bench.code}

        def records_of(where: _Place, name: str) -> Mapping[int, Record]:
            with ResultLog(folder / name, {**identity, "on": where.name}, resume=arguments.resume) as log:
                _evaluate(arguments, dataset, indices, where, log)
                return dict(log.records)

        def decision_of(where: _Place) -> Decision:
            return Decision(where.output, len(dataset.classes), person_output)

        decision = decision_of(place)
        other: Other | None = None
        if against is not None:
            decision_of(against)  # refuses at once what does not fit
        records = records_of(place, "results.jsonl")
        if against is not None:
            name = f"results-{against.name}.jsonl"
            other = Other(against.name, records_of(against, name), decision_of(against))
        if place.latency_kind == "none":
            records = {i: replace(r, microseconds=None) for i, r in records.items()}
        report = make_report(
            setup, records, decision, dataset.classes, dataset.columns, other, bench.cost, place.latency_kind,
            dataset.notes,
        )  # fmt: skip
    write_file(folder / "report.json", (json.dumps(report.to_json(), indent=2) + "\n").encode())
    write_file(folder / "report.html", bench_page(report, dataset).encode())
    _show(arguments, report, folder)
    return 0


def _show(arguments: argparse.Namespace, report: BenchReport, folder: Path) -> None:
    if arguments.json:
        print_json(report.to_json())
        return
    out = console(arguments)
    out.print(bench_tables(report))
    out.print(f"\nwrote {folder / 'report.html'}, report.json and results.jsonl", markup=False)


def _plain(place: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in place).strip("-")


class _Bench:
    """The model, compiled for what it runs on."""

    def __init__(self, arguments: argparse.Namespace, work: Path, stack: ExitStack) -> None:
        self._arguments = arguments
        self._work = work
        self._stack = stack
        self._options = options_of(arguments, work / "board")
        self.model_name = _plain(self._options.model_name)
        self.cost: Cost | None = None

    def compile(self) -> None:
        """For the board, all the way where it must run there; and what a host or a library needs."""
        local = self._arguments.on in (HOST, *_LIBRARIES)
        with progress(self._arguments) as on_stage:
            try:
                self._board = compile_model(self._options, on_stage=on_stage)
                problem = None
            except DoesNotFitError as e:
                if not local:
                    raise
                problem = e.what.splitlines()[0]
                self._board = compile_model(
                    replace(self._options, check_fit=False), stop_after="emit", on_stage=on_stage
                )
        require_calibrated(self._arguments, need(self._board.quantized))
        self.code = need(self._board.bundle).sha256
        if self._options.board.has_firmware:
            self.cost = _cost(self._board, problem)
        self.interface = _interface(self._board)
        fit = Fit(self._arguments.resize)
        default = Filter.BILINEAR if fit is Fit.SQUASH else Filter.AREA
        method = Filter(self._arguments.filter) if self._arguments.filter else default
        form = self.interface
        self.preparation = Preparation(form.height, form.width, form.channels, fit, method)

    def setup(self, benchmark: str, dataset: Dataset, selection: Selection) -> Setup:
        preprocess = need(self._board.quantized).preprocess
        pixels = (
            "pixels as they are"
            if preprocess is None
            else f"pixel * {_list(preprocess.scale)} + {_list(preprocess.offset)}"
        )
        part, parts = selection.shard
        return Setup(
            benchmark=benchmark,
            model=self._options.model.name,
            model_sha256=self._options.model_sha256,
            numbers=need(self._board.quantized).scheme,
            data=dataset.description,
            split=self._arguments.split,
            limit=selection.limit,
            seed=selection.seed,
            shard=f"{part}/{parts}",
            preparation=self.preparation.description,
            encoding=f"{self.interface.encoding.type_name}, {pixels}",
            on=self._arguments.on,
        )

    def place(self, name: str) -> _Place:
        """Where --on or --against says."""
        form = self.interface
        if name == HOST:
            return self._local(self._host_engine(self._options), form.encoding, form.output)
        if name == _FLOAT:
            options = replace(self._options, precision="float32", calibration=None)
            done = compile_model(_on_host(options), stop_after="emit")
            other = _interface(done)
            engine = HostEngine(build_host_library(need(done.bundle), self._work / _FLOAT, trace=False), _FLOAT)
            return self._local(engine, other.encoding, other.output)
        if name in _LIBRARIES:
            library = (
                OnnxRuntimeEngine(self._options.model)
                if name == "onnxruntime"
                else LiteRtEngine(self._options.model, reference=name == "litert-reference")
            )
            graph, preprocess = need(self._board.schedule).graph, need(self._board.quantized).preprocess
            encoding = same_numbers(graph, preprocess, *library.input_form())
            return self._local(library, encoding, output_of(need(self._board.source)))
        elf, board = need(self._board.image).elf, self._options.board
        if name == EMULATOR:
            return self._local(EmulatorEngine(elf, board), form.encoding, form.output, "modelled")
        latency = self.cost.latency_ms if self.cost is not None else None
        timeout = _LONGEST_INFERENCE if latency is None else 10.0 + 20 * latency / 1000
        runner = OnBoard(
            self.preparation, form.encoding, lambda: self._connect(name), reset=lambda: _reset(name), timeout=timeout
        )
        return _Place(name, runner, form.output, "none" if name == QEMU else "measured")

    def _local(self, engine: Engine, encoding: Encoding, output: Output, latency_kind: str = "none") -> _Place:
        job, jobs = Job(self.preparation, encoding, engine), self._arguments.jobs
        runner = Inline(job) if jobs == 1 else Pooled(job, self._stack.enter_context(local_processes(jobs)), jobs)
        return _Place(engine.name, runner, output, latency_kind)

    def _host_engine(self, options: Options) -> HostEngine:
        done = compile_model(_on_host(options), stop_after="emit")
        return HostEngine(build_host_library(need(done.bundle), self._work / HOST, trace=False))

    @contextmanager
    def _connect(self, place: str) -> Iterator[Client]:
        bundle, board = need(self._board.bundle), self._options.board
        with open_board(place, need(self._board.image).elf, board) as client:
            check_identity(client.model(), place, name=bundle.name, plan=bundle.sha256, board=board.id)
            yield client


def _reset(place: str) -> None:
    """What runs on this machine begins anew when it is connected to."""
    if is_port(place):
        pulse_reset(place)


def _on_host(options: Options) -> Options:
    return replace(options, board=load_board(HOST), check_fit=False)


def _interface(done: Compilation) -> Interface:
    return interface_of(need(done.schedule).graph, need(done.quantized).preprocess)


def _list(numbers: Sequence[float]) -> str:
    return ", ".join(f"{x:g}" for x in numbers)


def _cost(done: Compilation, problem: str | None) -> Cost:
    report = make_build_report(done)
    latency = report.latency
    return Cost(
        board=report.board,
        title=done.options.board.title,
        peak_sram_bytes=report.memory.peak_sram_bytes,
        arena_bytes=report.memory.arena_bytes,
        flash_bytes=report.flash.total_bytes,
        latency_ms=latency.ms,
        latency_kind=latency.source,
        instructions=latency.instructions,
        problem=problem,
        waits_ms=_waits_ms(done),
    )


def _waits_ms(done: Compilation) -> float:
    profile = done.profile
    if profile is None or not profile.clock_hz:
        return 0.0
    return sum(layer.waits or 0 for layer in profile.layers) / profile.clock_hz * 1e3


def _evaluate(
    arguments: argparse.Namespace, dataset: Dataset, indices: Sequence[int], place: _Place, log: ResultLog
) -> None:
    """Runs what the log has not, and appends each answer as it comes."""
    pending = [i for i in indices if i not in log.records]
    shown = Progress(
        TextColumn(f"  {place.name}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, disable=arguments.json or arguments.quiet,
    )  # fmt: skip
    with shown:
        task = shown.add_task("", total=len(indices), completed=len(indices) - len(pending), rate="")
        for record in place.runner.run(dataset.read(pending)):
            log.append(record)
            speed = shown.tasks[task].speed
            shown.update(task, advance=1, rate=f"{speed:.0f}/s" if speed is not None and speed >= 10 else "")
