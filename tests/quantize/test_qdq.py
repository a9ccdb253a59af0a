"""QDQ models become integer with the parameters and weights of the file, and mean what onnxruntime makes of them."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinyml.frontends.onnx import load
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import BinaryAttrs, ConcatAttrs, FullyConnectedAttrs, NoAttrs, Op, QuantizeAttrs, SoftmaxAttrs
from tinyml.ir.quant import QuantParams
from tinyml.ir.verify import verify
from tinyml.passes import canonicalize, lower
from tinyml.quantize.qdq import fold_constants, fold_qdq, is_qdq

BETWEEN = {Op.QUANTIZE, Op.DEQUANTIZE}


# --- what onnxruntime's quantizer writes ------------------------------------------------------------------------------


def tiny_cnn(path: Path) -> None:
    rng = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Mul", ["c2", "k"], ["s"]),
        helper.make_node("Add", ["s", "r1"], ["a"]),
        helper.make_node("MaxPool", ["a"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["m"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [
            *(weights("w1", 8, 3, 3, 3), weights("b1", 8), weights("w2", 8, 1, 3, 3), weights("b2", 8)),
            *(weights("w3", 5, 8), weights("b3", 5), weights("k", 1, 8, 1, 1)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)


@pytest.fixture(scope="module", params=["QInt8", "QUInt8"])
def quantized_by_onnxruntime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    quantization = pytest.importorskip("onnxruntime.quantization")
    folder = tmp_path_factory.mktemp("qdq")
    tiny_cnn(folder / "float.onnx")
    rng = np.random.default_rng(1)
    samples = iter([{"x": rng.normal(size=(1, 3, 16, 16)).astype(np.float32)} for _ in range(8)])

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(samples, None)

    quantization.quantize_static(
        str(folder / "float.onnx"),
        str(folder / "qdq.onnx"),
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType[request.param],
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
    return folder / "qdq.onnx"


@pytest.fixture(params=["as imported", "canonical"])
def folded(quantized_by_onnxruntime: Path, request: pytest.FixtureRequest) -> Graph:
    graph = load(quantized_by_onnxruntime)
    if request.param == "canonical":
        graph = canonicalize(graph)
    assert is_qdq(graph)
    result = fold_qdq(graph)
    verify(result, quantized=True)
    return result


def test_lowering_leaves_the_canonical_form_without_transposes(quantized_by_onnxruntime: Path) -> None:
    lowered = lower(fold_qdq(canonicalize(load(quantized_by_onnxruntime))))
    verify(lowered, quantized=True)
    assert not [n.name for n in lowered.nodes if n.op is Op.TRANSPOSE]


def test_every_operation_becomes_integer(folded: Graph) -> None:
    assert folded.notes == ()
    inner = [n for n in folded.nodes if n.op not in BETWEEN]
    assert all(folded.value(o).dtype is DType.INT8 for n in inner for o in n.outputs)
    # One conversion at either border, none between.
    assert [n.op for n in folded.nodes if n.op in BETWEEN] == [Op.QUANTIZE, Op.DEQUANTIZE]
    assert not is_qdq(folded)


def test_weights_biases_and_parameters_are_those_of_the_file(folded: Graph, quantized_by_onnxruntime: Path) -> None:
    stored = {i.name: numpy_helper.to_array(i) for i in onnx.load(quantized_by_onnxruntime).graph.initializer}
    for name in ("w1", "w2", "w3"):
        value = folded.value(f"{name}_quantized")
        array = stored[f"{name}_quantized"]
        expected = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        np.testing.assert_array_equal(value.constant, expected)
        assert value.quant is not None
        np.testing.assert_array_equal(np.float32(value.quant.scale), stored[f"{name}_scale"])
    for name in ("b1", "b2", "b3"):
        np.testing.assert_array_equal(folded.value(f"{name}_quantized").constant, stored[f"{name}_quantized"])
    for node in folded.nodes:
        if node.op is Op.ADD:
            quant = folded.value(node.output).quant
            assert quant is not None
            shift = 128 if stored["a_zero_point"].dtype == np.uint8 else 0
            assert quant == QuantParams.per_tensor(float(stored["a_scale"]), int(stored["a_zero_point"]) - shift)


def test_results_are_within_a_step_of_onnxruntime(folded: Graph, quantized_by_onnxruntime: Path) -> None:
    session = onnxruntime.InferenceSession(str(quantized_by_onnxruntime), providers=["CPUExecutionProvider"])
    (output,) = (folded.value(n.used[0]).quant for n in folded.nodes if n.op is Op.DEQUANTIZE)
    assert output is not None
    rng = np.random.default_rng(2)
    layout = folded.value("x").layout
    steps = []
    for _ in range(20):
        x = rng.normal(size=(1, 3, 16, 16)).astype(np.float32)
        (expected,) = session.run(None, {"x": x})
        y = run(folded, {"x": x if layout is None else x.transpose(layout)}).outputs["y"]
        steps.append(np.abs(y - expected) / output.scale[0])
    assert np.max(steps) <= 1.01
    assert np.mean(np.array(steps) > 0.5) < 0.5


# --- single shapes of QDQ ---------------------------------------------------------------------------------------------

A = QuantParams.per_tensor(0.5, 3)
B = QuantParams.per_tensor(0.25, -5)
C = QuantParams.per_tensor(0.125, 7)


class Qdq:
    """Writes QDQ graphs."""

    def __init__(self) -> None:
        self.b = GraphBuilder("qdq")

    def pair(self, x: str, quant: QuantParams) -> str:
        q = self.b.node(Op.QUANTIZE, [x], QuantizeAttrs(quant.dtype), quant=quant)
        return self.b.node(Op.DEQUANTIZE, [q])

    def input(self, quant: QuantParams = A) -> str:
        return self.pair(self.b.input("x", (1, 4), DType.FLOAT32), quant)

    def weights(self, data: np.ndarray, quant: QuantParams) -> str:
        return self.b.node(Op.DEQUANTIZE, [self.b.constant("w", data, quant)])

    def fold(self, *outputs: str) -> Graph:
        graph = self.b.build(outputs)
        verify(graph)
        result = fold_qdq(graph)
        verify(result, quantized=True)
        return result


def ops(graph: Graph) -> list[Op]:
    return [n.op for n in graph.nodes]


W = QuantParams.per_channel(np.array([0.5, 0.25]), 0)
STORED = np.array([[1, -2, 3, -4], [5, 6, -7, -128]], np.int8)


def test_a_result_without_quantization_stays_in_float() -> None:
    q = Qdq()
    y = q.b.node(Op.FULLY_CONNECTED, [q.input(), q.weights(STORED, W)], FullyConnectedAttrs(), name="fc")
    g = q.fold(y)
    assert ops(g) == [Op.QUANTIZE, Op.DEQUANTIZE, Op.FULLY_CONNECTED]
    assert g.notes == ("fc computes in float32: fc came without quantization",)
    np.testing.assert_array_equal(g.value(g.nodes[2].inputs[1]).constant, W.dequantize(STORED))


def test_weights_with_a_zero_point_stay_in_float_and_are_named() -> None:
    q = Qdq()
    asymmetric = QuantParams.per_tensor(0.5, 3, DType.UINT8)
    w = q.weights(STORED.astype(np.uint8), asymmetric)
    y = q.pair(q.b.node(Op.FULLY_CONNECTED, [q.input(), w], FullyConnectedAttrs(), name="fc"), B)
    g = q.fold(y)
    assert g.notes == ("fc computes in float32: its weights have a zero point",)


def test_symmetric_uint8_weights_move_to_int8() -> None:
    q = Qdq()
    stored = (STORED.astype(np.int16) + 128).astype(np.uint8)
    w = q.weights(stored, QuantParams.per_tensor(0.5, 128, DType.UINT8))
    y = q.pair(q.b.node(Op.FULLY_CONNECTED, [q.input(), w], FullyConnectedAttrs(), name="fc"), B)
    g = q.fold(y)
    assert ops(g) == [Op.QUANTIZE, Op.FULLY_CONNECTED, Op.DEQUANTIZE]
    np.testing.assert_array_equal(g.value(g.nodes[1].inputs[1]).constant, STORED)


def test_a_bias_of_another_scale_is_restored_to_the_products() -> None:
    q = Qdq()
    bias = q.b.node(
        Op.DEQUANTIZE,
        [q.b.constant("bias", np.array([100, -100], np.int32), QuantParams.per_tensor(0.01, 0, DType.INT32))],
    )
    fc = q.b.node(Op.FULLY_CONNECTED, [q.input(), q.weights(STORED, W), bias], FullyConnectedAttrs())
    g = q.fold(q.pair(fc, B))
    value = g.value(g.nodes[1].inputs[2])
    assert value.constant.tolist() == [4, -8]  # 1.0 / (0.5 * 0.5) and -1.0 / (0.5 * 0.25)


def test_requantization_between_two_pairs() -> None:
    q = Qdq()
    g = q.fold(q.pair(q.pair(q.b.node(Op.RELU, [q.input()]), B), C))
    assert ops(g) == [Op.QUANTIZE, Op.RELU, Op.QUANTIZE, Op.DEQUANTIZE]
    assert [g.value(n.output).quant for n in g.nodes] == [A, B, C, None]


def test_softmax_keeps_the_scale_of_the_specification_and_is_requantized() -> None:
    q = Qdq()
    g = q.fold(q.pair(q.b.node(Op.SOFTMAX, [q.input()], SoftmaxAttrs()), C))
    assert ops(g) == [Op.QUANTIZE, Op.SOFTMAX, Op.QUANTIZE, Op.DEQUANTIZE]
    assert g.value(g.nodes[1].output).quant == QuantParams.per_tensor(1 / 256, -128)
    assert g.value(g.nodes[2].output).quant == C


def test_concat_inputs_are_brought_to_the_outputs_scale() -> None:
    q = Qdq()
    x = q.input()
    r = q.pair(q.b.node(Op.RELU, [x]), B)
    g = q.fold(q.pair(q.b.node(Op.CONCAT, [x, r], ConcatAttrs(1)), C))
    concat = next(n for n in g.nodes if n.op is Op.CONCAT)
    assert {g.value(v).quant for v in (*concat.used, concat.output)} == {C}


def test_integer_inputs_and_outputs_keep_their_type() -> None:
    b = GraphBuilder("io")
    u = QuantParams.per_tensor(0.5, 131, DType.UINT8)
    x = b.node(Op.DEQUANTIZE, [b.input("x", (1, 4), DType.UINT8, u)])
    r = b.node(Op.RELU, [x], name="relu")
    y = b.node(Op.QUANTIZE, [r], QuantizeAttrs(DType.INT8), quant=B, output="y")
    g = fold_qdq(b.build([y]))
    verify(g, quantized=True)
    assert ops(g) == [Op.QUANTIZE, Op.RELU]
    assert (g.value("x").dtype, g.value("x").quant) == (DType.UINT8, u)
    assert (g.value("y").dtype, g.value("y").quant) == (DType.INT8, B)
    assert g.value(g.nodes[1].inputs[0]).quant == A


def test_a_value_that_is_also_read_unquantized_keeps_both_forms() -> None:
    q = Qdq()
    r = q.b.node(Op.RELU, [q.input()], name="relu")
    quantized = q.pair(r, B)
    y = q.b.node(Op.DIV, [r, quantized], BinaryAttrs(), name="div")
    g = q.fold(y)
    # relu itself computes in float: its exact result has a reader.
    assert [n.op for n in g.nodes] == [Op.QUANTIZE, Op.DEQUANTIZE, Op.RELU, Op.QUANTIZE, Op.DEQUANTIZE, Op.DIV]


def test_sixteen_bit_activations_stay_as_they_are() -> None:
    q = Qdq()
    x = q.b.input("x", (1, 4), DType.FLOAT32)
    wide = q.pair(x, QuantParams.per_tensor(0.001, 0, DType.INT16))
    g = q.fold(q.pair(q.b.node(Op.RELU, [wide], name="relu"), B))
    assert "relu computes in float32: dequantize came without quantization" in g.notes
    assert DType.INT16 in {v.dtype for v in g.values.values()}


def test_a_tflite_file_with_a_float_island_is_not_qdq() -> None:
    b = GraphBuilder("mixed")
    x = b.input("x", (1, 4), DType.INT8, A)
    r = b.node(Op.RELU, [x], quant=B)
    f = b.node(Op.DIV, [b.node(Op.DEQUANTIZE, [r]), b.constant("c", np.ones((1, 4), np.float32))], BinaryAttrs())
    y = b.node(Op.QUANTIZE, [f], QuantizeAttrs(DType.INT8), quant=C)
    assert not is_qdq(b.build([y]))


def test_integer_graphs_with_float_borders_are_not_qdq() -> None:
    b = GraphBuilder("io")
    q = b.node(Op.QUANTIZE, [b.input("x", (1, 4), DType.FLOAT32)], QuantizeAttrs(DType.INT8), quant=A)
    y = b.node(Op.DEQUANTIZE, [b.node(Op.RELU, [q], quant=B)], NoAttrs())
    assert not is_qdq(b.build([y]))


def test_constants_of_weight_only_models_become_float() -> None:
    q = Qdq()
    x = q.b.input("x", (1, 4), DType.FLOAT32)
    y = q.b.node(Op.FULLY_CONNECTED, [x, q.weights(STORED, W)], FullyConnectedAttrs(), output="y")
    graph = q.b.build([y])
    assert not is_qdq(graph) and not graph.is_quantized
    folded = fold_constants(graph)
    assert ops(folded) == [Op.FULLY_CONNECTED]
    np.testing.assert_array_equal(folded.value(folded.nodes[0].inputs[1]).constant, W.dequantize(STORED))
