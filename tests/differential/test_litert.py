"""The emitted C against LiteRT's reference kernels, every output byte: on the host, on emulated cores, under QEMU."""

from pathlib import Path

import numpy as np
import pytest
from golden import litert_reference, random_inputs, tflm_reference

from tinyml.build.host import HostModel, build_host_library
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.qemu import find_qemu, run_in_qemu
from tinyml.errors import ToolError
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.targets import Board, generic_target, load_board

MODELS = [
    "mlperf_tiny/ad01_int8",
    "mlperf_tiny/ic_resnet8_int8",
    "mlperf_tiny/kws_dscnn_int8",
    "mlperf_tiny/vww_96_int8",
    "tflite_micro/hello_world_int8",
    "tflite_micro/keyword_scrambled_8bit",
    "tflite_micro/micro_speech_quantized",
    "tflite_micro/person_detect",
    "tinyengine/vww1-float-io",
    "wake_vision/challenge-hallaq",
    "wake_vision/colabnas-k8c5",
    "wake_vision/mcunet-vww0",
    "wake_vision/mcunet-vww1",
    "wake_vision/mcunet-vww2",
    "wake_vision/mobilenetv2-025",
]
SVDF = {"keyword_scrambled_8bit"}  # LiteRT's reference takes its int8 states for int16, and crashes
RUNS = 5


def compiled(model: Path, board: Board, folder: Path) -> Compilation:
    return compile_model(Options(model=model, board=board, work_dir=folder), stop_after="build")


def samples(model: Path) -> list[tuple[list[bytes], list[bytes]]]:
    """(inputs, what the reference answers) of seeded runs."""
    pairs = []
    for seed in range(RUNS):
        inputs = random_inputs(model, seed)
        outputs = (tflm_reference if model.stem in SVDF else litert_reference)(model, inputs)
        pairs.append(([x.tobytes() for x in inputs], [np.ascontiguousarray(y).tobytes() for y in outputs]))
    return pairs


@pytest.mark.emulated
@pytest.mark.parametrize("name", MODELS)
def test_every_byte_is_the_references(shared: Path, tmp_path: Path, name: str) -> None:
    """Five random inputs on the host and on an emulated Cortex-M7, one of them in QEMU, too (it faults on misaligned
    access where Unicorn does not)."""
    model = shared / "models" / f"{name}.tflite"
    expected = samples(model)
    board = generic_target("cortex-m7", 1 << 20, 2 << 20)
    done = compiled(model, board, tmp_path / "emulator")

    host = HostModel(build_host_library(need(done.bundle), tmp_path / "host", trace=False))
    for inputs, outputs in expected:
        assert host.run(inputs) == outputs

    with EmulatedBoard(need(done.image).elf, board) as emulated:
        client = Client(emulated)
        client.connect()
        for inputs, outputs in expected:
            assert list(client.infer(inputs)) == outputs

    try:
        find_qemu()
    except ToolError as e:
        pytest.skip(f"host and emulator agree; QEMU is not here: {e.what}")
    machine = load_board("qemu_mps2_an500")
    image = need(compiled(model, machine, tmp_path / "qemu").image)
    inputs, outputs = expected[0]
    assert list(run_in_qemu(image.elf, machine, [inputs])[0]) == outputs


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m33"])
def test_other_cores(shared: Path, tmp_path: Path, core: str) -> None:
    """The same bytes on the other cores, portable kernels included."""
    model = shared / "models" / "mlperf_tiny" / "kws_dscnn_int8.tflite"
    board = generic_target(core, 64 << 10, 512 << 10)
    done = compiled(model, board, tmp_path)
    with EmulatedBoard(need(done.image).elf, board) as emulated:
        client = Client(emulated)
        client.connect()
        inputs, outputs = samples(model)[0]
        assert list(client.infer(inputs)) == outputs
