"""A trained network on the emulated boards against an independent meter of the same machine code."""

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
import unicorn

from tinyml.pipeline import Options, compile_model
from tinyml.profile import measure_emulated
from tinyml.profile.measurement import firmware_of
from tinyml.schedule.model import Objective
from tinyml.targets.load import load_board

pytestmark = pytest.mark.emulated
# Memory that the meter does not map by itself: AXI SRAM of the H7, the upper part of SRAM2 of the L4+.
MORE_RAM = ((0x2400_0000, 0x10_0000), (0x1000_1000, 0xF000))


@pytest.fixture(scope="module")
def mcu_count(shared: Path) -> ModuleType:
    path = shared / "tools" / "mcu_count" / "mcu_count.py"
    if not path.exists() or shutil.which("gcc") is None:
        pytest.skip(f"the independent meter is not here: {path}, which needs gcc")
    spec = importlib.util.spec_from_file_location("mcu_count", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Uc = _core_of_large_pages
    return module


def _core_of_large_pages(arch: int, mode: int) -> unicorn.Uc:
    """Unicorn parts blocks at borders of pages, and the models start each with an empty pipeline: the same pages as ours."""
    core = unicorn.Uc(arch, mode)
    core.ctl_set_page_size(4096)
    return core


def _measure(mcu_count: ModuleType, elf: Path, core: str) -> Sequence[int]:
    """Instructions, M4 cycles, M7 cycles of one run on an input of zeros."""
    meter = mcu_count.Mcu(str(elf), core, extra=MORE_RAM)
    meter.call("init")
    meter.clear()
    meter.call("run")
    total: Sequence[int] = meter.cost()[0]
    return total


@pytest.mark.parametrize(("board_id", "core"), [("nucleo_h743zi", "m7"), ("nucleo_l4r5zi", "m4")])
@pytest.mark.parametrize("toolchain", ["ziglang", "arm-none-eabi-gcc"])
def test_agrees_on_a_trained_network(
    mcu_count: ModuleType, shared: Path, tmp_path: Path, board_id: str, core: str, toolchain: str
) -> None:
    if toolchain != "ziglang" and shutil.which(toolchain) is None:
        pytest.skip(f"{toolchain} is not installed")
    model = shared / "models" / "mlperf_tiny" / "kws_dscnn_int8.tflite"
    options = Options(
        model=model, board=load_board(board_id), work_dir=tmp_path, toolchain=toolchain, objective=Objective.LATENCY
    )
    image = compile_model(options, stop_after="build").image
    assert image is not None
    theirs = _measure(mcu_count, image.elf, core)
    ours = measure_emulated(firmware_of(image), [[bytes(49 * 10)]]).median
    assert ours.instructions == pytest.approx(theirs[0], rel=1e-4)
    # The meter knows no memory that makes the core wait.
    assert ours.cycles is not None and ours.waits is not None
    assert ours.cycles - ours.waits == pytest.approx(theirs[1 if core == "m4" else 2], rel=0.001)
    assert sum(layer.instructions or 0 for layer in ours.layers) == pytest.approx(ours.instructions, rel=1e-3)
