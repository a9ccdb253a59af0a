"""Layers with 4-bit weights compute what LiteRT's reference kernels compute: single ones in numpy, a network in emitted C."""

from pathlib import Path

import numpy as np
import op_models as models
import pytest
from litert_batch import assert_equal
from op_models import Make
from tflite_model import Quant, TensorSpec
from whole_networks import assert_every_byte, convolutional

from tinyml.frontends.tflite import load
from tinyml.ir.dtypes import DType

LAYERS: dict[str, Make] = {
    "CONV_2D": models.conv,
    "DEPTHWISE_CONV_2D": models.depthwise,
    "FULLY_CONNECTED": models.fully_connected,
}


def _weights(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, axis: int | None) -> TensorSpec:
    count = 1 if axis is None else shape[axis]
    quant = Quant([models.scale(rng, -8, 1) for _ in range(count)], [0] * count, axis or 0)
    return TensorSpec("w", shape, "int4", quant, rng.integers(-7, 8, shape).astype(np.int8))


@pytest.mark.parametrize("op", LAYERS)
def test_int4(op: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "weights", _weights)
    cases = list(LAYERS[op](np.random.default_rng(7), "int8"))
    assert_equal(cases, tmp_path)
    path = tmp_path / "one.tflite"
    path.write_bytes(cases[0].model)
    graph = load(path)
    assert graph.value(graph.nodes[0].inputs[1]).dtype is DType.INT4


@pytest.mark.emulated
def test_emitted_c_of_a_network(tmp_path: Path) -> None:
    path = tmp_path / "int4.tflite"
    path.write_bytes(convolutional(np.random.default_rng(3), "int8", "int4", "int32"))
    assert_every_byte(path, tmp_path)
