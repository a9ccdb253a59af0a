"""Damaged files end in a TinymlError, or in a network that every later stage takes or refuses; never in a crash or a hang."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tflite
from tflite_model import OperatorSpec, Quant, TensorSpec, tflite_bytes

from tinyml.errors import TinymlError
from tinyml.frontends.tflite import load
from tinyml.passes import canonicalize, lower
from tinyml.schedule import schedule
from tinyml.targets.core import Isa

CASES = 200
SECONDS = 2.0
ISA = frozenset({Isa.PORTABLE, Isa.DSP})
REAL_MODELS = (
    "tflite_micro/micro_speech_quantized",
    "tflite_micro/keyword_scrambled_8bit",
    "mlperf_tiny/kws_dscnn_int8",
)

Damage = Callable[[bytearray, np.random.Generator], bytes]


def network() -> bytes:
    """Convolution, slice, pad, mean, shape arithmetic, dense layer, softmax, and a recurrent branch."""
    rng = np.random.default_rng(1)
    q, p = Quant([0.05], [3]), Quant([1 / 256], [-128])

    def act(name: str, *shape: int, quant: Quant = q) -> TensorSpec:
        return TensorSpec(name, shape, "int8", quant)

    def numbers(name: str, *values: int, shape: tuple[int, ...] = (-1,)) -> TensorSpec:
        data = np.array(values, np.int32).reshape(shape)
        return TensorSpec(name, data.shape, "int32", None, data)

    def weights(name: str, *shape: int, channels: int = 1, axis: int = 0) -> TensorSpec:
        data = rng.integers(-127, 127, shape, np.int8)
        return TensorSpec(name, shape, "int8", Quant([0.02] * channels, [0] * channels, axis), data)

    bias = np.zeros(4, np.int32)
    tensors = [
        act("x", 1, 8, 8, 2),
        weights("w", 4, 3, 3, 2, channels=4),
        TensorSpec("b", (4,), "int32", Quant([0.05 * 0.02] * 4, [0] * 4), bias),
        act("c", 1, 8, 8, 4),
        weights("dw", 1, 3, 3, 4, channels=4, axis=3),
        act("d", 1, 4, 4, 4),
        *(numbers(name, *v) for name, v in (("from", (0, 1, 0, 0)), ("to", (1, 4, 4, 4)), ("step", (1, 1, 1, 1)))),
        act("s", 1, 3, 4, 4),
        numbers("pads", 0, 0, 1, 0, 0, 0, 0, 0, shape=(4, 2)),
        act("p", 1, 4, 4, 4),
        numbers("axes", 1, 2),
        act("m", 1, 4),
        TensorSpec("shape", (2,), "int32"),
        act("r", 1, 4),
        TensorSpec("state", (1, 12), "int8", Quant([0.1], [0]), variable=True),
        weights("feature", 4, 4),
        weights("time", 4, 3),
        TensorSpec("sb", (4,), "int32", Quant([0.1 * 0.02], [0]), bias),
        act("v", 1, 4),
        weights("fw", 4, 4),
        act("f", 1, 4),
        act("y", 1, 4, quant=p),
    ]
    window = {"Padding": tflite.Padding.SAME, "DilationHFactor": 1, "DilationWFactor": 1}
    ones, twos = {"StrideH": 1, "StrideW": 1}, {"StrideH": 2, "StrideW": 2}
    operators = [
        OperatorSpec("CONV_2D", ["x", "w", "b"], ["c"], "Conv2DOptions", {**window, **ones}),
        OperatorSpec(
            "DEPTHWISE_CONV_2D",
            ["c", "dw", "b"],
            ["d"],
            "DepthwiseConv2DOptions",
            {**window, **twos, "DepthMultiplier": 1},
        ),
        OperatorSpec("STRIDED_SLICE", ["d", "from", "to", "step"], ["s"], "StridedSliceOptions"),
        OperatorSpec("PAD", ["s", "pads"], ["p"], "PadOptions"),
        OperatorSpec("MEAN", ["p", "axes"], ["m"], "ReducerOptions"),
        OperatorSpec("SHAPE", ["m"], ["shape"], "ShapeOptions"),
        OperatorSpec("RESHAPE", ["m", "shape"], ["r"], "ReshapeOptions"),
        OperatorSpec(
            "SVDF",
            ["r", "feature", "time", "sb", "state"],
            ["v"],
            "SVDFOptions",
            {"Rank": 1, "FusedActivationFunction": tflite.ActivationFunctionType.RELU},
        ),
        OperatorSpec("FULLY_CONNECTED", ["v", "fw"], ["f"], "FullyConnectedOptions"),
        OperatorSpec("SOFTMAX", ["f"], ["y"], "SoftmaxOptions", {"Beta": 1.0}),
    ]
    return tflite_bytes(tensors, operators, ["x"], ["y"])


def survives(content: bytes, path: Path) -> bool:
    """Whether the file becomes a schedule; otherwise it was refused."""
    path.write_bytes(content)
    start = time.monotonic()
    tracemalloc.start()
    try:
        schedule(lower(canonicalize(load(path))), ISA)
    except TinymlError as e:
        assert str(e)
        return False
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.monotonic() - start < SECONDS
        assert peak < (8 << 20) + 32 * len(content)
    return True


def cut(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: int(rng.integers(0, len(data)))])


def flip_bits(data: bytearray, rng: np.random.Generator) -> bytes:
    for bit in rng.integers(0, 8 * len(data), int(rng.choice([1, 1, 4, 16]))):
        data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


EXTREMES = (0, 1, 2, 3, 7, 255, 1000, 1 << 16, 1 << 20, 1 << 24, 1 << 27, (1 << 31) - 1, -1, -2, -(1 << 31))


def set_words(data: bytearray, rng: np.random.Generator) -> bytes:
    for _ in range(int(rng.integers(1, 3))):
        at = 4 * int(rng.integers(0, len(data) // 4))
        data[at : at + 4] = int(rng.choice(EXTREMES)).to_bytes(4, "little", signed=True)
    return bytes(data)


@pytest.fixture(scope="module")
def content() -> bytes:
    return network()


def test_the_undamaged_file(content: bytes, tmp_path: Path) -> None:
    assert survives(content, tmp_path / "whole.tflite")


@pytest.mark.parametrize("damage", [cut, flip_bits, set_words])
def test_damage(content: bytes, tmp_path: Path, damage: Damage) -> None:
    rng = np.random.default_rng(2)
    survivors = sum(survives(damage(bytearray(content), rng), tmp_path / "damaged.tflite") for _ in range(CASES))
    assert survivors < CASES
    assert survivors > 0 or damage is cut  # some damage is only in a weight, some is fatal


@pytest.mark.parametrize("name", REAL_MODELS)
@pytest.mark.parametrize("damage", [cut, flip_bits, set_words])
def test_damage_of_a_real_model(shared: Path, name: str, tmp_path: Path, damage: Damage) -> None:
    content = (shared / "models" / f"{name}.tflite").read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(CASES // 8):
        survives(damage(bytearray(content), rng), tmp_path / "damaged.tflite")


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"not a model", b"\0\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 100]
)
def test_other_files(content: bytes, tmp_path: Path) -> None:
    assert not survives(content, tmp_path / "other.tflite")
