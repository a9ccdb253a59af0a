"""QuantizeLinear and DequantizeLinear: the QDQ form of a quantized model."""

import numpy as np
from onnx import TensorProto

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.tensors import Known, Tensor, graph_dtype, type_name
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import NoAttrs, Op, QuantizeAttrs
from tinyml.ir.quant import QuantParams

_UINT4_CENTRE = 8
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
        return [Known(_stored(node.known(0, "its input"), quant), x.name, int4=quant.dtype is DType.INT4)]
    if quant.axis is not None:
        raise UnsupportedError("it quantizes a tensor of run time per axis")
    name = node.materialize(x)
    return [node.emit_node(Op.QUANTIZE, [name], QuantizeAttrs(quant.dtype), quant)]


@handler(
    "DequantizeLinear",
    "from int8, uint8, int16 or int32 with known parameters; per axis, by blocks that come to one scale a channel, or from "
    "int4 and uint4 only of known tensors",
)
def _dequantize_linear(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    if node.attr_int("output_dtype", TensorProto.FLOAT) not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        raise UnsupportedError("it does not dequantize to float")
    if isinstance(x, Known):
        if x.quant is not None or x.array.dtype.name not in {d.value for d in _QUANTIZED}:
            raise UnsupportedError(f"its input is {x.array.dtype.name}, expected a quantized integer")
        stored = DType.INT4 if x.int4 else DType.of(x.array)
        return [Known(_signed(x), x.name, _parameters(node, x, stored), x.int4)]
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
    node.attr_int("precision", 0)
    scale = node.known(1, "its scale")
    given = node.optional(2)
    zero = np.zeros(scale.shape, np.int64) if given is None else node.known(2, "its zero point")
    four_bits = isinstance(given, Known) and given.int4
    dtype = fallback if given is None else DType.INT4 if four_bits else _integer(zero)
    if isinstance(given, Known):
        zero = _signed(given)
    elif isinstance(x, Known) and x.int4 and x.array.dtype == np.uint8:
        zero = zero - _UINT4_CENTRE
    if dtype is None or (fallback is not None and dtype is not fallback):
        raise UnsupportedError(f"its zero point is {zero.dtype.name}")
    block = node.attr_int("block_size", 0)
    if block:
        return _by_blocks(node, x, block, scale, zero, dtype)
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


def _by_blocks(
    node: NodeContext, x: Tensor, block: int, scale: np.ndarray, zero: np.ndarray, dtype: DType
) -> QuantParams:
    """Of blocks along an axis that come to one scale a channel, or to one in all: no kernel has scales within a sum."""
    shape, axis = node.shape(x), node.axis(node.attr_int("axis", 1), node.rank(x))
    blocks = tuple(-(-n // block) if i == axis else n for i, n in enumerate(shape)) if block > 0 else ()
    if scale.dtype.kind != "f" or scale.shape != blocks or zero.shape != blocks or not scale.size:
        raise UnsupportedError(
            f"scale {list(scale.shape)} and zero point {list(zero.shape)} for blocks of {block} along axis {axis}"
        )
    if not np.all(np.isfinite(scale)) or np.any(scale <= 0):
        raise UnsupportedError("a scale is not a positive number")
    both = np.stack([scale, zero.astype(scale.dtype)])
    varied = [i for i in range(scale.ndim) if np.any(both != np.take(both, [0], axis=i + 1))]
    if len(varied) > 1 or (varied == [axis] and block > 1):
        raise UnsupportedError(
            f"it has scales or zero points that differ between blocks of {block} along axis {axis}; quantize it with one scale "
            "an output channel (no block_size), or keep it in float"
        )
    lines = tuple(slice(None) if i in varied else 0 for i in range(scale.ndim))
    scales, zeros = (np.atleast_1d(a[lines]).tolist() for a in (scale, zero))
    return QuantParams(tuple(scales), tuple(map(int, zeros)), dtype, varied[0] if varied else None)


def _signed(x: Known) -> np.ndarray:
    """Stored integers; those of uint4 as int4, like their zero points 8 less, which changes no number."""
    four_bits = x.int4 and x.array.dtype == np.uint8
    return x.array.astype(np.int8) - np.int8(_UINT4_CENTRE) if four_bits else x.array


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
