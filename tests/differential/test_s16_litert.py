"""int16 activations with int8 weights compute what LiteRT's reference kernels compute, to the last bit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import movement_models as moves
import numpy as np
import op_models as models
import pytest
from litert_batch import Case, assert_equal
from op_models import Make
from tflite_model import Quant, TensorSpec
from whole_networks import assert_every_byte, convolutional

from tinyml.errors import ModelError
from tinyml.frontends.tflite import load


def _softmax(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n in range(24):
        shape = ((1, 2), (1, 10), (1, 100), (1, 5, 4), (1, 3, 4, 6), (1, 1))[n % 6]
        x = TensorSpec("x", shape, dtype, models.quant(rng, dtype, -14, -4))
        y = TensorSpec("y", shape, dtype, Quant([1 / 32768], [0]))
        beta = (1.0, 0.5, 3.0, 1.0)[n // 6]
        yield models.single(f"#{n} {shape} beta {beta}", rng, "SOFTMAX", [x], y, "SoftmaxOptions", runs=8, Beta=beta)


def _function(op: str) -> Make:
    """Of each of the 65536 inputs, at the scales that need no rescaling and at others."""

    def make(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
        every = np.arange(-32768, 32768, dtype=np.int16).reshape(1, -1)
        for scale in (2.0**-12, 2.0**-11, 2.0**-13, *(models.scale(rng, -16, -6) for _ in range(12))):
            x = TensorSpec("x", every.shape, dtype, Quant([scale], [0]))
            y = TensorSpec("y", every.shape, dtype, Quant([1 / 32768], [0]))
            yield replace(models.single(f"scale {scale}", rng, op, [x], y), runs=[[every]])

    return make


OPS: dict[str, Make] = {
    "MUL": models.binary("MUL"),
    "MAX_POOL_2D": models.pool("MAX_POOL_2D"),
    "AVERAGE_POOL_2D": models.pool("AVERAGE_POOL_2D"),
    "MEAN": models.mean,
    "CONV_2D": models.conv,
    "DEPTHWISE_CONV_2D": models.depthwise,
    "FULLY_CONNECTED": models.fully_connected,
    "LOGISTIC": _function("LOGISTIC"),
    "TANH": _function("TANH"),
    "SOFTMAX": _softmax,
    "CONCATENATION": moves.concatenation,
    "PAD": moves.pad("PAD"),
}


def _weights(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, axis: int | None) -> TensorSpec:
    count = 1 if axis is None else shape[axis]
    quant = Quant([models.scale(rng, -18, -8) for _ in range(count)], [0] * count, axis or 0)
    return models.constant("w", rng.integers(-127, 128, shape).astype(np.int8), quant)


def _bias(rng: np.random.Generator, x: TensorSpec, w: TensorSpec, channels: int) -> TensorSpec:
    assert x.quant is not None and w.quant is not None
    scales = [float(np.float32(x.quant.scale[0]) * np.float32(s)) for s in w.quant.scale]
    return models.constant("b", rng.integers(-(2**33), 2**33, channels), Quant(scales, [0] * len(scales)))


def _sums(op: str) -> Make:
    """LiteRT has another arithmetic for scales that are all powers of two."""

    def make(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
        return (case for case in models.binary(op)(rng, dtype) if " scales 2**" not in case.name)

    return make


def _no_power_of_two(rng: np.random.Generator, low: float = -9.0, high: float = 0.0) -> float:
    return float(np.float32(2.0 ** rng.uniform(low, high)))


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_sums(op: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "scale", _no_power_of_two)
    assert_equal(list(_sums(op)(np.random.default_rng(7), "int16")), tmp_path)


def test_sums_of_powers_of_two_are_refused(tmp_path: Path) -> None:
    quant = Quant([0.5], [0])
    tensors = [TensorSpec(name, (1, 4), "int16", quant) for name in "aby"]
    case = models.single("", np.random.default_rng(0), "ADD", tensors[:2], tensors[2], "AddOptions")
    path = tmp_path / "add.tflite"
    path.write_bytes(case.model)
    with pytest.raises(ModelError, match="powers of two"):
        load(path)


@pytest.mark.parametrize("op", OPS)
def test_int16(op: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "weights", _weights)
    monkeypatch.setattr(models, "bias", _bias)
    assert_equal(list(OPS[op](np.random.default_rng(7), "int16")), tmp_path)


@pytest.mark.emulated
def test_emitted_c_of_a_network(tmp_path: Path) -> None:
    path = tmp_path / "int16.tflite"
    path.write_bytes(convolutional(np.random.default_rng(3), "int16", "int8", "int64"))
    assert_every_byte(path, tmp_path)
