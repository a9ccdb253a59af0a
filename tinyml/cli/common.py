"""Flags and printing that several verbs share."""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tinyml.errors import UsageError
from tinyml.frontends import VIAS
from tinyml.pipeline import Options, choose_objective
from tinyml.quantize import Preprocess, QuantizedModel
from tinyml.quantize.model import EFFORTS, PRECISIONS
from tinyml.quantize.observers import OBSERVERS
from tinyml.quantize.pictures import FITS
from tinyml.schedule.model import Objective
from tinyml.targets import CORES, Board, choose_target, parse_size

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]
    Group = argparse._ArgumentGroup
else:
    Verbs = Group = object

_PORT = re.compile(r"[/\\]|://|^COM\d+$", re.IGNORECASE)

MANY_NOTES = 4
PIPED_WIDTH = 200  # columns of output that goes to a file or another program
_COUNTED = re.compile(r"(.*), (\d+) of (\d+)\b.*")

MODEL_HELP = "model file: .onnx, .tflite; with TensorFlow installed also .keras, .h5 or a SavedModel folder"


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print JSON on stdout, and nothing else")
    volume = group.add_mutually_exclusive_group()
    volume.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    volume.add_argument("-v", "--verbose", action="store_true", help="print more")


def add_target_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("target")
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--board", metavar="NAME", help="a board's id or alias, or a board file (see `tinyml boards`; default: stm32h7)"
    )
    where.add_argument(
        "--target",
        metavar="CORE",
        help=f"a bare core instead of a board: {', '.join(name for name, core in CORES.items() if core.takes_firmware)}",
    )
    group.add_argument(
        "--clock",
        choices=("full", "safe"),
        default="full",
        help="the board's full speed, or the clock that it starts with (default: full)",
    )
    group.add_argument("--baud", type=int, metavar="N", help="rate of the serial port (default: the board file's)")
    group.add_argument("--sram", metavar="SIZE", help="limit of SRAM, for arena and stack: 192K, 1M, bytes")
    group.add_argument("--flash", metavar="SIZE", help="limit of flash")
    group.add_argument(
        "--reserve-sram", metavar="SIZE", default="0", help="SRAM that your application keeps for itself"
    )
    group.add_argument(
        "--place",
        metavar="WHAT=REGION",
        action="append",
        default=[],
        help="RAM for the arena, the input, the output, a value or what a layer computes: input=axi_sram, input=dma (where "
        "DMA reaches), arena=dtcm; auto: hot buffers to fast RAM; may be repeated",
    )
    group.add_argument(
        "--toolchain", metavar="NAME", help="arm-none-eabi-gcc or ziglang (default: the first that is there)"
    )


def add_model_flags(parser: argparse.ArgumentParser, what: str = MODEL_HELP) -> None:
    parser.add_argument("model", type=Path, help=what)
    group = parser.add_argument_group("model")
    group.add_argument("--name", help="name of the model in C (default: the file's)")
    group.add_argument(
        "--input-shape",
        metavar="[NAME:]1x3x96x96",
        action="append",
        default=[],
        help="shape of an input whose dimensions are free; may be repeated",
    )
    group.add_argument("--via", choices=VIAS, help="convert an .onnx that our frontend does not take with this first")
    group.add_argument("--labels", metavar="FILE", type=Path, help="names of the classes, one a line")
    group.add_argument(
        "--profile",
        metavar="NAME",
        help="a preset of --objective, --precision and --reserve-sram, which flags override: balanced, latency, sram "
        "(int8), flash (w4a8), or a .toml file",
    )
    group = parser.add_argument_group("numbers of a float model")
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="int8",
        help="w4a8: weights of 4 bits but where they hurt; mixed: as flash allows; w8a16: activations of 16 bits "
        "(default: int8)",
    )
    group.add_argument(
        "--effort", choices=EFFORTS, default="default", help="high: quantize better, in seconds to minutes"
    )
    group.add_argument(
        "--observer",
        choices=tuple(OBSERVERS),
        default="mse",
        help="how ranges are chosen from calibration data (default: mse)",
    )
    group.add_argument("--cycles", metavar="N", type=int, help="limit of cycles, for --precision mixed")
    group.add_argument(
        "--min-sqnr", metavar="DB", type=float, help="least signal to noise at the output, for --precision mixed"
    )
    group.add_argument(
        "--calibration",
        metavar="PATH",
        type=Path,
        help="a folder of pictures, a .csv that lists them, an .npz or an .npy, to choose int8 ranges by",
    )
    group.add_argument(
        "--io", choices=("int8", "uint8", "float32"), default="int8", help="type of inputs and outputs (default: int8)"
    )
    group.add_argument(
        "--input-range", metavar="LO,HI", help="what pixels 0 and 255 become for a float model (default: 0,1)"
    )
    group.add_argument(
        "--mean", metavar="R,G,B", help="with --std: (pixel / 255 - mean) / std, as torchvision normalizes"
    )
    group.add_argument("--std", metavar="R,G,B", help="one number, or one for each channel")
    group.add_argument(
        "--fit",
        choices=FITS,
        default="squash",
        help="pictures of another shape: squash them (default), or take the middle",
    )
    group = parser.add_argument_group("memory and speed")
    group.add_argument("--keep-input", action="store_true", help="a run must not overwrite its input")
    group.add_argument(
        "--stream-input", action="store_true", help="take the input row by row, as a camera delivers it; keep no frame"
    )
    group.add_argument(
        "--allow-recompute",
        type=_percent,
        default=0.0,
        metavar="PCT",
        help="compute up to PCT %% of the network's work again where that saves memory (default: nothing)",
    )
    group.add_argument(
        "--weights-growth",
        type=_percent,
        metavar="PCT",
        help="let weights take up to PCT %% more flash than in the model where that saves cycles (default: 2 where "
        "there is room, 5 KiB at least with --objective balanced or sram; nothing with --objective flash)",
    )
    group.add_argument(
        "--objective",
        choices=[o.value for o in Objective],
        help="what to save where there is a choice: the fewest cycles that fit, or the least memory for at most 5 %% more; "
        "balanced (default): the least product of the two; latency where --sram sets a limit",
    )
    group.add_argument(
        "--autotune",
        action="store_true",
        help="count all kernels that fit a layer in the emulator, and take the fastest (kept for later builds)",
    )


def refuse_build_flags(arguments: argparse.Namespace) -> None:
    """A folder was built with its own flags: those of `add_model_flags` and `add_target_flags` would go unheard.

    Raises:
        UsageError: one is given; names it.
    """
    flags = argparse.ArgumentParser(add_help=False)
    add_model_flags(flags)
    add_target_flags(flags)
    for name, default in vars(flags.parse_args(["build"])).items():
        if name != "model" and getattr(arguments, name) != default:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{flag}: {arguments.model} is a folder, which was built with its own flags",
                f"name the model file, or build again with {flag}",
            )


def add_on_flag(group: Group, *places: str, default: str, what: str = "where to run") -> None:
    """`--on`, which takes one of these places or a serial port."""

    def place(text: str) -> str:
        if text in places or _PORT.search(text):
            return text
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected {', '.join(places)} or a serial port (/dev/ttyACM0, COM3, socket://HOST:PORT)"
        )

    group.add_argument(
        "--on",
        type=place,
        default=default,
        metavar="PLACE",
        help=f"{what}: {', '.join(places)} or a serial port (default: {default})",
    )


def _size(flag: str, text: str) -> int:
    try:
        return parse_size(text)
    except UsageError as e:
        raise UsageError(f"{flag}: {e.what}", e.hint) from e


def seed(text: str) -> int:
    """A seed of random numbers, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 or a positive integer")
    return int(text)


def board_of(arguments: argparse.Namespace, default: str | None = None) -> Board:
    """The board or bare core that the flags name, its memory limited to --sram and --flash."""
    return choose_target(
        board=arguments.board or default,
        core=arguments.target,
        sram_bytes=None if arguments.sram is None else _size("--sram", arguments.sram),
        flash_bytes=None if arguments.flash is None else _size("--flash", arguments.flash),
        clock=arguments.clock,
        baud=arguments.baud,
        place=arguments.place,
    )


def options_of(arguments: argparse.Namespace, work_dir: Path) -> Options:
    """Everything that the pipeline needs, from the flags of `add_model_flags` and `add_target_flags`."""
    return Options(
        model=arguments.model,
        board=board_of(arguments),
        work_dir=work_dir,
        name=arguments.name,
        precision=arguments.precision,
        effort=arguments.effort,
        observer=arguments.observer,
        cycles=arguments.cycles,
        min_sqnr=arguments.min_sqnr,
        objective=choose_objective(arguments.objective, limited=arguments.sram is not None),
        autotune=arguments.autotune,
        calibration=arguments.calibration,
        preprocess=_preprocess(arguments),
        io=arguments.io,
        input_shapes=_input_shapes(arguments.input_shape),
        via=arguments.via,
        keep_input=arguments.keep_input,
        stream_input=arguments.stream_input,
        recompute=arguments.allow_recompute / 100,
        weights_growth=None if arguments.weights_growth is None else arguments.weights_growth / 100,
        reserve_sram=_size("--reserve-sram", arguments.reserve_sram),
        sram_limited=arguments.sram is not None,
        place=tuple(arguments.place),
        labels=read_labels(arguments.labels),
        toolchain=arguments.toolchain,
    )


def _preprocess(arguments: argparse.Namespace) -> Preprocess:
    """How pixels become the inputs of a float model."""
    if arguments.input_range and (arguments.mean or arguments.std):
        raise UsageError("--input-range goes without --mean and --std")
    try:
        if arguments.input_range:
            lo, hi = _numbers(arguments.input_range)
            return Preprocess.to_range(lo, hi, arguments.fit)
        if arguments.mean or arguments.std:
            return Preprocess.mean_std(_numbers(arguments.mean or "0"), _numbers(arguments.std or "1"), arguments.fit)
    except ValueError as e:
        raise UsageError(f"--input-range, --mean, --std: {e}", "expected 0,1 or 0.485,0.456,0.406") from e
    return Preprocess(fit=arguments.fit)


def _percent(text: str) -> float:
    try:
        return float(text.removesuffix("%"))
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of percent, such as 40") from e


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _input_shapes(texts: list[str]) -> Mapping[str, tuple[int, ...]]:
    shapes = {}
    for text in texts:
        name, _, dims = text.rpartition(":")
        try:
            shape = tuple(int(d) for d in dims.lower().replace(",", "x").split("x"))
        except ValueError:
            shape = ()
        if not shape or min(shape) < 1:
            raise UsageError(f"--input-shape {text}: expected positive sizes such as 1x3x96x96 or image:1x3x96x96")
        shapes[name] = shape
    return shapes


def read_labels(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"--labels {path}: {e}", "expected a UTF-8 text file with one class name a line") from e
    return tuple(line.strip() for line in lines if line.strip())


def console(arguments: argparse.Namespace) -> Console:
    """Where people read: stdout, or nowhere with --json or --quiet. rich honours NO_COLOR."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(quiet=arguments.json or arguments.quiet, highlight=False, width=width)


@contextmanager
def progress(arguments: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Gives what shows the stage under way on stderr, on a terminal only, and wipes it at the end: in words, and, of
    something like `calibrating, 12 of 131 samples`, as a bar."""
    if arguments.json or arguments.quiet or not sys.stderr.isatty():
        yield lambda stage: None
        return
    columns = (TextColumn("  {task.description}", markup=False), BarColumn(), TextColumn("{task.fields[count]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None, count="")

        def say(stage: str) -> None:
            if counted := _COUNTED.fullmatch(stage):
                what, done, total = counted[1], int(counted[2]), int(counted[3])
                shown.update(task, description=what, completed=done, total=total, count=f"{done}/{total}")
            else:
                shown.update(task, description=stage, completed=0, total=None, count="")

        yield say


def print_json(document: object) -> None:
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


def require_calibrated(arguments: argparse.Namespace, quantized: QuantizedModel) -> None:
    """Refuses to use outputs that mean nothing.

    Raises:
        UsageError: the model was quantized without calibration data and --allow-uncalibrated is not given.
    """
    if not quantized.calibrated and not arguments.allow_uncalibrated:
        raise UsageError(
            f"{arguments.model.name} is a float model, quantized without calibration data: its outputs mean nothing",
            "give --calibration (a folder of pictures or an .npz), or --precision float32, or --allow-uncalibrated",
        )


def require_calibrated_build(arguments: argparse.Namespace, calibrated: bool) -> None:
    """`require_calibrated`, of a folder that was built before."""
    if not calibrated and not arguments.allow_uncalibrated:
        raise UsageError(
            f"{arguments.model} was built without calibration data: its outputs mean nothing",
            "build again with --calibration, or add --allow-uncalibrated",
        )


def print_notes(arguments: argparse.Namespace, notes: Sequence[str]) -> None:
    """The notes of a model; of many only the first few, unless --verbose."""
    shown = notes if arguments.verbose or len(notes) <= MANY_NOTES else notes[:2]
    out = console(arguments)
    for note in shown:
        out.print(f"note: {note}", markup=False)
    if len(shown) < len(notes):
        out.print(f"note: and {len(notes) - len(shown)} more (-v shows all)")
