"""Operations with state."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range, multiply_by_quantized_multiplier, quantize_multiplier

if TYPE_CHECKING:
    from tinyml.ir.graph import Value
    from tinyml.ir.ops import SvdfAttrs
    from tinyml.ir.quant import QuantParams


def svdf(
    attrs: "SvdfAttrs",
    inputs: "Sequence[Value | None]",
    arrays: Sequence[np.ndarray | None],
    outputs: "Sequence[Value]",
) -> list[np.ndarray]:
    """The state of each filter moves one step back in time and takes the new feature at its end.

    Source: reference_ops::EvalIntegerSVDF and EvalFloatSVDF in TFLite's svdf.h.
    """
    x, feature, time, bias, state = arrays
    assert x is not None and feature is not None and time is not None and state is not None
    filters, memory = time.shape
    batches = x.shape[0]
    y = outputs[0]
    moved = np.roll(state.reshape(batches, filters, memory), -1, axis=2).astype(np.float64)
    if y.dtype is DType.FLOAT32:
        moved[:, :, -1] = x @ feature.T
        summed = _units(moved, time, bias, attrs.rank)
        result = np.clip(summed, attrs.clamp.lo, attrs.clamp.hi).astype(np.float32)
        return [result, moved.astype(np.float32).reshape(state.shape)]
    xq, fq, tq, sq = (v.quant if v is not None else None for v in (inputs[0], inputs[1], inputs[2], inputs[4]))
    assert xq is not None and fq is not None and tq is not None and sq is not None and y.quant is not None
    features = ((x.astype(np.float64) - xq.zero_point[0]) @ feature.astype(np.float64).T).astype(np.int64)
    to_state = svdf_multiplier(xq, fq, sq)
    lo, hi = sq.dtype.range
    moved[:, :, -1] = np.clip(multiply_by_quantized_multiplier(features, *to_state) + sq.zero_point[0], lo, hi)
    total = _units(moved - sq.zero_point[0], time, bias, attrs.rank).astype(np.int64)
    to_output = svdf_multiplier(sq, tq, y.quant)
    low, high = activation_range(attrs.clamp, y.quant)
    result = np.clip(multiply_by_quantized_multiplier(total, *to_output) + y.quant.zero_point[0], low, high)
    return [result.astype(y.dtype.numpy), moved.astype(state.dtype).reshape(state.shape)]


def _units(state: np.ndarray, time: np.ndarray, bias: np.ndarray | None, rank: int) -> np.ndarray:
    """Every filter's weighted memory, summed over the filters of a unit, with bias; exact in float64."""
    weighted = (state * time.astype(np.float64)).sum(axis=2)
    summed: np.ndarray = weighted.reshape(state.shape[0], -1, rank).sum(axis=2)
    return summed if bias is None else summed + bias


def svdf_multiplier(x: "QuantParams", w: "QuantParams", y: "QuantParams") -> tuple[int, int]:
    """(multiplier, shift) of scale_x * scale_w / scale_y, which TFLite's svdf.cc computes in single precision."""
    return quantize_multiplier(float(np.float32(x.scale[0]) * np.float32(w.scale[0]) / np.float32(y.scale[0])))
