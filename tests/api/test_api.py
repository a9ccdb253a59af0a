"""tinyml from Python."""

import argparse
import doctest
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyml
from tinyml import zoo
from tinyml.api import Build
from tinyml.cli import main as cli
from tinyml.cli.build import add_parser
from tinyml.errors import DoesNotFitError, ModelError, TinymlError, UsageError
from tinyml.ir.interpreter import run as interpret
from tinyml.pipeline import need

DOCS = Path(__file__).parents[2] / "docs"
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zoo.save("autoencoder", tmp_path_factory.mktemp("api") / "autoencoder.onnx")


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 1, 640))


@pytest.fixture(scope="module")
def build(model: Path, samples: np.ndarray) -> Build:
    return tinyml.compile(model, board="host", calibration=samples)


def test_the_examples_of_the_functions(tmp_path: Path, samples: np.ndarray) -> None:
    """One behind the other, as they are read."""
    names: dict[str, object] = {"folder": tmp_path, "samples": samples}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for function in (tinyml.compile, Build.run, Build.profile, Build.report, Build.save):
        for test in doctest.DocTestFinder().find(function, function.__name__, globs=names):
            test.globs = names
            assert runner.run(test, clear_globs=False) == (0, len(test.examples))
            assert test.examples


def test_the_page(tmp_path: Path) -> None:
    failed, tried = doctest.testfile(
        str(DOCS / "api.md"), module_relative=False, globs={"folder": tmp_path}, optionflags=FLAGS
    )
    assert failed == 0 and tried > 12


def test_importing_the_package_loads_nothing() -> None:
    script = "import sys, tinyml; print([m for m in ('numpy', 'onnx', 'tinyml.pipeline') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'compiel'"):
        _ = tinyml.compiel  # type: ignore[attr-defined]


def test_every_flag_of_a_build_is_an_argument() -> None:
    """By its name, but for the `Preprocess` that five of them make up, the profile that stands for flags, and what says
    where a build goes and what is printed of it."""
    verbs = argparse.ArgumentParser().add_subparsers()
    add_parser(verbs)
    flags = set(vars(verbs.choices["build"].parse_args(["model"])))
    flags -= {"input_range", "mean", "std", "fit", "profile", "handler"}
    flags -= {"emit", "out", "no_cache", "stop_after", "dump_dir", "json", "quiet", "verbose"}
    arguments = set(inspect.signature(tinyml.compile).parameters) - {"preprocess", "progress"}
    assert {"input_shapes" if flag == "input_shape" else flag for flag in flags} == arguments


def test_arguments_reach_the_build(model: Path) -> None:
    build = tinyml.compile(model, board="stm32h7", place=["arena=axi_sram"], clock="safe", baud=9600)
    board = build.compilation.options.board
    assert (board.link.arena, board.clock_hz, board.uart and board.uart.baud) == ("axi_sram", 64_000_000, 9600)
    assert {arena.region for arena in need(build.compilation.plan).arenas} == {"axi_sram"}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"allow_recompute": float("nan")}, "--allow-recompute nan: expected percent, 0 to 1000"),
        ({"cycles": 0}, "--cycles 0: expected 1 or more"),
        ({"min_sqnr": float("inf")}, "--min-sqnr inf: expected dB"),
        ({"clock": "fast"}, "clock 'fast'; expected full or safe"),
        ({"place": ["input=nowhere"]}, "nowhere"),
        ({"via": "magic"}, "via 'magic'"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_wrong_arguments_are_told(model: Path, given: dict[str, Any], error: str) -> None:
    with pytest.raises(TinymlError, match=error):
        tinyml.compile(model, **given)


def _npz(samples: np.ndarray, folder: Path) -> Path:
    np.savez(folder / "samples.npz", input=samples)
    return folder / "samples.npz"


def _each(samples: np.ndarray) -> Iterator[list[np.ndarray]]:
    for sample in samples:
        yield [sample]


@pytest.mark.parametrize(
    "given",
    [
        _npz,
        lambda samples, folder: str(_npz(samples, folder)),
        lambda samples, folder: {"input": samples},
        lambda samples, folder: list(samples),
        lambda samples, folder: [{"input": sample[0]} for sample in samples],
        lambda samples, folder: _each(samples),
        lambda samples, folder: lambda: _each(samples),
    ],
    ids=["path", "text", "arrays", "list", "by name", "generator", "function"],
)
def test_calibration_in_every_form(
    build: Build, model: Path, samples: np.ndarray, tmp_path: Path, given: Callable[[np.ndarray, Path], object]
) -> None:
    """The sources are those of one array of all samples, to the byte."""
    calibration = given(samples, tmp_path)
    again = tinyml.compile(model, board="host", calibration=calibration)  # type: ignore[arg-type]
    assert again.sources == build.sources


def test_a_run_gives_what_the_reference_does(build: Build, samples: np.ndarray) -> None:
    graph = need(build.compilation.schedule).graph
    value = graph.value("input")
    assert value.quant is not None
    stored = value.quant.quantize(samples[0])
    expected = interpret(graph, {"input": stored}).outputs[graph.outputs[0]]
    for x in (samples[0], samples[0][0], {"input": samples[0]}, [samples[0]], stored):
        outputs = build.run(x)
        (got,), (real,) = outputs.stored.values(), outputs.real.values()
        assert np.array_equal(got, expected)
    output = build.outputs[graph.outputs[0]].quant
    assert output is not None
    np.testing.assert_allclose(real, output.scale[0] * (expected.astype(np.float64) - output.zero_point[0]), rtol=1e-6)


def test_it_saves_what_the_command_line_writes(model: Path, samples: np.ndarray, tmp_path: Path) -> None:
    data = str(_npz(samples, tmp_path))
    out = tmp_path / "cli"
    flags = ["--target", "cortex-m4", "--sram", "16K", "--name", "mine", "--no-cache"]
    assert cli.main(["build", str(model), *flags, "--calibration", data, "--out", str(out), "-q"]) == 0
    build = tinyml.compile(model, target="cortex-m4", sram="16K", name="mine", calibration=data)
    assert contents(build.save(tmp_path / "api")) == contents(out)


def test_a_picture_that_stands_for_a_camera_is_beside_what_is_counted(tmp_path: Path) -> None:
    """27,648 bytes of input, and all that the network may take is 20 KiB."""
    model = zoo.save("mobilenet_v1", tmp_path / "m.onnx")
    pictures = np.random.default_rng(0).uniform(size=(2, 3, 96, 96))
    build = tinyml.compile(model, target="cortex-m4", sram="20K", stream_input=True, calibration=pictures)
    assert build.report().memory.peak_sram_bytes <= 20 * 1024
    assert any("a picture of 27,648 bytes" in note for note in build.report().model.notes)
    here, there = (build.run(pictures[0], on=place).stored for place in ("host", "emulator"))
    assert all(np.array_equal(here[name], there[name]) for name in here)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_its_folder_goes_with_it(model: Path) -> None:
    build = tinyml.compile(model, board="host")
    folder = build.compilation.options.work_dir
    assert folder.is_dir()
    del build
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"board": "stm32h8"}, TinymlError, "did you mean stm32h7"),
        ({"sram": "12Q"}, UsageError, "size '12Q'"),
        ({"sram": 1024}, DoesNotFitError, "autoencoder"),
        ({"objective": "speed"}, UsageError, "objective 'speed'; expected one of latency"),
        ({"observer": "guess"}, UsageError, "observer 'guess'"),
        ({"name": "a-b"}, UsageError, "no name for C"),
        ({"calibration": np.zeros((2, 3))}, TinymlError, r"the array: .*shape \[2, 3\]; expected \[samples, 640\]"),
        ({"calibration": [np.zeros(3)]}, TinymlError, r"expected \[samples, 640\]"),
        ({"calibration": []}, TinymlError, "gave no sample"),
    ],
)
def test_mistakes(model: Path, arguments: dict[str, object], error: type[TinymlError], said: str) -> None:
    with pytest.raises(error, match=said):
        tinyml.compile(model, **arguments)  # type: ignore[arg-type]


def test_other_mistakes(build: Build, tmp_path: Path) -> None:
    with pytest.raises(TinymlError, match="no such file"):
        tinyml.compile(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError):
        tinyml.compile(tmp_path / "bad.onnx")
    with pytest.raises(TinymlError, match=r"shape \[1, 3\]"):
        build.run(np.zeros(3))
    with pytest.raises(UsageError, match="host takes no firmware"):
        build.run(np.zeros(640), on="emulator")
    with pytest.raises(UsageError, match="no way is called 'tarball'"):
        build.save(tmp_path / "out", emit=["tarball"])
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="is not a build of tinyml"):
        build.save(tmp_path)
