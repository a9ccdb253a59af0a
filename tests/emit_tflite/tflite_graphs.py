"""A network with a branch for each form that the writer knows: random weights, an input and an output of their own."""

from collections.abc import Callable, Sequence

import numpy as np

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import (
    NO_CLAMP,
    RELU,
    RELU6,
    ArgMaxAttrs,
    Attrs,
    BatchNormAttrs,
    BinaryAttrs,
    CastAttrs,
    Clamp,
    ClipAttrs,
    ConcatAttrs,
    Conv2dAttrs,
    DepthToSpaceAttrs,
    FullyConnectedAttrs,
    GatherAttrs,
    GeluAttrs,
    HardSigmoidAttrs,
    LeakyReluAttrs,
    Op,
    PadAttrs,
    Pool2dAttrs,
    QuantizeAttrs,
    ReduceAttrs,
    ReshapeAttrs,
    ResizeAttrs,
    SoftmaxAttrs,
    SpaceToDepthAttrs,
    StackAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)
from tinyml.ir.quant import QuantParams

Shape = tuple[int, ...]
ODD = Clamp(-0.75, 1.1)  # no activation of TFLite's


class Branches:
    """Collects branches that compute on one type of numbers."""

    def __init__(self, dtype: DType, seed: int = 0, weights: DType = DType.INT8) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype, self.weights = dtype, weights
        self.b = GraphBuilder("branches")
        self.outputs: list[str] = []

    def quant(self, like: QuantParams | None = None) -> QuantParams | None:
        """Random parameters with which numbers of a few units fill the range."""
        if self.dtype is DType.FLOAT32:
            return None
        if like is not None:
            return like
        lo, hi = self.dtype.range
        scale = self.rng.uniform(2.0, 8.0) / (hi - lo)
        return QuantParams.per_tensor(scale, 0 if self.dtype is DType.INT16 else self.rng.integers(-40, 40), self.dtype)

    def input(self, name: str, shape: Shape, quant: QuantParams | None = None) -> str:
        return self.b.input(f"{name}_x", shape, self.dtype, self.quant(quant))

    def constant(self, name: str, shape: Shape, quant: QuantParams | None = None) -> str:
        real = self.rng.standard_normal(shape).astype(np.float32)
        params = self.quant(quant)
        return self.b.constant(name, real if params is None else params.quantize(real), params)

    def add(
        self,
        name: str,
        op: Op,
        inputs: Sequence[str | None],
        attrs: Attrs | None = None,
        *,
        same: bool = False,
        quant: QuantParams | None = None,
    ) -> None:
        """A node that computes an output of the network. same: in the parameters of its first input."""
        own = self.b.values[str(inputs[0])].quant if same else self.quant(quant)
        self.outputs.append(self.b.node(op, inputs, attrs, name=name, output=name, quant=own))

    def weighted(self, name: str, op: Op, x: str, shape: Shape, attrs: Attrs, bias: bool = True) -> None:
        x_quant, operands = self.b.values[x].quant, [x]
        real = self.rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        if x_quant is None:
            operands.append(self.b.constant(f"{name}_w", real.astype(np.float32)))
            if bias:
                operands.append(self.b.constant(f"{name}_b", self.rng.standard_normal(shape[0]).astype(np.float32)))
        else:
            scales = np.abs(real).reshape(shape[0], -1).max(axis=1) / self.weights.range[1]
            w_quant = QuantParams.per_channel(scales, 0, self.weights)
            operands.append(self.b.constant(f"{name}_w", w_quant.quantize(real), w_quant, self.weights))
            if bias:
                wide = DType.INT64 if self.dtype is DType.INT16 else DType.INT32
                steps = QuantParams.per_channel(x_quant.scale[0] * np.array(w_quant.scale), 0, wide)
                stored = steps.quantize(self.rng.standard_normal(shape[0]))
                operands.append(self.b.constant(f"{name}_b", stored, steps))
        self.add(name, op, operands, attrs)

    def graph(self) -> Graph:
        return self.b.build(self.outputs)


def weighted(dtype: DType, weights: DType = DType.INT8) -> Graph:
    """Convolutions and dense layers: every padding, groups, dilation, stride, and what clamps them."""
    net = Branches(dtype, weights=weights)
    conv, fc = Op.CONV2D, Op.FULLY_CONNECTED
    same, none, odd = ((1, 1), (1, 1)), ((0, 0), (0, 0)), ((2, 0), (0, 1))
    for name, clamp in (
        ("plain", NO_CLAMP),
        ("relu", RELU),
        ("relu6", RELU6),
        ("unit", Clamp(-1.0, 1.0)),
        ("odd", ODD),
    ):
        net.weighted(
            f"conv_{name}",
            conv,
            net.input(f"conv_{name}", (1, 6, 5, 3)),
            (4, 3, 3, 3),
            Conv2dAttrs(padding=same, clamp=clamp),
        )
    wide = net.input("depthwise", (1, 7, 6, 4))
    net.weighted("valid", conv, wide, (3, 3, 2, 4), Conv2dAttrs(stride=(2, 1), padding=none))
    net.weighted("padded", conv, wide, (3, 3, 3, 4), Conv2dAttrs(stride=(2, 2), padding=odd))
    net.weighted(
        "torch_stride", conv, net.input("even", (1, 8, 8, 2)), (3, 3, 3, 2), Conv2dAttrs(stride=(2, 2), padding=same)
    )
    net.weighted("dilated", conv, wide, (3, 3, 3, 4), Conv2dAttrs(dilation=(2, 1), padding=((2, 2), (1, 1))))
    net.weighted("groups", conv, wide, (6, 3, 3, 2), Conv2dAttrs(padding=same, groups=2))
    net.weighted("depthwise", conv, wide, (4, 3, 3, 1), Conv2dAttrs(padding=same, groups=4, clamp=RELU))
    net.weighted("multiplier", conv, wide, (8, 3, 3, 1), Conv2dAttrs(stride=(2, 2), padding=odd, groups=4))
    net.weighted(
        "dilated_depthwise", conv, wide, (4, 3, 3, 1), Conv2dAttrs(dilation=(2, 2), padding=((2, 2), (2, 2)), groups=4)
    )
    net.weighted("no_bias", conv, wide, (5, 1, 1, 4), Conv2dAttrs(), bias=False)
    net.weighted("gray", conv, net.input("gray", (1, 9, 9, 1)), (3, 3, 3, 1), Conv2dAttrs(padding=same))
    net.weighted(
        "time",
        conv,
        net.input("time", (1, 20, 1, 3)),
        (4, 5, 1, 3),
        Conv2dAttrs(stride=(2, 1), padding=((2, 2), (0, 0))),
    )
    net.weighted("dense", fc, net.input("dense", (1, 17)), (5, 17), FullyConnectedAttrs(clamp=RELU))
    net.weighted("flattening", fc, net.input("flat", (1, 2, 3, 4)), (5, 12), FullyConnectedAttrs(), bias=False)
    net.weighted("keeping", fc, net.input("kept", (1, 6, 8)), (3, 8), FullyConnectedAttrs(clamp=ODD, keep_dims=True))
    return net.graph()


def pools(net: Branches) -> None:
    maps = net.input("maps", (1, 7, 8, 3))
    same, odd = ((1, 1), (0, 1)), ((2, 0), (1, 1))
    for op, name in ((Op.MAX_POOL2D, "max"), (Op.AVERAGE_POOL2D, "average")):
        net.add(f"{name}_valid", op, [maps], Pool2dAttrs((2, 3), (2, 1)), same=True)
        net.add(f"{name}_same", op, [maps], Pool2dAttrs((3, 2), (2, 1), ((1, 1), (0, 1)), RELU), same=True)
    net.add("max_padded", Op.MAX_POOL2D, [maps], Pool2dAttrs((3, 3), (2, 2), odd), same=True)
    net.add("average_counted", Op.AVERAGE_POOL2D, [maps], Pool2dAttrs((3, 3), (1, 1), same, ODD, True), same=True)


def arithmetic(net: Branches) -> None:
    a, b = net.input("a", (1, 5, 4, 3)), net.input("b", (1, 5, 4, 3))
    for op in (Op.ADD, Op.SUB, Op.MUL):
        net.add(op.value, op, [a, b], BinaryAttrs(RELU))
        net.add(f"{op.value}_row", op, [a, net.constant(f"{op.value}_c", (3,))], BinaryAttrs(ODD))
    for op in (Op.SIGMOID, Op.TANH):
        net.add(op.value, op, [a], quant=_fixed(op, net.dtype))
    net.add(
        "softmax", Op.SOFTMAX, [net.input("scores", (1, 9))], SoftmaxAttrs(0.5), quant=_fixed(Op.SOFTMAX, net.dtype)
    )


def _fixed(op: Op, dtype: DType) -> QuantParams:
    """The parameters that TFLite's specification demands of the output."""
    if dtype is DType.INT16:
        return QuantParams.per_tensor(1 / 32768, 0, dtype)
    return QuantParams.per_tensor(1 / 128, 0) if op is Op.TANH else QuantParams.per_tensor(1 / 256, -128)


def functions(net: Branches) -> None:
    """Functions of one element that int8 and real numbers have."""
    x = net.input("x", (1, 5, 40, 3))
    for op in (Op.RELU, Op.HARD_SWISH):
        net.add(op.value, op, [x])
    net.add("leaky_relu", Op.LEAKY_RELU, [x], LeakyReluAttrs(0.1))
    net.add("hard_sigmoid", Op.HARD_SIGMOID, [x], HardSigmoidAttrs())
    for name, clamp in (("six", RELU6), ("unit", Clamp(-1.0, 1.0)), ("from_zero", RELU), ("odd", ODD)):
        net.add(f"clip_{name}", Op.CLIP, [x], ClipAttrs(clamp))
    net.add("clip_in_scale", Op.CLIP, [x], ClipAttrs(ODD), same=True)
    net.add("mean", Op.MEAN, [x], ReduceAttrs((1, 2)))
    net.add("mean_kept", Op.MEAN, [x], ReduceAttrs((3,), keep_dims=True))
    net.add("exp", Op.EXP, [x])
    net.add("matmul", Op.MATMUL, [net.input("left", (1, 2, 4, 3)), net.input("right", (1, 2, 3, 5))])
    for tanh in (False, True):
        net.add(f"gelu_{tanh}", Op.GELU, [x], GeluAttrs(tanh))
    for dtype in (DType.INT32, DType.INT64):
        net.outputs.append(net.b.node(Op.ARG_MAX, [x], ArgMaxAttrs(dtype)))
    net.add("sqrt", Op.SQRT, ["exp"])  # of nothing below 0, where LiteRT has no number


def moves(net: Branches) -> None:
    x = net.input("moved", (1, 4, 5, 3))
    y = net.input("second", (1, 4, 5, 3), net.b.values[x].quant)
    net.add("pad", Op.PAD, [x], PadAttrs(((0, 0), (1, 2), (0, 1), (0, 0))), same=True)
    net.add("pad_value", Op.PAD, [x], PadAttrs(((0, 0), (1, 0), (0, 0), (2, 0)), 0.6), same=True)
    net.add("reshape", Op.RESHAPE, [x], ReshapeAttrs((1, 60)), same=True)
    net.add("identity", Op.IDENTITY, [x], same=True)
    net.add("transpose", Op.TRANSPOSE, [x], TransposeAttrs((0, 3, 1, 2)), same=True)
    net.add("concat", Op.CONCAT, [x, y], ConcatAttrs(2), same=True)
    net.add("slice", Op.STRIDED_SLICE, [x], StridedSliceAttrs((0, 1, 4, 0), (1, 4, -1, 3), (1, 2, -2, 1)), same=True)
    net.add("row", Op.STRIDED_SLICE, [x], StridedSliceAttrs((0, 2, 0, 0), (1, 3, 5, 3), (1,) * 4, (1,)), same=True)
    if net.dtype is not DType.INT16:
        net.add("stack", Op.STACK, [x, y], StackAttrs(1), same=True)
        net.add(
            "gather",
            Op.GATHER,
            [x, net.b.constant("indices", np.array([2, 0, 0], np.int32))],
            GatherAttrs(3),
            same=True,
        )


def resamples(net: Branches) -> None:
    x = net.input("resampled", (1, 4, 6, 8))
    for op in (Op.RESIZE_NEAREST, Op.RESIZE_BILINEAR):
        for flags in ((False, False), (True, False), (False, True)):
            net.add(f"{op.value}_{flags}", op, [x], ResizeAttrs((9, 8), *flags), same=True)
    if net.dtype is not DType.INT16:
        net.add("squares", Op.DEPTH_TO_SPACE, [x], DepthToSpaceAttrs((2, 2)), same=True)
        net.add("flat_blocks", Op.DEPTH_TO_SPACE, [x], DepthToSpaceAttrs((2, 1), crop=(1, 0)), same=True)
        net.add("torch_squares", Op.DEPTH_TO_SPACE, [x], DepthToSpaceAttrs((2, 2), True, (1, 0)), same=True)
        net.add("deep", Op.SPACE_TO_DEPTH, [x], SpaceToDepthAttrs(2), same=True)


def conversions() -> Graph:
    """Between float32, uint8, int8 and int16."""
    net = Branches(DType.INT8)
    real = net.b.input("real", (1, 33), DType.FLOAT32)
    for dtype in (DType.INT8, DType.UINT8, DType.INT16):
        params = QuantParams.per_tensor(0.03, {DType.INT8: -3, DType.UINT8: 120, DType.INT16: 0}[dtype], dtype)
        net.add(f"to_{dtype.value}", Op.QUANTIZE, [real], QuantizeAttrs(dtype), quant=params)
        stored = net.b.input(f"stored_{dtype.value}", (1, 33), dtype, params)
        net.outputs.append(net.b.node(Op.DEQUANTIZE, [stored], output=f"from_{dtype.value}"))
        if dtype is not DType.INT16:
            net.add(f"{dtype.value}_to_int8", Op.QUANTIZE, [stored], QuantizeAttrs(DType.INT8))
    net.outputs.append(net.b.node(Op.CAST, [real], CastAttrs(DType.INT32), output="cast"))
    return net.graph()


def real_only(net: Branches) -> None:
    a, b = net.input("a2", (1, 4, 6)), net.input("b2", (1, 6, 3))
    net.add("matmul", Op.MATMUL, [a, b])
    net.add("div", Op.DIV, [a, net.constant("divisor", (6,))], BinaryAttrs())
    parameters = [net.constant(f"bn_{i}", (6,)) for i in range(3)]
    variance = net.b.constant("variance", net.rng.uniform(0.5, 2.0, 6).astype(np.float32))
    net.add("batch_norm", Op.BATCH_NORM, [a, *parameters, variance], BatchNormAttrs())


def of(dtype: DType, *parts: Callable[[Branches], None]) -> Graph:
    net = Branches(dtype)
    for part in parts:
        part(net)
    return net.graph()
