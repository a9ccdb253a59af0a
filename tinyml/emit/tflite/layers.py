"""Writes convolutions, dense layers, pools, softmax, normalization and recurrent layers."""

import numpy as np
import tflite

from tinyml.emit.tflite.writer import InexpressibleError, Writer, fused_activation, writes
from tinyml.frontends.tflite.layers import same_padding
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Node, Value
from tinyml.ir.ops import (
    ArgMaxAttrs,
    BatchNormAttrs,
    Conv2dAttrs,
    FullyConnectedAttrs,
    Op,
    Pool2dAttrs,
    ReduceAttrs,
    SoftmaxAttrs,
    SvdfAttrs,
)
from tinyml.ir.ops.conv import is_depthwise
from tinyml.ir.quant import QuantParams
from tinyml.quantize.params import quantize_bias

Pads = tuple[int, int]


def _window(
    w: Writer, node: Node, kernel: Pads, stride: Pads, dilation: Pads, padding: tuple[Pads, Pads]
) -> tuple[int, int | None]:
    """The tensor that a sliding window reads and the schema's kind of padding.

    The kind is None where the padding is neither SAME nor VALID.
    """
    x, y = w.value(node.used[0]), w.value(node.output)
    reached = []
    for axis in range(2):
        before = padding[axis][0]
        # What is padded behind the last window's end is never read.
        end = (y.shape[1 + axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
        reached.append((before, max(0, end - before - x.shape[1 + axis])))
    if reached == [(0, 0), (0, 0)]:
        return w.tensor(x.name), tflite.Padding.VALID
    if all(same_padding(x.shape[1 + i], kernel[i], stride[i], dilation[i]) == reached[i] for i in range(2)):
        return w.tensor(x.name), tflite.Padding.SAME
    return w.tensor(x.name), None


def _padded(w: Writer, node: Node, padding: tuple[Pads, Pads], lowest: bool = False) -> int:
    """The input with rows and columns of real 0, or of the lowest number, around it."""
    x = w.value(node.used[0])
    (top, bottom), (left, right) = padding
    shape = (x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right, x.shape[3])
    target = w.activation(f"{node.name}_padded", shape, x.dtype, x.quant)
    pairs = w.integers(f"{node.name}_padding", [[0, 0], [top, bottom], [left, right], [0, 0]])
    if not lowest:
        w.add("PAD", [w.tensor(x.name), pairs], [target], "PadOptions")
        return target
    least = np.finfo(np.float32).min if x.quant is None else x.dtype.range[0]
    value = w.constant(f"{node.name}_lowest", np.array([least], x.dtype.numpy), x.dtype, x.quant)
    w.add("PADV2", [w.tensor(x.name), pairs, value], [target], "PadV2Options")
    return target


@writes(Op.CONV2D)
def conv2d(w: Writer, node: Node) -> None:
    attrs = node.attrs
    assert isinstance(attrs, Conv2dAttrs)
    x, weights = w.value(node.used[0]), w.value(node.used[1])
    stride, dilation, kernel = attrs.stride, attrs.dilation, (weights.shape[1], weights.shape[2])
    source, kind = _window(w, node, kernel, stride, dilation, attrs.padding)
    if kind is None:
        source, kind = _padded(w, node, attrs.padding), tflite.Padding.VALID
    options: dict[str, int | float | bool] = {
        "Padding": kind,
        "StrideH": stride[0],
        "StrideW": stride[1],
        "DilationHFactor": dilation[0],
        "DilationWFactor": dilation[1],
    }
    if is_depthwise(x, attrs):
        options["DepthMultiplier"] = weights.shape[0] // x.shape[-1]
        inputs = [source, _depthwise_weights(w, weights), _bias(w, node)]
        w.clamped("DEPTHWISE_CONV_2D", inputs, node, attrs.clamp, "DepthwiseConv2DOptions", options)
        return
    inputs = [source, w.tensor(_constant(weights).name), _bias(w, node)]
    w.clamped("CONV_2D", inputs, node, attrs.clamp, "Conv2DOptions", options)


def _depthwise_weights(w: Writer, ohwi: Value) -> int:
    """[O, h, w, 1] as TFLite has it: [1, h, w, O]."""
    data, quant = _constant(ohwi).constant.transpose(3, 1, 2, 0), ohwi.quant
    if quant is not None and quant.axis is not None:
        quant = QuantParams(quant.scale, quant.zero_point, quant.dtype, 3)
    return w.constant(ohwi.name, np.ascontiguousarray(data), ohwi.dtype, quant)


def _constant(weights: Value) -> Value:
    if not weights.is_constant:
        raise InexpressibleError(f"its weights {weights.name} are computed at run time; TFLite wants constants")
    return weights


def _bias(w: Writer, node: Node) -> int:
    """The bias, or one of zeros: LiteRT's convolutions of integers want one."""
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        return w.tensor(node.inputs[2])
    x, weights = w.value(node.used[0]), w.value(node.used[1])
    name, zeros = f"{weights.name}_bias", np.zeros(weights.shape[0])
    if x.quant is None or weights.quant is None:
        return w.constant(name, zeros.astype(np.float32), DType.FLOAT32)
    steps = x.quant.scale[0] * np.array(weights.quant.scale)
    dtype = DType.INT64 if x.dtype is DType.INT16 else DType.INT32
    stored, quant = quantize_bias(zeros, steps, dtype)
    return w.constant(name, stored, dtype, quant)


@writes(Op.FULLY_CONNECTED)
def fully_connected(w: Writer, node: Node) -> None:
    attrs = node.attrs
    assert isinstance(attrs, FullyConnectedAttrs)
    inputs = [w.tensor(node.used[0]), w.tensor(node.used[1]), _bias(w, node)]
    options = {"KeepNumDims": True} if attrs.keep_dims else {}
    w.clamped("FULLY_CONNECTED", inputs, node, attrs.clamp, "FullyConnectedOptions", options)


@writes(Op.MATMUL)
def matmul(w: Writer, node: Node) -> None:
    w.add("BATCH_MATMUL", [w.tensor(name) for name in node.used], [w.tensor(node.output)], "BatchMatMulOptions")


@writes(Op.ARG_MAX)
def arg_max(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, ArgMaxAttrs)
    wide = node.attrs.dtype is DType.INT64
    options = {"OutputType": tflite.TensorType.INT64 if wide else tflite.TensorType.INT32}
    axis = w.integers(f"{node.name}_axis", len(w.value(node.used[0]).shape) - 1)
    w.add("ARG_MAX", [w.tensor(node.used[0]), axis], [w.tensor(node.output)], "ArgMaxOptions", options)


@writes(Op.MAX_POOL2D, Op.AVERAGE_POOL2D)
def pool2d(w: Writer, node: Node) -> None:
    attrs = node.attrs
    assert isinstance(attrs, Pool2dAttrs)
    source, kind = _window(w, node, attrs.kernel, attrs.stride, (1, 1), attrs.padding)
    average = node.op is Op.AVERAGE_POOL2D
    counted = average and attrs.count_include_pad and kind != tflite.Padding.VALID
    if kind is None and average and not counted:
        (top, bottom), (left, right) = attrs.padding
        raise InexpressibleError(
            f"an average without its padding of {top}, {bottom} rows and {left}, {right} columns, which is neither SAME nor "
            "VALID; let the average count the padding, or pad by TensorFlow's SAME"
        )
    if kind is None or counted:
        source, kind = _padded(w, node, attrs.padding, lowest=not average), tflite.Padding.VALID
    options = {
        "Padding": kind,
        "StrideH": attrs.stride[0],
        "StrideW": attrs.stride[1],
        "FilterHeight": attrs.kernel[0],
        "FilterWidth": attrs.kernel[1],
    }
    name = "AVERAGE_POOL_2D" if average else "MAX_POOL_2D"
    w.clamped(name, [source], node, attrs.clamp, "Pool2DOptions", options)


@writes(Op.MEAN)
def mean(w: Writer, node: Node) -> None:
    attrs = node.attrs
    assert isinstance(attrs, ReduceAttrs)
    axes = w.integers(f"{node.name}_axes", attrs.axes)
    options = {"KeepDims": attrs.keep_dims}
    w.add("MEAN", [w.tensor(node.used[0]), axes], [w.tensor(node.output)], "ReducerOptions", options)


@writes(Op.SOFTMAX)
def softmax(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, SoftmaxAttrs)
    options = {"Beta": node.attrs.beta}
    w.add("SOFTMAX", [w.tensor(node.used[0])], [w.tensor(node.output)], "SoftmaxOptions", options)


@writes(Op.BATCH_NORM)
def batch_norm(w: Writer, node: Node) -> None:
    """One that no convolution took in: a product and a sum for each channel."""
    assert isinstance(node.attrs, BatchNormAttrs)
    x = w.value(node.used[0])
    gamma, beta, mean, variance = (w.value(name).constant.astype(np.float64) for name in node.used[1:])
    factor = gamma / np.sqrt(variance + node.attrs.epsilon)
    scaled = w.activation(f"{node.name}_scaled", x.shape, x.dtype)
    factors = w.constant(f"{node.name}_factor", factor.astype(np.float32), DType.FLOAT32)
    offsets = w.constant(f"{node.name}_offset", (beta - mean * factor).astype(np.float32), DType.FLOAT32)
    w.add("MUL", [w.tensor(x.name), factors], [scaled], "MulOptions")
    w.add("ADD", [scaled, offsets], [w.tensor(node.output)], "AddOptions")


@writes(Op.SVDF)
def svdf(w: Writer, node: Node) -> None:
    """The state is one variable tensor, read and written. The integer kernel has no activation of its own, and takes
    models that say relu only."""
    attrs = node.attrs
    assert isinstance(attrs, SvdfAttrs)
    y = w.value(node.outputs[0])
    relu = tflite.ActivationFunctionType.RELU
    fused = relu if y.quant is not None else fused_activation(attrs.clamp, y)
    if fused is None:
        raise InexpressibleError(f"an activation of [{attrs.clamp.lo}, {attrs.clamp.hi}]; TFLite fuses relu and relu6")
    inputs = [-1 if name is None else w.tensor(name) for name in node.inputs]
    options = {"Rank": attrs.rank, "FusedActivationFunction": fused}
    w.add("SVDF", inputs, [w.tensor(node.outputs[0])], "SVDFOptions", options)
