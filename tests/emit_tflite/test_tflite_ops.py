"""LiteRT's reference kernels give, for what the writer makes of every operation, what the graph says: integers to the bit."""

import numpy as np
import pytest
import tflite_graphs as graphs
from golden import litert_reference

from tinyml.emit.tflite import Description, emit_tflite
from tinyml.emit.tflite.writer import HANDLERS
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Op

INT8, INT16, REAL = DType.INT8, DType.INT16, DType.FLOAT32
EVERY = (graphs.pools, graphs.arithmetic, graphs.moves, graphs.resamples)

CASES = {
    "int8-weighted": lambda: graphs.weighted(INT8),
    "int4-weighted": lambda: graphs.weighted(INT8, DType.INT4),
    "16x8-weighted": lambda: graphs.weighted(INT16),
    "float32-weighted": lambda: graphs.weighted(REAL),
    "int8": lambda: graphs.of(INT8, *EVERY, graphs.functions),
    "int16": lambda: graphs.of(INT16, *EVERY),
    "float32": lambda: graphs.of(REAL, *EVERY, graphs.functions, graphs.real_only),
    "conversions": graphs.conversions,
}


def inputs_of(graph: Graph, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = (graph.value(name) for name in graph.inputs)
    return {
        v.name: rng.normal(0, 2, v.shape).astype(np.float32)
        if v.dtype is REAL
        else rng.integers(*v.dtype.range, v.shape, v.dtype.numpy, endpoint=True)
        for v in values
    }


@pytest.mark.parametrize("case", CASES)
def test_litert_agrees(case: str) -> None:
    graph = CASES[case]()
    given = inputs_of(graph)
    expected = litert_reference(emit_tflite(graph, Description(case)), list(given.values()))
    actual = run(graph, given).outputs
    assert list(actual) == list(graph.outputs) and len(expected) == len(actual)
    wrong = [name for (name, a), b in zip(actual.items(), expected, strict=True) if not _equal(np.asarray(a), b)]
    assert not wrong


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """To the bit; of real numbers, but for the order in which sums were rounded."""
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    if a.dtype != np.float32:
        return bool((a == b).all())
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-5, equal_nan=True))


def test_every_operation_is_tried() -> None:
    tried = {node.op for make in CASES.values() for node in make().nodes}
    assert set(HANDLERS) - tried == {Op.ERF, Op.SVDF}  # which are in test_tflite_whole
