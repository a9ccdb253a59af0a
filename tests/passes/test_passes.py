"""The two lists as a whole, on random networks as frontends give them: nothing that they compute changes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from pass_cases import assert_same_results

from tinyml.frontends import tflite
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import (
    NO_CLAMP,
    RELU,
    BatchNormAttrs,
    BinaryAttrs,
    Clamp,
    ClipAttrs,
    ConcatAttrs,
    Conv2dAttrs,
    FullyConnectedAttrs,
    LeakyReluAttrs,
    Op,
    PadAttrs,
    Pool2dAttrs,
    ReduceAttrs,
    ReshapeAttrs,
    SoftmaxAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)
from tinyml.ir.quant import QuantParams
from tinyml.ir.text import to_text
from tinyml.ir.verify import verify
from tinyml.passes import CANONICAL, LOWERING, canonicalize, lower, run_pass
from tinyml.passes.layout import transposed_bytes


class Network:
    """Builds a channels-first network the way an importer does, from random choices."""

    def __init__(self, draw: st.DrawFn, quantized: bool) -> None:
        self.draw = draw
        self.quantized = quantized
        self.rng = np.random.default_rng(draw(st.integers(0, 1000)))
        self.b = GraphBuilder("g")
        shape = (1, *(draw(st.integers(1, 4)) for _ in range(3)))
        quant = self.params()
        self.values = [self.b.input("x", shape, DType.INT8 if quantized else DType.FLOAT32, quant)]

    def params(self) -> QuantParams | None:
        if not self.quantized:
            return None
        return QuantParams.per_tensor(self.draw(st.sampled_from([0.125, 0.25])), self.draw(st.sampled_from([-128, 3])))

    def shape(self, x: str) -> tuple[int, ...]:
        return self.b.values[x].shape

    def same(self, x: str) -> QuantParams | None:
        return self.b.values[x].quant

    def real(self, *shape: int) -> str:
        return self.b.constant("c", self.rng.uniform(-1, 1, shape).astype(np.float32))

    def operand(self, *shape: int) -> str:
        if not self.quantized:
            return self.real(*shape)
        return self.b.constant("c", self.rng.integers(-20, 20, shape, np.int8), self.params())

    def weights(self, x: str, *shape: int) -> tuple[str, str]:
        if not self.quantized:
            return self.real(*shape), self.real(shape[0])
        (scale,) = (self.same(x) or QuantParams.per_tensor(1.0, 0)).scale
        scales = np.float32(2.0) ** -self.rng.integers(5, 8, shape[0]).astype(np.float32)
        w = self.b.constant("w", self.rng.integers(-127, 128, shape, np.int8), QuantParams.per_channel(scales, 0))
        bias = QuantParams(tuple(float(s) * scale for s in scales), (0,) * shape[0], DType.INT32, 0)
        return w, self.b.constant("b", self.rng.integers(-900, 900, shape[0], np.int32), bias)

    def channels_last(self, x: str, body: Callable[[str], str]) -> str:
        last = self.b.node(Op.TRANSPOSE, [x], TransposeAttrs((0, 2, 3, 1)), quant=self.same(x))
        y = body(last)
        return self.b.node(Op.TRANSPOSE, [y], TransposeAttrs((0, 3, 1, 2)), quant=self.same(y))

    def conv(self, x: str) -> str:
        c = self.shape(x)[1]
        groups = self.draw(st.sampled_from([1, c]))
        out = groups * self.draw(st.integers(1, 2))
        w, bias = self.weights(x, out, 2, 2, c // groups)
        attrs = Conv2dAttrs(padding=((1, 0), (0, 1)), groups=groups)
        inputs = [w, bias] if self.draw(st.booleans()) else [w]
        return self.channels_last(x, lambda v: self.b.node(Op.CONV2D, [v, *inputs], attrs, quant=self.params()))

    def batch_norm(self, x: str) -> str:
        if self.quantized:
            return x
        c = self.shape(x)[1]
        names = [self.real(c) for _ in range(3)]
        variance = self.b.constant("v", self.rng.uniform(0.5, 2, c).astype(np.float32))
        return self.channels_last(x, lambda v: self.b.node(Op.BATCH_NORM, [v, *names, variance], BatchNormAttrs()))

    def pool(self, x: str) -> str:
        op = self.draw(st.sampled_from([Op.MAX_POOL2D, Op.AVERAGE_POOL2D]))
        attrs = Pool2dAttrs((2, 2), (1, 1), ((1, 0), (1, 0)))
        return self.channels_last(x, lambda v: self.b.node(op, [v], attrs, quant=self.same(v)))

    def activation(self, x: str) -> str:
        op, attrs = self.draw(
            st.sampled_from(
                [
                    (Op.RELU, None),
                    (Op.CLIP, ClipAttrs(Clamp(0.0, 3.0))),
                    (Op.LEAKY_RELU, LeakyReluAttrs(0.1)),
                    (Op.HARD_SWISH, None),
                ]
            )
        )
        return self.b.node(op, [x], attrs, quant=self.same(x) if self.draw(st.booleans()) else self.params())

    def binary(self, x: str) -> str:
        _, c, h, w = self.shape(x)
        same = [v for v in self.values if self.shape(v) == self.shape(x)]
        other = self.draw(
            st.sampled_from(
                [
                    lambda: self.draw(st.sampled_from(same)),
                    lambda: self.operand(c, 1, 1),
                    lambda: self.operand(1, c, h, 1),
                    lambda: self.operand(),
                    lambda: self.operand(h, w),
                    lambda: self.gate(x),
                ]
            )
        )()
        op = self.draw(st.sampled_from([Op.ADD, Op.MUL]))
        attrs = BinaryAttrs(self.draw(st.sampled_from([NO_CLAMP, RELU])))
        return self.b.node(op, self.draw(st.permutations([x, other])), attrs, quant=self.params())

    def gate(self, x: str) -> str:
        return self.b.node(Op.MEAN, [x], ReduceAttrs((2, 3), keep_dims=True), quant=self.params())

    def concat(self, x: str) -> str:
        if self.shape(x)[1] > 6:
            return x
        alike = [v for v in self.values if self.shape(v) == self.shape(x) and self.same(v) == self.same(x)]
        other = self.draw(st.sampled_from(alike))
        return self.b.node(Op.CONCAT, [x, other], ConcatAttrs(self.draw(st.integers(1, 3))), quant=self.same(x))

    def pad(self, x: str) -> str:
        padding = ((0, 0), *(self.draw(st.sampled_from([(0, 0), (1, 0), (0, 1)])) for _ in range(3)))
        return self.b.node(Op.PAD, [x], PadAttrs(padding), quant=self.same(x))

    def slice(self, x: str) -> str:
        begin = tuple(self.draw(st.integers(0, n - 1)) for n in self.shape(x))
        return self.b.node(
            Op.STRIDED_SLICE, [x], StridedSliceAttrs(begin, self.shape(x), (1, 1, 1, 1)), quant=self.same(x)
        )

    def transpose(self, x: str) -> str:
        perm = (0, *self.draw(st.permutations([1, 2, 3])))
        return self.b.node(Op.TRANSPOSE, [x], TransposeAttrs(perm), quant=self.same(x))

    def shuffle(self, x: str) -> str:
        n, c, h, w = self.shape(x)
        if c % 2:
            return x
        q = self.same(x)
        y = self.b.node(Op.RESHAPE, [x], ReshapeAttrs((n, 2, c // 2, h, w)), quant=q)
        y = self.b.node(Op.TRANSPOSE, [y], TransposeAttrs((0, 2, 1, 3, 4)), quant=q)
        return self.b.node(Op.RESHAPE, [y], ReshapeAttrs((n, c, h, w)), quant=q)

    def merge(self, x: str) -> str:
        """Through three axes and back."""
        n, c, h, w = self.shape(x)
        q = self.same(x)
        y = self.b.node(Op.RESHAPE, [x], ReshapeAttrs((n, c, h * w)), quant=q)
        y = self.b.node(Op.RELU, [y], quant=q)
        y = self.b.node(Op.TRANSPOSE, [y], TransposeAttrs((0, 2, 1)), quant=q)
        if not self.quantized:
            y = self.b.node(Op.SOFTMAX, [y], SoftmaxAttrs())
        return self.b.node(Op.RESHAPE, [y], ReshapeAttrs((n, h, w, c)), quant=q)

    def head(self, x: str) -> str:
        """Flattened or averaged, and fully connected."""
        q = self.same(x)
        if self.draw(st.booleans()):
            x = self.b.node(Op.MEAN, [x], ReduceAttrs(self.draw(st.sampled_from([(2, 3), (1,), (1, 3)]))), quant=q)
        elements = self.b.values[x].elements
        x = self.b.node(Op.RESHAPE, [x], ReshapeAttrs((1, elements)), quant=q)
        if self.draw(st.booleans()):
            x = self.b.node(Op.RELU, [x], quant=q)
        w, bias = self.weights(x, 3, elements)
        return self.b.node(Op.FULLY_CONNECTED, [x, w, bias], FullyConnectedAttrs(), quant=self.params())

    def grow(self) -> None:
        steps = (
            self.conv,
            self.conv,
            self.batch_norm,
            self.pool,
            self.activation,
            self.binary,
            self.concat,
            self.pad,
            self.slice,
            self.transpose,
            self.shuffle,
            self.merge,
        )
        x = self.draw(st.sampled_from(self.values[-3:]))
        self.values.append(self.draw(st.sampled_from(steps))(x))

    def build(self) -> Graph:
        outputs = list(dict.fromkeys(v for v in self.values[-2:] if v != "x"))
        if self.draw(st.booleans()) or not outputs:
            outputs.append(self.head(self.values[-1]))
        return self.b.build(outputs)


@st.composite
def networks(draw: st.DrawFn, quantized: bool) -> Graph:
    network = Network(draw, quantized)
    for _ in range(draw(st.integers(1, 7))):
        network.grow()
    return network.build()


def assert_every_pass_keeps_results(graph: Graph) -> None:
    note(to_text(graph))
    verify(graph, quantized=graph.is_quantized)
    for step in (*CANONICAL, *LOWERING):
        new = run_pass(graph, step)
        assert_same_results(graph, new)
        assert transposed_bytes(new) <= transposed_bytes(graph)
        graph = new


@settings(max_examples=60, deadline=None)
@given(networks(quantized=False))
def test_real_networks(graph: Graph) -> None:
    assert_every_pass_keeps_results(graph)


@settings(max_examples=60, deadline=None)
@given(networks(quantized=True))
def test_quantized_networks(graph: Graph) -> None:
    assert_every_pass_keeps_results(graph)


@pytest.mark.parametrize(
    "path",
    [
        "mlperf_tiny/ic_resnet8_int8",
        "mlperf_tiny/kws_dscnn_int8",
        "mlperf_tiny/ad01_int8",
        "tflite_micro/keyword_scrambled_8bit",
        "tflite_micro/micro_speech_quantized",
        "tflite_micro/person_detect",
        "tinyengine/vww1-float-io",
        "wake_vision/mcunet-vww0",
        "wake_vision/colabnas-k8c5",
    ],
)
def test_shipped_models_pass_the_strict_verifier_and_keep_no_pad(shared: Path, path: str) -> None:
    graph = tflite.load(shared / "models" / f"{path}.tflite")
    verify(graph, quantized=True)
    lowered = lower(canonicalize(graph))
    assert not [node.name for node in lowered.nodes if node.op in (Op.PAD, Op.TRANSPOSE)]
