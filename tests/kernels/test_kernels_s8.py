"""int8 kernels against the numpy reference, every bit, in tiles, rings and patches."""

from dataclasses import replace

import kernel_graphs as graphs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_checks import accepted, check, find, property_test, tilings
from kernel_harness import Tiling
from kernel_host import Host

from tinyml.emit.c.text import arrays_in
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Conv2dAttrs, LookupAttrs, Op, QuantizeAttrs, SoftmaxAttrs
from tinyml.ir.quant import QuantParams
from tinyml.kernels.registry import KERNELS, candidates
from tinyml.targets.core import Isa


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("tinyml_conv_s8", "any"),
        ("tinyml_conv_s8", "depthwise"),
        ("tinyml_conv_1x1_s8", "pointwise"),
        ("tinyml_depthwise_s8", "depthwise"),
        ("tinyml_conv_s8_dsp", "any"),
        ("tinyml_conv_s8_dsp", "pointwise"),
    ],
)
@property_test
@given(st.data(), tilings)
def test_convolution(host: Host, symbol: str, kind: str, data: st.DataObject, tiling: Tiling) -> None:
    check(host, symbol, data.draw(graphs.convolutions(DType.INT8, kind)), tiling)


@pytest.mark.parametrize("machine", ["host", "host_with_avx2"])
@pytest.mark.parametrize(
    ("symbol", "kind"),
    [("tinyml_conv_s8_host", "any"), ("tinyml_conv_s8_host", "pointwise"), ("tinyml_depthwise_s8_host", "depthwise")],
)
@property_test
@given(st.data(), tilings)
def test_convolution_for_hosts(
    request: pytest.FixtureRequest, machine: str, symbol: str, kind: str, data: st.DataObject, tiling: Tiling
) -> None:
    case = data.draw(graphs.convolutions(DType.INT8, kind).filter(accepted(symbol, Op.CONV2D)))
    check(request.getfixturevalue(machine), symbol, case, tiling)


@pytest.mark.parametrize("symbol", ["tinyml_conv_paired_s8_dsp", "tinyml_conv_paired_narrow_s8_dsp"])
@pytest.mark.parametrize("kind", ["any", "pointwise"])
@property_test
@given(st.data(), tilings)
def test_convolution_in_lanes(host: Host, symbol: str, kind: str, data: st.DataObject, tiling: Tiling) -> None:
    cases = graphs.convolutions(kind=kind, least=-127).filter(accepted(symbol, Op.CONV2D))
    check(host, symbol, data.draw(cases), tiling)


@property_test
@given(graphs.squares().filter(accepted("tinyml_conv_winograd_s8_dsp", Op.CONV2D)), tilings)
def test_convolution_by_winograd(host: Host, case: graphs.Case, tiling: Tiling) -> None:
    check(host, "tinyml_conv_winograd_s8_dsp", case, tiling)


@pytest.mark.parametrize("symbol", ["tinyml_conv_paired_s8_dsp", "tinyml_conv_paired_narrow_s8_dsp"])
@property_test
@given(st.data())
def test_pixels_in_place(host: Host, symbol: str, data: st.DataObject) -> None:
    """1x1 windows side by side: the outputs of a pixel may lie over it, or over pixels before it where they are fewer."""
    cases = graphs.convolutions(kind="pointwise", least=-127, most_stride=1).filter(accepted(symbol, Op.CONV2D))
    node, graph, arrays = data.draw(cases)
    kernel = find(symbol, Op.CONV2D).for_node(node, graph)
    assert kernel.access.in_place == 0
    if graph.value(node.output).bytes <= graph.value(node.used[0]).bytes:
        check(host, symbol, (node, graph, arrays), Tiling(), {node.used[0]: 0})


@property_test
@given(graphs.convolutions(kind="depthwise").filter(accepted("tinyml_depthwise_s8_dsp", Op.CONV2D)), tilings)
def test_depthwise_in_fours(host: Host, case: graphs.Case, tiling: Tiling) -> None:
    check(host, "tinyml_depthwise_s8_dsp", case, tiling)


@pytest.mark.parametrize("name", ["3x3", "3x3_ready", "3x3_ready_wide", "5x5", "5x5_ready", "7x7", "7x7_ready"])
@property_test
@given(st.data(), tilings)
def test_planar_depthwise(host: Host, name: str, data: st.DataObject, tiling: Tiling) -> None:
    symbol = f"tinyml_depthwise_{name}_s8_dsp"
    case = data.draw(graphs.planar_depthwise(int(name[0])).filter(accepted(symbol, Op.CONV2D)))
    check(host, symbol, case, tiling)


@pytest.mark.parametrize("size", [3, 5, 7])
@property_test
@given(st.data())
def test_channels_that_are_ready_say_what_they_take(size: int, data: st.DataObject) -> None:
    """All constants, in bytes, beyond those of the kernel that prepares them."""
    plain, ready = (f"tinyml_depthwise_{size}x{size}{ready}_s8_dsp" for ready in ("", "_ready"))
    node, graph, _ = data.draw(graphs.planar_depthwise(size).filter(accepted(ready, Op.CONV2D)))
    kernels = [find(symbol, Op.CONV2D) for symbol in (plain, ready)]
    sizes = [sum(a.data.nbytes for a in arrays_in(kernel.params(node, graph).fields)) for kernel in kernels]
    assert kernels[0].extra_weights is None
    assert kernels[1].extra_weights is not None
    assert sizes[1] - sizes[0] == kernels[1].extra_weights(node, graph)


@pytest.mark.parametrize("symbol", ["tinyml_fully_connected_s8", "tinyml_fully_connected_s8_dsp"])
@property_test
@given(graphs.fully_connected(), tilings)
def test_fully_connected(host: Host, symbol: str, case: graphs.Case, tiling: Tiling) -> None:
    check(host, symbol, case, tiling)


@pytest.mark.parametrize(
    ("op", "symbol"),
    [
        (Op.ADD, "tinyml_add_s8"),
        (Op.ADD, "tinyml_add_s8_dsp"),
        (Op.ADD, "tinyml_add_weighted_s8_dsp"),
        (Op.SUB, "tinyml_sub_s8"),
        (Op.MUL, "tinyml_mul_s8"),
    ],
)
@property_test
@given(st.data(), tilings)
def test_binary(host: Host, op: Op, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    case = data.draw(graphs.binary(op).filter(accepted(symbol, op)))
    check(host, symbol, case, tiling)
    node, graph, _ = case
    for name in graph.activations(node):
        if graph.value(name).bytes >= graph.value(node.output).bytes:
            check(host, symbol, case, Tiling(), {name: 0})


@pytest.mark.parametrize(
    ("op", "symbol"),
    [
        (Op.MAX_POOL2D, "tinyml_max_pool_s8"),
        (Op.MAX_POOL2D, "tinyml_max_pool_s8_dsp"),
        (Op.AVERAGE_POOL2D, "tinyml_average_pool_s8"),
        (Op.AVERAGE_POOL2D, "tinyml_average_pool_s8_dsp"),
    ],
)
@property_test
@given(st.data(), tilings)
def test_pool(host: Host, op: Op, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    check(host, symbol, data.draw(graphs.pools(op).filter(accepted(symbol, op))), tiling)


@pytest.mark.parametrize(
    ("same", "image"),
    [(False, True), (True, False), (False, False)],
)
@property_test
@given(st.data(), tilings)
def test_mean(host: Host, same: bool, image: bool, data: st.DataObject, tiling: Tiling) -> None:
    case = data.draw(graphs.means(DType.INT8, same, image).filter(accepted("tinyml_mean_s8", Op.MEAN)))
    check(host, "tinyml_mean_s8", case, tiling)


@pytest.mark.parametrize(
    ("symbol", "result"),
    [
        ("tinyml_softmax_s8", QuantParams.per_tensor(1 / 256, -128)),
        ("tinyml_softmax_s8_s16", QuantParams.per_tensor(1 / 65536, -32768, DType.INT16)),
    ],
)
@property_test
@given(st.data(), tilings)
def test_softmax(host: Host, symbol: str, result: QuantParams, data: st.DataObject, tiling: Tiling) -> None:
    beta = data.draw(st.sampled_from([1.0, 0.5, 2.0]))
    source = data.draw(graphs.quants(low=-10, high=2))
    case = data.draw(graphs.unary(Op.SOFTMAX, lambda _: SoftmaxAttrs(beta), source, result))
    check(host, symbol, case, tiling)
    if result.dtype is DType.INT8:
        check(host, symbol, case, Tiling(), {"x": 0})


@property_test
@given(graphs.seeds, graphs.images, tilings, st.booleans())
def test_lookup(host: Host, seed: int, shape: tuple[int, ...], tiling: Tiling, in_place: bool) -> None:
    rng = np.random.default_rng(seed)
    b = GraphBuilder("g")
    x = b.input("x", shape, DType.INT8, QuantParams.per_tensor(0.1, 3))
    table = b.constant("table", rng.integers(-128, 128, 256, dtype=np.int8))
    case = graphs.single(b, b.node(Op.LOOKUP, [x, table], LookupAttrs("random")), rng)
    check(host, "tinyml_lookup_s8", case, Tiling() if in_place else tiling, {"x": 0} if in_place else {})


@pytest.mark.parametrize("source", [DType.INT8, DType.UINT8])
@property_test
@given(st.data(), graphs.scales(), st.integers(-128, 127), tilings)
def test_flip_sign(host: Host, source: DType, data: st.DataObject, scale: float, zero: int, tiling: Tiling) -> None:
    target = DType.UINT8 if source is DType.INT8 else DType.INT8
    x, y = (QuantParams.per_tensor(scale, zero + (t is DType.UINT8) * 128, t) for t in (source, target))
    case = data.draw(graphs.unary(Op.QUANTIZE, lambda _: QuantizeAttrs(target), x, y))
    check(host, "tinyml_flip_sign", case, tiling)
    check(host, "tinyml_flip_sign", case, Tiling(), {"x": 0})


CONVERSIONS = [
    kernel for kernel in KERNELS if kernel.op in (Op.QUANTIZE, Op.DEQUANTIZE) and kernel.symbol != "tinyml_flip_sign"
]
_TYPES = {"s8": DType.INT8, "u8": DType.UINT8, "s16": DType.INT16, "s32": DType.INT32, "f32": DType.FLOAT32}


@pytest.mark.parametrize("symbol", [kernel.symbol for kernel in CONVERSIONS])
@property_test
@given(st.data(), tilings)
def test_conversion(host: Host, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    """In place too, where the result is not larger."""
    source, target = (_TYPES[t] for t in symbol.split("_")[-2:])

    def params(dtype: DType) -> QuantParams:
        # A left shift of a 16-bit difference must stay within int32, as it does in networks.
        quant = data.draw(graphs.quants(dtype, high=-4 if dtype is DType.INT16 else 3))
        # int32 is symmetric: no sum with its zero point may leave int32.
        return replace(quant, zero_point=(0,)) if dtype is DType.INT32 else quant

    x = source if source is DType.FLOAT32 else params(source)
    if target is DType.FLOAT32:
        case = data.draw(graphs.unary(Op.DEQUANTIZE, None, x))
    else:
        case = data.draw(graphs.unary(Op.QUANTIZE, lambda _: QuantizeAttrs(target), x, params(target)))
    check(host, symbol, case, tiling)
    if case[1].value("x").bytes >= case[1].value(case[0].output).bytes:
        check(host, symbol, case, Tiling(), {"x": 0})


def test_candidates_say_why_not() -> None:
    b = GraphBuilder("g")
    x = b.input("x", (1, 4, 4, 2), DType.INT8, QuantParams.per_tensor(0.1, 3))
    w = b.constant("w", np.ones((2, 3, 3, 1), np.int8), QuantParams.per_tensor(0.1, 0))
    b.node(Op.CONV2D, [x, w], Conv2dAttrs(groups=2), quant=QuantParams.per_tensor(0.1, 3), output="y")
    graph = b.build(["y"])
    (node,) = graph.nodes
    reasons = {kernel.symbol: reason for kernel, reason in candidates(node, graph, frozenset({Isa.PORTABLE}))}
    assert reasons["tinyml_conv_s8"] is None
    assert reasons["tinyml_depthwise_s8"] is None
    assert reasons["tinyml_conv_1x1_s8"] == "computes 1x1 windows, this one is 3x3"
    assert reasons["tinyml_conv_s8_dsp"] == "is made for dsp, which the core lacks"
