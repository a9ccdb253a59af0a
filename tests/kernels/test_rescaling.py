"""Kernels that rescale in a way of their own against the definition, over every shift, at ties and at the extremes."""

import shutil

import kernel_graphs as graphs
import numpy as np
import pytest
from kernel_checks import check, find
from kernel_core import M4, EmulatedCore, build
from kernel_harness import Tiling
from kernel_host import Host

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Conv2dAttrs, FullyConnectedAttrs, Op
from tinyml.ir.quant import QuantParams

LANES = "tinyml_conv_paired_s8_dsp"
DUAL_ISSUE = "tinyml_conv_paired_s8_m7"
WINOGRAD = "tinyml_conv_winograd_s8_dsp"
MATRIX = "tinyml_fully_connected_paired_s8_dsp"


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> EmulatedCore:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not on the PATH")
    return EmulatedCore(
        build(tmp_path_factory.mktemp("rescaling"), M4, "arm-none-eabi-gcc", [LANES, DUAL_ISSUE, WINOGRAD, MATRIX]), M4
    )


def _layer(symbol: str, factors: np.ndarray, bias: np.ndarray, weight: int, zero: int, out_zero: int) -> graphs.Case:
    """A layer of every value of an input, with output = factor * (weight * (input - zero) + bias). 1x1, or 3x3 with zeros
    around the middle for WINOGRAD, which takes filters in fours: then factors and biases go on from the first."""
    b = GraphBuilder("g")
    size, filters = (3, len(factors) + -len(factors) % 4) if symbol == WINOGRAD else (1, len(factors))
    factors, bias = np.resize(factors, filters), np.resize(bias, filters)
    pixels = np.zeros((1, 16, 16, 4), np.int8)
    pixels[..., 0] = np.arange(-128, 128).reshape(1, 16, 16)
    weights = np.zeros((filters, size, size, 4), np.int8)
    weights[:, size // 2, size // 2, 0] = weight
    x = b.input("x", pixels.shape, DType.INT8, QuantParams.per_tensor(1.0, zero))
    w = b.constant("w", weights, QuantParams.per_channel(factors, 0))
    name = b.node(
        Op.CONV2D,
        [x, w, b.constant("bias", bias.astype(np.int32))],
        Conv2dAttrs(padding=((size // 2, size // 2),) * 2),
        quant=QuantParams.per_tensor(1.0, out_zero),
    )
    node, graph, _ = graphs.single(b, name, np.random.default_rng(0))
    return node, graph, {"x": pixels}


def _both(host: Host, core: EmulatedCore, symbol: str, case: graphs.Case) -> None:
    assert find(symbol, Op.CONV2D).rejects(case[0], case[1]) is None
    for machine in (host, core):
        check(machine, symbol, case, Tiling())


@pytest.mark.parametrize("symbol", [LANES, DUAL_ISSUE, WINOGRAD])
@pytest.mark.parametrize("out_zero", [-128, 0, 5, 127])
@pytest.mark.parametrize("weight", [1, -127])
def test_powers_of_two_round_ties_away_from_zero(
    host: Host, core: EmulatedCore, symbol: str, weight: int, out_zero: int
) -> None:
    """2^-1 has ties at every second sum. Shifts from 0 on are what a factor of 2^-1 to 2^-22 has."""
    factors = 2.0 ** -np.arange(2, 24, dtype=float)
    for step in (0, 1, 2):
        bias = np.round((step - 1) * 3.5 / factors)
        _both(host, core, symbol, _layer(symbol, factors, bias, weight, 3, out_zero))


@pytest.mark.parametrize("symbol", [LANES, DUAL_ISSUE, WINOGRAD])
@pytest.mark.parametrize("out_zero", [-128, -3, 127])
def test_any_factor_and_large_sums(host: Host, core: EmulatedCore, symbol: str, out_zero: int) -> None:
    rng = np.random.default_rng(out_zero + 200)
    factors = 2.0 ** -rng.uniform(1, 20, 40)
    _both(
        host, core, symbol, _layer(symbol, factors, np.round(rng.uniform(-300, 300, 40) / factors), 127, -128, out_zero)
    )


@pytest.mark.parametrize("symbol", [LANES, DUAL_ISSUE, WINOGRAD])
def test_channels_whose_output_never_changes(host: Host, core: EmulatedCore, symbol: str) -> None:
    """Dead channels of trained networks: factors next to nothing, none at all, and biases beyond half of int32."""
    factors = np.array([1e-12, 2.0**-40, 1e-9, 0.9, 3.0, 2.0**-8, 0.01])
    bias = np.array([2**30 + 5, 7, -(2**30), 2**24, -(2**24), 2**30, 0])
    _both(host, core, symbol, _layer(symbol, factors, bias, 1, -128, -128))


@pytest.mark.parametrize(
    ("symbol", "factor", "weight", "reason"),
    [
        (LANES, 0.9, 1, "rescaling makes smaller"),
        (LANES, 0.01, -128, "from -127 on"),
        (WINOGRAD, 0.9, 1, "rescaling makes smaller"),
    ],
)
def test_refuses_what_it_cannot_compute(symbol: str, factor: float, weight: int, reason: str) -> None:
    node, graph, _ = _layer(symbol, np.full(2, factor), np.zeros(2), weight, 0, 0)
    refusal = find(symbol, Op.CONV2D).rejects(node, graph)
    assert refusal is not None and reason in refusal


def test_the_largest_sums_of_winograd(host: Host, core: EmulatedCore) -> None:
    """Four times the sum has to fit into 32 bits: of 64 channels with all weights at an end, and a bias beyond them."""

    def layer(bias: int) -> graphs.Case:
        b = GraphBuilder("g")
        x = b.input("x", (1, 4, 4, 64), DType.INT8, QuantParams.per_tensor(1.0, -128))
        w = b.constant("w", np.full((4, 3, 3, 64), 127, np.int8), QuantParams.per_tensor(2.0**-23, 0))
        biases = b.constant("bias", np.full(4, bias, np.int32))
        name = b.node(Op.CONV2D, [x, w, biases], Conv2dAttrs(), quant=QuantParams.per_tensor(1.0, 0))
        return graphs.single(b, name, np.random.default_rng(0))

    _both(host, core, WINOGRAD, layer(2**29 - 2**25))
    _both(host, core, WINOGRAD, layer(-(2**29) + 2**24))
    for bias in (2**29 - 2**24, -(2**29)):
        node, graph, _ = layer(bias)
        assert "takes sums below 2^29" in (find(WINOGRAD, Op.CONV2D).rejects(node, graph) or "")


def _matrix(factor: float, out_zero: int, outputs: int) -> graphs.Case:
    """256 rows with every value of an input of weight 1: output i has 256 sums from its bias, 256 * (i - outputs / 2), on."""
    b = GraphBuilder("g")
    rows = np.zeros((256, 2), np.int8)
    rows[:, 0] = np.arange(-128, 128)
    weights = np.zeros((outputs, 2), np.int8)
    weights[:, 0] = 1
    bias = 256 * (np.arange(outputs, dtype=np.int32) - outputs // 2)
    x = b.input("x", rows.shape, DType.INT8, QuantParams.per_tensor(1.0, 0))
    w = b.constant("w", weights, QuantParams.per_tensor(factor, 0))
    name = b.node(
        Op.FULLY_CONNECTED,
        [x, w, b.constant("bias", bias)],
        FullyConnectedAttrs(),
        quant=QuantParams.per_tensor(1.0, out_zero),
    )
    node, graph, _ = graphs.single(b, name, np.random.default_rng(0))
    return node, graph, {"x": rows}


@pytest.mark.parametrize("seed", range(12))
def test_every_sum_of_a_fully_connected_layer(host: Host, core: EmulatedCore, seed: int) -> None:
    """All sums between both ends of the output's range: where the descriptor says that they round as LiteRT's, they do."""
    rng = np.random.default_rng(seed)
    factor, zero = float(2.0 ** -rng.uniform(2, 5)), int(rng.integers(-128, 128))
    case = _matrix(factor, zero, 4 + int(256 / factor) // 128)
    assert find(MATRIX, Op.FULLY_CONNECTED).rejects(case[0], case[1]) is None
    check(core if seed < 2 else host, MATRIX, case, Tiling())


@pytest.mark.parametrize("out_zero", [-128, 0, 127])
def test_ties_of_a_fully_connected_layer(host: Host, core: EmulatedCore, out_zero: int) -> None:
    for machine in (host, core):
        check(machine, MATRIX, _matrix(0.125, out_zero, 20), Tiling())


def test_refuses_fully_connected_layers_that_it_cannot_compute() -> None:
    node, graph, _ = _matrix(0.75, 0, 20)
    assert "output 0 has another" in (find(MATRIX, Op.FULLY_CONNECTED).rejects(node, graph) or "")
