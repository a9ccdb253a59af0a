"""Evaluation of IR operations on tensors that are known while reading: shape arithmetic and re-laid weights."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinyml.frontends.onnx.tensors import Known, check_size
from tinyml.ir.ops import (
    Attrs,
    ConcatAttrs,
    GatherAttrs,
    Op,
    ReshapeAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)
from tinyml.ir.quant import QuantParams


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """ONNX Div: integers round toward zero."""
    if a.dtype.kind == "f":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(a / b)
    if not np.all(b):
        raise ValueError("division by zero")
    quotient = np.abs(a) // np.abs(b)
    return np.asarray(np.where((a < 0) != (b < 0), -quotient, quotient).astype(a.dtype))


def _binary(compute: Callable[[Any, Any], Any]) -> Callable[[Any, list[np.ndarray]], np.ndarray]:
    def evaluate(attrs: Any, arrays: list[np.ndarray]) -> np.ndarray:
        a, b = arrays
        if a.dtype != b.dtype:
            raise ValueError(f"{a.dtype.name} and {b.dtype.name} do not mix")
        check_size(np.broadcast_shapes(a.shape, b.shape), "the result")
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(compute(a, b))

    return evaluate


def _gather(attrs: Any, arrays: list[np.ndarray]) -> np.ndarray:
    x, indices = arrays
    check_size((*x.shape[: attrs.axis], *indices.shape, *x.shape[attrs.axis + 1 :]), "the result")
    return np.asarray(np.take(x, indices, attrs.axis))


def _concat(attrs: Any, arrays: list[np.ndarray]) -> np.ndarray:
    if len({a.dtype for a in arrays}) != 1:
        raise ValueError(f"{', '.join(a.dtype.name for a in arrays)} do not mix")
    check_size((sum(a.size for a in arrays),), "the result")
    return np.asarray(np.concatenate(arrays, attrs.axis))


def _strided_slice(attrs: Any, arrays: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.squeeze(arrays[0][attrs.slices], attrs.squeeze))


def _sqrt(attrs: Any, arrays: list[np.ndarray]) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(arrays[0]))


_EVALUATE: dict[Op, Callable[[Any, list[np.ndarray]], np.ndarray]] = {
    Op.TRANSPOSE: lambda attrs, arrays: np.transpose(arrays[0], attrs.perm),
    Op.RESHAPE: lambda attrs, arrays: np.reshape(arrays[0], attrs.shape),
    Op.CAST: lambda attrs, arrays: arrays[0].astype(attrs.dtype.numpy),
    Op.CONCAT: _concat,
    Op.STRIDED_SLICE: _strided_slice,
    Op.GATHER: _gather,
    Op.ADD: _binary(np.add),
    Op.SUB: _binary(np.subtract),
    Op.MUL: _binary(np.multiply),
    Op.DIV: _binary(divide),
    Op.SQRT: _sqrt,
}


def evaluate(op: Op, inputs: Sequence[Known], attrs: Attrs) -> Known | None:
    """The result of an operation on known tensors, or None where it must run in the graph.

    Dequantized constants stay integers through operations that only move elements.

    Raises:
        ValueError: the inputs do not fit the operation.
    """
    if op not in _EVALUATE:
        return None
    quant = None
    if any(i.quant is not None for i in inputs):
        quant = _moved(op, inputs[0], attrs)
        if quant is None:
            return None
    return Known(_EVALUATE[op](attrs, [i.array for i in inputs]), inputs[0].name, quant, inputs[0].int4)


def _moved(op: Op, x: Known, attrs: Attrs) -> QuantParams | None:
    """The parameters of a dequantized constant after a move; None where the move does not keep them."""
    quant = x.quant
    if quant is None or op not in (Op.TRANSPOSE, Op.RESHAPE, Op.STRIDED_SLICE):
        return None
    if quant.axis is None:
        return quant
    if isinstance(attrs, TransposeAttrs):
        return QuantParams(quant.scale, quant.zero_point, quant.dtype, attrs.perm.index(quant.axis))
    if isinstance(attrs, ReshapeAttrs):
        # The axis survives where the same number of elements lies before it.
        before = int(np.prod(x.array.shape[: quant.axis], dtype=np.int64))
        for axis, size in enumerate(attrs.shape):
            if np.prod(attrs.shape[:axis], dtype=np.int64) == before and size == len(quant.scale):
                return QuantParams(quant.scale, quant.zero_point, quant.dtype, axis)
    return None


# The attribute classes that move elements without computing on them: they work on integers with quantization too.
MOVES = (TransposeAttrs, ReshapeAttrs, StridedSliceAttrs, ConcatAttrs, GatherAttrs)
