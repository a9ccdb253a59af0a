"""Signal to noise, against hand arithmetic."""

import math

import numpy as np
import pytest

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import FullyConnectedAttrs, Op
from tinyml.quantize.error_report import layer_sqnr, output_sqnr, stored_inputs
from tinyml.quantize.int8 import quantize_int8


def chain() -> Graph:
    """Two layers that pass their input on."""
    b = GraphBuilder("chain")
    x = b.input("x", (1, 4), DType.FLOAT32)
    w = b.constant("w", np.eye(4, dtype=np.float32))
    first = b.node(Op.FULLY_CONNECTED, [x, w], FullyConnectedAttrs(), name="first", output="h", source="layer 1")
    second = b.node(Op.FULLY_CONNECTED, [first, w], FullyConnectedAttrs(), name="second", output="y")
    return b.build([second])


STEPS = {"data": np.array([[-128, -1, 0, 127]], np.float32)}


def test_what_int8_holds_exactly_has_no_noise() -> None:
    graph = chain()
    full = (-128.0, 127.0)
    quantized = quantize_int8(graph, {"x": full, "h": full, "y": full})
    sample = {"x": STEPS["data"]}
    np.testing.assert_array_equal(stored_inputs(quantized, sample)["x"], STEPS["data"].astype(np.int8))
    assert output_sqnr(graph, quantized, [sample]) == {"y": math.inf}
    assert [e.sqnr_db for e in layer_sqnr(graph, quantized, [sample])] == [math.inf, math.inf]


def test_a_layer_that_saturates_is_told_from_one_that_passes_errors_on() -> None:
    """The first layer clips 127 to 63.5: its own noise is 63.5^2 of a signal of 128^2 + 1 + 127^2; the second adds
    none, but carries it."""
    graph = chain()
    full = (-128.0, 127.0)
    quantized = quantize_int8(graph, {"x": full, "h": (-128.0, 63.75), "y": full})
    first, second = layer_sqnr(graph, quantized, [{"x": STEPS["data"]}])
    noise = (127 - 63.75) ** 2
    expected = 10 * math.log10((128**2 + 1 + 127**2) / noise)
    assert (first.node, first.op, first.source) == ("first", Op.FULLY_CONNECTED, "layer 1")
    assert first.sqnr_db == pytest.approx(expected, abs=0.1)
    assert first.own_sqnr_db == first.sqnr_db
    assert second.sqnr_db == pytest.approx(expected, abs=0.1)
    assert second.own_sqnr_db > 40


def test_power_adds_up_over_samples() -> None:
    graph = chain()
    quantized = quantize_int8(graph, {"x": (-128.0, 127.0), "h": (-128.0, 127.0), "y": (-128.0, 127.0)})
    exact = {"x": np.array([[100, 0, 0, 0]], np.float32)}
    rounded = {"x": np.array([[0.25, 0, 0, 0]], np.float32)}
    power = (100**2 + 0.25**2) / 0.25**2
    assert output_sqnr(graph, quantized, [exact, rounded])["y"] == pytest.approx(10 * math.log10(power))


def test_a_silent_output_with_noise_is_minus_infinity() -> None:
    graph = chain()
    quantized = quantize_int8(graph, {"x": (0.0, 255.0), "h": (0.0, 255.0), "y": (0.0, 255.0)})
    silent = {"x": np.zeros((1, 4), np.float32)}
    assert output_sqnr(graph, quantized, [silent])["y"] == math.inf


def test_blame_saturation_and_channels_by_hand() -> None:
    """The first layer alone loses 63.25 of 127 in the last channel, which reaches the output as it is."""
    graph = chain()
    full = (-128.0, 127.0)
    quantized = quantize_int8(graph, {"x": full, "h": (-128.0, 63.75), "y": full})
    first, second = layer_sqnr(graph, quantized, [{"x": STEPS["data"]}])
    signal = 128**2 + 1 + 127**2
    assert first.blame == pytest.approx((127 - 63.75) ** 2 / signal, rel=0.02)
    assert second.blame < 0.01 * first.blame
    assert first.saturated == 0.25 and second.saturated == 0.0
    assert first.channels[0] == (3, pytest.approx(20 * math.log10(127 / 63.25), abs=0.1))


def test_blame_counts_what_reaches_the_output() -> None:
    """A layer whose error the next one throws away is not to blame, however wrong it is."""
    b = GraphBuilder("deaf")
    x = b.input("x", (1, 2), DType.FLOAT32)
    both = b.node(
        Op.FULLY_CONNECTED, [x, b.constant("w", np.eye(2, dtype=np.float32))], FullyConnectedAttrs(), name="both"
    )
    deaf = np.array([[1.0, 0.0]], np.float32)
    graph = b.build([b.node(Op.FULLY_CONNECTED, [both, b.constant("v", deaf)], FullyConnectedAttrs(), name="deaf")])
    ranges = {"x": (-128.0, 127.0), "both": (-60.0, 20.0), "deaf": (-128.0, 127.0)}
    layers = layer_sqnr(graph, quantize_int8(graph, ranges), [{"x": np.array([[10.0, 120.0]], np.float32)}])
    assert layers[0].own_sqnr_db < 10 and layers[0].saturated == 0.5
    assert layers[0].blame < 1e-3
