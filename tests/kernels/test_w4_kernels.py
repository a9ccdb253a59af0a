"""Kernels with weights of 4 bits against numpy: on the host under sanitizers, and on emulated cores."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from helium_graphs import convolution
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import accepted, check, find, property_test, tilings
from kernel_core import MACHINES, EmulatedCore, emulated
from kernel_graphs import Case, seeds, single
from kernel_harness import Tiling, run
from kernel_host import Host
from w4_graphs import convolutions_w4, depthwise_w4, four_bits, fully_connected_w4

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.macs import macs
from tinyml.ir.ops import NO_CLAMP, RELU, Clamp, Conv2dAttrs, FullyConnectedAttrs, Op
from tinyml.ir.quant import QuantParams

CONV, MATRIX = "tinyml_conv_w4_dsp", "tinyml_fully_connected_w4_dsp"

_DEPTHWISE = {
    "tinyml_depthwise_s8_dsp": None,
    **{f"tinyml_depthwise_{size}x{size}_s8_dsp": size for size in (3, 5, 7)},
}


def _depthwise(symbol: str, size: int | None) -> st.SearchStrategy[Case]:
    return depthwise_w4(size).filter(accepted(symbol, Op.CONV2D))


_CASES: dict[str, Callable[[], st.SearchStrategy[Case]]] = {
    "tinyml_conv_w4": convolutions_w4,
    CONV: lambda: st.sampled_from(["any", "pointwise"]).flatmap(
        lambda kind: convolutions_w4(kind).filter(accepted(CONV, Op.CONV2D))
    ),
    "tinyml_depthwise_w4": depthwise_w4,
    **{symbol: partial(_depthwise, symbol, size) for symbol, size in _DEPTHWISE.items()},
    "tinyml_fully_connected_w4": fully_connected_w4,
    MATRIX: lambda: fully_connected_w4().filter(accepted(MATRIX, Op.FULLY_CONNECTED)),
}


@pytest.mark.parametrize("symbol", list(_CASES))
@property_test
@given(st.data(), tilings)
def test_host_agrees(host: Host, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    check(host, symbol, data.draw(_CASES[symbol]()), tiling)


@pytest.fixture(scope="module", params=MACHINES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EmulatedCore:
    return emulated(request.param, tmp_path_factory.mktemp(request.param), list(_CASES))


@pytest.mark.emulated
@pytest.mark.parametrize("symbol", list(_CASES))
@settings(property_test, max_examples=25)
@given(st.data(), tilings)
def test_core_agrees(machine: EmulatedCore, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    check(machine, symbol, data.draw(_CASES[symbol]()), tiling)


def _convolution(weights: np.ndarray, size: int, zero: int, out_zero: int, scale: float, pad: int = 0) -> Case:
    b = GraphBuilder("g")
    x = b.input("x", (1, size, size, weights.shape[3]), DType.INT8, QuantParams.per_tensor(0.05, zero))
    w = b.constant("w", weights.astype(np.int8), QuantParams.per_tensor(0.1, 0, DType.INT4), DType.INT4)
    attrs = Conv2dAttrs(padding=((pad, pad),) * 2, clamp=RELU)
    return single(
        b, b.node(Op.CONV2D, [x, w], attrs, quant=QuantParams.per_tensor(scale, out_zero)), np.random.default_rng(1)
    )


@pytest.mark.emulated
@pytest.mark.parametrize("zero", [-128, 0, 127])
@pytest.mark.parametrize("taps", [1, 2, 3, 7, 8, 15, 16, 17, 34, 256])
def test_extremes(machine: EmulatedCore, host: Host, zero: int, taps: int) -> None:
    """Inputs and weights at both ends of their ranges, so that sums reach what the lanes hold; every number of taps that
    the unrolled loop begins with."""
    rng = np.random.default_rng(taps)
    weights = rng.choice([-8, 7], (8, 1, 1, taps))
    weights[0], weights[1], weights[3] = 7, -8, -8
    weights[7, 0, 0, taps // 2 :] = 7
    node, graph, _ = _convolution(weights, 5, zero, -128, 0.012 * (1 + taps))
    pixels = rng.choice(np.array([-128, 127], np.int8), (1, 5, 5, taps))
    pixels[0, 0], pixels[0, 1] = -128, 127
    assert find(CONV, Op.CONV2D).rejects(node, graph) is None
    for where in (machine, host):
        check(where, CONV, (node, graph, {"x": pixels}), Tiling())


@pytest.mark.emulated
@pytest.mark.parametrize("clamp", [NO_CLAMP, RELU])
@pytest.mark.parametrize("size", [16, 1])
def test_factors_on_both_sides_of_a_half(machine: EmulatedCore, host: Host, size: int, clamp: Clamp) -> None:
    """Few taps in fine steps of the output, as in narrow layers: some channels are shifted to the left, ties included."""
    factors = 2.0 ** np.array([-4, -2, -1.5, -1, -0.5, 0, 0.3, 1, 2.5, 4, -1, -8])
    rng = np.random.default_rng(3)
    b = GraphBuilder("g")
    x = b.input("x", (1, size, size, 3), DType.INT8, QuantParams.per_tensor(1.0, 5))
    stored = rng.integers(-8, 8, (12, 1, 1, 3)).astype(np.int8)
    w = b.constant("w", stored, QuantParams.per_channel(factors, 0, DType.INT4), DType.INT4)
    bias = b.constant("bias", rng.integers(-200, 200, 12, dtype=np.int32))
    name = b.node(Op.CONV2D, [x, w, bias], Conv2dAttrs(clamp=clamp), quant=QuantParams.per_tensor(1.0, 7))
    for where in (machine, host):
        check(where, CONV, single(b, name, rng), Tiling())


def test_refuses_sums_that_leave_a_lane() -> None:
    """300 taps of 7 with inputs up to 255 may sum to more than 2^19: too much for the fourth channel only."""
    for channel, refused in ((2, False), (3, True)):
        weights = np.zeros((4, 1, 1, 300))
        weights[channel] = 7
        node, graph, _ = _convolution(weights, 2, -128, 0, 3.0)
        reason = find(CONV, Op.CONV2D).rejects(node, graph)
        assert (reason is not None and f"channel {channel} has others" in reason) == refused
    b = GraphBuilder("g")
    x = b.input("x", (1, 600), DType.INT8, QuantParams.per_tensor(0.05, 0))
    w = b.constant("w", np.full((4, 600), 7, np.int8), QuantParams.per_tensor(0.1, 0, DType.INT4), DType.INT4)
    name = b.node(Op.FULLY_CONNECTED, [x, w], FullyConnectedAttrs(), quant=QuantParams.per_tensor(9.0, 0))
    node, graph, _ = single(b, name, np.random.default_rng(0))
    assert "every fourth output" in (find(MATRIX, Op.FULLY_CONNECTED).rejects(node, graph) or "")


@property_test
@given(seeds, st.sampled_from([(8, 4), (16, 5), (640, 128), (9, 3), (33, 12)]))
def test_matrix_of_every_depth(host: Host, seed: int, shape: tuple[int, int]) -> None:
    check(host, MATRIX, _matrix(*shape, seed), Tiling())


def _matrix(depth: int, outputs: int, seed: int = 1) -> Case:
    b = GraphBuilder("g")
    rng = np.random.default_rng(seed)
    x = b.input("x", (1, depth), DType.INT8, QuantParams.per_tensor(0.05, -3))
    stored = rng.integers(-8, 8, (outputs, depth)).astype(np.int8)
    w = b.constant("w", stored, QuantParams.per_tensor(0.16, 0, DType.INT4), DType.INT4)
    name = b.node(Op.FULLY_CONNECTED, [x, w], FullyConnectedAttrs(), quant=QuantParams.per_tensor(0.3, 5))
    return single(b, name, rng)


def _layer(size: int, kernel: int, channels: int, filters: int) -> Case:
    weights = np.random.default_rng(1).integers(-8, 8, (filters, kernel, kernel, channels))
    return _convolution(weights, size, -3, -128, 0.3, kernel // 2)


_BUDGETS = {
    "1x1, 12x12, 16 to 16 channels": (CONV, _layer(12, 1, 16, 16), 1.90),
    "1x1, 10x10, 96 to 48 channels": (CONV, _layer(10, 1, 96, 48), 0.99),
    "1x1, 6x6, 128 to 128 channels": (CONV, _layer(6, 1, 128, 128), 0.90),
    "1x1, 3x3, 256 to 256 channels": (CONV, _layer(3, 1, 256, 256), 0.93),
    "3x3, 12x12, 16 to 16 channels": (CONV, _layer(12, 3, 16, 16), 1.24),
    "depthwise 3x3, 24x24x32": (
        "tinyml_depthwise_3x3_s8_dsp",
        four_bits(convolution(3, 24, 24, 32, 32, depthwise=True)),
        2.4,
    ),
    "depthwise 3x3, 6x6x128": (
        "tinyml_depthwise_3x3_s8_dsp",
        four_bits(convolution(3, 6, 6, 128, 128, depthwise=True)),
        3.5,
    ),
    "depthwise 7x7, 20x20x48": (
        "tinyml_depthwise_7x7_s8_dsp",
        four_bits(convolution(7, 20, 20, 48, 48, depthwise=True)),
        1.5,
    ),
    "fully connected, 640 to 128": (MATRIX, _matrix(640, 128), 1.1),
    "fully connected, 128 to 128": (MATRIX, _matrix(128, 128), 1.3),
}


@pytest.mark.emulated
@pytest.mark.parametrize("name", list(_BUDGETS))
def test_instructions(machine: EmulatedCore, name: str) -> None:
    """Instructions a multiply-accumulate, everything included."""
    symbol, (node, graph, arrays), budget = _BUDGETS[name]
    if not machine.has_dsp:
        pytest.skip("the core has no SMLAD")
    count = machine.instructions(lambda: run(machine, find(symbol, node.op), node, graph, arrays))
    assert count <= budget * macs(node, graph)
