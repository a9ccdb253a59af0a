"""Convolutions, dense layers, pools, softmax and recurrent layers."""

import math

import tflite

from tinyml.frontends.tflite.context import OpContext
from tinyml.frontends.tflite.registry import UnsupportedError, handler
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Value
from tinyml.ir.ops import (
    NO_CLAMP,
    ArgMaxAttrs,
    Conv2dAttrs,
    FullyConnectedAttrs,
    Op,
    Pool2dAttrs,
    ReduceAttrs,
    SoftmaxAttrs,
    SvdfAttrs,
    TransposeAttrs,
    TransposeConv2dAttrs,
)
from tinyml.ir.quant import QuantParams

Pads = tuple[int, int]


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
    """(before, after) of TFLite's SAME: ceil(size / stride) outputs, the odd one after."""
    total = max(0, (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


def _padding(
    kind: int, shape: tuple[int, ...], kernel: Pads, stride: Pads, dilation: Pads = (1, 1)
) -> tuple[Pads, Pads]:
    if min(*kernel, *stride, *dilation) < 1 or len(shape) != 4:
        raise ValueError(f"window {kernel}, stride {stride}, dilation {dilation} on {list(shape)}")
    if kind == tflite.Padding.VALID:
        return (0, 0), (0, 0)
    rows, cols = (same_padding(shape[1 + i], kernel[i], stride[i], dilation[i]) for i in range(2))
    return rows, cols


def _bias(op: OpContext, i: int) -> str | None:
    """Bias must be a constant; a zero-length one is as none."""
    if not op.has(i) or op.constant(i).size == 0:
        return None
    return op.value(i).name


@handler("CONV_2D", "constant weights and bias")
def conv_2d(op: OpContext) -> None:
    o = op.options(tflite.Conv2DOptions)
    _convolution(op, _weights(op, 1), o, groups=None)


@handler("DEPTHWISE_CONV_2D", "constant weights and bias")
def depthwise_conv_2d(op: OpContext) -> None:
    o = op.options(tflite.DepthwiseConv2DOptions)
    stored = _weights(op, 1)
    if len(stored.shape) != 4 or stored.shape[0] != 1:
        raise ValueError(f"depthwise weights are {list(stored.shape)}, expected [1, h, w, channels]")
    quant = stored.quant
    if quant is not None and quant.axis is not None:
        quant = QuantParams(quant.scale, quant.zero_point, quant.dtype, 0)
    ohwi = op.builder.constant(f"{stored.name}_ohwi", stored.constant.transpose(3, 1, 2, 0), quant, stored.dtype)
    _convolution(op, op.builder.values[ohwi], o, groups=op.value(0).shape[-1])


def _weights(op: OpContext, i: int, data: int = 0) -> Value:
    """Constant weights for input `data`. Those that were made int8 to save flash while the network stays float become
    float again."""
    op.constant(i)
    weights = op.value(i)
    if weights.quant is None or op.value(data).dtype is not DType.FLOAT32:
        return weights
    real = op.builder.constant(f"{weights.name}_real", weights.quant.dequantize(weights.constant))
    op.builder.note(f"{op.source}: {weights.dtype.value} weights of a float layer are computed with in float")
    return op.builder.values[real]


def _convolution(
    op: OpContext, w: Value, o: tflite.Conv2DOptions | tflite.DepthwiseConv2DOptions, groups: int | None
) -> None:
    """groups None: as many as the input has more channels than the weights read."""
    x = op.value(0)
    if len(w.shape) != 4 or len(x.shape) != 4 or 0 in w.shape:
        raise ValueError(f"input {list(x.shape)} and weights {list(w.shape)}")
    stride, dilation = (o.StrideH(), o.StrideW()), (o.DilationHFactor(), o.DilationWFactor())
    attrs = Conv2dAttrs(
        stride=stride,
        dilation=dilation,
        padding=_padding(o.Padding(), x.shape, w.shape[1:3], stride, dilation),
        groups=groups or max(1, x.shape[-1] // w.shape[3]),
        clamp=op.clamp(o.FusedActivationFunction()),
    )
    op.emit(Op.CONV2D, [x.name, w.name, _bias(op, 2)], attrs)


@handler("TRANSPOSE_CONV", "constant weights, bias and size of the output")
def transpose_conv(op: OpContext) -> None:
    o = op.options(tflite.TransposeConvOptions)
    shape, w, x = op.integers(0), _weights(op, 1, data=2), op.value(2)
    if len(shape) != 4 or len(w.shape) != 4 or len(x.shape) != 4:
        raise ValueError(f"input {list(x.shape)}, weights {list(w.shape)} and output {shape}")
    kernel, stride = w.shape[1:3], (o.StrideH(), o.StrideW())
    # TFLite pads as a convolution from the output back to the input would.
    pads = _padding(o.Padding(), tuple(shape), kernel, stride)
    rows, cols = (
        (before, (n - 1) * s + k - before - size)
        for (before, _), n, s, k, size in zip(pads, x.shape[1:3], stride, kernel, shape[1:3], strict=True)
    )
    attrs = TransposeConv2dAttrs(stride, (rows, cols), clamp=op.clamp(o.FusedActivationFunction()))
    op.emit(Op.TRANSPOSE_CONV2D, [x.name, w.name, _bias(op, 3)], attrs)


@handler("FULLY_CONNECTED", "constant weights in the default format")
def fully_connected(op: OpContext) -> None:
    o = op.options(tflite.FullyConnectedOptions)
    if o.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise UnsupportedError("weights are shuffled")
    weights = _weights(op, 1)
    attrs = FullyConnectedAttrs(clamp=op.clamp(o.FusedActivationFunction()), keep_dims=bool(o.KeepNumDims()))
    op.emit(Op.FULLY_CONNECTED, [op.value(0).name, weights.name, _bias(op, 2)], attrs)


@handler("MAX_POOL_2D")
def max_pool_2d(op: OpContext) -> None:
    _pool(op, Op.MAX_POOL2D)


@handler("AVERAGE_POOL_2D")
def average_pool_2d(op: OpContext) -> None:
    _pool(op, Op.AVERAGE_POOL2D)


def _pool(op: OpContext, kind: Op) -> None:
    o = op.options(tflite.Pool2DOptions)
    x = op.value(0)
    kernel, stride = (o.FilterHeight(), o.FilterWidth()), (o.StrideH(), o.StrideW())
    padding = _padding(o.Padding(), x.shape, kernel, stride)
    op.emit(kind, [x.name], Pool2dAttrs(kernel, stride, padding, op.clamp(o.FusedActivationFunction())))


@handler("MEAN", "constant axes")
def mean(op: OpContext) -> None:
    x = op.value(0)
    axes = tuple(sorted({a % len(x.shape) for a in op.integers(1)}))
    op.emit(Op.MEAN, [x.name], ReduceAttrs(axes, bool(op.options(tflite.ReducerOptions).KeepDims())))


@handler("ARG_MAX", "the last axis")
def arg_max(op: OpContext) -> None:
    rank, dtype = len(op.value(0).shape), op.output_tensor().dtype
    if dtype is None or [axis % rank for axis in op.integers(1)] != [rank - 1]:
        raise UnsupportedError(f"it searches axis {op.integers(1)} of {list(op.value(0).shape)}")
    op.emit(Op.ARG_MAX, [op.value(0).name], ArgMaxAttrs(dtype))


@handler("BATCH_MATMUL")
def batch_matmul(op: OpContext) -> None:
    o = op.options(tflite.BatchMatMulOptions)
    left, right = op.value(0), op.value(1)
    op.emit(
        Op.MATMUL,
        [_transposed(op, left) if o.AdjX() else left.name, _transposed(op, right) if o.AdjY() else right.name],
    )


def _transposed(op: OpContext, matrix: Value) -> str:
    """Each matrix of a tensor, transposed."""
    rank = len(matrix.shape)
    perm = TransposeAttrs((*range(rank - 2), rank - 1, rank - 2))
    return op.builder.node(Op.TRANSPOSE, [matrix.name], perm, source=op.source, quant=matrix.quant)


@handler("SOFTMAX")
def softmax(op: OpContext) -> None:
    op.emit(Op.SOFTMAX, [op.value(0).name], SoftmaxAttrs(op.options(tflite.SoftmaxOptions).Beta()))


@handler("SVDF", "constant weights, a state of its own")
def svdf(op: OpContext) -> None:
    o = op.options(tflite.SVDFOptions)
    state = op.tensor(4)
    if not state.is_variable or state.dtype is None:
        raise UnsupportedError(f"state {state.name!r} is not a variable")
    if state.index in op.names:
        raise UnsupportedError(f"state {state.name!r} is shared with another operator")
    for i in (1, 2):
        op.constant(i)
    read = op.builder.state(state.name, state.shape, state.dtype, state.quant)
    op.names[state.index] = read
    tensor = op.output_tensor()
    output, written = op.builder.nodes(
        Op.SVDF,
        [op.value(0).name, op.value(1).name, op.value(2).name, _bias(op, 3), read],
        # TFLite's integer kernel has no fused activation: it takes models with relu only, and leaves the output as it is.
        SvdfAttrs(o.Rank(), op.clamp(o.FusedActivationFunction()) if tensor.quant is None else NO_CLAMP),
        name=tensor.name,
        source=op.source,
        quants=[tensor.quant, state.quant],
        outputs=[tensor.name, f"{state.name}_next"],
    )
    op.names[tensor.index] = output
    op.builder.update_state(read, written)
