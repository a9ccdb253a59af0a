"""QDQ models of opset 21 whose weights have 4 bits: kept bit for bit, and what onnxruntime makes of them."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinyml.errors import ModelError
from tinyml.frontends.onnx import load
from tinyml.ir.dtypes import DType
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Op
from tinyml.ir.verify import verify
from tinyml.passes import canonicalize
from tinyml.quantize import prepare

RNG = np.random.default_rng(0)
CONV, DENSE = RNG.integers(-8, 8, (4, 3, 3, 3)), RNG.integers(-8, 8, (5, 4))


def int4(name: str, values: np.ndarray, raw: bool) -> onnx.TensorProto:
    if not raw:
        return helper.make_tensor(name, TensorProto.INT4, values.shape, values.ravel().tolist())
    flat = np.append(values.ravel(), np.zeros(values.size % 2, int)) & 15
    packed = (flat[::2] | flat[1::2] << 4).astype(np.uint8).tobytes()
    return helper.make_tensor(name, TensorProto.INT4, values.shape, packed, raw=True)


def model(path: Path, raw: bool) -> Path:
    """Convolution with weights per channel, fully connected with weights per tensor and a zero point that is given."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd", "b"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "cs", "xz"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "cs", "xz"], ["cd"]),
        helper.make_node("GlobalMaxPool", ["cd"], ["m"]),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("DequantizeLinear", ["v", "vs", "vz"], ["vd"]),
        helper.make_node("Gemm", ["f", "vd"], ["g"], transB=1),
        helper.make_node("QuantizeLinear", ["g", "gs", "xz"], ["gq"]),
        helper.make_node("DequantizeLinear", ["gq", "gs", "xz"], ["y"]),
    ]
    constants = {
        "xs": np.float32(0.02),
        "xz": np.int8(0),
        "ws": np.array([0.05, 0.1, 0.2, 0.15], np.float32),
        "b": np.array([0.1, -0.2, 0.3, 0.0], np.float32),
        "cs": np.float32(0.06),
        "vs": np.float32(0.1),
        "gs": np.float32(0.08),
    }
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    tensors += [int4("w", CONV, raw), int4("v", DENSE, raw), int4("vz", np.array(0), raw)]
    graph = helper.make_graph(
        nodes,
        "four",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        tensors,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize("raw", [False, True], ids=["one byte an int32", "raw bytes"])
def test_weights_are_the_files(tmp_path: Path, raw: bool) -> None:
    path = model(tmp_path / "four.onnx", raw)
    graph = prepare(canonicalize(load(path))).graph
    verify(graph, quantized=True)
    weighted = [n for n in graph.nodes if n.op in (Op.CONV2D, Op.FULLY_CONNECTED)]
    conv, dense = (graph.value(n.inputs[1]) for n in weighted)
    assert conv.dtype is dense.dtype is DType.INT4
    np.testing.assert_array_equal(conv.constant, CONV.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(dense.constant, DENSE)
    assert conv.quant is not None and conv.quant.scale == pytest.approx((0.05, 0.1, 0.2, 0.15))
    assert not [note for note in graph.notes if "float32" in note]

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for seed in range(4):
        x = np.random.default_rng(seed).normal(size=(1, 3, 8, 8)).astype(np.float32)
        (theirs,) = session.run(None, {"x": x})
        (ours,) = run(graph, {graph.inputs[0]: np.ascontiguousarray(x.transpose(0, 2, 3, 1))}).outputs.values()
        assert np.abs(ours - theirs).max() <= 1.001 * 0.08


def rewritten(
    path: Path, nodes: dict[str, dict[str, int]], tensors: list[onnx.TensorProto], inputs: dict[str, str]
) -> Path:
    """The model with other attributes of nodes by output, other initializers by name, and more inputs of nodes."""
    proto = onnx.load(path)
    for node in proto.graph.node:
        if (attributes := nodes.get(node.output[0])) is not None:
            del node.attribute[:]
            node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        if (more := inputs.get(node.output[0])) is not None:
            node.input.append(more)
    kept = [t for t in proto.graph.initializer if t.name not in {new.name for new in tensors}]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend([*kept, *tensors])
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())
    return path


def uint4(name: str, values: np.ndarray) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.UINT4, values.shape, values.ravel().tolist())


def outputs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Ours and onnxruntime's."""
    graph = prepare(canonicalize(load(path))).graph
    assert {v.dtype for v in graph.constants() if v.name in ("w", "v")} <= {DType.INT4}
    x = np.random.default_rng(7).normal(size=(1, 3, 8, 8)).astype(np.float32)
    (theirs,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    (ours,) = run(graph, {graph.inputs[0]: np.ascontiguousarray(x.transpose(0, 2, 3, 1))}).outputs.values()
    return ours, theirs


def test_uint4_around_eight(tmp_path: Path) -> None:
    """The same numbers as int4, 8 higher, with a zero point of 8: the same results."""
    path = model(tmp_path / "four.onnx", raw=False)
    signed, _ = outputs(path)
    rewritten(
        path,
        {},
        [uint4("w", CONV + 8), uint4("wz", np.full(4, 8)), uint4("v", DENSE + 8), uint4("vz", np.array(8))],
        {"wd": "wz"},
    )
    ours, theirs = outputs(path)
    np.testing.assert_array_equal(ours, signed)
    assert np.abs(ours - theirs).max() <= 1.001 * 0.08


def test_blocks_of_one_scale_a_channel(tmp_path: Path) -> None:
    path = model(tmp_path / "four.onnx", raw=False)
    expected, _ = outputs(path)
    scale = np.broadcast_to(np.array([0.05, 0.1, 0.2, 0.15], np.float32)[:, None, None, None], (4, 2, 3, 3))
    blocks = {"wd": {"axis": 1, "block_size": 2}}
    rewritten(path, blocks, [numpy_helper.from_array(np.ascontiguousarray(scale), "ws")], {})
    ours, _ = outputs(path)
    np.testing.assert_array_equal(ours, expected)


def test_blocks_within_a_sum_are_refused(tmp_path: Path) -> None:
    path = model(tmp_path / "four.onnx", raw=False)
    scale = RNG.uniform(0.05, 0.2, (4, 2, 3, 3)).astype(np.float32)
    rewritten(path, {"wd": {"axis": 1, "block_size": 2}}, [numpy_helper.from_array(scale, "ws")], {})
    with pytest.raises(
        ModelError, match="differ between blocks of 2 along axis 1; quantize it with one scale an output"
    ):
        load(path)


def test_data_that_is_cut_short(tmp_path: Path) -> None:
    path = model(tmp_path / "four.onnx", raw=True)
    proto = onnx.load(path)
    next(t for t in proto.graph.initializer if t.name == "w").raw_data = b"\x00" * 53
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match="has 53 bytes of data, 108 numbers of 4 bits need 54"):
        load(path)
