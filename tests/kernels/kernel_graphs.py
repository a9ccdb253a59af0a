"""Random one-node graphs."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import (
    NO_CLAMP,
    RELU,
    RELU6,
    Attrs,
    BinaryAttrs,
    Clamp,
    ConcatAttrs,
    Conv2dAttrs,
    FullyConnectedAttrs,
    Op,
    PadAttrs,
    Pool2dAttrs,
    ReduceAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)
from tinyml.ir.quant import QuantParams

Case = tuple[Node, Graph, dict[str, np.ndarray]]

clamps = st.sampled_from([NO_CLAMP, RELU, RELU6, Clamp(-1.0, 1.0)])
seeds = st.integers(0, 2**32 - 1)
small = st.integers(1, 9)


def scales(low: float = -14, high: float = 3) -> st.SearchStrategy[float]:
    """Powers of two (ties!) and others, over many octaves."""
    exponent = st.floats(low, high)
    return st.one_of(exponent.map(lambda e: float(2.0 ** round(e))), exponent.map(lambda e: float(2.0**e)))


@st.composite
def quants(draw: st.DrawFn, dtype: DType = DType.INT8, low: float = -14, high: float = 3) -> QuantParams:
    lo, hi = dtype.range
    zero = draw(st.one_of(st.sampled_from([lo, 0 if lo < 0 else 128, hi]), st.integers(lo, hi)))
    return QuantParams.per_tensor(draw(scales(low, high)), zero, dtype)


def stored(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    """Random elements, extremes among them."""
    if dtype is DType.FLOAT32:
        return rng.normal(0, 3, shape).astype(np.float32)
    lo, hi = dtype.range
    data = rng.integers(lo, hi, shape, endpoint=True)
    extreme = rng.random(shape) < 0.1
    return np.where(extreme, rng.choice([lo, hi], shape), data).astype(dtype.numpy)


def single(b: GraphBuilder, name: str, rng: np.random.Generator) -> Case:
    """The graph of the one node that the builder has, with data for its inputs."""
    graph = b.build([name])
    arrays = {i: stored(rng, graph.value(i).shape, graph.value(i).dtype) for i in graph.inputs}
    return graph.nodes[0], graph, arrays


@st.composite
def weights_s8(draw: st.DrawFn, rng: np.random.Generator, channels: int, x: QuantParams) -> QuantParams:
    if draw(st.booleans()):
        return QuantParams.per_channel(rng.uniform(0.001, 0.02, channels), 0)
    return QuantParams.per_tensor(draw(scales(-9, -4)), 0)


@st.composite
def convolutions(
    draw: st.DrawFn, dtype: DType = DType.INT8, kind: str = "any", least: int = -128, most_stride: int = 3
) -> Case:
    """kind: any, pointwise or depthwise. least: smallest weight."""
    rng = np.random.default_rng(draw(seeds))
    height, width = draw(small), draw(small)
    groups = 1
    kernel, dilation, padding = (1, 1), (1, 1), ((0, 0), (0, 0))
    if kind == "pointwise":
        channels, out = draw(st.integers(1, 21)), draw(st.integers(1, 9))
    else:
        per_group = 1 if kind == "depthwise" else draw(st.integers(1, 6))
        groups = draw(st.integers(1, 11)) if kind == "depthwise" else draw(st.sampled_from([1, 1, 2, 3]))
        channels, out = groups * per_group, groups * draw(st.integers(1, 3 if kind == "depthwise" else 5))
        kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
        dilation = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        padding = tuple(
            any_padding(draw, size, 1 + (k - 1) * d)
            for size, k, d in zip((height, width), kernel, dilation, strict=True)
        )  # type: ignore[assignment]
    stride = (draw(st.integers(1, most_stride)), draw(st.integers(1, most_stride)))
    attrs = Conv2dAttrs(stride, dilation, padding, groups, draw(clamps))
    b = GraphBuilder("g")
    shape = (out, *kernel, channels // groups)
    if dtype is DType.FLOAT32:
        x = b.input("x", (1, height, width, channels), dtype)
        w = b.constant("w", rng.normal(0, 1, shape).astype(np.float32))
        bias = b.constant("bias", rng.normal(0, 1, out).astype(np.float32)) if draw(st.booleans()) else None
        return single(b, b.node(Op.CONV2D, [x, w, bias], attrs), rng)
    xq = draw(quants(low=-8, high=0))
    wq = draw(weights_s8(rng, out, xq))
    x = b.input("x", (1, height, width, channels), dtype, xq)
    w = b.constant("w", np.maximum(stored(rng, shape, DType.INT8), np.int8(least)), wq)
    bias = b.constant("bias", rng.integers(-20000, 20000, out, dtype=np.int32)) if draw(st.booleans()) else None
    return single(b, b.node(Op.CONV2D, [x, w, bias], attrs, quant=draw(quants(low=-8, high=3))), rng)


@st.composite
def planar_depthwise(draw: st.DrawFn, size: int) -> Case:
    """Windows of size x size, one output channel an input channel; wide images, so that blocks of columns are needed,
    and scales from those at which everything saturates to those at which everything is zero."""
    rng = np.random.default_rng(draw(seeds))
    height, width = draw(small), draw(st.one_of(small, st.integers(10, 60)))
    channels = draw(st.integers(4, 11))
    padding = tuple(any_padding(draw, n, size) for n in (height, width))
    attrs = Conv2dAttrs((draw(st.integers(1, 3)), draw(st.integers(1, 2))), (1, 1), padding, channels, draw(clamps))
    b = GraphBuilder("g")
    xq = draw(quants(low=-8, high=0))
    x = b.input("x", (1, height, width, channels), DType.INT8, xq)
    w = b.constant("w", stored(rng, (channels, size, size, 1), DType.INT8), draw(weights_s8(rng, channels, xq)))
    most = draw(st.sampled_from([300, 20_000, 2_000_000]))
    bias = b.constant("bias", rng.integers(-most, most, channels, dtype=np.int32)) if draw(st.booleans()) else None
    return single(b, b.node(Op.CONV2D, [x, w, bias], attrs, quant=draw(quants(low=-16, high=8))), rng)


@st.composite
def squares(draw: st.DrawFn) -> Case:
    """3x3 windows side by side, channels and filters in fours; weights of any size, and at their extremes alone: with inputs
    there, too, sums on the way are as large as they can be."""
    rng = np.random.default_rng(draw(seeds))
    height, width = draw(small), draw(st.one_of(small, st.integers(10, 20)))
    channels, out = 4 * draw(st.one_of(st.integers(1, 4), st.just(16))), 4 * draw(st.integers(1, 3))
    padding = tuple(any_padding(draw, n, 3) for n in (height, width))
    b = GraphBuilder("g")
    xq = draw(quants(low=-8, high=0))
    x = b.input("x", (1, height, width, channels), DType.INT8, xq)
    ends = draw(st.sampled_from([None, [-128], [127], [-128, 127]]))
    shape = (out, 3, 3, channels)
    data = stored(rng, shape, DType.INT8) if ends is None else rng.choice(ends, shape).astype(np.int8)
    w = b.constant("w", data, draw(weights_s8(rng, out, xq)))
    most = draw(st.sampled_from([300, 20_000, 2_000_000]))
    bias = b.constant("bias", rng.integers(-most, most, out, dtype=np.int32)) if draw(st.booleans()) else None
    attrs = Conv2dAttrs(padding=padding, clamp=draw(clamps))
    node, graph, arrays = single(b, b.node(Op.CONV2D, [x, w, bias], attrs, quant=draw(quants(low=-8, high=8))), rng)
    if ends is not None and draw(st.booleans()):
        arrays = {"x": rng.choice([-128, 127], arrays["x"].shape).astype(np.int8)}
    return node, graph, arrays


def any_padding(draw: st.DrawFn, size: int, window: int) -> tuple[int, int]:
    """Any padding that leaves at least one output, also of windows that lie wholly outside the image."""
    before, after = draw(st.integers(0, window)), draw(st.integers(0, window))
    return before, max(after, window - size - before)


@st.composite
def fully_connected(draw: st.DrawFn, dtype: DType = DType.INT8, least: int = -128) -> Case:
    """least: smallest weight."""
    rng = np.random.default_rng(draw(seeds))
    depth, out = draw(st.integers(1, 40)), draw(st.integers(1, 7))
    lead = draw(st.sampled_from([(1,), (3,), (1, 2), ()]))
    attrs = FullyConnectedAttrs(draw(clamps), keep_dims=bool(lead) and draw(st.booleans()))
    b = GraphBuilder("g")
    if dtype is DType.FLOAT32:
        x = b.input("x", (*lead, depth), dtype)
        w = b.constant("w", rng.normal(0, 1, (out, depth)).astype(np.float32))
        bias = b.constant("bias", rng.normal(0, 1, out).astype(np.float32)) if draw(st.booleans()) else None
        return single(b, b.node(Op.FULLY_CONNECTED, [x, w, bias], attrs), rng)
    xq = draw(quants(low=-8, high=0))
    x = b.input("x", (*lead, depth), dtype, xq)
    weights = np.maximum(stored(rng, (out, depth), DType.INT8), np.int8(least))
    w = b.constant("w", weights, draw(weights_s8(rng, out, xq)))
    bias = b.constant("bias", rng.integers(-20000, 20000, out, dtype=np.int32)) if draw(st.booleans()) else None
    return single(b, b.node(Op.FULLY_CONNECTED, [x, w, bias], attrs, quant=draw(quants(low=-8, high=3))), rng)


@st.composite
def pools(draw: st.DrawFn, op: Op, dtype: DType = DType.INT8) -> Case:
    rng = np.random.default_rng(draw(seeds))
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    height, width = draw(small), draw(small)
    padding = tuple(
        (before := draw(st.integers(0, k - 1)), max(draw(st.integers(0, k - 1)), k - n - before))
        for k, n in zip(kernel, (height, width), strict=True)
    )
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    whole = draw(st.booleans()) and op is Op.AVERAGE_POOL2D
    attrs = Pool2dAttrs(kernel, stride, padding, draw(clamps), whole)  # type: ignore[arg-type]
    b = GraphBuilder("g")
    quant = None if dtype is DType.FLOAT32 else draw(quants(low=-6, high=0))
    x = b.input("x", (1, height, width, draw(small)), dtype, quant)
    return single(b, b.node(op, [x], attrs, quant=quant), rng)


images = st.one_of(
    st.tuples(st.just(1), small, small, small), st.tuples(st.just(1), small, small), st.tuples(small, small)
)


@st.composite
def unary(
    draw: st.DrawFn,
    op: Op,
    attrs: Callable[[st.DrawFn], Attrs] | None = None,
    source: QuantParams | DType = DType.FLOAT32,
    target: QuantParams | None = None,
) -> Case:
    """x -> op(x) of any image."""
    rng = np.random.default_rng(draw(seeds))
    b = GraphBuilder("g")
    quant = source if isinstance(source, QuantParams) else None
    x = b.input("x", draw(images), source.dtype if isinstance(source, QuantParams) else source, quant)
    return single(b, b.node(op, [x], attrs(draw) if attrs else None, quant=target), rng)


@st.composite
def binary(draw: st.DrawFn, op: Op, dtype: DType = DType.INT8) -> Case:
    """Same shapes, and operands repeated along any of rows, columns and channels; one may be constant."""
    rng = np.random.default_rng(draw(seeds))
    full = draw(images)

    def repeated() -> tuple[int, ...]:
        return tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in full)

    shapes = [full, draw(st.sampled_from([full, repeated(), (full[-1],), ()]))]
    constants = [False, draw(st.booleans())]
    if draw(st.booleans()):
        shapes.reverse()
        constants.reverse()
    b = GraphBuilder("g")
    names = []
    for name, shape, constant in zip("ab", shapes, constants, strict=True):
        quant = None if dtype is DType.FLOAT32 else draw(quants(low=-8, high=0))
        if constant:
            names.append(b.constant(name, np.asarray(stored(rng, shape, dtype)), quant))
        else:
            names.append(b.input(name, shape, dtype, quant))

    quant = None if dtype is DType.FLOAT32 else draw(quants(low=-8, high=2))
    return single(b, b.node(op, names, BinaryAttrs(draw(clamps)), quant=quant), rng)


shapes = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple)


@st.composite
def movements(draw: st.DrawFn, op: Op) -> Case:
    """Transposes, slices, pads and concatenations of any rank and type."""
    rng = np.random.default_rng(draw(seeds))
    dtype = draw(st.sampled_from([DType.INT8, DType.INT16, DType.FLOAT32]))
    quant = None if dtype is DType.FLOAT32 else draw(quants(dtype, low=-6, high=0))
    shape = draw(shapes)
    b = GraphBuilder("g")
    x = b.input("x", shape, dtype, quant)
    inputs = [x]
    attrs: Attrs
    if op is Op.TRANSPOSE:
        attrs = TransposeAttrs(tuple(draw(st.permutations(range(len(shape))))))
    elif op is Op.STRIDED_SLICE:
        picks = [draw(_slices(n)) for n in shape]
        single_axes = [i for i, (p, n) in enumerate(zip(picks, shape, strict=True)) if len(range(*p.indices(n))) == 1]
        squeeze = tuple(i for i in single_axes if len(single_axes) < len(shape) and draw(st.booleans()))
        bounds = [range(*p.indices(n)) for p, n in zip(picks, shape, strict=True)]
        attrs = StridedSliceAttrs(
            tuple(r.start for r in bounds), tuple(r.stop for r in bounds), tuple(r.step for r in bounds), squeeze
        )
    elif op is Op.PAD:
        attrs = PadAttrs(tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape), draw(scales(-4, 1)))
    else:
        axis = draw(st.integers(0, len(shape) - 1))
        attrs = ConcatAttrs(axis)
        for i in range(draw(st.integers(1, 3))):
            other = (*shape[:axis], draw(st.integers(1, 4)), *shape[axis + 1 :])
            if draw(st.integers(0, 3)):
                inputs.append(b.input(f"x{i}", other, dtype, quant))
            else:
                inputs.insert(draw(st.integers(0, 1)), b.constant(f"x{i}", stored(rng, other, dtype), quant))
    return single(b, b.node(op, inputs, attrs, quant=quant), rng)


@st.composite
def _slices(draw: st.DrawFn, n: int) -> slice:
    first, last = sorted((draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))))
    step = draw(st.integers(1, 3))
    return slice(first, last + 1, step) if draw(st.booleans()) else slice(last, first - 1 if first else None, -step)


@st.composite
def means(draw: st.DrawFn, dtype: DType, same: bool = False, image: bool = False) -> Case:
    """image: over height and width, axes kept; same: input and output share their scale."""
    rng = np.random.default_rng(draw(seeds))
    shape = (1, draw(small), draw(small), draw(small)) if image else draw(shapes)
    axes = (1, 2) if image else tuple(sorted(draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
    keep = image or len(axes) == len(shape) or draw(st.booleans())
    b = GraphBuilder("g")
    if dtype is DType.FLOAT32:
        x, out = b.input("x", shape, dtype), None
    else:
        quant = draw(quants(low=-6, high=0))
        x, out = b.input("x", shape, dtype, quant), quant if same else draw(quants(low=-6, high=0))
    return single(b, b.node(Op.MEAN, [x], ReduceAttrs(axes, keep), quant=out), rng)
