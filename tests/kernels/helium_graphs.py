"""Random one-node graphs whose sizes lie around the sixteen lanes of Helium."""

import kernel_graphs as graphs
import numpy as np
from hypothesis import strategies as st

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Conv2dAttrs, Op
from tinyml.ir.quant import QuantParams

few = st.integers(1, 7)
channels = st.one_of(few, st.sampled_from([8, 15, 16, 17, 31, 32, 33, 48]))


@st.composite
def convolutions(draw: st.DrawFn, depthwise: bool = False) -> graphs.Case:
    """Windows from 1x1 to 7x7, any padding; scales from those at which everything saturates to those at which
    everything is zero."""
    rng = np.random.default_rng(draw(graphs.seeds))
    height, width = draw(few), draw(st.one_of(few, st.integers(8, 40)))
    inputs, outputs = draw(channels), draw(channels)
    kernel, padding = (1, 1), ((0, 0), (0, 0))
    dilation = (draw(st.sampled_from([1, 1, 2])), 1)
    if depthwise or draw(st.booleans()):
        kernel = draw(st.one_of(st.tuples(few, few), st.sampled_from([(3, 3), (5, 5), (7, 7)])))
        sizes = zip((height, width), kernel, dilation, strict=True)
        padding = tuple(graphs.any_padding(draw, n, 1 + (k - 1) * d) for n, k, d in sizes)  # type: ignore[assignment]
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    groups = inputs if depthwise else 1
    attrs = Conv2dAttrs(stride, dilation, padding, groups, draw(graphs.clamps))
    b = GraphBuilder("g")
    xq = draw(graphs.quants(low=-8, high=0))
    x = b.input("x", (1, height, width, inputs), DType.INT8, xq)
    shape = (inputs if depthwise else outputs, *kernel, inputs // groups)
    w = b.constant("w", graphs.stored(rng, shape, DType.INT8), draw(graphs.weights_s8(rng, shape[0], xq)))
    most = draw(st.sampled_from([300, 20_000, 2_000_000]))
    bias = b.constant("bias", rng.integers(-most, most, shape[0], dtype=np.int32)) if draw(st.booleans()) else None
    out = draw(graphs.quants(low=-8, high=8))
    return graphs.single(b, b.node(Op.CONV2D, [x, w, bias], attrs, quant=out), rng)


def convolution(
    size: int, height: int, width: int, inputs: int, outputs: int, stride: int = 1, depthwise: bool = False
) -> graphs.Case:
    """A layer as networks have them: odd windows, padding that keeps the size."""
    rng = np.random.default_rng(1)
    b = GraphBuilder("g")
    x = b.input("x", (1, height, width, inputs), DType.INT8, QuantParams.per_tensor(0.05, -3))
    shape = (outputs, size, size, 1 if depthwise else inputs)
    w = b.constant("w", graphs.stored(rng, shape, DType.INT8), QuantParams.per_tensor(0.01, 0))
    pad = ((size // 2, size // 2),) * 2
    attrs = Conv2dAttrs((stride, stride), padding=pad, groups=inputs if depthwise else 1)
    return graphs.single(b, b.node(Op.CONV2D, [x, w], attrs, quant=QuantParams.per_tensor(0.3, 5)), rng)
