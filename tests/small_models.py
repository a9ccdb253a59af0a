"""ONNX files of a few nodes."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def relu_network(path: Path, **names: str) -> Path:
    """y = Relu(x) on four numbers, with any names."""
    x, y, node = (names.get(key, key) for key in ("x", "y", "node"))
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in (x, y)]
    graph = helper.make_graph([helper.make_node("Relu", [x], [y], name=node)], "g", info[:1], info[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def one_node(path: Path, op: str, shape: tuple[int, ...], out: tuple[int, ...], **attributes: object) -> Path:
    """y = op(x) in float."""
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", shape), ("y", out))]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], **attributes)], "g", infos[:1], infos[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def constant_output(path: Path) -> Path:
    """y = Relu(x), and anchors = scale + scale, which no input reaches."""
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4]) for n in ("x", "y", "anchors")]
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Add", ["scale", "scale"], ["anchors"])]
    graph = helper.make_graph(
        nodes, "g", infos[:1], infos[1:], [numpy_helper.from_array(np.ones((1, 4), np.float32), "scale")]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def several_ports(path: Path) -> Path:
    """Two inputs and two outputs: a (1x3x8x8) and b (1x6) -> pooled a + FC(b), and b's product of its own."""
    rng = np.random.default_rng(1)
    constants = {
        "w": rng.standard_normal((3, 6)).astype(np.float32),
        "conv": rng.standard_normal((3, 3, 3, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["a", "conv"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["b", "w"], ["g"], transB=1),
        helper.make_node("Add", ["f", "g"], ["sum"]),
        helper.make_node("Relu", ["g"], ["positive"]),
    ]
    graph = helper.make_graph(
        nodes,
        "ports",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 3, 8, 8]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 6]),
        ],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3]) for n in ("sum", "positive")],
        [numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
