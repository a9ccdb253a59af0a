"""What the TFLite frontend reads, what it refuses, and what it says then."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tflite
from tflite_model import OperatorSpec, Quant, TensorSpec, tflite_bytes

from tinyml.errors import ModelError
from tinyml.frontends.tflite import load
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op

Q = Quant([0.5], [3])


def act(name: str, *shape: int, dtype: str = "int8", quant: Quant | None = Q) -> TensorSpec:
    return TensorSpec(name, shape, dtype, quant)


def real(name: str, *shape: int) -> TensorSpec:
    return TensorSpec(name, shape, "float32")


def constant(name: str, data: np.ndarray, quant: Quant | None = None) -> TensorSpec:
    return TensorSpec(name, data.shape, data.dtype.name, quant, data)


def read(
    folder: Path,
    tensors: Sequence[TensorSpec],
    operators: Sequence[OperatorSpec],
    outputs: Sequence[str] = ("y",),
    input_shapes: dict[str, tuple[int, ...]] | None = None,
) -> Graph:
    """The graph of a model whose input is the tensor x."""
    path = folder / "net.tflite"
    path.write_bytes(tflite_bytes(tensors, operators, ["x"], outputs))
    return load(path, input_shapes=input_shapes)


def relu(x: str = "x", y: str = "y") -> OperatorSpec:
    return OperatorSpec("RELU", [x], [y])


def dense(folder: Path, weights: Quant, bias: Quant, *, x: TensorSpec | None = None) -> Graph:
    tensors = [
        x or act("x", 1, 4),
        constant("w", np.ones((2, 4), np.int8), weights),
        constant("b", np.ones(2, np.int32), bias),
        act("y", 1, 2),
    ]
    return read(folder, tensors, [OperatorSpec("FULLY_CONNECTED", ["x", "w", "b"], ["y"], "FullyConnectedOptions")])


def test_all_offending_operators_are_listed_at_once(tmp_path: Path) -> None:
    tensors = [real(name, 1, 4) for name in ("x", "a", "b", "c", "d", "y")]
    fused = {"FusedActivationFunction": tflite.ActivationFunctionType.TANH}
    operators = [
        OperatorSpec("WHILE", ["x"], ["a"]),
        relu("a", "b"),  # reads what cannot be computed: no news
        OperatorSpec("ADD", ["x", "x"], ["c"], "AddOptions", fused),
        relu("c", "d"),
        OperatorSpec("COS", ["d"], ["y"]),
    ]
    with pytest.raises(ModelError) as caught:
        read(tmp_path, tensors, operators)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"model {tmp_path / 'net.tflite'}: 3 operator(s) cannot be compiled:"
    assert lines[1] == "  WHILE #0 'a': not supported; closest: unroll the control flow before converting"
    assert lines[2].startswith("  ADD #2 'c': fused TANH and SIGN_BIT")
    assert lines[3] == "  COS #4 'y': not supported"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("op", "kind", "x", "y", "said"),
    [
        ("DIV", "DivOptions", act("x", 1, 4), act("y", 1, 4), "tensor 'x' is INT8; only float32 is supported"),
        ("SQRT", None, act("x", 1, 4), act("y", 1, 4), "only float32 is supported"),
        ("ADD", "AddOptions", act("x", 1, 4, dtype="uint8"), act("y", 1, 4, dtype="uint8"), "tensor 'x' is UINT8"),
        (
            "ADD",
            "AddOptions",
            act("x", 1, 4, dtype="int16"),
            act("y", 1, 4, dtype="int16"),
            "16-bit operands whose scales are all powers of two",
        ),
        ("ADD", "AddOptions", act("x", 1, 4, quant=None), act("y", 1, 4), "tensor 'x' is INT8 without a scale"),
    ],
)
def test_integers_that_arithmetic_has_no_form_for(
    op: str, kind: str | None, x: TensorSpec, y: TensorSpec, said: str, tmp_path: Path
) -> None:
    inputs = ["x"] if op == "SQRT" else ["x", "x"]
    with pytest.raises(ModelError, match=said):
        read(tmp_path, [x, y], [OperatorSpec(op, inputs, ["y"], kind)])


def test_parameters_that_contradict_the_operator(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the scale of b is not the product") as caught:
        dense(tmp_path, Quant([0.25], [0]), Quant([0.5], [0]))
    assert str(caught.value).startswith(f"model {tmp_path / 'net.tflite'}: node y (fully_connected)")


def test_an_axis_means_nothing_where_there_is_one_scale(tmp_path: Path) -> None:
    graph = dense(tmp_path, Quant([0.25], [0], axis=7), Quant([0.125], [0], axis=3))
    weights, bias = (graph.value(name).quant for name in graph.nodes[0].used[1:])
    assert weights is not None and weights.axis is None
    assert bias is not None and bias.axis is None


def test_the_axis_of_a_bias_is_its_only_one(tmp_path: Path) -> None:
    """Some converters copy the axis of the weights."""
    tensors = [
        act("x", 1, 4, 4, 2),
        constant("w", np.ones((1, 1, 1, 2), np.int8), Quant([0.25, 0.5], [0, 0], axis=3)),
        constant("b", np.ones(2, np.int32), Quant([0.125, 0.25], [0, 0], axis=3)),
        act("y", 1, 4, 4, 2),
    ]
    options = {"StrideH": 1, "StrideW": 1, "DepthMultiplier": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    conv = OperatorSpec("DEPTHWISE_CONV_2D", ["x", "w", "b"], ["y"], "DepthwiseConv2DOptions", options)
    graph = read(tmp_path, tensors, [conv])
    weights, bias = (graph.value(name) for name in graph.nodes[0].used[1:])
    assert weights.shape == (2, 1, 1, 1)
    assert weights.quant is not None and weights.quant.axis == 0 and weights.quant.scale == (0.25, 0.5)
    assert bias.quant is not None and bias.quant.axis == 0 and bias.quant.scale == (0.125, 0.25)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_scales_along_an_axis_of_another_length_are_refused(axis: int, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"tensor 'w' \[2, 4\] has 2 scales on axis {axis}"):
        dense(tmp_path, Quant([0.25, 0.5], [0, 0], axis=axis), Quant([0.125], [0]))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scales_that_are_no_scales(scale: float, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tensor 'x' has scales or zero points out of range"):
        read(tmp_path, [act("x", 1, 4, quant=Quant([scale], [0])), act("y", 1, 4)], [relu()])


def test_int8_weights_of_a_float_layer_are_made_real(tmp_path: Path) -> None:
    tensors = [
        real("x", 1, 2),
        constant("w", np.array([[1, 2], [3, -4]], np.int8), Quant([0.5], [1])),
        real("y", 1, 2),
    ]
    graph = read(tmp_path, tensors, [OperatorSpec("FULLY_CONNECTED", ["x", "w"], ["y"], "FullyConnectedOptions")])
    weights = graph.value(graph.nodes[0].used[1])
    assert weights.dtype is DType.FLOAT32
    np.testing.assert_array_equal(weights.constant, np.array([[0.0, 0.5], [1.0, -2.5]], np.float32))
    assert any("INT8" in note.upper() and "float" in note for note in graph.notes)


def test_a_batch_is_refused_unless_the_user_gives_a_shape(tmp_path: Path) -> None:
    tensors, operators = [act("x", 8, 4), act("y", 8, 4)], [relu()]
    with pytest.raises(ModelError, match=r"input 'x' is \[8, 4\]: a batch of 8, expected 1\n  hint: .*--input-shape"):
        read(tmp_path, tensors, operators)
    for name in ("x", ""):
        graph = read(tmp_path, tensors, operators, input_shapes={name: (1, 4)})
        assert [graph.value(n).shape for n in (*graph.inputs, *graph.outputs)] == [(1, 4), (1, 4)]


def test_free_dimensions_are_bound_to_what_the_file_says_and_a_note_tells(tmp_path: Path) -> None:
    x = TensorSpec("x", (1, 4), "int8", Q, signature=(-1, 4))
    graph = read(tmp_path, [x, act("y", 1, 4)], [relu()])
    assert graph.notes == ("input x: free dimensions bound to [1, 4]",)
    graph = read(tmp_path, [x, act("y", 1, 4)], [relu()], input_shapes={"x": (1, 6)})
    assert graph.value("y").shape == (1, 6)
    assert graph.notes == ()


def test_input_shapes_that_fit_no_input(tmp_path: Path) -> None:
    tensors = [act("x", 1, 4), act("y", 1, 4)]
    with pytest.raises(ModelError, match="has no input 'z'; its inputs are 'x'"):
        read(tmp_path, tensors, [relu()], input_shapes={"z": (1, 4)})
    with pytest.raises(ModelError, match="input 'x' has 2 axes, --input-shape gives 3"):
        read(tmp_path, tensors, [relu()], input_shapes={"x": (1, 4, 4)})
    for shape in ((1, 0), (1, -4), (1, 1 << 40)):
        with pytest.raises(ModelError, match=rf"input 'x' cannot be \[1, {shape[1]}\], as --input-shape asks"):
            read(tmp_path, tensors, [relu()], input_shapes={"x": shape})


def test_values_that_nothing_computes(tmp_path: Path) -> None:
    tensors = [act(name, 1, 4) for name in ("x", "a", "y")]
    with pytest.raises(ModelError, match="output 'a' is computed by no operator"):
        read(tmp_path, tensors, [relu()], outputs=["a"])
    with pytest.raises(ModelError, match=r"operator 0 \(RELU\): input 0 \('a'\) is used before it is computed"):
        read(tmp_path, tensors, [relu("a")])


def test_arithmetic_on_shapes_is_done_while_reading(tmp_path: Path) -> None:
    def numbers(name: str, *values: int) -> TensorSpec:
        return constant(name, np.array(values, np.int32))

    tensors = [
        act("x", 1, 3, 4),
        TensorSpec("shape", (3,), "int32"),
        *(numbers(name, value) for name, value in (("from", 0), ("to", 1), ("step", 1))),
        TensorSpec("batch", (), "int32"),
        constant("rest", np.array(-1, np.int32)),
        TensorSpec("wanted", (2,), "int32"),
        act("y", 1, 12),
    ]
    operators = [
        OperatorSpec("SHAPE", ["x"], ["shape"], "ShapeOptions"),
        OperatorSpec(
            "STRIDED_SLICE", ["shape", "from", "to", "step"], ["batch"], "StridedSliceOptions", {"ShrinkAxisMask": 1}
        ),
        OperatorSpec("PACK", ["batch", "rest"], ["wanted"], "PackOptions", {"ValuesCount": 2}),
        OperatorSpec("RESHAPE", ["x", "wanted"], ["y"], "ReshapeOptions"),
    ]
    graph = read(tmp_path, tensors, operators)
    assert [node.op for node in graph.nodes] == [Op.RESHAPE]
    assert graph.value("y").shape == (1, 12)


def test_a_network_larger_than_any_memory_is_refused_before_it_is_built(tmp_path: Path) -> None:
    pads = constant("pads", np.array([[0, 0], [0, 1 << 27]], np.int32))
    with pytest.raises(ModelError, match=r"'y' would be \[1, 134217732\]"):
        read(
            tmp_path, [act("x", 1, 4), pads, act("y", 1, 4)], [OperatorSpec("PAD", ["x", "pads"], ["y"], "PadOptions")]
        )
