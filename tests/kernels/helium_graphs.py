"""Random one-node graphs whose sizes lie around the sixteen lanes of Helium."""

import kernel_graphs as graphs
import numpy as np
from hypothesis import strategies as st

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import NO_CLAMP, RELU, BinaryAttrs, Clamp, Conv2dAttrs, LookupAttrs, Op, Pool2dAttrs
from tinyml.ir.quant import QuantParams

few = st.integers(1, 7)
strides = st.tuples(st.integers(1, 3), st.integers(1, 3))
channels = st.one_of(few, st.sampled_from([8, 15, 16, 17, 31, 32, 33, 48]))


@st.composite
def convolutions(draw: st.DrawFn) -> graphs.Case:
    """Windows from 1x1 to 7x7."""
    kernel = draw(st.one_of(st.just((1, 1)), st.tuples(few, few)))
    attrs = Conv2dAttrs(draw(strides), dilation=(draw(st.sampled_from([1, 1, 2])), 1))
    return draw(_layer(kernel, draw(channels), draw(channels), attrs, draw(st.booleans())))


@st.composite
def shared_columns(draw: st.DrawFn) -> graphs.Case:
    """3x3 windows, 16 channels or a multiple."""
    attrs = Conv2dAttrs((draw(few), draw(st.integers(1, 2))), dilation=(draw(st.sampled_from([1, 1, 2])), 1))
    inputs, outputs = draw(st.sampled_from([16, 32, 48, 80])), 2 * draw(few)
    return draw(_layer((3, 3), inputs, outputs, attrs, draw(st.booleans())))


@st.composite
def depthwise(draw: st.DrawFn, size: int | None = None, dilated: bool = False) -> graphs.Case:
    """Windows of any size, or of one size that moves as far both ways."""
    count = draw(channels)
    if size is not None:
        step = draw(st.integers(1, 2))
        return draw(_layer((size, size), count, count, Conv2dAttrs((step, step), groups=count), True))
    kernel = draw(st.one_of(st.tuples(few, few), st.sampled_from([(5, 5), (7, 7), (1, 30), (16, 4)])))
    dilation = draw(strides) if dilated else (1, 1)
    return draw(_layer(kernel, count, count, Conv2dAttrs(draw(strides), dilation, groups=count), True))


@st.composite
def _layer(
    draw: st.DrawFn, kernel: tuple[int, int], inputs: int, outputs: int, attrs: Conv2dAttrs, padded: bool
) -> graphs.Case:
    """Any padding; scales from those at which everything saturates to those at which
    everything is zero."""
    rng = np.random.default_rng(draw(graphs.seeds))
    least = 1 if padded else max(1 + (k - 1) * d for k, d in zip(kernel, attrs.dilation, strict=True))
    height, width = draw(few) + least - 1, draw(st.one_of(few, st.integers(8, 40))) + least - 1
    padding = ((0, 0), (0, 0))
    if padded:
        sizes = zip((height, width), kernel, attrs.dilation, strict=True)
        padding = tuple(graphs.any_padding(draw, n, 1 + (k - 1) * d) for n, k, d in sizes)  # type: ignore[assignment]
    attrs = Conv2dAttrs(attrs.stride, attrs.dilation, padding, attrs.groups, draw(graphs.clamps))
    b = GraphBuilder("g")
    xq = draw(graphs.quants(low=-8, high=0))
    x = b.input("x", (1, height, width, inputs), DType.INT8, xq)
    shape = (outputs, *kernel, inputs // attrs.groups)
    w = b.constant("w", graphs.stored(rng, shape, DType.INT8), draw(graphs.weights_s8(rng, outputs, xq)))
    most = draw(st.sampled_from([300, 20_000, 2_000_000]))
    bias = b.constant("bias", rng.integers(-most, most, outputs, dtype=np.int32)) if draw(st.booleans()) else None
    out = draw(graphs.quants(low=-8, high=8))
    return graphs.single(b, b.node(Op.CONV2D, [x, w, bias], attrs, quant=out), rng)


def scarcely_smaller(factor: float, size: int, depthwise: bool) -> graphs.Case:
    """A layer whose sums are small and multiplied by a factor of 1/2 or more, and clamped at zero."""
    rng = np.random.default_rng(2)
    b = GraphBuilder("g")
    x = b.input("x", (1, 9, 9, 32), DType.INT8, QuantParams.per_tensor(0.5, -3))
    weights = rng.integers(-1, 2, (32, size, size, 1 if depthwise else 32)).astype(np.int8)
    w = b.constant("w", weights, QuantParams.per_tensor(0.25, 0))
    attrs = Conv2dAttrs(padding=((size // 2, size // 2),) * 2, groups=32 if depthwise else 1, clamp=RELU)
    out = QuantParams.per_tensor(0.125 / factor, -20)
    node, graph, _ = graphs.single(b, b.node(Op.CONV2D, [x, w], attrs, quant=out), rng)
    return node, graph, {"x": rng.integers(-8, 3, (1, 9, 9, 32)).astype(np.int8)}


@st.composite
def lookups(draw: st.DrawFn) -> graphs.Case:
    rng = np.random.default_rng(draw(graphs.seeds))
    b = GraphBuilder("g")
    x = b.input("x", draw(graphs.images), DType.INT8, QuantParams.per_tensor(0.1, 3))
    table = b.constant("table", rng.integers(-128, 128, 256, dtype=np.int8))
    return graphs.single(b, b.node(Op.LOOKUP, [x, table], LookupAttrs("random")), rng)


@st.composite
def sums(draw: st.DrawFn) -> graphs.Case:
    """Of two tensors of one shape."""
    rng = np.random.default_rng(draw(graphs.seeds))
    shape = draw(graphs.images)
    b = GraphBuilder("g")
    x, y = (b.input(name, shape, DType.INT8, draw(graphs.quants(low=-8, high=0))) for name in "xy")
    attrs = BinaryAttrs(draw(graphs.clamps))
    return graphs.single(b, b.node(Op.ADD, [x, y], attrs, quant=draw(graphs.quants(low=-8, high=3))), rng)


def all_pairs(scales: tuple[float, float, float]) -> graphs.Case:
    """The sum of every int8 with every other."""
    b = GraphBuilder("g")
    quants = [QuantParams.per_tensor(scale, zero) for scale, zero in zip(scales, (-128, 17, -3), strict=True)]
    x, y = (b.input(name, (1, 64, 64, 16), DType.INT8, q) for name, q in zip("xy", quants[:2], strict=True))
    b.node(Op.ADD, [x, y], BinaryAttrs(), quant=quants[2], output="z")
    graph = b.build(["z"])
    first, second = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    arrays = {name: a.astype(np.int8).reshape(1, 64, 64, 16) for name, a in (("x", first), ("y", second))}
    return graph.nodes[0], graph, arrays


def averages_near_ties(height: int, width: int) -> graphs.Case:
    """Global averages; sums of half the taps times an odd number, and next to it; and the extremes."""
    taps = height * width
    wanted = [k * taps // 2 + d for k in (-255, -101, -3, -1, 1, 3, 101, 253) for d in (-1, 0, 1)]
    sums = np.array([-128 * taps, *wanted, 127 * taps])
    low = sums // taps
    data = np.where(np.arange(taps)[:, None] < sums - low * taps, low + 1, low)
    b = GraphBuilder("g")
    quant = QuantParams.per_tensor(0.5, 7)
    x = b.input("x", (1, height, width, len(sums)), DType.INT8, quant)
    b.node(Op.AVERAGE_POOL2D, [x], Pool2dAttrs((height, width), (1, 1)), quant=quant, output="y")
    graph = b.build(["y"])
    return graph.nodes[0], graph, {"x": data.astype(np.int8).reshape(1, height, width, -1)}


def convolution(
    size: int, height: int, width: int, inputs: int, outputs: int, stride: int = 1, depthwise: bool = False,
    clamp: Clamp = NO_CLAMP,
) -> graphs.Case:  # fmt: skip
    """A layer as networks have them: odd windows, padding that keeps the size. What RELU clamps has its zero at the bottom."""
    rng = np.random.default_rng(1)
    b = GraphBuilder("g")
    x = b.input("x", (1, height, width, inputs), DType.INT8, QuantParams.per_tensor(0.05, -3))
    shape = (outputs, size, size, 1 if depthwise else inputs)
    w = b.constant("w", graphs.stored(rng, shape, DType.INT8), QuantParams.per_tensor(0.01, 0))
    pad = ((size // 2, size // 2),) * 2
    attrs = Conv2dAttrs((stride, stride), padding=pad, groups=inputs if depthwise else 1, clamp=clamp)
    quant = QuantParams.per_tensor(0.3, -128 if clamp == RELU else 5)
    return graphs.single(b, b.node(Op.CONV2D, [x, w], attrs, quant=quant), rng)
