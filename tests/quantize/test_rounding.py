"""Weights rounded by their effect, equalized channels, and what both may never change."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.errors import DoesNotFitError, UsageError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import RELU, Conv2dAttrs, FullyConnectedAttrs, Op, ReduceAttrs, SoftmaxAttrs
from tinyml.ir.verify import verify
from tinyml.quantize import Budget, CalibrationData, prepare
from tinyml.quantize.assign import decide
from tinyml.quantize.equalize import equalize
from tinyml.quantize.error_report import output_sqnr
from tinyml.quantize.int8 import quantize_int8
from tinyml.quantize.mixed import best_within, predicted_db
from tinyml.quantize.model import Quantizer
from tinyml.quantize.ranges import calibrate
from tinyml.quantize.reconstruct import Statistics, round_weights, statistics
from tinyml.quantize.sensitivity import candidates, hessian_errors, orthogonality

Samples = list[dict[str, np.ndarray]]


def network(seed: int = 0, *, bias: bool = True, spread: float = 1.0) -> Graph:
    """Convolution, depthwise, pointwise, mean, fully connected, softmax; channels differ by factors up to e^(3 spread)."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("net")

    def layer(x: str, name: str, shape: tuple[int, ...], attrs: Conv2dAttrs | FullyConnectedAttrs) -> str:
        factors = np.exp(rng.normal(0, spread, (shape[0], *[1] * (len(shape) - 1))))
        w = rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape) * factors
        inputs = [x, b.constant(f"{name}_w", w.astype(np.float32))]
        if bias:
            inputs.append(b.constant(f"{name}_b", rng.normal(0, 0.1, shape[0]).astype(np.float32)))
        op = Op.CONV2D if isinstance(attrs, Conv2dAttrs) else Op.FULLY_CONNECTED
        return b.node(op, inputs, attrs, name=name)

    x = b.input("x", (1, 8, 8, 3), DType.FLOAT32)
    same = ((1, 1), (1, 1))
    x = layer(x, "first", (8, 3, 3, 3), Conv2dAttrs(padding=same, clamp=RELU))
    x = layer(x, "depthwise", (8, 3, 3, 1), Conv2dAttrs((2, 2), padding=same, groups=8, clamp=RELU))
    x = layer(x, "pointwise", (16, 1, 1, 8), Conv2dAttrs(clamp=RELU))
    x = layer(x, "grouped", (16, 1, 1, 8), Conv2dAttrs(groups=2, clamp=RELU))
    x = b.node(Op.MEAN, [x], ReduceAttrs((1, 2)))
    x = layer(x, "dense", (4, 16), FullyConnectedAttrs())
    return b.build([b.node(Op.SOFTMAX, [x], SoftmaxAttrs(), output="y")])


def samples(count: int = 24, seed: int = 5) -> Samples:
    rng = np.random.default_rng(seed)
    return [{"x": rng.normal(size=(1, 8, 8, 3)).astype(np.float32)} for _ in range(count)]


def data(seen: Samples) -> CalibrationData:
    return CalibrationData("a test", len(seen), lambda i: seen[i])


ALL_W4 = dict.fromkeys(("first", "depthwise", "pointwise", "grouped", "dense"), "w4a8")


@pytest.mark.parametrize("bias", [True, False])
def test_rounding_by_effect_beats_rounding_to_nearest(bias: bool) -> None:
    graph, seen, fresh = network(bias=bias), samples(), samples(seed=6)
    ranges = calibrate(graph, seen)
    nearest = quantize_int8(graph, ranges, precision=ALL_W4)
    chosen = quantize_int8(graph, ranges, precision=ALL_W4, samples=seen)
    verify(chosen, quantized=True)
    assert output_sqnr(graph, chosen, fresh)["y"] > output_sqnr(graph, nearest, fresh)["y"] + 3
    weights = [chosen.value(n.inputs[1]) for n in chosen.nodes if n.name in ALL_W4]
    assert [w.dtype for w in weights] == [DType.INT4] * 5
    assert all(w.constant.min() >= -7 and w.constant.max() <= 7 for w in weights)


def test_columns_are_the_products_of_a_convolution() -> None:
    """Second moments against a plain loop over output positions."""
    graph = network()
    node = next(n for n in graph.nodes if n.name == "depthwise")
    x = np.random.default_rng(1).normal(size=(1, 8, 8, 8)).astype(np.float32)
    seen = statistics(graph, node, [x], [x])
    padded = np.pad(x[0], ((1, 1), (1, 1), (0, 0)))
    rows = np.array([padded[i : i + 3, j : j + 3, 5].ravel() for i in range(0, 8, 2) for j in range(0, 8, 2)])
    np.testing.assert_allclose(seen.mean[5], rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(seen.auto[5], np.cov(rows.T, bias=True), atol=1e-5)


def test_a_single_product_is_rounded_to_nearest_and_the_bias_takes_the_rest() -> None:
    seen = Statistics(*(np.full((1, 1, 1), 4.0),) * 2, *(np.full((1, 1), 10.0),) * 2)
    result = round_weights(
        np.array([[0.7]], np.float32), np.array([1.0], np.float32), seen, DType.INT4, np.array([0.2])
    )
    assert result.stored.tolist() == [[4]] or result.stored.tolist() == [[3]]
    # 0.7 * 10 + 1 = 8 = stored * 0.2 * 10 + bias
    assert result.bias[0] == pytest.approx(8.0 - 2.0 * result.stored[0, 0])


@given(st.integers(0, 2**32 - 1), st.sampled_from(["constant input", "dead relu", "zero weights", "one sample"]))
@settings(max_examples=12)
def test_degenerate_layers_stay_finite(seed: int, what: str) -> None:
    graph, seen = network(seed), samples(4, seed)
    values = dict(graph.values)
    if what == "constant input":
        seen = [{"x": np.zeros((1, 8, 8, 3), np.float32)} for _ in seen]
    elif what == "one sample":
        seen = seen[:1]
    else:
        w, b = values["pointwise_w"], values["pointwise_b"]
        w.constant.flags.writeable = b.constant.flags.writeable = True
        w.constant[3:] = 0.0
        if what == "dead relu":
            b.constant[3:] = -1.0
    for effort in ("default", "high"):
        quantized = prepare(graph, calibration=data(seen), precision=ALL_W4, effort=effort).graph
        verify(quantized, quantized=True)
        assert all(np.isfinite(v.quant.scale).all() for v in quantized.values.values() if v.quant is not None)
        stored = {"x": quantized.value("x").quant.quantize(seen[0]["x"])}  # type: ignore[union-attr]
        assert run(quantized, stored).outputs["y"].shape == (1, 4)


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=15)
def test_equalizing_changes_no_result(seed: int, bias: bool) -> None:
    graph, seen = network(seed, bias=bias), samples(3, seed)
    other = equalize(graph, seen, {})
    for sample in samples(3, seed + 1):
        np.testing.assert_allclose(run(other, sample).outputs["y"], run(graph, sample).outputs["y"], atol=2e-5)


def test_equalizing_makes_channels_before_a_depthwise_layer_alike() -> None:
    graph, seen = network(), samples()

    def spread(g: Graph) -> float:
        largest = np.max([run(g, s, all_values=True).values["first"].max(axis=(0, 1, 2)) for s in seen], axis=0)
        return float(largest.max() / largest.min())

    assert spread(graph) > 3
    assert spread(equalize(graph, seen, {})) == pytest.approx(1, rel=1e-4)


def test_high_effort_is_better_and_deterministic() -> None:
    graph, seen, fresh = network(), samples(), samples(seed=6)
    plain = prepare(graph, calibration=data(seen)).graph
    high = [prepare(graph, calibration=data(seen), effort="high").graph for _ in range(2)]
    assert output_sqnr(graph, high[0], fresh)["y"] > output_sqnr(graph, plain, fresh)["y"] + 1
    for a, b in zip(high[0].constants(), high[1].constants(), strict=True):
        np.testing.assert_array_equal(a.constant, b.constant)


@pytest.mark.parametrize("seed", range(4))
def test_high_effort_is_never_worse_on_what_it_saw(seed: int) -> None:
    graph, seen = network(seed, spread=0.0), samples(16, seed)
    plain, high = (prepare(graph, calibration=data(seen), effort=effort).graph for effort in ("default", "high"))
    assert output_sqnr(graph, high, seen)["y"] >= output_sqnr(graph, plain, seen)["y"]


def test_what_is_worse_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equalizing that breaks the network: rounding to nearest wins."""

    def spoilt(graph: Graph, *_: object) -> Graph:
        w = graph.value("first_w")
        noise = np.random.default_rng(0).normal(size=w.shape).astype(np.float32)
        return graph.with_(values={**graph.values, "first_w": replace(w, data=w.constant + noise)})

    graph, seen = network(), samples(8)
    plain = prepare(graph, calibration=data(seen))
    monkeypatch.setattr("tinyml.quantize.model.equalize", spoilt)
    kept = prepare(graph, calibration=data(seen), effort="high")
    assert kept.reference is graph
    for a, b in zip(kept.graph.constants(), plain.graph.constants(), strict=True):
        np.testing.assert_array_equal(a.constant, b.constant)


def test_budgets() -> None:
    graph, seen = network(), samples()
    quantizer = Quantizer(graph, data(seen))
    found = quantizer.search(Budget(layer_cycles=dict.fromkeys(ALL_W4, (100, 60))))
    assert {layer.node for layer in found.layers} == ALL_W4.keys()
    assert found.front[-1].error == 0.0 and found.front[-1].bytes == found.int8_bytes
    small = best_within(found, Budget(weight_bytes=int(0.7 * found.int8_bytes)))
    assert small.bytes <= 0.7 * found.int8_bytes and 0 < small.error <= found.front[0].error
    quick = best_within(found, Budget(cycles=420))
    assert quick.cycles <= 420 and sorted(quick.precision.values()).count("w4a8") == 2
    wanted = (predicted_db(found, found.front[0]) + predicted_db(found, found.front[-1])) / 2
    enough = best_within(found, Budget(sqnr_db=wanted))
    assert predicted_db(found, enough) >= wanted and enough.bytes < found.int8_bytes
    with pytest.raises(DoesNotFitError, match="weights take at least"):
        best_within(found, Budget(weight_bytes=1))
    with pytest.raises(DoesNotFitError, match="300 cycles or more; the budget is 299"):
        best_within(found, Budget(cycles=299))
    with pytest.raises(DoesNotFitError, match="reaches 90 dB"):
        best_within(found, Budget(sqnr_db=90.0))


def test_w4a8_and_mixed() -> None:
    graph, seen = network(), samples()
    w4a8 = prepare(graph, calibration=data(seen), precision="w4a8")
    assert "w4a8" in w4a8.scheme
    stored = [w4a8.graph.value(n.inputs[1]) for n in w4a8.graph.nodes if n.name in ALL_W4]
    assert sum(w.bytes for w in stored) <= 0.53 * sum(w.elements for w in stored) + 1
    assert w4a8.choice is not None and w4a8.choice.taken in w4a8.choice.search.front
    assert prepare(graph, calibration=data(seen), precision="mixed").scheme == "int8"
    assert "5 layers w4a8" in prepare(graph, precision="w4a8").scheme
    for options in ({"precision": "mixed"}, {"effort": "high"}):
        with pytest.raises(UsageError, match="without calibration data"):
            prepare(graph, **options)  # type: ignore[arg-type]


def test_the_hessian_of_a_product_by_hand() -> None:
    """y = w x with one x: the trace of J'J a weight is x^2."""
    b = GraphBuilder("line")
    w = np.array([[0.9], [-0.5], [0.33]], np.float32)
    x = b.input("x", (1, 1), DType.FLOAT32)
    graph = b.build([b.node(Op.FULLY_CONNECTED, [x, b.constant("w", w)], FullyConnectedAttrs(), name="f", output="y")])
    seen = [{"x": np.array([[value]], np.float32)} for value in (1.0, -2.0, 3.0)]
    weights = candidates(graph, decide(graph, calibrate(graph, seen)), seen)
    change = float(np.sum((weights["f"].int4.real - w) ** 2))
    assert hessian_errors(graph, weights, seen)["f"] == pytest.approx(14.0 * change, rel=1e-3)


def test_layers_that_say_the_same_are_not_orthogonal() -> None:
    b = GraphBuilder("twice")
    x = b.input("x", (1, 2, 2, 2), DType.FLOAT32)
    one = b.node(Op.CONV2D, [x, b.constant("w", np.ones((1, 1, 1, 2), np.float32))], Conv2dAttrs(), name="one")
    two = b.node(Op.CONV2D, [one, b.constant("v", np.full((1, 1, 1, 1), -3, np.float32))], Conv2dAttrs(), name="two")
    rng = np.random.default_rng(0)
    seen = [{"x": rng.normal(size=(1, 2, 2, 2)).astype(np.float32)} for _ in range(6)]
    alike = orthogonality(b.build([two]), ["one", "two"], seen)
    assert alike == pytest.approx({"one": np.exp(-1), "two": np.exp(-1)})
