"""The commands of MLPerf Tiny, driven as the benchmark's runner drives them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from emitted_c import calibration
from mlperf_runner import Runner

from tinyml import zoo
from tinyml.build.benchmark import BENCHMARKS
from tinyml.build.firmware import build_firmware
from tinyml.build.host import HostModel, build_host_library
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.qemu import PROGRAM, qemu_board
from tinyml.emit.bundle import SourceBundle
from tinyml.errors import DoesNotFitError, ToolError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Value
from tinyml.pipeline import Options, compile_model, need
from tinyml.schedule.model import Objective
from tinyml.targets import load_board

TRAINED = {"vww01": "vww_96_int8", "ic01": "ic_resnet8_int8", "kws01": "kws_dscnn_int8", "ad01": "ad01_int8"}
ZOO = {"vww01": "mobilenet_v1", "ic01": "resnet8", "kws01": "ds_cnn", "ad01": "autoencoder"}
Compiled = Callable[..., SourceBundle]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """compiled(model file or network of the zoo) -> C for the main board."""

    def compile_(model: str | Path, *, keep_input: bool = False) -> SourceBundle:
        folder = tmp_path_factory.mktemp("mlperf")
        ours = isinstance(model, str)
        path = zoo.save(model, folder / f"{model}.onnx") if isinstance(model, str) else model
        data = calibration(path, folder) if ours else None
        options = Options(
            path,
            load_board("stm32h7"),
            folder,
            calibration=data,
            keep_input=keep_input,
            objective=Objective.LATENCY,  # maps that exist whole: an arena of twice the picture
        )
        return need(compile_model(options, stop_after="emit").bundle)

    return compile_


def dataset(benchmark: str, seed: int) -> bytes:
    """A file as the benchmark's dataset has them (evaluation/datasets/README), of noise."""
    about = BENCHMARKS[benchmark]
    rng = np.random.default_rng(seed)
    if about.sends is DType.FLOAT32:
        return rng.normal(-20, 40, about.elements).astype("<f4").tobytes()
    return rng.integers(*about.sends.range, about.elements, about.sends.numpy, endpoint=True).tobytes()


def expected(benchmark: str, bundle: SourceBundle, host: HostModel, data: bytes) -> list[float]:
    """By numpy and by the same C on this machine."""
    graph = bundle.plan.schedule.graph
    given, output = graph.value(graph.inputs[0]), graph.value(graph.outputs[0])
    if benchmark == "ad01":
        assert given.quant is not None
        stored = given.quant.quantize(np.frombuffer(data, "<f4"))
    elif benchmark == "kws01":
        stored = np.frombuffer(data, np.int8)
    else:
        stored = (np.frombuffer(data, np.uint8).astype(np.int16) - 128).astype(np.int8)
    real = _real(output, host.run([stored.tobytes()])[0])
    if benchmark == "ad01":
        return [float(np.mean((real - np.frombuffer(data, "<f4").astype(np.float64)) ** 2))]
    return [float(x) for x in real]


def _real(value: Value, data: bytes) -> np.ndarray:
    assert value.quant is not None
    stored = np.frombuffer(data, value.dtype.numpy).astype(np.float64)
    real: np.ndarray = value.quant.scale[0] * (stored - value.quant.zero_point[0])
    return real


@contextmanager
def board_of(machine: str, image: FirmwareImage) -> Iterator[Runner]:
    if machine == "unicorn":
        runner = Runner(EmulatedBoard(image.elf, image.board))
        runner.lines()
        yield runner
        return
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed")
    with qemu_board(image.elf, image.board) as transport:
        runner = Runner(transport)
        runner.lines()
        yield runner


def scripts(benchmark: str, bundle: SourceBundle, folder: Path, machine: str) -> None:
    """Performance, then accuracy. That results behind many runs are those of one shows that the input is restored."""
    board = load_board("stm32h7" if machine == "unicorn" else "qemu_mps2_an500")
    image = build_firmware(bundle, board, find_toolchain("ziglang"), folder / "build", benchmark=benchmark)
    host = HostModel(build_host_library(bundle, folder / "host", trace=False))
    close = {"rel": 1e-5, "abs": 1.01e-6}
    with board_of(machine, image) as runner:
        assert runner.identify() == ("tinyml", "ULPMark for tinyML Firmware V0.0.1", benchmark)
        data = dataset(benchmark, 0)
        runner.load(data)
        wanted = expected(benchmark, bundle, host, data)
        assert len(wanted) == BENCHMARKS[benchmark].results
        measured = runner.infer(3, 2)
        assert measured.results == pytest.approx(wanted, **close)
        if machine == "unicorn":  # its time is exact, and has nothing of restoring the input
            assert measured.microseconds == pytest.approx(3 * runner.infer(1, 0).microseconds, rel=0.01, abs=3)
        data = dataset(benchmark, 1)
        runner.load(data)
        assert runner.infer(1, 0).results == pytest.approx(expected(benchmark, bundle, host, data), **close)
        assert runner.command("results")[0].startswith("m-results-[")
        shown = b"".join(bytes.fromhex(line[9:].replace("-", "")) for line in runner.command("db print")[:-1])
        assert shown == data


@pytest.mark.emulated
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_the_scripts_of_the_runner(compiled: Compiled, tmp_path: Path, benchmark: str) -> None:
    scripts(benchmark, compiled(ZOO[benchmark]), tmp_path, "unicorn")


@pytest.mark.qemu
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_trained_models_in_qemu(compiled: Compiled, tmp_path: Path, shared: Path, benchmark: str) -> None:
    bundle = compiled(shared / "models" / "mlperf_tiny" / f"{TRAINED[benchmark]}.tflite")
    scripts(benchmark, bundle, tmp_path, "qemu")


@pytest.mark.emulated
def test_no_copy_where_the_run_leaves_the_input(compiled: Compiled, tmp_path: Path) -> None:
    toolchain, board = find_toolchain("ziglang"), load_board("stm32h7")
    kept = compiled("ds_cnn", keep_input=True)
    without = build_firmware(kept, board, toolchain, tmp_path / "a", benchmark="kws01")
    plain = build_firmware(kept, board, toolchain, tmp_path / "b")
    assert without.sizes.firmware_static_bytes == plain.sizes.firmware_static_bytes
    copying = build_firmware(compiled("ds_cnn"), board, toolchain, tmp_path / "c", benchmark="kws01")
    assert copying.sizes.firmware_static_bytes - plain.sizes.firmware_static_bytes == pytest.approx(490, abs=8)
    scripts("kws01", kept, tmp_path / "d", "unicorn")


def test_a_copy_that_has_no_room(compiled: Compiled, tmp_path: Path) -> None:
    """64 KiB hold the arena of VWW and not the picture a second time."""
    with pytest.raises(DoesNotFitError, match="no room for the benchmark's copy of the input: 27,648 bytes") as caught:
        board = load_board("qemu_lm3s6965evb")
        build_firmware(compiled("mobilenet_v1"), board, find_toolchain("ziglang"), tmp_path, benchmark="vww01")
    assert "--keep-input" in str(caught.value)


def test_a_model_that_is_not_the_benchmarks(compiled: Compiled, tmp_path: Path) -> None:
    bundle = compiled("ds_cnn")
    with pytest.raises(
        ToolError, match=r"no model for vww01: it takes 1 input.*490 int8.*expected one input of 27648 uint8"
    ):
        build_firmware(bundle, load_board("stm32h7"), find_toolchain("ziglang"), tmp_path, benchmark="vww01")
    with pytest.raises(ToolError, match="no benchmark 'vww02'"):
        build_firmware(bundle, load_board("stm32h7"), find_toolchain("ziglang"), tmp_path, benchmark="vww02")


@pytest.mark.emulated
def test_errors_and_firmware_for_no_benchmark(compiled: Compiled, tmp_path: Path) -> None:
    bundle = compiled("ds_cnn")
    assert not bundle.plan.input_preserved
    image = build_firmware(bundle, load_board("stm32h7"), find_toolchain("ziglang"), tmp_path / "build")
    with board_of("unicorn", image) as runner:
        for command, error in {
            "db": "Command 'db' requires a subcommand",
            "db load": "Command 'db load' requires the # of bytes",
            "db load 0": "Command 'db load' must be >0 bytes",
            "db load x": "Command 'db load' must be >0 bytes",
            "db load 491": "Supplied buffer size 491 exceeds maximum of 490",
            "db 00": "Command 'db load' must come before the bytes",
            "db 000": "Insufficent number of hex digits",
            "infer 0 0": "Inference iterations must be >0",
            "infer -1": "Inference iterations must be >0",
            "infer 1 -1": "Inference warmup must be >=0",
            "infer 2 0": "A run overwrites the input and no copy is kept: infer takes 1 0",
            "infer": "A run overwrites the input and no copy is kept: infer takes 1 0",
        }.items():
            assert runner.command(command) == [f"e-[{error}]", "m-ready"]
        assert runner.command("db load 10")[0] == "m-[Expecting 10 bytes]"
        assert runner.command("db 0102x3")[0] == "e-[Invalid hex digit 'x3']"
        assert runner.command("db 030405060708090aFFFF")[0] == "m-load-done"
        assert runner.command("db print") == ["m-buffer-01-02-03-04-05-06-07-08", "m-buffer-09-0a", "m-ready"]

        data = dataset("kws01", 5)
        runner.load(data)
        host = HostModel(build_host_library(bundle, tmp_path / "host", trace=False))
        wanted = expected("kws01", bundle, host, data)
        assert runner.infer(1, 0).results == pytest.approx(wanted, abs=1.01e-6)
        assert runner.identify()[2] == bundle.name


@pytest.mark.emulated
def test_a_percent_sign_ends_a_long_run(compiled: Compiled, tmp_path: Path) -> None:
    bundle = compiled("ds_cnn")
    image = build_firmware(bundle, load_board("stm32h7"), find_toolchain("ziglang"), tmp_path, benchmark="kws01")
    emulated = EmulatedBoard(image.elf, image.board)
    runner = Runner(emulated)
    runner.lines()
    emulated.write(b"infer 4000000000 0%%")
    lines = runner.lines()
    assert lines[-2].startswith("e-[Stopped after ") and lines[-2].endswith(" of 4000000000 inferences]")
    assert runner.command("name") == ["m-name-dut-[tinyml]", "m-ready"]
    assert Client(emulated).name() == "tinyml"
