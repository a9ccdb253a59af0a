"""What a quantized graph keeps beyond the rules of every graph.

The rules are those of TFLite's 8-bit quantization specification (https://ai.google.dev/edge/litert/models/quantization_spec)
as far as its reference kernels insist on them: where the specification is stricter than the kernels, a model that the
kernels run is a good model (a MEAN may change the scale, and so may TANH).
"""

import math

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import Op
from tinyml.ir.quant import QuantParams
from tinyml.ir.verify_error import VerifyError, where

_SMALL = (DType.INT4, DType.INT8, DType.UINT8, DType.INT16)
_BETWEEN_KINDS = frozenset({Op.QUANTIZE, Op.DEQUANTIZE, Op.CAST, Op.SHAPE})
_KEEPS_SCALE = frozenset(
    {
        Op.IDENTITY,
        Op.MAX_POOL2D,
        Op.AVERAGE_POOL2D,
        Op.RESIZE_NEAREST,
        Op.RESIZE_BILINEAR,
        Op.DEPTH_TO_SPACE,
        Op.SPACE_TO_DEPTH,
        Op.PAD,
        Op.RESHAPE,
        Op.TRANSPOSE,
        Op.CONCAT,
        Op.JOIN,
        Op.STRIDED_SLICE,
        Op.PART,
        Op.GATHER,
        Op.STACK,
    }
)
# TFLite's pooling kernels take scales that are this near for the same one.
_SAME_SCALE = 1e-6
# A bias's scale is the rounded product of two float32 scales.
_PRODUCT_TOLERANCE = 1e-5


def verify_params(value: Value) -> None:
    """Quantization parameters are numbers that an integer kernel can use, as many as the axis has indices."""
    quant = value.quant
    if quant is None:
        return
    place = f"value {value.name}"
    if not quant.dtype.is_integer:
        raise VerifyError(place, "dtype", f"{quant.dtype.value} cannot be quantized")
    if not all(math.isfinite(s) and s > 0 for s in quant.scale):
        raise VerifyError(place, "scale", f"{quant.scale} are not all positive and finite")
    lo, hi = quant.dtype.range
    if not all(lo <= z <= hi for z in quant.zero_point):
        raise VerifyError(place, "zero point", f"{quant.zero_point} leaves {quant.dtype.value}")
    if quant.axis is None:
        return
    if not value.is_constant:
        raise VerifyError(place, "axis", "an activation has one scale a tensor")
    if not 0 <= quant.axis < len(value.shape) or value.shape[quant.axis] != len(quant.scale):
        raise VerifyError(place, "axis", f"{len(quant.scale)} scales along axis {quant.axis} of {list(value.shape)}")
    if any(quant.zero_point):
        raise VerifyError(place, "zero point", "per-channel quantization is symmetric")


def verify_node(graph: Graph, node: Node) -> None:
    """A node computes on real numbers or on integers, never on both, and its parameters are those its kernel needs."""
    operands = [graph.values[name] for name in (*graph.activations(node), *node.outputs)]
    if node.op in _BETWEEN_KINDS:
        _verify_conversion(graph, node)
        return
    if node.op is Op.GATHER:
        operands = [graph.values[name] for name in (*node.used[:1], *node.outputs)]
    for value in operands:
        if value.dtype in _SMALL and value.quant is None:
            raise VerifyError(where(node), "quantized", f"{value.name} is {value.dtype.value} without parameters")
    if all(value.quant is None for value in operands):
        return
    for value in operands:
        if value.dtype is DType.FLOAT32:
            raise VerifyError(where(node), "quantized", f"{value.name} is float32, other operands are quantized")
    if node.op in (Op.CONV2D, Op.TRANSPOSE_CONV2D, Op.FULLY_CONNECTED):
        _verify_product(graph, node)
    elif node.op is Op.SVDF:
        _verify_svdf(graph, node)
    elif node.op in _KEEPS_SCALE:
        _verify_kept_scale(graph, node)
    elif node.op in (Op.SOFTMAX, Op.SIGMOID):
        _verify_probabilities(graph, node)
    elif node.op is Op.LOOKUP:
        _verify_lookup(graph, node)


def _params(graph: Graph, node: Node, name: str) -> QuantParams:
    quant = graph.values[name].quant
    if quant is None:
        raise VerifyError(where(node), "quantized", f"{name} has no quantization parameters")
    return quant


def _verify_conversion(graph: Graph, node: Node) -> None:
    x, y = graph.values[node.used[0]], graph.values[node.output]
    if node.op is Op.QUANTIZE:
        _params(graph, node, y.name)
        if x.quant is None and x.dtype is not DType.FLOAT32:
            raise VerifyError(where(node), "quantized", f"{x.name} is {x.dtype.value} without parameters")
    elif node.op is Op.DEQUANTIZE:
        _params(graph, node, x.name)
        if y.quant is not None:
            raise VerifyError(where(node), "quantized", f"{y.name} is a real number, but has quantization parameters")


def _verify_product(graph: Graph, node: Node) -> None:
    """Convolution and matrix product: symmetric weights with an axis of 0 or none, bias int32 of scale sx * sw."""
    x, y = _params(graph, node, node.used[0]), _params(graph, node, node.output)
    weights = graph.values[node.used[1]]
    w = _params(graph, node, weights.name)
    if x.dtype is not y.dtype and node.op is not Op.FULLY_CONNECTED:
        raise VerifyError(where(node), "dtype", f"it reads {x.dtype.value} and writes {y.dtype.value}")
    if not weights.is_constant:
        raise VerifyError(where(node), "weights", f"{weights.name} is not a constant")
    if w.dtype not in (DType.INT4, DType.INT8):
        raise VerifyError(where(node), "weights", f"{weights.name} is {w.dtype.value}, expected int4 or int8")
    if w.axis not in (None, 0) or any(w.zero_point):
        raise VerifyError(where(node), "weights", f"{weights.name} is not symmetric along axis 0")
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        _verify_bias(graph, node, node.inputs[2], x, w)


def _verify_bias(graph: Graph, node: Node, name: str, x: QuantParams, w: QuantParams) -> None:
    bias = _params(graph, node, name)
    if bias.dtype is not DType.INT32 and (bias.dtype is not DType.INT64 or x.dtype is not DType.INT16):
        raise VerifyError(where(node), "bias", f"{name} is {bias.dtype.value}, expected int32")
    if any(bias.zero_point):
        raise VerifyError(where(node), "bias", f"the zero point of {name} is not 0")
    if len(bias.scale) not in (1, len(w.scale)):
        raise VerifyError(where(node), "bias", f"{name} has {len(bias.scale)} scales, the weights {len(w.scale)}")
    product = np.asarray(w.scale) * x.scale[0]
    if not np.allclose(np.asarray(bias.scale), product, rtol=_PRODUCT_TOLERANCE, atol=0.0):
        raise VerifyError(where(node), "bias", f"the scale of {name} is not the product of those of input and weights")


def _verify_svdf(graph: Graph, node: Node) -> None:
    for index in (0, 1, 2, 4):
        _params(graph, node, str(node.inputs[index]))
    for index in (1, 2):
        if any(_params(graph, node, str(node.inputs[index])).zero_point):
            raise VerifyError(where(node), "weights", f"the zero point of {node.inputs[index]} is not 0")


def _verify_kept_scale(graph: Graph, node: Node) -> None:
    """Moves bytes or picks among them: every operand means the same by them."""
    y = _params(graph, node, node.output)
    for name in node.used[:1] if node.op is Op.GATHER else node.used:
        x = _params(graph, node, name)
        if x.zero_point != y.zero_point or x.dtype is not y.dtype or abs(x.scale[0] - y.scale[0]) > _SAME_SCALE:
            raise VerifyError(
                where(node),
                "scale",
                f"{name} has scale {x.scale[0]} and zero point {x.zero_point[0]}, "
                f"{node.output} has {y.scale[0]} and {y.zero_point[0]}",
            )


def _verify_probabilities(graph: Graph, node: Node) -> None:
    """Softmax and logistic fill [0, 1): 1/256 from -128; in int16 1/32768 from 0, or all 16 bits where int8 is read."""
    x, y = _params(graph, node, node.used[0]), _params(graph, node, node.output)
    if y.dtype is DType.INT16:
        scale, zero_point = (1 / 32768, 0) if x.dtype is DType.INT16 else (1 / 65536, -32768)
    else:
        scale, zero_point = 1 / 256, y.dtype.range[0]
    if y.zero_point[0] != zero_point or abs(y.scale[0] - scale) > 1e-3 * scale:
        raise VerifyError(
            where(node),
            "scale",
            f"{node.output} has scale {y.scale[0]} and zero point {y.zero_point[0]}, expected {scale} and {zero_point}",
        )


def _verify_lookup(graph: Graph, node: Node) -> None:
    table = graph.values[node.used[1]]
    if not table.is_constant:
        raise VerifyError(where(node), "table", f"{table.name} is not a constant")
    if table.quant is not None and table.quant != graph.values[node.output].quant:
        raise VerifyError(where(node), "table", f"{table.name} and {node.output} differ in quantization parameters")
