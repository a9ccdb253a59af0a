"""How far modelled cycles are from silicon that others measured, and from an independent meter.

The published latencies are of other people's firmware. Its pipeline cycles were modelled once by the same rules from a build
of that firmware; they are constants below. What its weights cost to fetch is taken from our build of the same network for
the board, since both read the same weights. Cases that nobody published are not here, and a claim inside the error is none.
"""

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType

from common import Row, shared_folder, show, size

from tinyml.build.image import FirmwareImage
from tinyml.pipeline import Options, compile_model, need
from tinyml.profile import Inference, measure_emulated, samples
from tinyml.profile.known_error import NOT_PRICED, PRICED, KnownError, known_error
from tinyml.profile.measurement import firmware_of
from tinyml.targets import Board, load_board


@dataclass(frozen=True)
class Case:
    """Attributes:
    measured: million cycles on silicon: latency times clock.
    pipeline: million cycles of the peer's code by the same model, memory that never waits.
    """

    firmware: str
    model: str
    board: str
    measured: float
    pipeline: float


TINYENGINE, TFLM = "TinyEngine", "TFLite Micro, CMSIS-NN"
# TinyEngine's README: 27, 51 and 234 ms on an STM32H743 at 480 MHz. TiGrIS-bench's README: STM32H753 and STM32F446; its
# commits and flags differ from those of the build that was counted.
CASES = (
    Case(TINYENGINE, "wake_vision/mcunet-vww0", "stm32h7", 0.027 * 480, 13.5),
    Case(TINYENGINE, "wake_vision/mcunet-vww1", "stm32h7", 0.051 * 480, 25.8),
    Case(TINYENGINE, "wake_vision/mcunet-vww2", "stm32h7", 0.234 * 480, 119.2),
    Case(TFLM, "mlperf_tiny/kws_dscnn_int8", "stm32h7", 6.14, 5.4),
    Case(TFLM, "mlperf_tiny/ad01_int8", "stm32h7", 0.558, 0.40),
    Case(TFLM, "mlperf_tiny/kws_dscnn_int8", "stm32f4", 12.3, 9.5),
    Case(TFLM, "mlperf_tiny/ad01_int8", "stm32f4", 0.87, 0.73),
    # 5.9 times the cycles of the STM32F446; code and weights in an external chip.
    Case(TFLM, "mlperf_tiny/ad01_int8", "pico2", 5.9 * 0.87, 0.73),
)
BAR = 1.3  # silicon over model, either way
SLACK = 0.02  # of the ranges that are stated: our own builds change, and with them what their weights wait
CORES = {"m4": "stm32l4r5", "m7": "stm32h7"}
MORE_RAM = ((0x2400_0000, 0x10_0000), (0x1000_1000, 0xF000))  # that the meter does not map by itself


@cache
def built(model: str, board: str, folder: Path) -> FirmwareImage:
    path = shared_folder() / "models" / f"{model}.tflite"
    options = Options(path, roomy(load_board(board)), folder / board / model, check_fit=False)
    return need(compile_model(options, stop_after="build").image)


def roomy(board: Board) -> Board:
    """With flash and RAM for any of the networks: what is asked is time, not room."""
    big = {board.link.code: 2 << 20, board.link.arena: 512 << 10}
    return replace(board, regions=tuple(replace(r, bytes=max(r.bytes, big.get(r.name, 0))) for r in board.regions))


@cache
def inference(model: str, board: str, folder: Path) -> Inference:
    firmware = firmware_of(built(model, board, folder))
    return measure_emulated(firmware, samples(firmware.interface, 1)).median


def silicon(folder: Path) -> Iterator[Row]:
    for case in CASES:
        ours = inference(case.model, case.board, folder)
        waits = (ours.waits or 0) / 1e6
        before, now = case.measured / case.pipeline, case.measured / (case.pipeline + waits)
        cells = (
            case.firmware, case.model.split("/")[1], case.board, f"{case.measured:.3g} M", f"{case.pipeline:.3g} M",
            f"{waits:.3f} M", f"{before:.2f}", f"{now:.2f}",
        )  # fmt: skip
        # From external flash no milliseconds are claimed, so there is nothing to fail.
        external = known_error(load_board(case.board).cache) is None
        yield cells, None if external else 1 / BAR <= now <= BAR


def stale(stated: KnownError, ratios: Sequence[float]) -> bool:
    """Whether what is stated leaves a ratio out, or is wider than they are."""
    least, most = round(min(ratios), 2), round(max(ratios), 2)
    return not (stated.least <= least <= stated.least + SLACK and stated.most - SLACK <= most <= stated.most)


def unpriced_ratios() -> list[float]:
    """Silicon over pipeline; code in external flash aside."""
    return [case.measured / case.pipeline for case in CASES if known_error(load_board(case.board).cache) is not None]


def meters(folder: Path) -> Iterator[Row]:
    """Our figures against those of the meter that stands with the shared models, on the same machine code."""
    meter = load_meter()
    if meter is None:
        return
    for model in dict.fromkeys(case.model for case in CASES):
        for core, board in CORES.items():
            image, ours = built(model, board, folder), inference(model, board, folder)
            other = meter.Mcu(str(image.elf), core, extra=MORE_RAM)
            other.call("init")
            other.clear()
            other.call("run")
            instructions, m4, m7 = other.cost()[0]
            pairs = (
                (ours.instructions, instructions),
                ((ours.cycles or 0) - (ours.waits or 0), m7 if core == "m7" else m4),
            )
            errors = [100 * (a / b - 1) for a, b in pairs]
            cells = (
                model.split("/")[1],
                core,
                *(size(n) for pair in pairs for n in pair),
                *(f"{e:+.3f} %" for e in errors),
            )
            # The inputs differ, so that other values saturate.
            yield cells, max(map(abs, errors)) < 0.5


def load_meter() -> ModuleType | None:
    path = shared_folder() / "tools" / "mcu_count" / "mcu_count.py"
    if not path.is_file():
        print(f"no independent meter: {path}")
        return None
    spec = importlib.util.spec_from_file_location("mcu_count", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        rows = list(silicon(Path(temporary)))
        columns = (
            "firmware",
            "model",
            "board",
            "silicon",
            "pipeline",
            "+ flash",
            "silicon / pipeline",
            "silicon / model",
        )
        status = show("Modelled cycles against published silicon", columns, rows)
        ratios = [float(cells[-1]) for cells, passed in rows if passed is not None]
        print(f"silicon takes {min(ratios):.2f} to {max(ratios):.2f} times what the model says; stated: {PRICED}\n")
        status |= stale(PRICED, ratios) or stale(NOT_PRICED, unpriced_ratios())
        columns = ("model", "core", "instructions", "the meter's", "pipeline cycles", "the meter's", "off", "off")
        status |= show("Agreement with an independent meter, memory that never waits", columns, meters(Path(temporary)))
    sys.exit(status)
