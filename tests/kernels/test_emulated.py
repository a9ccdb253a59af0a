"""Kernels as cores run them: the DSP versions with their instructions, and the portable ones besides."""

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

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.macs import macs
from tinyml.ir.ops import NO_CLAMP, RELU6, BinaryAttrs, Conv2dAttrs, FullyConnectedAttrs, Op, SoftmaxAttrs
from tinyml.ir.quant import QuantParams

pytestmark = pytest.mark.emulated
_SOFTMAX = QuantParams.per_tensor(1 / 256, -128)


def _in_lanes(symbol: str) -> st.SearchStrategy[graphs.Case]:
    return st.sampled_from(["any", "pointwise"]).flatmap(
        lambda kind: graphs.convolutions(kind=kind, least=-127).filter(accepted(symbol, Op.CONV2D))
    )


def _planar_depthwise(symbol: str) -> st.SearchStrategy[graphs.Case]:
    size = int(symbol.removeprefix("tinyml_depthwise_")[0])
    return graphs.planar_depthwise(size).filter(accepted(symbol, Op.CONV2D))


_PLANAR = [
    f"tinyml_depthwise_{name}_s8_dsp"
    for name in ("3x3", "3x3_ready", "3x3_ready_wide", "5x5", "5x5_ready", "7x7", "7x7_ready")
]

_CASES: dict[str, Callable[[], st.SearchStrategy[graphs.Case]]] = {
    "tinyml_conv_s8_dsp": graphs.convolutions,
    **{
        symbol: partial(_in_lanes, symbol)
        for symbol in ("tinyml_conv_paired_s8_dsp", "tinyml_conv_paired_s8_m7", "tinyml_conv_paired_narrow_s8_dsp")
    },
    "tinyml_conv_winograd_s8_dsp": lambda: graphs.squares().filter(accepted("tinyml_conv_winograd_s8_dsp", Op.CONV2D)),
    "tinyml_conv_1x1_s8": lambda: graphs.convolutions(kind="pointwise"),
    "tinyml_fully_connected_s8_dsp": graphs.fully_connected,
    "tinyml_fully_connected_paired_s8_dsp": lambda: graphs.fully_connected(least=-127).filter(
        accepted("tinyml_fully_connected_paired_s8_dsp", Op.FULLY_CONNECTED)
    ),
    "tinyml_conv_s8": graphs.convolutions,
    "tinyml_depthwise_s8": lambda: graphs.convolutions(kind="depthwise"),
    **{symbol: partial(_planar_depthwise, symbol) for symbol in _PLANAR},
    "tinyml_add_s8": lambda: graphs.binary(Op.ADD).filter(accepted("tinyml_add_s8", Op.ADD)),
    "tinyml_add_s8_dsp": lambda: graphs.binary(Op.ADD).filter(accepted("tinyml_add_s8_dsp", Op.ADD)),
    "tinyml_add_weighted_s8_dsp": lambda: graphs.binary(Op.ADD).filter(accepted("tinyml_add_weighted_s8_dsp", Op.ADD)),
    "tinyml_depthwise_s8_dsp": lambda: graphs.convolutions(kind="depthwise").filter(
        accepted("tinyml_depthwise_s8_dsp", Op.CONV2D)
    ),
    "tinyml_average_pool_s8": lambda: graphs.pools(Op.AVERAGE_POOL2D),
    "tinyml_average_pool_s8_dsp": lambda: graphs.pools(Op.AVERAGE_POOL2D).filter(
        accepted("tinyml_average_pool_s8_dsp", Op.AVERAGE_POOL2D)
    ),
    "tinyml_max_pool_s8_dsp": lambda: graphs.pools(Op.MAX_POOL2D).filter(
        accepted("tinyml_max_pool_s8_dsp", Op.MAX_POOL2D)
    ),
    "tinyml_softmax_s8": lambda: graphs.quants(low=-10, high=2).flatmap(
        lambda q: graphs.unary(Op.SOFTMAX, lambda _: SoftmaxAttrs(), q, _SOFTMAX)
    ),
    "tinyml_pad": lambda: graphs.movements(Op.PAD).filter(accepted("tinyml_pad", Op.PAD)),
}


@pytest.fixture(scope="module", params=MACHINES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EmulatedCore:
    return emulated(request.param, tmp_path_factory.mktemp(request.param), list(_CASES))


@pytest.mark.parametrize("symbol", list(_CASES))
@settings(property_test, max_examples=25)
@given(st.data(), tilings)
def test_core_agrees(machine: EmulatedCore, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    check(machine, symbol, data.draw(_CASES[symbol]()), tiling)


def _pointwise() -> graphs.Case:
    """A layer as MCUNet has many: 10x10, 96 to 48 channels."""
    b = GraphBuilder("g")
    rng = np.random.default_rng(1)
    x = b.input("x", (1, 10, 10, 96), DType.INT8, QuantParams.per_tensor(0.05, -3))
    w = b.constant(
        "w", np.maximum(graphs.stored(rng, (48, 1, 1, 96), DType.INT8), np.int8(-127)), QuantParams.per_tensor(0.01, 0)
    )
    return graphs.single(b, b.node(Op.CONV2D, [x, w], Conv2dAttrs(), quant=QuantParams.per_tensor(0.3, 5)), rng)


def _spatial() -> graphs.Case:
    """3x3, 16 to 16 channels, as in ResNet-8."""
    b = GraphBuilder("g")
    rng = np.random.default_rng(1)
    x = b.input("x", (1, 12, 12, 16), DType.INT8, QuantParams.per_tensor(0.05, -3))
    w = b.constant(
        "w", np.maximum(graphs.stored(rng, (16, 3, 3, 16), DType.INT8), np.int8(-127)), QuantParams.per_tensor(0.01, 0)
    )
    attrs = Conv2dAttrs(padding=((1, 1), (1, 1)))
    return graphs.single(b, b.node(Op.CONV2D, [x, w], attrs, quant=QuantParams.per_tensor(0.3, 5)), rng)


def _depthwise(size: int, width: int) -> graphs.Case:
    b = GraphBuilder("g")
    rng = np.random.default_rng(1)
    x = b.input("x", (1, width, width, 8), DType.INT8, QuantParams.per_tensor(0.05, -3))
    w = b.constant("w", graphs.stored(rng, (8, size, size, 1), DType.INT8), QuantParams.per_tensor(0.01, 0))
    attrs = Conv2dAttrs(padding=((size // 2, size // 2),) * 2, groups=8, clamp=RELU6)
    return graphs.single(b, b.node(Op.CONV2D, [x, w], attrs, quant=QuantParams.per_tensor(6 / 255, -128)), rng)


def _matrix() -> graphs.Case:
    b = GraphBuilder("g")
    rng = np.random.default_rng(1)
    x = b.input("x", (1, 640), DType.INT8, QuantParams.per_tensor(0.05, -3))
    w = b.constant(
        "w", np.maximum(graphs.stored(rng, (128, 640), DType.INT8), np.int8(-127)), QuantParams.per_tensor(0.01, 0)
    )
    return graphs.single(
        b, b.node(Op.FULLY_CONNECTED, [x, w], FullyConnectedAttrs(), quant=QuantParams.per_tensor(0.3, 5)), rng
    )


@pytest.mark.parametrize(
    ("scales", "weighted"),
    [
        ((0.5, 0.5, 0.5), True),
        ((0.5, 0.125, 0.25), False),  # of ties, those of negative sums round down
        ((0.013, 0.037, 0.041), True),
        ((0.3, 0.0002, 0.01), False),
        ((0.313, 0.0002, 0.041), True),
    ],
)
def test_add_of_all_pairs(machine: EmulatedCore, scales: tuple[float, float, float], weighted: bool) -> None:
    """Ties, saturation, equal scales, and scales far apart."""
    b = GraphBuilder("g")
    quants = [QuantParams.per_tensor(scale, zero) for scale, zero in zip(scales, (-128, 17, -3), strict=True)]
    x, y = (b.input(name, (1, 64, 64, 16), DType.INT8, q) for name, q in zip("xy", quants[:2], strict=True))
    b.node(Op.ADD, [x, y], BinaryAttrs(), quant=quants[2], output="z")
    graph = b.build(["z"])
    first, second = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    arrays = {name: a.astype(np.int8).reshape(1, 64, 64, 16) for name, a in (("x", first), ("y", second))}
    case = (graph.nodes[0], graph, arrays)
    check(machine, "tinyml_add_s8_dsp", case, Tiling())
    assert accepted("tinyml_add_weighted_s8_dsp", Op.ADD)(case) is weighted
    if weighted:
        check(machine, "tinyml_add_weighted_s8_dsp", case, Tiling())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("symbol", ["tinyml_depthwise_s8_dsp", *_PLANAR])
def test_depthwise_of_all_shifts(machine: EmulatedCore, symbol: str, stride: int) -> None:
    """Factors from 2^-2 to 2^-13, powers of two and others, side by side: many products are ties. Widths of any remainder."""
    channels = 24
    size = 3 if symbol == "tinyml_depthwise_s8_dsp" else int(symbol.removeprefix("tinyml_depthwise_")[0])
    for width, clamp in ((1, RELU6), (2, RELU6), (3, RELU6), (8, RELU6), (5, NO_CLAMP), (7, NO_CLAMP)):
        rng = np.random.default_rng(width)
        b = GraphBuilder("g")
        x = b.input("x", (1, 6, width * stride, channels), DType.INT8, QuantParams.per_tensor(1.0, -128))
        scales = [factor * 2.0**-k for k in range(2, 14) for factor in (1.0, 0.7)]
        w = b.constant(
            "w",
            graphs.stored(rng, (channels, size, size, 1), DType.INT8),
            QuantParams(tuple(scales), (0,) * channels, DType.INT8, 0),
        )
        attrs = Conv2dAttrs((stride, stride), padding=((size // 2, size // 2),) * 2, groups=channels, clamp=clamp)
        quant = QuantParams.per_tensor(1.0, -128 if clamp == RELU6 else 3)
        case = graphs.single(b, b.node(Op.CONV2D, [x, w], attrs, quant=quant), rng)
        assert accepted(symbol, Op.CONV2D)(case)
        check(machine, symbol, case, Tiling())


@pytest.mark.parametrize(
    ("symbol", "case", "budget"),
    [
        ("tinyml_conv_s8_dsp", _pointwise(), 2.2),
        ("tinyml_conv_paired_s8_dsp", _pointwise(), 1.0),
        ("tinyml_conv_paired_s8_dsp", _spatial(), 1.25),
        ("tinyml_conv_paired_s8_m7", _spatial(), 1.3),
        ("tinyml_conv_paired_narrow_s8_dsp", _spatial(), 1.4),
        ("tinyml_conv_winograd_s8_dsp", _spatial(), 0.55),
        ("tinyml_conv_s8_dsp", _spatial(), 2.2),
        ("tinyml_fully_connected_s8_dsp", _matrix(), 2.3),
        ("tinyml_fully_connected_paired_s8_dsp", _matrix(), 1.2),
        ("tinyml_depthwise_3x3_s8_dsp", _depthwise(3, 20), 2.5),
        ("tinyml_depthwise_3x3_ready_s8_dsp", _depthwise(3, 16), 2.4),
        ("tinyml_depthwise_3x3_ready_wide_s8_dsp", _depthwise(3, 20), 2.4),
        ("tinyml_depthwise_5x5_s8_dsp", _depthwise(5, 18), 1.7),
        ("tinyml_depthwise_7x7_s8_dsp", _depthwise(7, 18), 1.5),
    ],
)
def test_instructions_per_mac(machine: EmulatedCore, symbol: str, case: graphs.Case, budget: float) -> None:
    """Requantization and all else included; a rise beyond the budget fails."""
    if not machine.has_dsp:
        pytest.skip("the core has no DSP instructions")
    node, graph, arrays = case
    count = machine.instructions(lambda: run(machine, find(symbol, node.op), node, graph, arrays))
    print(f"{symbol}: {count / macs(node, graph):.2f} instructions a MAC")
    assert count / macs(node, graph) <= budget
