"""Single operations against onnxruntime, over opsets and forms; windows have their own file."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.frontends.onnx_models import NEWEST, OLDEST, assert_agrees, load_bytes, model, single
from tinyml.errors import ModelError
from tinyml.ir.ops import Op

OPSETS = (OLDEST, 13, 18, NEWEST)
RANDOM = np.random.default_rng(0)


def f32(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("op", ["Relu", "Sigmoid", "Tanh", "Exp", "Erf", "Identity", "HardSigmoid", "LeakyRelu"])
def test_activations(op: str, opset: int) -> None:
    assert_agrees(single(op, (1, 3, 4, 5), opset=opset))


def test_parameters_of_activations() -> None:
    assert_agrees(single("HardSigmoid", (1, 20), alpha=1 / 6, beta=0.4))
    assert_agrees(single("LeakyRelu", (1, 20), alpha=0.3))
    assert_agrees(single("HardSwish", (1, 20)))
    assert_agrees(single("PRelu", (1, 3, 4), {"slope": np.full((3, 1), 0.25, np.float32)}))
    assert_agrees(single("PRelu", (1, 3, 4), {"slope": f32(3, 1)}))


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    "bounds",
    [{}, {"min": 0.0, "max": 6.0}, {"min": -1.0}, {"": 0.0, "max": 1.0}, {"min": 2.0, "max": 1.0}],
)
def test_clip(bounds: dict[str, float], opset: int) -> None:
    constants = {name: np.array(value, np.float32) for name, value in bounds.items()}
    assert_agrees(single("Clip", (1, 30), constants, opset=opset))


@pytest.mark.parametrize("op", ["Min", "Max"])
def test_bounds_by_min_and_max(op: str) -> None:
    assert_agrees(single(op, (1, 30), {"bound": np.array(0.5, np.float32)}))
    assert_agrees(single(op, (1, 30), {"bound": np.array([0.5], np.float32)}))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_pow(exponent: float) -> None:
    nodes = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Pow", ["e", "p"], ["y"])]
    assert_agrees(model(nodes, {"x": (1, 9)}, constants={"p": np.array(exponent, np.float32)}))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (1, 3, 1, 1), (4, 5), (2, 1, 3, 4, 5)])
def test_binary_broadcasts(op: str, shape: tuple[int, ...]) -> None:
    constant = np.abs(f32(*shape)) + 1
    assert_agrees(single(op, (1, 3, 4, 5), {"c": constant.astype(np.float32)}))
    node = helper.make_node(op, ["c", "e"], ["y"])
    exp = helper.make_node("Exp", ["x"], ["e"])
    assert_agrees(model([exp, node], {"x": (1, 3, 4, 5)}, constants={"c": constant.astype(np.float32)}))


def test_binary_between_activations() -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["m"]), helper.make_node("Mul", ["m", "x"], ["y"])]
    assert_agrees(model(nodes, {"x": (1, 3, 4, 5)}))


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("c", [None, (), (1,), (5,), (1, 5), (3, 1), (3, 5)])
def test_gemm(trans_a: int, trans_b: int, alpha: float, c: tuple[int, ...] | None) -> None:
    constants = {"b": f32(5, 4) if trans_b else f32(4, 5)}
    if c is not None:
        constants["c"] = f32(*c)
    reshape = helper.make_node("Reshape", ["x", "shape"], ["a"])
    gemm = helper.make_node("Gemm", ["a", *constants], ["y"], transA=trans_a, transB=trans_b, alpha=alpha, beta=0.7)
    constants["shape"] = i64(4, 3) if trans_a else i64(3, 4)
    assert_agrees(model([reshape, gemm], {"x": (1, 12)}, constants=constants))


def test_gemm_of_two_activations() -> None:
    nodes = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Gemm", ["x", "e"], ["y"], transB=1)]
    assert_agrees(model(nodes, {"x": (1, 7)}))


@pytest.mark.parametrize(
    ("a", "b"), [((1, 4), (4, 5)), ((1, 3, 4), (4, 5)), ((1, 3, 4), (2, 4, 5)), ((4,), (4, 5)), ((1, 3, 4), (4,))]
)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    graph = assert_agrees(single("MatMul", a, {"b": f32(*b)}))
    assert any(n.op is (Op.MATMUL if len(b) == 3 else Op.FULLY_CONNECTED) for n in graph.nodes)


def test_matmul_of_two_activations() -> None:
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    assert_agrees(model(nodes, {"x": (1, 3, 4)}))


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("axis", [None, 0, 1, 2, 3, -1])
def test_softmax(axis: int | None, opset: int) -> None:
    assert_agrees(single("Softmax", (1, 3, 4, 5), opset=opset, **({} if axis is None else {"axis": axis})))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 5), (1, 3, 5, 4)])
@pytest.mark.parametrize("opset", (OLDEST, 14, 15))
def test_batch_normalization(shape: tuple[int, ...], opset: int) -> None:
    parameters = {"scale": f32(3), "bias": f32(3), "mean": f32(3), "var": np.abs(f32(3)) + 0.1}
    assert_agrees(single("BatchNormalization", shape, parameters, opset=opset, epsilon=1e-3, momentum=0.8))


@pytest.mark.parametrize(
    ("shape", "wanted", "attributes"),
    [((1, 12), (1, 3, 4), {}), ((1, 12), (0, 3, -1), {}), ((1, 12), (-1,), {}), ((1, 12), (3, 4), {"allowzero": 1})],
)
def test_reshape(shape: tuple[int, ...], wanted: tuple[int, ...], attributes: dict[str, int]) -> None:
    assert_agrees(single("Reshape", shape, {"shape": i64(*wanted)}, **attributes))


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_flatten(axis: int) -> None:
    assert_agrees(single("Flatten", (1, 3, 4), axis=axis))


def test_squeeze_and_unsqueeze() -> None:
    assert_agrees(single("Squeeze", (1, 3, 1, 2), opset=11, axes=[0, -2]))
    assert_agrees(single("Squeeze", (1, 3, 1, 2), {"axes": i64(2)}))
    assert_agrees(single("Squeeze", (1, 3, 1, 2)))
    assert_agrees(single("Unsqueeze", (1, 3), opset=11, axes=[-1, 0]))
    assert_agrees(single("Unsqueeze", (1, 3), {"axes": i64(1, 3)}))


def test_transpose() -> None:
    assert_agrees(single("Transpose", (1, 2, 3)))
    assert_agrees(single("Transpose", (1, 2, 3, 4), perm=[0, 3, 1, 2]))


@pytest.mark.parametrize("axis", [1, -1])
def test_concat(axis: int) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Concat", ["x", "r", "c"], ["y"], axis=axis)]
    assert_agrees(model(nodes, {"x": (1, 3, 3)}, constants={"c": f32(1, 3, 3)}))


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ((0, 1), (1, 9), None, None),
        ((1,), (-1,), (2,), None),
        ((-1,), (-(2**63),), (1,), (-1,)),
        ((-3,), (2**63 - 1,), (-1,), (2,)),
        ((5,), (1,), (2,), (-2,)),
    ],
)
def test_slice(
    starts: tuple[int, ...], ends: tuple[int, ...], axes: tuple[int, ...] | None, steps: tuple[int, ...] | None
) -> None:
    constants = {"starts": i64(*starts), "ends": i64(*ends)}
    if axes is not None:
        constants["axes"] = i64(*axes)
    if steps is not None:
        constants["steps"] = i64(*steps)
    assert_agrees(single("Slice", (1, 4, 6), constants))


def split(opset: int, sizes: tuple[int, ...] | None, outputs: int, **attributes: Any) -> onnx.ModelProto:
    names = [f"y{i}" for i in range(outputs)]
    constants = {}
    if sizes is not None and opset < 13:
        attributes["split"] = sizes
    elif sizes is not None:
        constants["sizes"] = i64(*sizes)
    node = helper.make_node("Split", ["x", *constants], names, axis=1, **attributes)
    return model([node], {"x": (1, 7, 2)}, constants=constants, outputs=names, opset=opset)


def test_split() -> None:
    assert_agrees(split(11, (3, 4), 2))
    assert_agrees(split(13, (1, 2, 4), 3))
    assert_agrees(split(18, None, 3, num_outputs=3))  # 3, 3 and 1


@pytest.mark.parametrize("indices", [np.array(1), np.array(-1), i64(2, 0), i64(0, -1), np.array([[0, 1], [2, 2]])])
@pytest.mark.parametrize("axis", [1, 2])
def test_gather(indices: np.ndarray, axis: int) -> None:
    assert_agrees(single("Gather", (1, 3, 4), {"i": indices.astype(np.int64)}, axis=axis))


@pytest.mark.parametrize("pads", [(0, 0, 1, 2, 0, 0, 2, 1), (0, 1, -1, 0, 0, 0, 2, -2), (0,) * 8])
def test_pad(pads: tuple[int, ...]) -> None:
    assert_agrees(single("Pad", (1, 2, 4, 5), {"pads": i64(*pads)}))
    assert_agrees(single("Pad", (1, 2, 4, 5), {"pads": i64(*pads), "value": np.array(-1.5, np.float32)}))


def test_pad_on_some_axes() -> None:
    constants = {"pads": i64(1, 2), "": np.zeros(0), "axes": i64(-1)}
    assert_agrees(single("Pad", (1, 2, 4), constants, opset=18))


def test_expand_and_tile() -> None:
    assert_agrees(single("Expand", (1, 3, 1), {"shape": i64(2, 1, 1, 4)}))
    assert_agrees(single("Expand", (1, 3), {"shape": i64(1, 3)}))
    assert_agrees(single("Tile", (1, 3), {"repeats": i64(1, 2)}))


def test_cast_of_an_input() -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    assert_agrees(model([node], {"x": (1, 8)}, types={"x": TensorProto.UINT8}))


def test_dropout() -> None:
    assert_agrees(single("Dropout", (1, 8), opset=11, ratio=0.3))
    assert_agrees(single("Dropout", (1, 8), {"ratio": np.array(0.3, np.float32), "training": np.array(False)}))


def test_shape_arithmetic_leaves_nothing_in_the_graph() -> None:
    # What the TorchScript exporter writes for x.view(x.shape[0], 2, x.shape[1] // 2).transpose(1, 2).
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Gather", ["s", "one"], ["c"], axis=0),
        helper.make_node("Cast", ["c"], ["c64"], to=TensorProto.INT64),
        helper.make_node("Div", ["c64", "two"], ["half"]),
        helper.make_node("Unsqueeze", ["n", "zero1"], ["n1"]),
        helper.make_node("Unsqueeze", ["half", "zero1"], ["h1"]),
        helper.make_node("Concat", ["n1", "two1", "h1"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("Transpose", ["r"], ["y"], perm=[0, 2, 1]),
    ]
    constants = {
        "zero": np.array(0), "one": np.array(1), "two": np.array(2), "zero1": i64(0), "two1": i64(2)
    }  # fmt: skip
    graph = assert_agrees(model(nodes, {"x": (1, 8)}, constants=constants))
    assert [n.op for n in graph.nodes] == [Op.RESHAPE, Op.TRANSPOSE]


@pytest.mark.parametrize(("a", "b", "quotient"), [(7, 2, 3), (-7, 2, -3), (7, -2, -3), (-7, -2, 3)])
def test_integers_divide_toward_zero(a: int, b: int, quotient: int) -> None:
    nodes = [
        helper.make_node("Div", ["a", "b"], ["q"]),
        helper.make_node("Sub", ["q", "expected"], ["zero"]),
        helper.make_node("Add", ["zero", "nine"], ["shape"]),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    constants = {"a": i64(a), "b": i64(b), "expected": i64(quotient), "nine": i64(9)}
    assert_agrees(model(nodes, {"x": (1, 9)}, constants=constants))


def test_known_operations() -> None:
    """Each into a shape or a factor that onnxruntime computes as well."""
    nodes = [
        helper.make_node("Range", ["one", "five", "two"], ["range"]),  # 1 3
        helper.make_node("Mod", ["range", "two"], ["mod"]),  # 1 1
        helper.make_node("Equal", ["mod", "one"], ["equal"]),
        helper.make_node("Not", ["equal"], ["differ"]),
        helper.make_node("Where", ["differ", "mod", "range"], ["shape"]),  # 1 3
        helper.make_node("ConstantOfShape", ["shape"], ["c"], value=helper.make_tensor("v", 1, [1], [2.5])),
        helper.make_node("Floor", ["c"], ["floor"]),
        helper.make_node("Ceil", ["c"], ["ceil"]),
        helper.make_node("Neg", ["ceil"], ["neg"]),
        helper.make_node("Abs", ["neg"], ["abs"]),
        helper.make_node("Sub", ["abs", "floor"], ["ones"]),
        helper.make_node("ReduceProd", ["range"], ["prod"], keepdims=0),  # 3
        helper.make_node("Cast", ["prod"], ["three"], to=TensorProto.FLOAT),
        helper.make_node("Size", ["x"], ["size"]),
        helper.make_node("Cast", ["size"], ["six"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "ones"], ["m"]),
        helper.make_node("Add", ["m", "three"], ["a"]),
        helper.make_node("Div", ["a", "six"], ["y"]),
    ]
    constants = {"one": np.array(1), "two": np.array(2), "five": np.array(5)}
    graph = assert_agrees(model(nodes, {"x": (1, 2, 3)}, constants=constants))
    assert [n.op for n in graph.nodes] == [Op.MUL, Op.ADD, Op.DIV]


@pytest.mark.parametrize(
    ("proto", "reason"),
    [
        (single("Pad", (1, 4), {"pads": i64(0, 1, 0, 1)}, mode="reflect"), "mode is 'reflect'"),
        (single("Slice", (1, 4), {"s": i64(0), "e": i64(2), "a": i64(5)}), "axis 5 of a tensor with 2 axes"),
        (single("Gather", (1, 4), {"i": i64(9)}, axis=1), "indices are not all within"),
        (single("Reshape", (1, 4), {"s": i64(-1, -1)}), "ambiguous"),
        (single("Reshape", (1, 4), {"s": i64(3, -1)}), "cannot be reshaped"),
        (single("Transpose", (1, 4), perm=[0, 0]), r"perm \[0, 0\]"),
        (single("Squeeze", (1, 4), {"axes": i64(1)}), "not all 1 long"),
        (single("Split", (1, 4), {"sizes": i64(3)}, axis=1), r"parts of \[3\]"),
        (single("Pow", (1, 4), {"p": np.array(3.0, np.float32)}), "exponent is 3"),
        (single("Max", (1, 4), {"p": f32(1, 4)}), "none of them a known number"),
        (single("Clip", (1, 4), {"min": np.array(np.nan, np.float32)}), "not a number"),
        (single("Cast", (1, 4), to=TensorProto.STRING), "casts to string"),
        (single("Dropout", (1, 4), {"": f32(1), "t": np.array(True)}, opset=13), "training mode"),
        (single("Add", (1, 4), {"c": f32(3)}), "do not broadcast"),
        (single("Expand", (1, 4), {"s": i64(1 << 40, 4)}), "elements|times"),
        (single("MatMul", (1, 4), {"c": f32(3, 2)}), "do not match"),
    ],
)
def test_forms_that_are_refused(proto: onnx.ModelProto, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        load_bytes(proto)
