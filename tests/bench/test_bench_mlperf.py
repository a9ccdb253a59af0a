"""`tinyml bench mlperf-tiny`, and the runner's two scripts on a pseudo-terminal."""

import json
import math
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from boards.mlperf_runner import Runner
from emitted_c import calibration
from served_board import served

from tinyml import zoo
from tinyml.bench.mlperf_tiny import SCRIPTS, measure_performance, open_dataset
from tinyml.bench.mlperf_tiny.scores import quality
from tinyml.build.benchmark import BENCHMARKS
from tinyml.build.host import HostModel, build_host_library
from tinyml.cli import main as cli
from tinyml.device.client import Client
from tinyml.device.serial_port import open_port
from tinyml.errors import TinymlError
from tinyml.ir.dtypes import DType
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.targets import load_board

ZOO = {"vww": "mobilenet_v1", "ic": "resnet8", "kws": "ds_cnn", "ad": "autoencoder"}
FILES = 3
pty_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
Made = Callable[[str], tuple[Compilation, Path]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """made(benchmark) -> benchmark firmware, and a folder of data as the runner has it."""

    @cache
    def make(name: str) -> tuple[Compilation, Path]:
        folder = tmp_path_factory.mktemp(name)
        model = zoo.save(ZOO[name], folder / f"{ZOO[name]}.onnx")
        options = Options(
            model,
            load_board("stm32h7"),
            folder,
            calibration=calibration(model, folder),
            benchmark=SCRIPTS[name].benchmark,
            toolchain="ziglang",
        )
        return compile_model(options, stop_after="build"), data_folder(name, folder / "data")

    return make


def data_folder(name: str, folder: Path) -> Path:
    """Noise: for ad01 files of two windows that overlap by four of five slices."""
    about = BENCHMARKS[SCRIPTS[name].benchmark]
    rng = np.random.default_rng(7)
    folder.mkdir()
    lines = []
    for index in range(FILES):
        if about.sends is DType.FLOAT32:
            data, label = rng.normal(0, 1, about.elements + 128).astype("<f4").tobytes(), f"2,{index % 2},2560,512"
        else:
            data = rng.integers(*about.sends.range, about.elements, about.sends.numpy, endpoint=True).tobytes()
            label = f"{about.results},{index % about.results}"
        (folder / f"{index}.bin").write_bytes(data)
        lines.append(f"{index}.bin,{label}\n")
    (folder / "y_labels.csv").write_text("".join(lines))
    return folder


def answers(name: str, done: Compilation, folder: Path) -> list[list[list[float]]]:
    """What the same C answers on this machine, for each file and window."""
    bundle = need(done.bundle)
    host = HostModel(build_host_library(bundle, done.options.work_dir / "host", trace=False))
    graph = bundle.plan.schedule.graph
    given, output = graph.value(graph.inputs[0]), graph.value(graph.outputs[0])
    assert given.quant is not None and output.quant is not None

    def answer(data: bytes) -> list[float]:
        if name == "ad":
            stored = given.quant.quantize(np.frombuffer(data, "<f4"))
        elif name == "kws":
            stored = np.frombuffer(data, np.int8)
        else:
            stored = (np.frombuffer(data, np.uint8).astype(np.int16) - 128).astype(np.int8)
        real = output.quant.dequantize(np.frombuffer(host.run([stored.tobytes()])[0], np.int8)).astype(np.float64)
        return [float(np.mean((real - np.frombuffer(data, "<f4")) ** 2))] if name == "ad" else real.tolist()

    found = []
    for index in range(FILES):
        data = (folder / f"{index}.bin").read_bytes()
        found.append([answer(data[s : s + 2560]) for s in (0, 512)] if name == "ad" else [answer(data)])
    return found


@pty_only
@pytest.mark.emulated
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_runner_s_scripts_on_a_pty(made: Made, name: str) -> None:
    """The port is opened, closed and opened again, as the runner does."""
    done, folder = made(name)
    expected = answers(name, done, folder)
    with served(need(done.image), "pty") as address:
        port = open_port(address, 115200)
        assert Runner(port).identify() == ("tinyml", "ULPMark for tinyML Firmware V0.0.1", SCRIPTS[name].benchmark)
        port.close()
        port = open_port(address, 115200)
        runner = Runner(port)
        inputs = [(folder / f"{index}.bin").read_bytes() for index in range(FILES)]
        windows = [[data[s : s + 2560] for s in (0, 512)] if name == "ad" else [data] for data in inputs]
        for turn in range(5):  # performance
            runner.load(windows[turn % FILES][0])
            measured = runner.infer(3, 2)
            assert measured.results == pytest.approx(expected[turn % FILES][0], rel=1e-5, abs=1.01e-6)
            assert measured.microseconds > 100
        for file, wanted in zip(windows, expected, strict=True):  # accuracy
            for window, result in zip(file, wanted, strict=True):
                runner.load(window)
                assert runner.infer(1, 0).results == pytest.approx(result, rel=1e-5, abs=1.01e-6)
        port.close()


@pytest.mark.emulated
def test_the_verb_on_a_port_and_in_the_emulator(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    done, folder = made("kws")
    results = np.array([file[0] for file in answers("kws", done, folder)])
    right = float(np.mean(results.argmax(1) == np.arange(FILES)))
    options = done.options
    flags = ["--calibration", str(options.calibration), "--toolchain", "ziglang", "--data", str(folder), "--json"]
    documents = []
    with served(need(done.image)) as address:
        for place in ("emulator", address):
            command = ["bench", "mlperf-tiny", "kws", str(options.model), *flags, "--on", place, "--inferences", "2"]
            assert cli.main(command) == 0
            documents.append(json.loads(capsys.readouterr().out))
        wrong = ["bench", "mlperf-tiny", "ad", str(options.model), *flags, "--on", address]
        assert cli.main(wrong) == 1  # the data is not ad's
    emulated, real = documents
    assert (emulated.pop("on"), emulated.pop("time")) == ("emulator", "modelled")
    assert (real.pop("on"), real.pop("time")) == (address, "measured")
    assert emulated == real
    assert emulated["quality"]["accuracy"] == right and emulated["quality"]["files"] == FILES
    window = emulated["windows"][0]
    assert len(emulated["windows"]) == 5 and window["inferences"] == 2 and not emulated["long_enough"]
    assert emulated["throughput"] == pytest.approx(2e6 / window["microseconds"])
    assert emulated["note"] == "runner-compatible, not a submission"


@pytest.mark.parametrize(
    ("latency_us", "inferences", "enough"),
    # The runner's own number; what takes ten seconds; what answers within the runner's thirty.
    [(600_000, 20, True), (18_000, 567, True), (2_000_000, 15, True), (40_000_000, 1, True), (0, None, False)],
)
def test_windows_are_as_long_as_a_submission_s(latency_us: int, inferences: int | None, enough: bool) -> None:
    asked: list[str] = []

    class Board:
        def lines(self, command: str, timeout: float | None = None) -> list[str]:
            asked.append(command)
            if not command.startswith("infer"):
                return ["m-load-done"]
            count = int(command.split()[1])
            return ["m-lap-us-5", f"m-lap-us-{5 + count * latency_us}", "m-results-[0.5,0.5]"]

    found = measure_performance(cast(Client, Board()), SCRIPTS["vww"], [bytes(62)], None, lambda stage: None)
    assert {window.inferences for window in found.windows} == {inferences or math.ceil(1.02e7)}
    assert found.long_enough == enough and len(found.windows) == 5
    assert asked[:4] == ["db load 62", f"db {'00' * 31}", f"db {'00' * 31}", "infer 1 1"]


def test_scores_by_hand() -> None:
    # Two windows a file are averaged; sums of 2 and of 1 become shares.
    found = quality([[[0.2, 1.8], [0.9, 0.1]], [[0.6, 0.4]], [[0.1, 0.9]]], [1, 0, 1])
    assert (found.files, found.inputs) == (3, 4)
    assert found.accuracy == pytest.approx(2 / 3)  # (0.5, 0.5) goes to class 0
    assert found.area_under_curve == 1.0  # 0.5 and 0.9 of the persons are both above 0.4
    # Errors of ad01: of four pairs of anomaly and normal three are in order and one is a tie.
    found = quality([[[3.0]], [[2.0], [4.0]], [[1.0]], [[3.0]]], [0, 1, 0, 1])
    assert (found.accuracy, found.area_under_curve) == (None, 0.75)
    # Three classes: areas of 1, 1 and 1/2 (class 2 is scored 0.1 and 0.2 elsewhere, and 0.15 itself).
    found = quality([[[0.8, 0.1, 0.1]], [[0.1, 0.7, 0.2]], [[0.45, 0.4, 0.15]]], [0, 1, 2])
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.area_under_curve == pytest.approx((1 + 1 + 0.5) / 3)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "names no file"),
        ("a.bin,2\n", "expected file,classes,class"),
        ("a.bin,2,2\n", "class 2 of 2"),
        ("a.bin,2,1,2560,0\n", "stride above 0"),
        ("a.bin,2,1,256,64\n", "expected 2560 bytes"),
        ("a.bin,two,1\n", "expected file,classes,class"),
        ("../a.bin,2,1\n", "is not in"),
        ("absent.bin,2,1\n", "absent.bin: No such file"),
        ("short.bin,2,1\n", "short.bin has 3 bytes; this benchmark's inputs have 2560"),
        ("short.bin,2,1,2560,512\n", "less than one window"),
    ],
)
def test_data_that_is_not_the_runner_s(tmp_path: Path, table: str, says: str) -> None:
    (tmp_path / "y_labels.csv").write_text(table)
    (tmp_path / "short.bin").write_bytes(b"abc")
    with pytest.raises(TinymlError, match=says):
        for stimulus in (data := open_dataset(tmp_path, 2560)).stimuli:
            list(data.inputs(stimulus))
    with pytest.raises(TinymlError, match=r"has no y_labels\.csv"):
        open_dataset(tmp_path / "none", 2560)
