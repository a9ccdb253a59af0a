"""Parameters and structure of int8 graphs, against hand arithmetic and TFLite's specification."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import (
    RELU6,
    BinaryAttrs,
    ConcatAttrs,
    Conv2dAttrs,
    FullyConnectedAttrs,
    Op,
    PadAttrs,
    Pool2dAttrs,
    ReshapeAttrs,
    SoftmaxAttrs,
)
from tinyml.ir.quant import QuantParams
from tinyml.ir.verify import verify
from tinyml.quantize import int8
from tinyml.quantize.params import Range, activation_params, workable_weight_scales

finite = st.floats(-1e6, 1e6, width=32)
ranges = st.tuples(finite, finite).map(lambda r: (min(r), max(r)))


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lo, hi, scale, zero",
    [
        (0.0, 255.0, 1.0, -128),
        (-1.0, 1.0, 2 / 255, -1),  # -128 + 127.5 = -0.5, half away from zero
        (-128.0, 127.0, 1.0, 0),
        (0.0, 6.0, 6 / 255, -128),
        (2.0, 5.0, 5 / 255, -128),  # widened to hold 0
        (-5.0, -2.0, 5 / 255, 127),
        (-1.0, 4.0, 5 / 255, -77),
    ],
)
def test_activation_params(lo: float, hi: float, scale: float, zero: int) -> None:
    params = activation_params(lo, hi)
    assert params.scale == (float(np.float32(scale)),)
    assert params.zero_point == (zero,)
    assert params.dtype is DType.INT8


@given(ranges)
def test_zero_is_exact_and_numbers_inside_move_by_half_a_step(bounds: tuple[float, float]) -> None:
    params = activation_params(*bounds)
    (scale,), (zero,) = params.scale, params.zero_point
    assert -128 <= zero <= 127 and scale > 0
    assert params.dequantize(params.quantize(np.zeros(1, np.float32))) == 0
    x = np.linspace(*bounds, 50, dtype=np.float32)
    # Nudging the zero point to an integer moves the representable range by up to half a step, so the ends may lose
    # that much again.
    inside = (x >= scale * (-128 - zero)) & (x <= scale * (127 - zero))
    error = np.abs(params.dequantize(params.quantize(x)).astype(np.float64) - x)
    rounding = np.abs(x) * 2.0**-22
    assert np.all(error[inside] <= scale / 2 + rounding[inside])
    assert np.all(error <= scale + rounding)


@pytest.mark.parametrize("lo, hi", [(0.0, 0.0), (0.0, 1e-30), (-1e-40, 0.0)])
def test_a_range_without_width_is_usable(lo: float, hi: float) -> None:
    params = activation_params(lo, hi)
    assert params.scale[0] == pytest.approx(1 / 255)


@given(
    st.lists(st.floats(0, 1e3), min_size=1, max_size=8),
    st.floats(-1e4, 1e4),
    st.floats(1e-6, 1e2),
    st.floats(1e-6, 1e2),
)
def test_weight_scales_keep_biases_and_multipliers_in_32_bits(
    scales: list[float], bias: float, x_scale: float, y_scale: float
) -> None:
    given_scales = np.array(scales)
    workable = workable_weight_scales(given_scales, np.full(len(scales), bias), x_scale, y_scale)
    assert np.all(workable >= given_scales)
    assert np.all(np.abs(bias) / (x_scale * workable) <= 2**30 * (1 + 1e-9))
    assert np.all(x_scale * workable / y_scale >= 2.0**-22 * (1 - 1e-9))


def quantize_int8(graph: Graph, ranges: dict[str, Range], **options: DType) -> Graph:
    quantized = int8.quantize_int8(graph, ranges, **options)
    verify(quantized, quantized=True)
    return quantized


# --- graphs -----------------------------------------------------------------------------------------------------------


def conv_net(weights: np.ndarray, bias: np.ndarray | None, attrs: Conv2dAttrs | None = None) -> Graph:
    b = GraphBuilder("conv")
    x = b.input("x", (1, 4, 4, weights.shape[3]), DType.FLOAT32)
    inputs = [x, b.constant("w", weights.astype(np.float32))]
    if bias is not None:
        inputs.append(b.constant("bias", bias.astype(np.float32)))
    return b.build([b.node(Op.CONV2D, inputs, attrs or Conv2dAttrs(), name="conv", output="y")])


def test_convolution_by_hand() -> None:
    weights = np.array([1.27, -0.5, 0.0, 2.54]).reshape(2, 1, 1, 2)
    g = quantize_int8(conv_net(weights, np.array([0.1, -3.0])), {"x": (0.0, 255.0), "y": (0.0, 510.0)})
    (node,) = g.nodes
    x, w, bias = (g.value(i) for i in node.inputs)
    y = g.value("y")
    assert x.quant == QuantParams.per_tensor(1.0, -128)
    assert y.quant == QuantParams.per_tensor(2.0, -128)
    assert w.quant is not None and w.quant.axis == 0 and w.quant.zero_point == (0, 0)
    assert w.quant.scale == pytest.approx((0.01, 0.02))
    assert w.constant.ravel().tolist() == [127, -50, 0, 127]
    assert w.dtype is DType.INT8 and bias.dtype is DType.INT32
    assert bias.constant.tolist() == [10, -150]
    assert bias.quant is not None and bias.quant.scale == pytest.approx((0.01, 0.02))
    assert g.inputs == ("x",) and g.outputs == ("y",) and g.is_quantized and not g.notes


def test_weights_use_the_symmetric_range() -> None:
    g = quantize_int8(conv_net(np.full((1, 1, 1, 1), -3.0), None), {"x": (-1, 1), "y": (-3, 3)})
    assert g.value("w").constant.ravel().tolist() == [-127]


def test_channels_without_weights_keep_their_bias() -> None:
    """A zero scale would divide by zero; a tiny one would overflow the bias or round the multiplier to nothing."""
    weights = np.zeros((3, 1, 1, 1))
    weights[1] = 1e-30
    weights[2] = 1.0
    g = quantize_int8(conv_net(weights, np.array([5.0, -5.0, 0.0])), {"x": (-1, 1), "y": (-5, 5)})
    x, w, bias = (g.value(i).quant for i in g.nodes[0].inputs)
    y = g.value("y").quant
    assert x and w and bias and y
    multipliers = x.scale[0] * np.array(w.scale) / y.scale[0]
    assert np.all(multipliers >= 2.0**-23) and np.all(multipliers <= 1)
    stored = g.value(g.nodes[0].inputs[2]).constant
    np.testing.assert_allclose(stored * np.array(bias.scale), [5.0, -5.0, 0.0], atol=1e-3)


def test_an_output_that_calibration_saw_as_zero_does_not_overflow() -> None:
    g = quantize_int8(conv_net(np.full((1, 1, 1, 1), 1e6), None), {"x": (-1, 1), "y": (0, 0)})
    x, w = (g.value(i).quant for i in g.nodes[0].inputs)
    y = g.value("y").quant
    assert x and w and y
    assert x.scale[0] * w.scale[0] / y.scale[0] <= 1.0001


@pytest.mark.parametrize(
    "op, scale, zero", [(Op.SOFTMAX, 1 / 256, -128), (Op.SIGMOID, 1 / 256, -128), (Op.TANH, 1 / 128, 0)]
)
def test_outputs_that_the_specification_fixes(op: Op, scale: float, zero: int) -> None:
    b = GraphBuilder("fixed")
    x = b.input("x", (1, 8), DType.FLOAT32)
    y = b.node(op, [x], SoftmaxAttrs() if op is Op.SOFTMAX else None, output="y")
    moved = b.node(Op.RESHAPE, [y], ReshapeAttrs((1, 2, 4, 1)), output="moved")
    g = quantize_int8(b.build([moved]), {"x": (-3, 3), "y": (0.2, 0.4), "moved": (0.2, 0.4)})
    assert g.value("y").quant == QuantParams.per_tensor(scale, zero) == g.value("moved").quant
    assert [n.op for n in g.nodes] == [op, Op.RESHAPE]


def test_pools_pads_and_moves_keep_the_scale() -> None:
    b = GraphBuilder("moves")
    x = b.input("x", (1, 4, 4, 2), DType.FLOAT32)
    a = b.node(Op.PAD, [x], PadAttrs(((0, 0), (1, 1), (1, 1), (0, 0)), -2.0), output="a")
    m = b.node(Op.MAX_POOL2D, [a], Pool2dAttrs((2, 2), (2, 2)), output="m")
    p = b.node(Op.AVERAGE_POOL2D, [m], Pool2dAttrs((2, 2), (1, 1)), output="p")
    g = quantize_int8(b.build([p]), {"x": (-1, 1), "a": (-2, 1), "m": (0, 1), "p": (0, 0.5)})
    # One scale for all four, wide enough for the value that is padded.
    assert {g.value(v).quant for v in "xamp"} == {activation_params(-2, 1)}
    assert [n.op for n in g.nodes] == [Op.PAD, Op.MAX_POOL2D, Op.AVERAGE_POOL2D]


def test_a_pool_over_the_whole_map_gets_a_scale_of_its_own() -> None:
    b = GraphBuilder("pool")
    x = b.input("x", (1, 4, 4, 2), DType.FLOAT32)
    p = b.node(Op.AVERAGE_POOL2D, [x], Pool2dAttrs((4, 4), (4, 4)), output="p")
    g = quantize_int8(b.build([p]), {"x": (-1, 1), "p": (0, 0.1)})
    assert g.nodes[0].op is Op.MEAN and g.value("p").shape == (1, 1, 1, 2)
    assert g.value("p").quant == activation_params(0, 0.1)


def test_concat_ties_its_inputs_and_quantizes_constants_alike() -> None:
    b = GraphBuilder("concat")
    x = b.input("x", (1, 2), DType.FLOAT32)
    y = b.input("y", (1, 2), DType.FLOAT32)
    c = b.constant("c", np.array([[5.0]], np.float32))
    g = quantize_int8(
        b.build([b.node(Op.CONCAT, [x, y, c], ConcatAttrs(1), output="z")]), {"x": (-1, 1), "y": (0, 3), "z": (-1, 5)}
    )
    expected = activation_params(-1, 5)
    assert {g.value(v).quant for v in ("x", "y", "z", "c")} == {expected}
    assert g.value("c").constant.tolist() == [[127]]
    assert len(g.nodes) == 1


def test_a_fixed_scale_is_not_forced_upon_the_other_inputs_of_a_concat() -> None:
    b = GraphBuilder("head")
    x = b.input("x", (1, 2), DType.FLOAT32)
    s = b.node(Op.SIGMOID, [x], output="s")
    t = b.node(Op.RELU, [x], output="t")
    g = quantize_int8(
        b.build([b.node(Op.CONCAT, [s, t], ConcatAttrs(1), output="z")]),
        {"x": (-9, 9), "s": (0, 1), "t": (0, 9), "z": (0, 9)},
    )
    assert [n.op for n in g.nodes] == [Op.SIGMOID, Op.RELU, Op.QUANTIZE, Op.CONCAT]
    assert g.value("s").quant == QuantParams.per_tensor(1 / 256, -128)
    assert g.value(g.nodes[3].inputs[0]).quant == g.value("z").quant == g.value("t").quant == activation_params(0, 9)


def test_constant_operands_are_quantized_by_their_own_range() -> None:
    b = GraphBuilder("scale")
    x = b.input("x", (1, 2), DType.FLOAT32)
    c = b.constant("c", np.array([[0.0, 2.55]], np.float32))
    g = quantize_int8(b.build([b.node(Op.MUL, [x, c], BinaryAttrs(), output="y")]), {"x": (-1, 1), "y": (-2, 2)})
    assert g.value("c").quant == activation_params(0, 2.55)
    assert g.value("c").constant.tolist() == [[-128, 127]]


def test_a_number_as_operand_stays_a_number() -> None:
    b = GraphBuilder("scale")
    x = b.input("x", (1, 2), DType.FLOAT32)
    c = b.constant("c", np.float32(0.5).reshape(()))
    graph = b.build([b.node(Op.MUL, [x, c], BinaryAttrs(), output="y")])
    stored = quantize_int8(graph, {"x": (-1, 1), "y": (-0.5, 0.5)}).value("c")
    assert stored.shape == () and stored.constant.tolist() == 127


def float_island() -> Graph:
    b = GraphBuilder("island")
    x = b.input("x", (1, 4), DType.FLOAT32)
    r = b.node(Op.RELU, [x], name="relu", output="r")
    e = b.node(Op.DIV, [r, b.constant("c", np.full((1, 4), 2, np.float32))], BinaryAttrs(), name="div", output="e")
    w = b.constant("w", np.eye(4, dtype=np.float32))
    return b.build([b.node(Op.FULLY_CONNECTED, [e, w], FullyConnectedAttrs(), name="fc", output="y")])


ISLAND_RANGES = {"x": (-1.0, 1.0), "r": (0.0, 1.0), "e": (0.0, 0.5), "y": (0.0, 0.5)}


def test_operations_without_int8_form_stay_in_float_and_are_named() -> None:
    g = quantize_int8(float_island(), ISLAND_RANGES)
    assert [n.op for n in g.nodes] == [Op.RELU, Op.DEQUANTIZE, Op.DIV, Op.QUANTIZE, Op.FULLY_CONNECTED]
    assert g.notes == ("div computes in float32: div has no int8 form",)
    assert g.value("e").dtype is DType.FLOAT32
    assert g.value(g.nodes[4].inputs[0]).quant == activation_params(0, 0.5)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8, DType.FLOAT32])
def test_borders(dtype: DType) -> None:
    g = quantize_int8(float_island(), ISLAND_RANGES, input_dtype=dtype, output_dtype=dtype)
    x, y = g.value("x"), g.value("y")
    assert g.inputs == ("x",) and g.outputs == ("y",)
    assert (x.dtype, y.dtype) == (dtype, dtype)
    ops = [n.op for n in g.nodes]
    if dtype is DType.INT8:
        assert (x.quant, y.quant) == (activation_params(-1, 1), activation_params(0, 0.5))
    elif dtype is DType.UINT8:
        assert ops[0] is Op.QUANTIZE and ops[-1] is Op.QUANTIZE
        assert x.quant is not None and y.quant is not None
        assert x.quant.zero_point == (127,) and y.quant.zero_point == (0,)
        assert x.quant.scale == activation_params(-1, 1).scale
    else:
        assert ops[0] is Op.QUANTIZE and ops[-1] is Op.DEQUANTIZE
        assert x.quant is None and y.quant is None


def test_names_of_nodes_and_values_survive() -> None:
    g = quantize_int8(float_island(), ISLAND_RANGES)
    assert {"relu", "div", "fc"} <= {n.name for n in g.nodes}
    assert len({n.name for n in g.nodes}) == len(g.nodes)
    for node in g.nodes:
        assert all(name in g.values for name in (*node.used, *node.outputs))


def test_clamped_convolutions_are_quantized_by_what_is_left() -> None:
    g = quantize_int8(
        conv_net(np.ones((1, 1, 1, 1)), None, Conv2dAttrs(clamp=RELU6)), {"x": (-9.0, 9.0), "y": (0.0, 6.0)}
    )
    assert g.value("y").quant == activation_params(0, 6)


def test_no_steps_are_spent_on_what_the_next_activation_cuts_off() -> None:
    b = GraphBuilder("swish")
    x = b.input("x", (1, 4), DType.FLOAT32)
    w = b.constant("w", np.eye(4, dtype=np.float32))
    h = b.node(Op.FULLY_CONNECTED, [x, w], FullyConnectedAttrs(), output="h")
    graph = b.build([b.node(Op.HARD_SWISH, [h], output="y")])
    found = {"x": (-9.0, 2.0), "h": (-9.0, 2.0), "y": (-0.375, 1.67)}
    h_params = quantize_int8(graph, found).value("h").quant
    assert h_params is not None
    lowest = h_params.scale[0] * (-128 - h_params.zero_point[0])
    assert -3 - 2 * 5 / 255 < lowest <= -3  # exactly what is 0 behind hard-swish, and at most two steps
    # Somebody else who reads it needs all of it.
    both = graph.with_(outputs=("y", "h"))
    assert quantize_int8(both, found).value("h").quant == activation_params(-9, 2)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_weights_move_by_half_a_step_at_most(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(4, 3, 3, 2)) * 10.0 ** rng.integers(-3, 3, size=(4, 1, 1, 1))
    g = quantize_int8(conv_net(weights, rng.normal(size=4)), {"x": (-1, 1), "y": (-100, 100)})
    w = g.value("w")
    assert w.quant is not None
    error = np.abs(w.quant.dequantize(w.constant).astype(np.float64) - weights)
    assert np.all(error <= np.array(w.quant.scale).reshape(-1, 1, 1, 1) * (0.5 + 1e-4))
