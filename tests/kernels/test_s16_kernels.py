"""Kernels of 16-bit activations against numpy: on the host under sanitizers, and on emulated cores."""

from collections.abc import Callable
from functools import partial

import kernel_graphs as graphs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import accepted, check, find, property_test, tilings
from kernel_core import MACHINES, EmulatedCore, emulated
from kernel_harness import Tiling, run
from kernel_host import Host
from s16_graphs import sixteen_bits

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.macs import macs
from tinyml.ir.ops import Conv2dAttrs, Op, SoftmaxAttrs
from tinyml.ir.quant import QuantParams

CONV = "tinyml_conv_s16_dsp"
_FRACTION = QuantParams.per_tensor(1 / 32768, 0, DType.INT16)


def _wide(
    symbol: str, op: Op, cases: Callable[[], st.SearchStrategy[graphs.Case]]
) -> Callable[[], st.SearchStrategy[graphs.Case]]:
    return lambda: cases().map(sixteen_bits).filter(accepted(symbol, op))


def _function(op: Op, symbol: str) -> st.SearchStrategy[graphs.Case]:
    source = graphs.scales(-18, 1).map(lambda s: QuantParams.per_tensor(s, 0, DType.INT16))
    attrs = (lambda draw: SoftmaxAttrs(draw(st.sampled_from([1.0, 0.5, 2.0])))) if op is Op.SOFTMAX else None
    return source.flatmap(lambda q: graphs.unary(op, attrs, q, _FRACTION)).filter(accepted(symbol, op))


_CASES: dict[str, Callable[[], st.SearchStrategy[graphs.Case]]] = {
    "tinyml_conv_s16": _wide(
        "tinyml_conv_s16",
        Op.CONV2D,
        lambda: st.sampled_from(["any", "depthwise"]).flatmap(lambda kind: graphs.convolutions(kind=kind)),
    ),
    CONV: _wide(
        CONV,
        Op.CONV2D,
        lambda: st.sampled_from(["any", "pointwise"]).flatmap(lambda kind: graphs.convolutions(kind=kind)),
    ),
    **{
        symbol: _wide(symbol, Op.FULLY_CONNECTED, graphs.fully_connected)
        for symbol in ("tinyml_fully_connected_s16", "tinyml_fully_connected_s16_dsp")
    },
    **{
        f"tinyml_{op.value}_s16": _wide(f"tinyml_{op.value}_s16", op, partial(graphs.binary, op))
        for op in (Op.ADD, Op.SUB, Op.MUL)
    },
    "tinyml_max_pool_s16": _wide("tinyml_max_pool_s16", Op.MAX_POOL2D, partial(graphs.pools, Op.MAX_POOL2D)),
    "tinyml_average_pool_s16": _wide(
        "tinyml_average_pool_s16", Op.AVERAGE_POOL2D, partial(graphs.pools, Op.AVERAGE_POOL2D)
    ),
    "tinyml_mean_s16": _wide("tinyml_mean_s16", Op.MEAN, partial(graphs.means, DType.INT8)),
    "tinyml_softmax_s16": partial(_function, Op.SOFTMAX, "tinyml_softmax_s16"),
    "tinyml_logistic_s16": partial(_function, Op.SIGMOID, "tinyml_logistic_s16"),
    "tinyml_tanh_s16": partial(_function, Op.TANH, "tinyml_tanh_s16"),
}


@pytest.mark.parametrize("symbol", list(_CASES))
@property_test
@given(st.data(), tilings)
def test_host_agrees(host: Host, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    """In place, too, where the planner may ask for it."""
    case = data.draw(_CASES[symbol]())
    check(host, symbol, case, tiling)
    if find(symbol, case[0].op).access.in_place == 0:
        check(host, symbol, case, Tiling(), {"x": 0})


@pytest.fixture(scope="module", params=MACHINES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EmulatedCore:
    return emulated(request.param, tmp_path_factory.mktemp(request.param), list(_CASES))


@pytest.mark.emulated
@pytest.mark.parametrize("symbol", list(_CASES))
@settings(property_test, max_examples=15)
@given(st.data(), tilings)
def test_core_agrees(machine: EmulatedCore, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    check(machine, symbol, data.draw(_CASES[symbol]()), tiling)


@pytest.mark.emulated
def test_instructions(machine: EmulatedCore) -> None:
    """Of a multiply-accumulate, everything included: 1x1, 10x10, 96 to 48 channels."""
    if not machine.has_dsp:
        pytest.skip("the core has no SMLAD")
    rng = np.random.default_rng(1)
    b = GraphBuilder("g")
    x = b.input("x", (1, 10, 10, 96), DType.INT16, QuantParams.per_tensor(0.001, 0, DType.INT16))
    w = b.constant("w", graphs.stored(rng, (48, 1, 1, 96), DType.INT8), QuantParams.per_tensor(0.01, 0))
    quant = QuantParams.per_tensor(0.01, 0, DType.INT16)
    node, graph, arrays = graphs.single(b, b.node(Op.CONV2D, [x, w], Conv2dAttrs(), quant=quant), rng)
    count = machine.instructions(lambda: run(machine, find(CONV, Op.CONV2D), node, graph, arrays))
    assert count <= 2.2 * macs(node, graph), f"{count / macs(node, graph):.2f}"
