"""RAM of whole networks as `--objective sram` builds them, with a frame and with streamed input, against the bar of each.

RAM is the arena, .data and .bss of the model, and the stack above 1 KiB, read from the ELF and the emulated run; in KiB of
1024 bytes. What a build costs is beside it: instructions and weights against the bars of `instructions.py`, cycles as
modelled with memory that never waits, and the predicted cycles by those of the fastest schedule that fits."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from common import Row, shared_folder, show
from instructions import BARS as INSTRUCTION_BARS
from instructions import most_weights, pipeline_cycles, weights_ratio

from tinyml import zoo
from tinyml.errors import TinymlError
from tinyml.memory import arena_capacity
from tinyml.pipeline import (
    ROOMY,
    Compilation,
    Options,
    chooser_of,
    compile_model,
    need,
)
from tinyml.schedule.estimate import cycles_in_all
from tinyml.schedule.model import Objective
from tinyml.targets import Board, load_board


@dataclass(frozen=True, slots=True)
class Bar:
    """KiB at most with a frame and with streamed input, and the least that others need under the same conditions.

    Attributes:
        recompute: share of the work that may be done again.
    """

    frame: float | None
    streamed: float
    others: str
    recompute: float = 0.0


BARS = {
    "wake_vision/mcunet-vww0": Bar(20, 18, "52"),
    "wake_vision/mcunet-vww1": Bar(24, 19, "41"),
    "wake_vision/mcunet-vww2": Bar(70, 48, "117"),
    "mlperf_tiny/vww_96_int8": Bar(29, 17, "49"),
    "mlperf_tiny/ic_resnet8_int8": Bar(18, 16, "49"),
    "mlperf_tiny/kws_dscnn_int8": Bar(8, 8, "16"),
    "tflite_micro/person_detect": Bar(18, 16, "80"),
    "wake_vision/mobilenetv2-025": Bar(154, 54, "276"),
    "zoo/mobilenet_v2 0.35": Bar(162, 60, "301 kB"),
    "zoo/mobilenet_v2 1.0": Bar(215, 140, "172 + 147"),
    "wake_vision/mcunet-vww1 again": Bar(None, 14, "", 0.4),
    "zoo/mobilenet_v2 0.35 144 again": Bar(None, 16, "", 0.4),
}
"""Of `again`: with --allow-recompute."""

BOARD = "stm32h7"
STACK_FREE = 1024
ZOO_RESOLUTION = 224


def board() -> Board:
    """The board, with flash for any network, and beside the arena RAM for the frame that the firmware keeps for its
    serial protocol where the input is streamed."""
    base = load_board(BOARD)
    roomy = {base.link.code, base.link.data} - {base.link.arena}
    regions = [replace(r, bytes=max(r.bytes, ROOMY)) if r.name in roomy else r for r in base.regions]
    return replace(base, regions=tuple(regions))


def model_file(name: str, folder: Path) -> Path:
    """Of the shared folder, or of the zoo: an architecture, its width and its resolution, without calibration."""
    name = name.removesuffix(" again")
    family, _, rest = name.partition("/")
    if family != "zoo":
        return shared_folder() / "models" / f"{name}.tflite"
    architecture, width, *resolution = rest.split()
    pixels = int(resolution[0]) if resolution else ZOO_RESOLUTION
    return zoo.save(architecture, folder / f"{architecture}.onnx", alpha=float(width), resolution=pixels)


def slower(done: Compilation) -> float:
    """Predicted cycles by those of `--objective latency`, which takes the input the same way."""
    schedule, options = need(done.schedule), done.options
    capacity = arena_capacity(options.board, options.reserved)
    fastest = chooser_of(schedule, replace(options, recompute=0.0)).choose(Objective.LATENCY, capacity)
    return cycles_in_all(schedule) / cycles_in_all(fastest.schedule)


def row(name: str, bar: Bar, streamed: bool, toolchain: str | None) -> Row:
    limit, how = (bar.streamed, "streamed") if streamed or bar.frame is None else (bar.frame, "frame")
    with tempfile.TemporaryDirectory() as folder:
        options = Options(
            model_file(name, Path(folder)),
            board(),
            Path(folder),
            toolchain=toolchain,
            objective=Objective.SRAM,
            stream_input=streamed,
            recompute=bar.recompute,
        )
        try:
            done = compile_model(options)
        except TinymlError as e:
            print(f"{name}, {how}: {e}", file=sys.stderr)
            return (name, how, "not built", f"{limit:g}", bar.others, *[""] * 8), False
    profile, static = need(done.profile), need(done.image).sizes.model_static_bytes
    arena = need(done.plan).peak_bytes
    ram = (arena + static + max(0, profile.stack_bytes - STACK_FREE)) / 1024
    most = INSTRUCTION_BARS.get(name)
    schedule = need(done.schedule)
    weights = weights_ratio(schedule)
    passed = ram <= limit and (most is None or profile.instructions <= most * 1e6)
    passed &= weights <= most_weights(schedule.graph)
    cells = (
        name,
        how,
        f"{ram:.2f}",
        f"{limit:g}",
        bar.others,
        f"{arena:,}",
        f"{static:,}",
        f"{profile.stack_bytes:,}",
        f"{profile.instructions / 1e6:.2f} M",
        f"{pipeline_cycles(profile) / 1e6:.2f} M",
        "" if most is None else f"{most:.2f} M",
        f"{weights:.3f}",
        f"{slower(done):.3f}",
    )
    return cells, passed


def rows(toolchain: str | None, names: list[str]) -> Iterator[Row]:
    for name, bar in BARS.items():
        if not names or any(part in name for part in names):
            for streamed in (True,) if bar.frame is None else (False, True):
                yield row(name, bar, streamed, toolchain)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", help="arm-none-eabi-gcc or ziglang; the first that is found")
    parser.add_argument("models", nargs="*", help="parts of names: only these")
    arguments = parser.parse_args()
    columns = (
        "model",
        "input",
        "RAM",
        "bar",
        "others",
        "arena",
        "static",
        "stack",
        "instructions",
        "cycles",
        "bar",
        "weights",
        "x latency",
    )
    sys.exit(show("RAM in KiB", columns, rows(arguments.toolchain, arguments.models)))
