"""The stage as a whole: what it decides for float, quantized and QDQ graphs, and inputs of a single run."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyml.errors import TinymlError, UsageError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import RELU, Conv2dAttrs, FullyConnectedAttrs, NoAttrs, Op, QuantizeAttrs, ReduceAttrs
from tinyml.ir.quant import QuantParams
from tinyml.ir.verify import verify
from tinyml.quantize import Preprocess, prepare
from tinyml.quantize.calibration import load_input, open_calibration
from tinyml.quantize.error_report import output_sqnr


def small_cnn() -> Graph:
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.5, size=shape).astype(np.float32)

    b = GraphBuilder("small")
    x = b.input("x", (1, 8, 8, 3), DType.FLOAT32)
    c = b.node(
        Op.CONV2D,
        [x, b.constant("w", weights(8, 3, 3, 3)), b.constant("b", weights(8))],
        Conv2dAttrs(padding=((1, 1), (1, 1)), clamp=RELU),
    )
    m = b.node(Op.MEAN, [c], ReduceAttrs((1, 2)))
    return b.build([b.node(Op.FULLY_CONNECTED, [m, b.constant("v", weights(2, 8))], FullyConnectedAttrs(), output="y")])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


def test_a_float_model_with_pictures(pictures: Path) -> None:
    graph = small_cnn()
    done: list[str] = []
    model = prepare(graph, calibration=pictures, preprocess=Preprocess.to_range(-1, 1), progress=done.append)
    verify(model.graph, quantized=True)
    assert (model.scheme, model.calibrated) == ("int8", True)
    assert model.preprocess == Preprocess.to_range(-1, 1)
    assert model.notes == (f"calibrated with 6 samples of {pictures}",)
    assert done == [f"calibrating, {i} of 6 samples" for i in range(1, 7)]
    assert model.graph.value("x").quant == QuantParams.per_tensor(2 / 255, -1)
    samples = open_calibration(pictures, graph, Preprocess.to_range(-1, 1))
    assert output_sqnr(graph, model.graph, samples)["y"] > 25


def test_quantizing_twice_gives_the_same_bytes(pictures: Path) -> None:
    one, two = (prepare(small_cnn(), calibration=pictures).graph for _ in range(2))
    assert [(v.name, v.quant) for v in one.values.values()] == [(v.name, v.quant) for v in two.values.values()]
    for a, b in zip(one.constants(), two.constants(), strict=True):
        np.testing.assert_array_equal(a.constant, b.constant)


def test_a_float_model_without_calibration_is_marked() -> None:
    model = prepare(small_cnn())
    assert model.scheme == "int8" and not model.calibrated
    assert model.notes == ("ranges are made up: there is no calibration data",)
    assert model.graph.is_quantized


def test_float32_is_left_alone() -> None:
    graph = small_cnn()
    model = prepare(graph, precision="float32")
    assert model.graph is graph
    assert (model.scheme, model.calibrated) == ("float32", True)


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_borders(io: str) -> None:
    graph = prepare(small_cnn(), io=io).graph
    verify(graph, quantized=True)
    assert graph.value("x").dtype is DType(io) and graph.value("y").dtype is DType(io)


def test_fewer_samples_than_there_are(pictures: Path) -> None:
    model = prepare(small_cnn(), calibration=pictures, max_samples=2)
    assert model.notes == (f"calibrated with 2 samples of {pictures}", "2 of 6 samples are used")


def test_unknown_options() -> None:
    with pytest.raises(UsageError, match="precision 'int7'; expected one of int8, w4a8, mixed, w8a16, float32"):
        prepare(small_cnn(), precision="int7")
    with pytest.raises(UsageError, match="io 'bool'; expected one of int8, uint8, float32"):
        prepare(small_cnn(), io="bool")


A = QuantParams.per_tensor(0.5, 3)


def integer_model() -> Graph:
    b = GraphBuilder("integer")
    x = b.input("x", (1, 4), DType.INT8, A)
    return b.build([b.node(Op.RELU, [x], quant=A)])


@pytest.mark.parametrize(
    ("weights", "activations", "said"),
    [
        (DType.INT8, DType.INT8, "int8"),
        (DType.INT4, DType.INT8, "int8, 1 layer w4a8"),
        (DType.INT8, DType.INT16, "int8, 1 layer w8a16"),
    ],
)
def test_numbers_of_an_integer_model_are_told(weights: DType, activations: DType, said: str) -> None:
    zero = QuantParams.per_tensor(0.5, 0)
    b = GraphBuilder("integer")
    x = b.input("x", (1, 4), activations, zero)
    w = b.constant("w", np.ones((2, 4), np.int8), zero, weights)
    y = b.node(Op.FULLY_CONNECTED, [x, w], FullyConnectedAttrs(), quant=zero)
    assert prepare(b.build([y])).scheme == f"{said}, as in the model file"


def test_an_integer_model_is_kept() -> None:
    graph = integer_model()
    model = prepare(graph, calibration=Path("not looked at"), io="float32")
    assert model.graph is graph
    assert (model.scheme, model.calibrated, model.preprocess) == ("int8, as in the model file", True, None)
    assert model.notes == ("calibration data is not used: the model came quantized",)
    with pytest.raises(UsageError, match="model integer is quantized: it cannot run in float32"):
        prepare(graph, precision="float32")


def test_a_qdq_model_becomes_integer() -> None:
    b = GraphBuilder("qdq")
    x = b.input("x", (1, 4), DType.FLOAT32)
    for _ in range(2):
        x = b.node(Op.DEQUANTIZE, [b.node(Op.QUANTIZE, [x], QuantizeAttrs(DType.INT8), quant=A)], NoAttrs())
        x = b.node(Op.RELU, [x])
    y = b.node(Op.DEQUANTIZE, [b.node(Op.QUANTIZE, [x], QuantizeAttrs(DType.INT8), quant=A)], NoAttrs())
    model = prepare(b.build([y]))
    assert [n.op for n in model.graph.nodes] == [Op.QUANTIZE, Op.RELU, Op.RELU, Op.DEQUANTIZE]
    assert model.calibrated and model.preprocess == Preprocess()


# --- inputs of a run --------------------------------------------------------------------------------------------------


def test_a_picture_for_an_input_that_was_quantized_here(pictures: Path) -> None:
    model = prepare(small_cnn(), calibration=pictures, preprocess=Preprocess.to_range(0, 1))
    sample = load_input(pictures / "3.png", model.graph, model.preprocess)
    small = Image.open(pictures / "3.png").resize((8, 8), Image.Resampling.BILINEAR)
    # 0..1 in 255 steps from -128: the pixels themselves, 128 lower.
    np.testing.assert_array_equal(sample["x"][0], np.asarray(small).astype(int) - 128)
    run(model.graph, sample)


@pytest.mark.parametrize("dtype, shift", [(DType.UINT8, 0), (DType.INT8, 128)])
def test_a_picture_for_an_input_that_came_quantized(tmp_path: Path, dtype: DType, shift: int) -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10
    Image.fromarray(pixels).save(tmp_path / "p.png")
    b = GraphBuilder("net")
    x = b.input("x", (1, 4, 4, 1), dtype, QuantParams.per_tensor(1 / 127.5, 127 - shift, dtype))
    graph = b.build([b.node(Op.RELU, [x], quant=QuantParams.per_tensor(1 / 127.5, 127 - shift, dtype))])
    sample = load_input(tmp_path / "p.png", graph)
    assert sample["x"].dtype == dtype.numpy
    np.testing.assert_array_equal(sample["x"][0, :, :, 0], pixels.astype(int) - shift)


def test_arrays_for_a_run(tmp_path: Path) -> None:
    graph = integer_model()
    np.save(tmp_path / "stored.npy", np.array([[1, 2, 3, 4]], np.int8))
    np.save(tmp_path / "real.npy", np.array([[-1.0, 0.0, 1.0, 100.0]]))
    assert load_input(tmp_path / "stored.npy", graph)["x"].tolist() == [[1, 2, 3, 4]]
    assert load_input(tmp_path / "real.npy", graph)["x"].tolist() == [[1, 3, 5, 127]]
    np.savez(tmp_path / "empty.npz", x=np.zeros((0, 4)))
    for name, message in (("empty.npz", "no sample for input x"), ("none.npy", "does not exist")):
        with pytest.raises(TinymlError, match=message):
            load_input(tmp_path / name, graph)


def test_a_missing_picture(tmp_path: Path) -> None:
    with pytest.raises(TinymlError, match=r"none\.png is not a file"):
        load_input(tmp_path / "none.png", small_cnn())
