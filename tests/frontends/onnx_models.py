"""Small ONNX models, and their results by onnxruntime and through the frontend."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tinyml.frontends.onnx import load
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.verify import verify

OLDEST, NEWEST = 11, 21


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    *,
    constants: Mapping[str, np.ndarray] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    types: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A model of nodes; inputs and outputs are float unless `types` says otherwise."""
    types = types or {}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), None) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def single(
    op: str,
    shape: Sequence[int],
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    opset: int = 17,
    **attributes: Any,
) -> onnx.ModelProto:
    """One node on input x and then the constants in their order; a name of "" is an absent input."""
    constants = dict(constants or {})
    node = helper.make_node(op, ["x", *constants], ["y"], name="the_node", **attributes)
    return model([node], {"x": shape}, constants={n: a for n, a in constants.items() if n}, opset=opset)


def load_bytes(data: bytes | onnx.ModelProto, **options: Any) -> Graph:
    """Through a file, as users do it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
        return load(path, **options)


def by_onnxruntime(proto: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """What the file says: optimizations would merge quantization into operations, and compute something else."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results: list[np.ndarray] = session.run(None, dict(feeds))
    return results


def by_tinyml(graph: Graph, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    verify(graph)
    return list(run(graph, feeds).outputs.values())


def random_feeds(proto: onnx.ModelProto, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    feeds = {}
    for info in proto.graph.input:
        shape = [d.dim_value or 1 for d in info.type.tensor_type.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        real = random.normal(0, 2, shape)
        feeds[info.name] = real.astype(dtype) if dtype.kind == "f" else (real * 20).astype(dtype)
    return feeds


def assert_agrees(proto: onnx.ModelProto, *, relative: float = 1e-5, steps: int = 0) -> Graph:
    """The frontend's graph computes what onnxruntime computes: floats within `relative` of the largest element,
    integers within `steps`. Returns the graph."""
    graph = load_bytes(proto)
    feeds = random_feeds(proto)
    theirs, ours = by_onnxruntime(proto, feeds), by_tinyml(graph, feeds)
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if a.dtype.kind == "f":
            bound = relative * max(1e-3, float(np.max(np.abs(a), initial=0.0)))
            np.testing.assert_allclose(b, a, rtol=0, atol=bound)
        else:
            assert np.max(np.abs(a.astype(np.int64) - b.astype(np.int64)), initial=0) <= steps
    return graph
