"""QuantizeLinear and DequantizeLinear: the QDQ form of a quantized model."""

import numpy as np
from onnx import TensorProto

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.tensors import Known, Tensor, graph_dtype, type_name
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import NoAttrs, Op, QuantizeAttrs
from tinyml.ir.quant import QuantParams

_QUANTIZED = (DType.INT8, DType.UINT8, DType.INT16, DType.INT32)


@handler("QuantizeLinear", "to int8, uint8 or int16 with known parameters; per axis only of known tensors")
def _quantize_linear(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    node.attr_int("saturate", 1)  # float8 only
    to = node.attr_int("output_dtype", 0)
    fallback = (graph_dtype(to) if to else DType.UINT8) if node.optional(2) is None else None
    if to and fallback is None and graph_dtype(to) is None:
        raise UnsupportedError(f"it quantizes to {type_name(to)}")
    quant = _parameters(node, x, fallback)
    if isinstance(x, Known):
        return [Known(_stored(node.known(0, "its input"), quant), x.name)]
    if quant.axis is not None:
        raise UnsupportedError("it quantizes a tensor of run time per axis")
    name = node.materialize(x)
    return [node.emit_node(Op.QUANTIZE, [name], QuantizeAttrs(quant.dtype), quant)]


@handler(
    "DequantizeLinear",
    "from int8, uint8, int16 or int32 with known parameters; per axis or from int4 only of known tensors",
)
def _dequantize_linear(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    if node.attr_int("output_dtype", TensorProto.FLOAT) not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        raise UnsupportedError("it does not dequantize to float")
    if isinstance(x, Known):
        if x.quant is not None or x.array.dtype.name not in {d.value for d in _QUANTIZED}:
            raise UnsupportedError(f"its input is {x.array.dtype.name}, expected a quantized integer")
        stored = DType.INT4 if x.int4 else DType.of(x.array)
        return [Known(x.array, x.name, _parameters(node, x, stored), x.int4)]
    dtype = node.dtype(x)
    if dtype not in _QUANTIZED:
        raise UnsupportedError(f"its input is {dtype.value}, expected a quantized integer")
    quant = _parameters(node, x, dtype)
    if quant.axis is not None:
        raise UnsupportedError("it dequantizes a tensor of run time per axis")
    node.set_quant(x, quant)
    return [node.emit_node(Op.DEQUANTIZE, [x], NoAttrs())]


def _parameters(node: NodeContext, x: Tensor, fallback: DType | None) -> QuantParams:
    """Scale and zero point of a node. Its type is the zero point's, or `fallback` where there is none."""
    if node.attr_int("block_size", 0):
        raise UnsupportedError("it is quantized by blocks")
    node.attr_int("precision", 0)
    scale = node.known(1, "its scale")
    zero = node.known(2, "its zero point") if node.optional(2) is not None else np.zeros(scale.shape, np.int64)
    given = node.optional(2)
    four_bits = isinstance(given, Known) and given.int4
    dtype = fallback if given is None else DType.INT4 if four_bits else _integer(zero)
    if dtype is None or (fallback is not None and dtype is not fallback):
        raise UnsupportedError(f"its zero point is {zero.dtype.name}")
    if scale.dtype.kind != "f" or scale.size != zero.size or max(scale.ndim, zero.ndim) > 1 or not scale.size:
        raise UnsupportedError(f"scale {scale.dtype.name}{list(scale.shape)}, zero point {list(zero.shape)}")
    if not np.all(np.isfinite(scale)) or np.any(scale <= 0):
        raise UnsupportedError("a scale is not a positive number")
    axis = node.attr_int("axis", 1)
    if scale.size == 1:
        return QuantParams.per_tensor(float(scale.reshape(())), int(zero.reshape(())), dtype)
    axis = node.axis(axis, node.rank(x))
    if node.shape(x)[axis] != scale.size:
        raise UnsupportedError(f"{scale.size} scales for axis {axis} of {list(node.shape(x))}")
    return QuantParams(tuple(map(float, scale)), tuple(map(int, zero)), dtype, axis)


def _integer(zero: np.ndarray) -> DType | None:
    return next((d for d in _QUANTIZED if d.numpy == zero.dtype), None)


def _stored(real: np.ndarray, quant: QuantParams) -> np.ndarray:
    """Constants are quantized as ONNX defines it, rounding half to even."""
    shape = [1] * real.ndim
    if quant.axis is not None:
        shape[quant.axis] = -1
    scale = np.asarray(quant.scale, np.float32).reshape(shape)
    zero = np.asarray(quant.zero_point, np.float64).reshape(shape)
    lo, hi = quant.dtype.range
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.nan_to_num(np.rint(real.astype(np.float32) / scale)).astype(np.float64)
    stored: np.ndarray = np.clip(steps + zero, lo, hi).astype(quant.dtype.numpy)
    return stored
