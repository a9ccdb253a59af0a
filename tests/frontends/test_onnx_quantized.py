"""QDQ models: what the frontend keeps of them, and that they mean what onnxruntime computes."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime import quantization

from tests.frontends.onnx_models import assert_agrees, by_onnxruntime, by_tinyml, load_bytes, model
from tinyml import zoo
from tinyml.errors import ModelError
from tinyml.frontends.onnx import load
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op
from tinyml.ir.quant import QuantParams
from tinyml.quantize.qdq import is_qdq

SCALE = np.array(0.05, np.float32)


def node(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, [output], name=f"{op}_{output}", **attributes)


@pytest.mark.parametrize("opset", [11, 13, 19, 21])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_quantize_and_dequantize(dtype: type, opset: int) -> None:
    nodes = [node("QuantizeLinear", ["x", "s", "z"], "q"), node("DequantizeLinear", ["q", "s", "z"], "y")]
    graph = assert_agrees(model(nodes, {"x": (1, 200)}, constants={"s": SCALE, "z": np.array(3, dtype)}, opset=opset))
    expected = QuantParams.per_tensor(0.05, 3, DType(np.dtype(dtype).name))
    assert [n.op for n in graph.nodes] == [Op.QUANTIZE, Op.DEQUANTIZE]
    assert graph.value("q").quant == expected


def test_without_a_zero_point_it_is_uint8() -> None:
    nodes = [node("QuantizeLinear", ["x", "s"], "q"), node("DequantizeLinear", ["q", "s"], "y")]
    graph = assert_agrees(model(nodes, {"x": (1, 200)}, constants={"s": SCALE}))
    assert graph.value("q").quant == QuantParams.per_tensor(0.05, 0, DType.UINT8)
    nodes[0].attribute.append(helper.make_attribute("output_dtype", TensorProto.INT8))
    graph = assert_agrees(model(nodes, {"x": (1, 200)}, constants={"s": SCALE}, opset=21))
    assert graph.value("q").dtype is DType.INT8


def test_integers_may_be_moved_between() -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], "q"),
        node("MaxPool", ["q"], "m", kernel_shape=[2, 2]),
        node("Transpose", ["m"], "t", perm=[0, 2, 3, 1]),
        node("Reshape", ["t", "shape"], "r"),
        node("DequantizeLinear", ["r", "s", "z"], "y"),
    ]
    constants = {"s": SCALE, "z": np.array(-3, np.int8), "shape": np.array([1, -1])}
    graph = assert_agrees(model(nodes, {"x": (1, 2, 5, 5)}, constants=constants, opset=13))
    quants = {graph.value(n.output).quant for n in graph.nodes[:-1] if n.op is not Op.QUANTIZE}
    assert quants == {graph.value("q").quant}


def test_an_integer_input_gets_its_parameters() -> None:
    dequantize = node("DequantizeLinear", ["x", "s", "z"], "y")
    proto = model(
        [dequantize], {"x": (1, 9)}, constants={"s": SCALE, "z": np.array(7, np.uint8)}, types={"x": TensorProto.UINT8}
    )
    graph = assert_agrees(proto)
    assert graph.value("x").quant == QuantParams.per_tensor(0.05, 7, DType.UINT8)


def test_an_integer_input_that_is_moved_first() -> None:
    nodes = [node("Transpose", ["x"], "t", perm=[0, 2, 1]), node("DequantizeLinear", ["t", "s", "z"], "y")]
    constants = {"s": SCALE, "z": np.array(7, np.uint8)}
    graph = assert_agrees(model(nodes, {"x": (1, 9, 2)}, constants=constants, types={"x": TensorProto.UINT8}))
    assert graph.value("x").quant == graph.value("t").quant == QuantParams.per_tensor(0.05, 7, DType.UINT8)


def test_weights_stay_integers_with_their_axis() -> None:
    random = np.random.default_rng(0)
    nodes = [
        node("DequantizeLinear", ["w", "ws", "wz"], "wf", axis=0),
        node("DequantizeLinear", ["b", "bs"], "bf", axis=0),
        node("Conv", ["x", "wf", "bf"], "c"),
        node("DequantizeLinear", ["v", "vs", "vz"], "vf", axis=1),
        node("Flatten", ["c"], "f"),
        node("Gemm", ["f", "vf"], "y"),
    ]
    scales = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    constants = {
        "w": random.integers(-127, 128, (4, 3, 2, 2)).astype(np.int8),
        "ws": scales,
        "wz": np.zeros(4, np.int8),
        "b": random.integers(-1000, 1000, 4).astype(np.int32),
        "bs": scales / 8,
        "v": random.integers(-127, 128, (16, 5)).astype(np.int8),
        "vs": np.arange(1, 6, dtype=np.float32),
        "vz": np.zeros(5, np.int8),
    }
    graph = assert_agrees(model(nodes, {"x": (1, 3, 3, 3)}, constants=constants))
    stored = {v.name: v for v in graph.constants()}
    np.testing.assert_array_equal(stored["w"].constant, constants["w"].transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(stored["v"].constant, constants["v"].T)
    assert stored["w"].quant == QuantParams.per_channel(scales, 0)
    assert stored["b"].quant == QuantParams.per_channel(scales / 8, 0, DType.INT32)
    assert stored["v"].quant == QuantParams.per_channel(constants["vs"], 0)  # axis 1 of [I, O] is axis 0 of [O, I]


def test_float_weights_behind_quantize_become_integers() -> None:
    """As quantization-aware training exports them; ONNX rounds halves to even."""
    nodes = [
        node("QuantizeLinear", ["w", "s", "z"], "q", axis=0),
        node("DequantizeLinear", ["q", "s", "z"], "wf", axis=0),
        node("Gemm", ["x", "wf"], "y", transB=1),
    ]
    weights = np.array([[0.5, 1.5, -0.5, 200], [1.0, 3.0, -3.0, -900]], np.float32)
    constants = {"w": weights, "s": np.array([1, 2], np.float32), "z": np.zeros(2, np.int8)}
    graph = assert_agrees(model(nodes, {"x": (1, 4)}, constants=constants))
    (stored,) = (v for v in graph.constants() if v.dtype is DType.INT8)
    np.testing.assert_array_equal(stored.constant, [[0, 2, 0, 127], [0, 2, -2, -128]])


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([node("QuantizeLinear", ["x", "x", "z"], "y")], "its scale is computed at run time"),
        ([node("QuantizeLinear", ["x", "negative", "z"], "y")], "a scale is not a positive number"),
        ([node("QuantizeLinear", ["x", "three", "zeros"], "y", axis=1)], "tensor of run time per axis"),
        ([node("QuantizeLinear", ["x", "four", "zeros"], "y", axis=1)], r"scale float32\[4\], zero point \[3\]"),
        ([node("DequantizeLinear", ["x", "s"], "y")], "its input is float32"),
        (
            [node("QuantizeLinear", ["x", "s", "z"], "q"), node("DequantizeLinear", ["q", "s2", "z"], "y")],
            "differ from those that its input has",
        ),
        (
            [
                node("QuantizeLinear", ["x", "s", "z"], "q"),
                node("QuantizeLinear", ["x", "s2", "z"], "r"),
                node("Concat", ["q", "r"], "y", axis=1),
            ],
            "different scales",
        ),
        ([node("QuantizeLinear", ["x", "s", "z"], "q"), node("Add", ["q", "q"], "y")], "computes on int8 at run time"),
    ],
)
def test_forms_that_are_refused(nodes: list[onnx.NodeProto], reason: str) -> None:
    constants = {
        "s": SCALE,
        "s2": SCALE * 2,
        "z": np.array(0, np.int8),
        "negative": -SCALE,
        "three": np.ones(3, np.float32),
        "four": np.ones(4, np.float32),
        "zeros": np.zeros(3, np.int8),
    }
    with pytest.raises(ModelError, match=reason):
        load_bytes(model(nodes, {"x": (1, 3)}, constants=constants))


class Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, shape: tuple[int, ...]) -> None:
        random = np.random.default_rng(0)
        self._samples: Iterator[np.ndarray] = iter(random.uniform(-1, 1, (4, *shape)).astype(np.float32))

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self._samples, None)
        return None if sample is None else {"input": sample}


def quantized(folder: Path, name: str, form: quantization.QuantFormat, per_channel: bool, unsigned: bool) -> Path:
    """A model of the zoo as onnxruntime quantizes it."""
    logging.disable(logging.WARNING)
    shape = load(zoo.save(name, folder / "float.onnx")).value("input").shape
    quantization.quantize_static(
        folder / "float.onnx",
        folder / "quantized.onnx",
        Samples(shape),
        quant_format=form,
        per_channel=per_channel,
        activation_type=quantization.QuantType.QUInt8 if unsigned else quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return folder / "quantized.onnx"


@pytest.mark.parametrize("name", ["ds_cnn", "resnet8", "autoencoder", "mobilenet_v3_small"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_models_that_onnxruntime_quantized(tmp_path: Path, name: str, per_channel: bool) -> None:
    path = quantized(tmp_path, name, quantization.QuantFormat.QDQ, per_channel, unsigned=not per_channel)
    graph = load(path)
    x = np.random.default_rng(1).uniform(-1, 1, graph.value("input").shape).astype(np.float32)
    (theirs,) = by_onnxruntime(onnx.load(path), {"input": x})
    (ours,) = by_tinyml(graph, {"input": x})
    # Halves are rounded half to even there and away from zero here: now and then one step of the output's scale.
    quant = graph.value(graph.producer()[graph.outputs[0]].inputs[0]).quant
    assert quant is not None
    assert np.max(np.abs(ours - theirs)) <= 1.001 * quant.scale[0]
    assert is_qdq(graph)


def test_qoperator_form_is_refused_with_advice(tmp_path: Path) -> None:
    path = quantized(tmp_path, "ds_cnn", quantization.QuantFormat.QOperator, per_channel=False, unsigned=False)
    with pytest.raises(ModelError) as failure:
        load(path)
    text = str(failure.value)
    assert text.count("QLinearConv '") == 9
    assert text.count("closest: quantize in QDQ form instead") == 1
