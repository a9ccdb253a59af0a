"""Products of activations, and the index of the largest, against numpy."""

import kernel_graphs as graphs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_checks import check, find, property_test, tilings
from kernel_harness import Tiling, reference, run
from kernel_host import Host

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import ArgMaxAttrs, Op

leads = st.lists(st.integers(1, 3), max_size=3).map(tuple)


@st.composite
def products(draw: st.DrawFn, dtype: DType) -> graphs.Case:
    """Any number of matrices; the right side has as many, or one."""
    rows, depth, cols = (draw(graphs.small) for _ in range(3))
    lead = draw(leads)
    right = lead if draw(st.booleans()) else ()
    b = GraphBuilder("g")
    low, high, out = (None,) * 3 if dtype is DType.FLOAT32 else (draw(graphs.quants(low=-8, high=0)) for _ in range(3))
    names = [b.input("a", (*lead, rows, depth), dtype, low), b.input("b", (*right, depth, cols), dtype, high)]
    return graphs.single(b, b.node(Op.MATMUL, names, quant=out), np.random.default_rng(draw(graphs.seeds)))


@property_test
@given(products(DType.INT8), tilings)
def test_matmul_s8(host: Host, case: graphs.Case, tiling: Tiling) -> None:
    check(host, "tinyml_matmul_s8", case, tiling)


@property_test
@given(products(DType.FLOAT32), tilings)
def test_matmul_f32(host: Host, case: graphs.Case, tiling: Tiling) -> None:
    node, graph, arrays = case
    (expected,) = reference(node, graph, arrays)
    (result,) = run(host, find("tinyml_matmul_f32", Op.MATMUL), node, graph, arrays, tiling)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
@property_test
@given(st.data())
def test_arg_max(host: Host, dtype: DType, data: st.DataObject) -> None:
    """Few different numbers: of equal ones the first counts."""
    shape = data.draw(graphs.images)
    b = GraphBuilder("g")
    quant = None if dtype is DType.FLOAT32 else data.draw(graphs.quants())
    attrs = ArgMaxAttrs(data.draw(st.sampled_from([DType.INT32, DType.INT64])))
    graph = b.build([b.node(Op.ARG_MAX, [b.input("x", shape, dtype, quant)], attrs)])
    rng = np.random.default_rng(data.draw(graphs.seeds))
    x = rng.integers(-3, 3, shape).astype(dtype.numpy)
    tiling = Tiling(data.draw(st.one_of(st.none(), st.integers(1, 3))))
    symbol = "tinyml_arg_max_f32" if dtype is DType.FLOAT32 else "tinyml_arg_max_s8"
    check(host, symbol, (graph.nodes[0], graph, {"x": x}), tiling)
