"""What networks cost on a Cortex-M55 with Helium, counted in QEMU, and the table of it below tests/budgets/."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from budget_table import Budget

from tinyml.build.image import FirmwareImage
from tinyml.device.client import Client
from tinyml.device.qemu import qemu_board
from tinyml.pipeline import Options, compile_model, need
from tinyml.profile.measurement import noise
from tinyml.schedule.model import Objective
from tinyml.targets import load_board

TABLE = Path(__file__).with_name("budgets") / "helium.toml"
BOARD = "qemu_mps3_an547"
HEAD = f"""# What networks cost on {BOARD}, counted in QEMU; else as costs.toml.
# Written by `python benchmarks/helium.py --write`.
"""
BARS = {  # million instructions; None: no bar. What follows @ is the precision that a float model gets.
    "mlperf_tiny/vww_96_int8": 2.8,
    "mlperf_tiny/ic_resnet8_int8": 2.6,
    "mlperf_tiny/kws_dscnn_int8": None,
    "mlperf_tiny/ad01_int8": None,
    "wake_vision/mcunet-vww0": None,
    "wake_vision/mcunet-vww1": None,
    "mlperf_tiny/vww_96_float@w4a8": None,
    "mlperf_tiny/kws_dscnn_float@w8a16": None,
}


def model_of(models: Path, name: str) -> tuple[Path, str]:
    """The model's file, and the precision that it gets."""
    stem, _, precision = name.partition("@")
    return models / f"{stem}.tflite", precision or "int8"


def count(image: FirmwareImage, inputs: Sequence[bytes]) -> int:
    """Instructions of an inference: QEMU gives each a nanosecond."""
    with qemu_board(image.elf, image.board, counting=True) as transport:
        client = Client(transport, timeout=60.0)
        client.connect()
        for index, data in enumerate(inputs):
            client.put(index, data)
        return round(client.run().cycles * 1e9 / image.board.clock_hz)


def options_of(models: Path, name: str, folder: Path, toolchain: str | None) -> Options:
    model, precision = model_of(models, name)
    return Options(
        model, load_board(BOARD), folder, toolchain=toolchain, objective=Objective.LATENCY, precision=precision
    )


def measure(models: Path, name: str, toolchain: str | None = None) -> Budget:
    """Raises ToolError where the compiler or QEMU is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        options = options_of(models, name, Path(folder), toolchain)
        done = compile_model(options, stop_after="build")
        image = need(done.image)
        instructions = count(image, noise(need(done.schedule).graph))
    return Budget(
        compiler=f"{image.toolchain.name} {image.toolchain.version}",
        instructions=instructions,
        arena=need(done.plan).peak_bytes,
        code=image.sizes.model_code_bytes,
        weights=image.sizes.weights_bytes,
    )
