"""Kernels of 16-bit activations against numpy: on the host under sanitizers, and on emulated cores."""

from collections.abc import Callable
from functools import partial

import helium_graphs as helium
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
from tinyml.ir.ops import BinaryAttrs, Op, SoftmaxAttrs
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
    "tinyml_depthwise_s16_dsp": _wide(
        "tinyml_depthwise_s16_dsp", Op.CONV2D, lambda: graphs.convolutions(kind="depthwise")
    ),
    **{
        symbol: _wide(symbol, Op.FULLY_CONNECTED, graphs.fully_connected)
        for symbol in ("tinyml_fully_connected_s16", "tinyml_fully_connected_s16_dsp")
    },
    **{
        f"tinyml_{op.value}_s16": _wide(f"tinyml_{op.value}_s16", op, partial(graphs.binary, op))
        for op in (Op.ADD, Op.SUB, Op.MUL)
    },
    "tinyml_add_s16_dsp": _wide("tinyml_add_s16_dsp", Op.ADD, helium.sums),
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


def _sum() -> graphs.Case:
    b = GraphBuilder("g")
    first, second, third = (QuantParams.per_tensor(scale, 0, DType.INT16) for scale in (0.02, 0.013, 0.03))
    x, y = b.input("x", (1, 16, 16, 16), DType.INT16, first), b.input("y", (1, 16, 16, 16), DType.INT16, second)
    return graphs.single(b, b.node(Op.ADD, [x, y], BinaryAttrs(), quant=third), np.random.default_rng(1))


_BUDGETS = {
    "1x1, 10x10, 96 to 48 channels": (CONV, sixteen_bits(helium.convolution(1, 10, 10, 96, 48)), 1.95),
    "1x1, 24x24, 16 to 32 channels": (CONV, sixteen_bits(helium.convolution(1, 24, 24, 16, 32)), 3.5),
    "depthwise 3x3, 25x5x64": (
        "tinyml_depthwise_s16_dsp",
        sixteen_bits(helium.convolution(3, 25, 5, 64, 64, depthwise=True)),
        8.4,
    ),
    "sum, 16x16x16": ("tinyml_add_s16_dsp", _sum(), 36.0),
}


@pytest.mark.emulated
@pytest.mark.parametrize("name", list(_BUDGETS))
def test_instructions(machine: EmulatedCore, name: str) -> None:
    """Of a multiply-accumulate, or of an element of a sum, everything included."""
    symbol, (node, graph, arrays), budget = _BUDGETS[name]
    if not machine.has_dsp:
        pytest.skip("the core has no SMLAD")
    count = machine.instructions(lambda: run(machine, find(symbol, node.op), node, graph, arrays))
    work = macs(node, graph) or graph.value(node.output).elements
    print(f"{symbol}: {count / work:.2f}")
    assert count <= budget * work
