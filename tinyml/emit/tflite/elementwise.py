"""Writes arithmetic, activations and changes of number format."""

from dataclasses import replace

import numpy as np
import tflite

from tinyml.emit.tflite.writer import InexpressibleError, Writer, writes
from tinyml.frontends.tflite.elementwise import BINARY, CLIPS, UNARY
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Node, Value
from tinyml.ir.ops import BinaryAttrs, Clamp, ClipAttrs, GeluAttrs, HardSigmoidAttrs, LeakyReluAttrs, Op, spec
from tinyml.ir.reference.elementwise import hard_swish_is_fixed_point

_BINARY = {op: (name, options.__name__) for name, (op, options) in BINARY.items()}
_UNARY = {op: name for name, op in UNARY.items()}
_CLIPS = {clamp: name for name, clamp in CLIPS.items()}
# LiteRT's integer forms of these follow rules of their own, or TFLite Micro has none.
_ONLY_TABLES = {Op.EXP, Op.SQRT, Op.HARD_SIGMOID, Op.ERF}
_OPTIONS = {Op.EXP: "ExpOptions", Op.HARD_SWISH: "HardSwishOptions"}


@writes(*_BINARY)
def binary(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, BinaryAttrs)
    name, kind = _BINARY[node.op]
    wide = w.value(node.output).dtype is DType.INT16 and node.op in (Op.ADD, Op.SUB)
    options = {"PotScaleInt16": False} if wide else {}
    w.clamped(name, [w.tensor(i) for i in node.used], node, node.attrs.clamp, kind, options)


@writes(*_UNARY, Op.HARD_SIGMOID, Op.ERF)
def unary(w: Writer, node: Node) -> None:
    x, y = w.value(node.used[0]), w.value(node.output)
    if y.dtype is DType.INT8 and (node.op in _ONLY_TABLES or _refused(node, x, y)):
        _lookup(w, node)
    elif isinstance(node.attrs, HardSigmoidAttrs):
        _hard_sigmoid(w, node, node.attrs)
    elif node.op in _UNARY:
        w.add(_UNARY[node.op], [w.tensor(x.name)], [w.tensor(y.name)], _OPTIONS.get(node.op))
    else:
        raise InexpressibleError(f"{y.dtype.value} has no such operator in TFLite; quantize the model to int8")


@writes(Op.GELU)
def gelu(w: Writer, node: Node) -> None:
    """int8 through a table, as TFLite Micro has no GELU."""
    assert isinstance(node.attrs, GeluAttrs)
    if w.value(node.output).dtype is DType.INT8:
        _lookup(w, node)
    else:
        options = {"Approximate": node.attrs.tanh}
        w.add("GELU", [w.tensor(node.used[0])], [w.tensor(node.output)], "GeluOptions", options)


def _refused(node: Node, x: Value, y: Value) -> bool:
    if node.op is not Op.HARD_SWISH or x.quant is None or y.quant is None:
        return False
    return not hard_swish_is_fixed_point(x.quant, y.quant)


def _hard_sigmoid(w: Writer, node: Node, attrs: HardSigmoidAttrs) -> None:
    """Of real numbers: alpha * x + beta, clamped."""
    x = w.value(node.used[0])
    slope = w.constant(f"{node.name}_slope", np.array([attrs.alpha], np.float32), DType.FLOAT32)
    offset = w.constant(f"{node.name}_offset", np.array([attrs.beta], np.float32), DType.FLOAT32)
    scaled = w.activation(f"{node.name}_scaled", x.shape, x.dtype)
    w.add("MUL", [w.tensor(x.name), slope], [scaled], "MulOptions")
    w.clamped("ADD", [scaled, offset], node, Clamp(0.0, 1.0), "AddOptions")


@writes(Op.CLIP)
def clip(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, ClipAttrs)
    x, y = w.value(node.used[0]), w.value(node.output)
    name = _CLIPS.get(node.attrs.clamp, "RELU" if node.attrs.clamp == Clamp(0.0) else None)
    if name in ("RELU", "RELU6") or (name is not None and y.quant is None):
        w.add(name, [w.tensor(x.name)], [w.tensor(y.name)])
    elif x.quant == y.quant and w.bounds(y, node.attrs.clamp):
        w.bounded(w.tensor(x.name), w.tensor(y.name), y, node.attrs.clamp)
    elif y.dtype is DType.INT8:
        _lookup(w, node)
    else:
        raise InexpressibleError(f"a clamp to {node.attrs.clamp} of {y.dtype.value}; TFLite has relu and relu6")


@writes(Op.LEAKY_RELU)
def leaky_relu(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, LeakyReluAttrs)
    options = {"Alpha": node.attrs.alpha}
    w.add("LEAKY_RELU", [w.tensor(node.used[0])], [w.tensor(node.output)], "LeakyReluOptions", options)


def _lookup(w: Writer, node: Node) -> None:
    """A function of int8 that TFLite has no operator for: a table of its 256 results, read at x + 128, as GATHER counts
    from 0 in int32."""
    x, y = w.value(node.used[0]), w.value(node.output)
    source, target = (replace(v, shape=(256,), layout=None) for v in (x, y))
    (table,) = spec(node.op).reference(node.attrs, [source], [np.arange(-128, 128, dtype=np.int8)], [target])
    wide = w.activation(f"{node.name}_int32", x.shape, DType.INT32)
    index = w.activation(f"{node.name}_index", x.shape, DType.INT32)
    types = {"InDataType": tflite.TensorType.INT8, "OutDataType": tflite.TensorType.INT32}
    w.add("CAST", [w.tensor(x.name)], [wide], "CastOptions", types)
    w.add("ADD", [wide, w.integers("first_of_table", [128])], [index], "AddOptions")
    results = w.constant(f"{node.name}_table", np.asarray(table, np.int8), DType.INT8, y.quant)
    w.add("GATHER", [results, index], [w.tensor(y.name)], "GatherOptions")


@writes(Op.QUANTIZE)
def quantize(w: Writer, node: Node) -> None:
    w.add("QUANTIZE", [w.tensor(node.used[0])], [w.tensor(node.output)], "QuantizeOptions")


@writes(Op.DEQUANTIZE)
def dequantize(w: Writer, node: Node) -> None:
    w.add("DEQUANTIZE", [w.tensor(node.used[0])], [w.tensor(node.output)], "DequantizeOptions")


@writes(Op.CAST)
def cast(w: Writer, node: Node) -> None:
    w.add("CAST", [w.tensor(node.used[0])], [w.tensor(node.output)], "CastOptions")
