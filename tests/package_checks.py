"""Packages as their users meet them: a network that takes pictures, the tools, and what examples must print."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from emitted_c import compiled, graph_of, interpreted
from PIL import Image

from tinyml import zoo
from tinyml.ir.graph import Graph
from tinyml.pipeline import Compilation
from tinyml.quantize import Preprocess
from tinyml.quantize.pictures import decode

STAND_INS = Path(__file__).parent / "packages"
ROOT = Path(__file__).parent.parent
BINARIES = Path(sys.executable).parent


def environment(**more: str) -> dict[str, str]:
    """That of the tests, with the tools of their Python first."""
    return {**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}", "CMAKE_GENERATOR": "Ninja", **more}


def need_tools(*names: str) -> None:
    """Skips, and says which tool is missing."""
    for name in names:
        if shutil.which(name, path=environment()["PATH"]) is None:
            pytest.skip(f"{name} is not on the PATH")


def command(arguments: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """What a program prints; it must succeed."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def save_model(folder: Path) -> tuple[Path, Path]:
    """`person.onnx`, and pictures to calibrate it with."""
    model = zoo.save("mobilenet_v1", folder / "person.onnx", alpha=0.125, resolution=48)
    rng = np.random.default_rng(0)
    for index in range(8):
        file = folder / "pictures" / ("person", "no_person")[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8))
        coarse.resize((64, 48), Image.Resampling.BILINEAR).save(file)
    return model, folder / "pictures"


def compile_person(folder: Path) -> Compilation:
    """As `tinyml build --calibration pictures person.onnx` compiles it, up to the C."""
    model, pictures = save_model(folder)
    return compiled(model, folder, calibration=pictures, preprocess=Preprocess())


def stored(done: Compilation, picture: Path) -> bytes:
    """A picture as the network's input: by Pillow, and the numbers of the quantized graph."""
    graph = graph_of(done)
    value = graph.value(graph.inputs[0])
    assert value.quant is not None
    preprocess = done.options.preprocess or Preprocess()
    pixels = decode(picture, *value.shape[1:], preprocess.fit)
    return bytes(value.quant.quantize(preprocess.apply(pixels)).tobytes())


def example_frame(folder: Path) -> Path:
    """The frame that the examples make: 64 x 48 gray pixels."""
    y, x = np.mgrid[0:48, 0:64]
    file = folder / "frame.png"
    Image.fromarray((2 * x + 2 * y).astype(np.uint8)).save(file)
    return file


def scores(graph: Graph, inputs: Sequence[bytes]) -> np.ndarray:
    """The real numbers of the first output, float32, by the numpy interpreter."""
    value = graph.value(graph.outputs[0])
    numbers = np.frombuffer(interpreted(graph, inputs), value.dtype.numpy, value.elements)
    if value.quant is None:
        return numbers.astype(np.float32)
    real: np.ndarray = np.float32(value.quant.scale[0]) * (numbers.astype(np.int64) - value.quant.zero_point[0])
    return real.astype(np.float32)


def example_text(name: str, real: np.ndarray, labels: Sequence[str] = ()) -> str:
    """What the examples print of these scores."""

    def line(i: int) -> str:
        thousandths = int(real[i] * np.float32(1000))
        sign, size = "-" if thousandths < 0 else "", abs(thousandths)
        label = f" {labels[i]}" if labels else ""
        return f"{i:5d} {sign}{size // 1000}.{size % 1000:03d}{label}\n"

    first = "".join(line(i) for i in range(min(10, len(real))))
    return f"{name}: largest of {len(real)} scores:\n{line(int(np.argmax(real)))}the first scores:\n{first}"


def put_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder
