"""Elementwise arithmetic and activations."""

import functools
import math

import numpy as np

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.tensors import Known, Tensor, check_size
from tinyml.ir.ops import Clamp, ClipAttrs, GeluAttrs, HardSigmoidAttrs, LeakyReluAttrs, Op

_BINARY = {"Add": Op.ADD, "Sub": Op.SUB, "Mul": Op.MUL, "Div": Op.DIV}
_UNARY = {
    "Relu": Op.RELU,
    "HardSwish": Op.HARD_SWISH,
    "Sigmoid": Op.SIGMOID,
    "Tanh": Op.TANH,
    "Exp": Op.EXP,
    "Sqrt": Op.SQRT,
    "Erf": Op.ERF,
}


def _binary(node: NodeContext) -> list[Tensor]:
    a, b = node.tensor(0), node.tensor(1)
    return [node.emit(_BINARY[node.op], [_aligned(node, a, b), _aligned(node, b, a)])]


def _aligned(node: NodeContext, t: Tensor, other: Tensor) -> Tensor:
    """A constant with as many axes as the tensor that it meets, so that its axes can be followed when they move."""
    shape, missing = node.shape(t), node.rank(other) - node.rank(t)
    return node.reshape(t, (*(1,) * missing, *shape)) if isinstance(t, Known) and shape and missing > 0 else t


def _unary(node: NodeContext) -> list[Tensor]:
    return [node.emit(_UNARY[node.op], [node.tensor(0)])]


for _name in _BINARY:
    handler(_name, "float32 with broadcasting; integers where both sides are known")(_binary)
for _name in _UNARY:
    handler(_name, "float32")(_unary)


@handler("Clip", "bounds that are attributes or known inputs")
def _clip(node: NodeContext) -> list[Tensor]:
    bounds = []
    for index, (name, default) in enumerate((("min", -math.inf), ("max", math.inf)), start=1):
        if node.optional(index) is not None:
            bounds.append(float(node.known_scalar(index, f"its {name}")))
        else:
            bounds.append(node.attr_float(name, default))
    lo, hi = bounds
    return [_clamped(node, node.tensor(0), min(lo, hi), hi)]  # ONNX: where min exceeds max, max wins


@handler("Min", "two inputs, one of them a known number; any inputs that are all known")
def _min(node: NodeContext) -> list[Tensor]:
    known = _folded(node, np.minimum)
    if known is not None:
        return [known]
    x, bound = _with_number(node)
    return [_clamped(node, x, -math.inf, bound)]


@handler("Max", "two inputs, one of them a known number; any inputs that are all known")
def _max(node: NodeContext) -> list[Tensor]:
    known = _folded(node, np.maximum)
    if known is not None:
        return [known]
    x, bound = _with_number(node)
    return [_clamped(node, x, bound, math.inf)]


def _folded(node: NodeContext, compute: np.ufunc) -> Known | None:
    """The result over all inputs, where all are known."""
    if not node.inputs or not all(isinstance(t, Known) for t in node.inputs):
        return None
    arrays = [node.known(i, "an input") for i in range(len(node.inputs))]
    check_size(np.broadcast_shapes(*(a.shape for a in arrays)), "the result")
    return Known(np.asarray(functools.reduce(compute, arrays)), node.name)


def _clamped(node: NodeContext, x: Tensor, lo: float, hi: float) -> Tensor:
    if isinstance(x, Known) and x.quant is None:
        return Known(np.clip(x.array, lo, hi).astype(x.array.dtype), x.name)
    if math.isnan(lo) or math.isnan(hi):
        raise UnsupportedError("a bound is not a number")
    return node.emit(Op.CLIP, [x], ClipAttrs(Clamp(lo, hi)))


def _with_number(node: NodeContext) -> tuple[Tensor, float]:
    if len(node.inputs) == 2:
        for x, index in ((node.tensor(0), 1), (node.tensor(1), 0)):
            t = node.tensor(index)
            if isinstance(t, Known) and t.array.size == 1 and node.rank(t) <= node.rank(x):
                return x, float(node.known_scalar(index, "its bound"))
    raise UnsupportedError(f"it compares {len(node.inputs)} tensors, none of them a known number")


@handler("Pow", "a known exponent of 0.5, 1 or 2")
def _pow(node: NodeContext) -> list[Tensor]:
    x, exponent = node.tensor(0), float(node.known_scalar(1, "its exponent"))
    if exponent == 2.0:
        return [node.emit(Op.MUL, [x, x])]
    if exponent == 0.5:
        return [node.emit(Op.SQRT, [x])]
    if exponent == 1.0:
        return [x]
    raise UnsupportedError(f"the exponent is {exponent:g}")


@handler("LeakyRelu", "float32")
def _leaky_relu(node: NodeContext) -> list[Tensor]:
    return [node.emit(Op.LEAKY_RELU, [node.tensor(0)], LeakyReluAttrs(node.attr_float("alpha", 0.01)))]


@handler("PRelu", "a known slope, one for all or one a channel")
def _prelu(node: NodeContext) -> list[Tensor]:
    x, slope = node.tensor(0), node.known(1, "its slope")
    if slope.size and np.all(slope == slope.reshape(-1)[0]):
        return [node.emit(Op.LEAKY_RELU, [x], LeakyReluAttrs(float(slope.reshape(-1)[0])))]
    slopes = _aligned(node, Known(slope, "slope"), x)
    if np.broadcast_shapes(node.shape(slopes), node.shape(x)) != node.shape(x):
        raise UnsupportedError(f"a slope {list(slope.shape)} for {list(node.shape(x))}")
    negative = node.emit(Op.CLIP, [x], ClipAttrs(Clamp(hi=0.0)))
    return [node.emit(Op.ADD, [node.emit(Op.RELU, [x]), node.emit(Op.MUL, [negative, slopes])])]


@handler("Gelu", "both forms, exact and by tanh")
def _gelu(node: NodeContext) -> list[Tensor]:
    approximate = node.attr_text("approximate", "none")
    if approximate not in ("none", "tanh"):
        raise UnsupportedError(f"approximate is {approximate!r}")
    return [node.emit(Op.GELU, [node.tensor(0)], GeluAttrs(approximate == "tanh"))]


@handler("HardSigmoid", "any alpha and beta")
def _hard_sigmoid(node: NodeContext) -> list[Tensor]:
    attrs = HardSigmoidAttrs(node.attr_float("alpha", 0.2), node.attr_float("beta", 0.5))
    return [node.emit(Op.HARD_SIGMOID, [node.tensor(0)], attrs)]
