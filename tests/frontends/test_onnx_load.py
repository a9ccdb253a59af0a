"""What load() decides besides operations: inputs, names, notes, weights in other files, and its one error."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.frontends.onnx_models import by_tinyml, load_bytes, model, single
from tinyml.errors import ModelError
from tinyml.frontends.onnx import load
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op
from tinyml.ir.verify import verify

ONES = np.ones((2, 3, 1, 1), np.float32)


def relu(name: str = "x", **kwargs: object) -> onnx.NodeProto:
    return helper.make_node("Relu", [name], ["y"], **kwargs)


def test_free_dimensions_become_one_with_a_note() -> None:
    proto = model([relu()], {"x": ("batch", 3, "time")})
    graph = load_bytes(proto)
    assert graph.value("x").shape == (1, 3, 1)
    assert graph.notes == (
        "input 'x': free dimension 'batch' bound to 1",
        "input 'x': free dimension 'time' bound to 1",
    )


def test_given_shapes() -> None:
    proto = model([relu()], {"x": ("batch", 3, "time")})
    graph = load_bytes(proto, input_shapes={"x": (1, 3, 50)})
    assert (graph.value("y").shape, graph.notes) == ((1, 3, 50), ())
    graph = load_bytes(model([relu()], {"x": (1, 8)}), input_shapes={"x": (1, 9)})
    assert graph.notes == ("input 'x': shape [1, 8] replaced by [1, 9]",)


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"z": (1, 3)}, "a shape was given for input 'z', the inputs are 'x'"),
        ({"x": (1, 3, 1)}, r"given the shape \[1, 3, 1\], the model says \[n, 3\]"),
        ({"x": (1, 0)}, r"given the shape \[1, 0\]"),
        ({"x": (2, 3)}, "a batch of 2, expected 1"),
    ],
)
def test_given_shapes_that_do_not_fit(shapes: dict[str, tuple[int, ...]], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        load_bytes(model([relu()], {"x": ("n", 3)}), input_shapes=shapes)


def test_batches_are_refused() -> None:
    with pytest.raises(ModelError, match=r"shape \[4, 3\]: a batch of 4, expected 1\n  hint: .*--input-shape x=1,3"):
        load_bytes(model([relu()], {"x": (4, 3)}))


def test_inputs_without_shape_or_type() -> None:
    proto = model([relu()], {"x": (1, 3)})
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelError, match="has no shape"):
        load_bytes(proto)
    assert load_bytes(proto, input_shapes={"x": (1, 3)}).value("y").shape == (1, 3)
    with pytest.raises(ModelError, match="has type string"):
        load_bytes(model([relu()], {"x": (1, 3)}, types={"x": TensorProto.STRING}))


def test_initializers_that_are_listed_as_inputs() -> None:
    node = helper.make_node("Add", ["x", "c"], ["y"])
    proto = model([node], {"x": (1, 3), "c": (3,)}, constants={"c": np.ones(3, np.float32)})
    assert load_bytes(proto).inputs == ("x",)


@pytest.mark.parametrize("opset", [9, 10])
def test_old_opsets_are_refused(opset: int) -> None:
    with pytest.raises(ModelError, match=f"opset {opset}, expected 11 to 21\n  hint: export again"):
        load_bytes(model([relu()], {"x": (1, 3)}, opset=opset))


def test_newer_opsets_are_read_with_a_note() -> None:
    newest = onnx.defs.onnx_opset_version()
    assert load_bytes(model([relu()], {"x": (1, 3)}, opset=newest)).notes == (
        f"opset {newest} is read by the rules of opset 21",
    )
    with pytest.raises(ModelError, match=f"opset {newest + 1} is newer"):
        load_bytes(model([relu()], {"x": (1, 3)}, opset=newest + 1))


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_other_floats_are_read_as_float32(dtype: str) -> None:
    values = np.array([[0.5, -2.0, 1024.0]])
    if dtype == "bfloat16":
        bits = (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        tensor = helper.make_tensor("c", TensorProto.BFLOAT16, [1, 3], bits.tobytes(), raw=True)
    else:
        tensor = numpy_helper.from_array(values.astype(dtype), "c")
    proto = model([helper.make_node("Add", ["x", "c"], ["y"])], {"x": (1, 3)})
    proto.graph.initializer.append(tensor)
    proto.graph.input[0].type.tensor_type.elem_type = tensor.data_type
    graph = load_bytes(proto)
    stated = {"float64": "double"}.get(dtype, dtype)
    assert graph.notes == (f"input 'x': {stated} read as float32", f"1 {stated} weight tensor read as float32")
    (sums,) = by_tinyml(graph, {"x": np.ones((1, 3), np.float32)})
    np.testing.assert_array_equal(sums, values.astype(np.float32) + 1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int32", "int64", "uint8", "bool"])
def test_typed_fields_equal_raw_data(dtype: str) -> None:
    values = np.array([[0, 1, 5]]).astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    tensor = helper.make_tensor("c", kind, [1, 3], values.reshape(-1).tolist())
    assert not tensor.HasField("raw_data")
    cast = helper.make_node("Cast", ["c"], ["f"], to=TensorProto.FLOAT)
    proto = model([cast, helper.make_node("Add", ["x", "f"], ["y"])], {"x": (1, 3)})
    proto.graph.initializer.append(tensor)
    (sums,) = by_tinyml(load_bytes(proto), {"x": np.ones((1, 3), np.float32)})
    np.testing.assert_array_equal(sums, values.astype(np.float32) + 1)


def external(folder: Path, location: str, **entries: str) -> Path:
    proto = single("Add", (1, 4), {"c": np.arange(4, dtype=np.float32)})
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(8) + np.arange(4, dtype="<f4").tobytes())
    graph = load(external(tmp_path, "weights.bin", offset="8", length="16"))
    np.testing.assert_array_equal(by_tinyml(graph, {"x": np.zeros((1, 4), np.float32)})[0], [[0, 1, 2, 3]])
    np.testing.assert_array_equal(
        by_tinyml(load(external(tmp_path, "weights.bin", offset="8")), {"x": np.zeros((1, 4), np.float32)})[0],
        [[0, 1, 2, 3]],
    )


@pytest.mark.parametrize(
    ("location", "entries", "reason"),
    [
        ("../secret.bin", {}, "outside the model's folder"),
        ("sub/../../secret.bin", {}, "outside the model's folder"),
        ("..\\secret.bin", {}, "outside the model's folder"),
        ("/etc/hostname", {}, "outside the model's folder"),
        ("C:\\secret.bin", {}, "outside the model's folder"),
        ("link.bin", {}, "outside the model's folder"),
        ("", {}, "outside the model's folder"),
        ("a\0b", {}, "outside the model's folder"),
        ("absent.bin", {}, "cannot be read"),
        ("weights.bin", {"offset": "4", "length": "16"}, "needs bytes 4 to 20"),
        ("weights.bin", {"length": "12"}, "has 12 bytes of data"),
        ("weights.bin", {"offset": "-4"}, "offset or length"),
        ("weights.bin", {"offset": "9" * 30}, "offset or length"),
        (".", {}, "needs bytes|cannot be read|bytes of data"),
    ],
)
def test_external_data_that_is_refused(tmp_path: Path, location: str, entries: dict[str, str], reason: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(16))
    try:
        (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    except OSError:
        if location == "link.bin":
            pytest.skip("this system does not let us make symbolic links")
    with pytest.raises(ModelError, match=reason):
        load(external(folder, location, **entries))


def test_values_and_nodes_keep_their_names() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["features"], name="/stem/Conv"),
        helper.make_node("Relu", ["features"], ["y"], name="/stem/Relu"),
    ]
    graph = load_bytes(model(nodes, {"x": (1, 3, 4, 4)}, constants={"w": ONES}))
    assert (graph.inputs, graph.outputs) == (("x",), ("y",))
    assert "features" in graph.values
    assert "w" in graph.values
    assert [(n.name, n.op, n.source) for n in graph.nodes] == [
        ("/stem/Conv.transpose", Op.TRANSPOSE, "Conv '/stem/Conv'"),
        ("/stem/Conv", Op.CONV2D, "Conv '/stem/Conv'"),
        ("/stem/Conv.transpose_1", Op.TRANSPOSE, "Conv '/stem/Conv'"),
        ("/stem/Relu", Op.RELU, "Relu '/stem/Relu'"),
    ]


def test_sources_are_unique_and_printable() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="same"),
        helper.make_node("Relu", ["a"], ["b"], name="same"),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Relu", ["c"], ["y"], name="two\nlines\x1b[31m"),
    ]
    graph = load_bytes(model(nodes, {"x": (1, 4)}))
    assert [n.source for n in graph.nodes] == ["Relu 'same'", "Relu 'same'_1", "Relu 'c'", "Relu 'two?lines?[31m'"]


def test_weights_that_two_nodes_share_stay_one_constant() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Conv", ["x", "w"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    graph = load_bytes(model(nodes, {"x": (1, 3, 4, 4)}, constants={"w": ONES}))
    assert len(list(graph.constants())) == 1


def test_nodes_in_any_order_and_nodes_that_nobody_needs() -> None:
    nodes = [
        helper.make_node("Relu", ["a"], ["y"]),
        helper.make_node("Sigmoid", ["x"], ["a"]),
        helper.make_node("NonMaxSuppression", ["x", "x"], ["unused"]),
    ]
    assert [n.op for n in load_bytes(model(nodes, {"x": (1, 4)})).nodes] == [Op.SIGMOID, Op.RELU]


def test_outputs_that_no_node_computes() -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Relu", ["x"], ["z"])]
    nodes.append(helper.make_node("Identity", ["z"], ["again"]))
    nodes.append(helper.make_node("Constant", [], ["fixed"], value_floats=[1.0, 2.0]))
    graph = load_bytes(model(nodes, {"x": (1, 4)}, outputs=("y", "z", "again", "fixed")))
    verify(graph)
    assert graph.outputs == ("y", "z", "again", "fixed")
    x = np.array([[-1, 2, -3, 4]], np.float32)
    y, z, again, fixed = by_tinyml(graph, {"x": x})
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(z, np.maximum(x, 0))
    np.testing.assert_array_equal(again, z)
    np.testing.assert_array_equal(fixed, [1, 2])


def test_one_error_lists_all_nodes() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="good"),
        helper.make_node("Upsample", ["a", "scales"], ["b"], name="up"),
        helper.make_node("Conv", ["b", "w3"], ["c"], name="bad_pads", pads=[-1, 0, 0, 0]),
        helper.make_node("LSTM", ["c"], ["d"], name="recurrent"),
        helper.make_node("Frobnicate", ["d"], ["e"], name="custom", domain="com.example"),
        helper.make_node("QLinearConv", ["e"], ["f"], name="integer"),
        helper.make_node("Relux", ["f"], ["y"], name="misspelt"),
    ]
    constants = {"w": ONES, "w3": np.ones((1, 2, 1, 1), np.float32), "scales": np.array([1, 1, 2, 2], np.float32)}
    proto = model(nodes, {"x": (1, 3, 4, 4)}, constants=constants)
    # The type of b is declared, so the node behind the one that failed is looked at as well.
    proto.graph.value_info.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, (1, 2, 8, 8)))
    with pytest.raises(ModelError) as failure:
        load_bytes(proto)
    lines = failure.value.what.splitlines()
    assert lines[0].endswith("model.onnx: 6 nodes cannot be compiled")
    assert lines[1::2] == [
        "  Upsample 'up': there is no kernel for this operation",
        "  Conv 'bad_pads': pads [-1, 0, 0, 0] for 2-D data, expected 4 that are not negative",
        "  LSTM 'recurrent': there is no kernel for this operation",
        "  Frobnicate 'custom': it belongs to the domain 'com.example'",
        "  QLinearConv 'integer': there is no kernel for this operation",
        "  Relux 'misspelt': there is no kernel for this operation",
    ]
    assert (
        lines[4]
        == "    supported: 1-D and 2-D with constant weights; any groups, strides, dilations, pads and auto_pad"
    )
    assert "QDQ" in lines[10]
    assert lines[12] == "    closest: Relu: float32"


def test_control_flow_and_functions() -> None:
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "body", [], [])
    nodes = [
        helper.make_node("If", ["c"], ["a"], name="branch", then_branch=body, else_branch=body),
        helper.make_node("Block", ["a"], ["y"], name="call", domain="local"),
    ]
    proto = model(nodes, {"x": (1, 4)}, constants={"c": np.array(True)})
    proto.functions.append(
        helper.make_function(
            "local", "Block", ["p"], ["q"], [helper.make_node("Relu", ["p"], ["q"])], [helper.make_opsetid("", 17)]
        )
    )
    with pytest.raises(ModelError) as failure:
        load_bytes(proto)
    text = str(failure.value)
    assert "If 'branch': there is no kernel for this operation\n    closest: unroll" in text
    assert "Block 'call': it is a function of the model\n    closest: " in text
    assert "inline_local_functions" in text


def test_arithmetic_on_integers_of_run_time_is_refused() -> None:
    node = helper.make_node("Add", ["x", "c"], ["y"])
    types = {"x": TensorProto.INT64, "y": TensorProto.INT64}
    with pytest.raises(ModelError, match="computes on int64 at run time"):
        load_bytes(model([node], {"x": (1, 4)}, constants={"c": np.ones(4, np.int64)}, types=types))


def test_embedding() -> None:
    node = helper.make_node("Gather", ["table", "x"], ["y"])
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    graph = load_bytes(model([node], {"x": (1, 2)}, constants={"table": table}, types={"x": TensorProto.INT32}))
    assert graph.value("x").dtype is DType.INT32
    (rows,) = by_tinyml(graph, {"x": np.array([[3, 1]], np.int32)})
    np.testing.assert_array_equal(rows, table[[[3, 1]]])
