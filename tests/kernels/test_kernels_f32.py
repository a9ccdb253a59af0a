"""float32 kernels against numpy."""

import math
from collections.abc import Callable

import kernel_graphs as graphs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_checks import accepted, find, property_test, tilings
from kernel_harness import Tiling, reference, run
from kernel_host import Host

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Attrs, ClipAttrs, GeluAttrs, HardSigmoidAttrs, LeakyReluAttrs, NoAttrs, Op, SoftmaxAttrs


def check(host: Host, symbol: str, case: graphs.Case, tiling: Tiling, shares: dict[str, int] | None = None) -> None:
    """Sums are of at most a few hundred terms of about 1: 1e-5 leaves room for their rounding and no more."""
    node, graph, arrays = case
    (expected,) = reference(node, graph, arrays)
    (result,) = run(host, find(symbol, node.op), node, graph, arrays, tiling, shares or {})
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("symbol", "kind"), [("tinyml_conv_f32", "any"), ("tinyml_depthwise_f32", "depthwise")])
@property_test
@given(st.data(), tilings)
def test_convolution(host: Host, symbol: str, kind: str, data: st.DataObject, tiling: Tiling) -> None:
    check(host, symbol, data.draw(graphs.convolutions(DType.FLOAT32, kind)), tiling)


@property_test
@given(graphs.fully_connected(DType.FLOAT32), tilings)
def test_fully_connected(host: Host, case: graphs.Case, tiling: Tiling) -> None:
    check(host, "tinyml_fully_connected_f32", case, tiling)


@pytest.mark.parametrize("op", [Op.ADD, Op.SUB, Op.MUL, Op.DIV])
@property_test
@given(st.data(), tilings)
def test_binary(host: Host, op: Op, data: st.DataObject, tiling: Tiling) -> None:
    symbol = f"tinyml_{op.value}_f32"
    check(host, symbol, data.draw(graphs.binary(op, DType.FLOAT32).filter(accepted(symbol, op))), tiling)


@pytest.mark.parametrize(
    ("op", "symbol"), [(Op.MAX_POOL2D, "tinyml_max_pool_f32"), (Op.AVERAGE_POOL2D, "tinyml_average_pool_f32")]
)
@property_test
@given(st.data(), tilings)
def test_pool(host: Host, op: Op, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    check(host, symbol, data.draw(graphs.pools(op, DType.FLOAT32)), tiling)


@property_test
@given(graphs.means(DType.FLOAT32).filter(accepted("tinyml_mean_f32", Op.MEAN)), tilings)
def test_mean(host: Host, case: graphs.Case, tiling: Tiling) -> None:
    check(host, "tinyml_mean_f32", case, tiling)


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        (Op.RELU, None),
        (Op.CLIP, lambda draw: ClipAttrs(draw(graphs.clamps))),
        (Op.LEAKY_RELU, lambda draw: LeakyReluAttrs(0.1)),
        (Op.HARD_SIGMOID, lambda draw: HardSigmoidAttrs(draw(st.sampled_from([0.2, 1 / 6])))),
        (Op.HARD_SWISH, None),
        (Op.SIGMOID, None),
        (Op.TANH, None),
        (Op.EXP, None),
        (Op.SQRT, None),
        (Op.ERF, None),
        (Op.GELU, lambda draw: GeluAttrs(tanh=False)),
        (Op.GELU, lambda draw: GeluAttrs(tanh=True)),
        (Op.SOFTMAX, lambda draw: SoftmaxAttrs(draw(st.sampled_from([1.0, 0.5])))),
    ],
)
@property_test
@given(st.data(), tilings, st.booleans())
def test_unary(
    host: Host,
    op: Op,
    attrs: Callable[[st.DrawFn], Attrs] | None,
    data: st.DataObject,
    tiling: Tiling,
    in_place: bool,
) -> None:
    case = data.draw(graphs.unary(op, attrs or (lambda _: NoAttrs())))
    form = "_tanh" if case[0].attrs == GeluAttrs(tanh=True) else ""
    symbol = "tinyml_clip_f32" if op is Op.RELU else f"tinyml_{op.value}{form}_f32"
    check(host, symbol, case, Tiling() if in_place else tiling, {"x": 0} if in_place else {})


def every_float(low: float, high: float) -> np.ndarray:
    """200,000 floats evenly among those of the interval, by their bits; with the ends."""
    bits = [np.float32(x).view(np.int32) for x in (low, high)]
    return np.linspace(int(bits[0]), int(bits[1]), 200_000).astype(np.int32).view(np.float32)


@pytest.mark.parametrize(
    ("op", "exact", "arguments"),
    [
        (Op.EXP, np.exp, (every_float(1e-9, 88.72), -every_float(1e-9, 87.0))),
        (Op.TANH, np.tanh, (every_float(1e-9, 12.0), -every_float(1e-9, 12.0))),
        (Op.SQRT, np.sqrt, (every_float(1e-40, 3.4e38),)),
        (Op.ERF, np.vectorize(math.erf), (every_float(1e-9, 6.0), -every_float(1e-9, 6.0))),
        (Op.SIGMOID, lambda x: 1 / (1 + np.exp(-x)), (every_float(1e-9, 40.0), -every_float(1e-9, 40.0))),
    ],
)
def test_accuracy(
    host: Host, op: Op, exact: Callable[[np.ndarray], np.ndarray], arguments: tuple[np.ndarray, ...]
) -> None:
    """Within 2 units in the last place; the logistic function, made of three roundings, within 3."""
    for x in arguments:
        b = GraphBuilder("g")
        name = b.node(op, [b.input("x", (1, len(x)), DType.FLOAT32)])
        graph = b.build([name])
        (node,) = graph.nodes
        (result,) = run(host, find(f"tinyml_{op.value}_f32", op), node, graph, {"x": x})
        expected = exact(x.astype(np.float64))
        error = np.abs(result.reshape(-1) - expected) / np.spacing(np.abs(expected).astype(np.float32))
        assert error.max() <= (3 if op is Op.SIGMOID else 2), (op, x[error.argmax()], error.max())
