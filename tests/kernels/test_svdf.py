"""SVDF, whose state outlives a run."""

import kernel_graphs as graphs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_checks import check, property_test
from kernel_harness import Tiling
from kernel_host import Host

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op, SvdfAttrs
from tinyml.ir.quant import QuantParams


@st.composite
def svdfs(draw: st.DrawFn, memory_type: DType) -> graphs.Case:
    rng = np.random.default_rng(draw(graphs.seeds))
    rows, depth, memory = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 8))
    rank, units = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    b = GraphBuilder("g")
    x = b.input("x", (rows, depth), DType.INT8, draw(graphs.quants(low=-6, high=0)))
    symmetric = draw(graphs.scales(-8, -4))
    feature = b.constant(
        "feature", graphs.stored(rng, (units * rank, depth), DType.INT8), QuantParams.per_tensor(symmetric, 0)
    )
    # Sums over time stay within int32, as they do in TFLite's kernel.
    limit = 2000 if memory_type is DType.INT16 else 128
    time = b.constant(
        "time",
        rng.integers(-limit, limit, (units * rank, memory)).astype(memory_type.numpy),
        QuantParams.per_tensor(2.0**-12, 0, memory_type),
    )
    bias = b.constant("bias", rng.integers(-9999, 9999, units, dtype=np.int32)) if draw(st.booleans()) else None
    zero = 0 if memory_type is DType.INT16 else draw(st.integers(-128, 127))
    state_quant = QuantParams.per_tensor(2.0**-8, zero, memory_type)
    state = b.state("state", (rows, units * rank * memory), memory_type, state_quant)
    out = draw(graphs.quants(low=-6, high=2))
    y, written = b.nodes(
        Op.SVDF, [x, feature, time, bias, state], SvdfAttrs(rank, draw(graphs.clamps)), quants=[out, state_quant]
    )
    b.update_state(state, written)
    graph = b.build([y])
    arrays = {name: graphs.stored(rng, graph.value(name).shape, graph.value(name).dtype) for name in (x, state)}
    return graph.nodes[0], graph, arrays


@pytest.mark.parametrize("memory_type", [DType.INT16, DType.INT8])
@property_test
@given(st.data(), st.booleans())
def test_svdf(host: Host, memory_type: DType, data: st.DataObject, shared: bool) -> None:
    symbol = "tinyml_svdf_s8_s16" if memory_type is DType.INT16 else "tinyml_svdf_s8_s8"
    check(host, symbol, data.draw(svdfs(memory_type)), Tiling(), {"state": 1} if shared else {})
