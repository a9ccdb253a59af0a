"""Pooling and reductions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyml.ir.dtypes import DType
from tinyml.ir.ops.base import NO_CLAMP, Attrs, Clamp, Op, TensorType, declare, present, window_output
from tinyml.ir.reference import pool as reference

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class Pool2dAttrs(Attrs):
    """count_include_pad: at the border an average divides by the whole window, not by the taps inside (TFLite)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    clamp: Clamp = NO_CLAMP
    count_include_pad: bool = False


@dataclass(frozen=True, slots=True)
class ReduceAttrs(Attrs):
    """axes are non-negative and sorted."""

    axes: tuple[int, ...]
    keep_dims: bool = False


@dataclass(frozen=True, slots=True)
class ArgMaxAttrs(Attrs):
    """dtype of the indices: int32 or int64."""

    dtype: DType = DType.INT32


def _infer_pool2d(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, Pool2dAttrs)
    x = present(inputs, 0)
    if len(x.shape) != 4:
        raise ValueError(f"input must have 4 axes, has {list(x.shape)}")
    n, height, width, channels = x.shape
    for axis, (pads, kernel) in enumerate(zip(attrs.padding, attrs.kernel, strict=True)):
        if max(pads) >= kernel:
            raise ValueError(f"padding {pads} on axis {axis + 1} is not smaller than the window of {kernel}")
    oh = window_output(height, attrs.kernel[0], attrs.stride[0], 1, attrs.padding[0])
    ow = window_output(width, attrs.kernel[1], attrs.stride[1], 1, attrs.padding[1])
    return [TensorType((n, oh, ow, channels), x.dtype)]


def _infer_reduce(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, ReduceAttrs)
    x = present(inputs, 0)
    if list(attrs.axes) != sorted(set(attrs.axes)) or any(not 0 <= a < len(x.shape) for a in attrs.axes):
        raise ValueError(f"axes {list(attrs.axes)} of a tensor with {len(x.shape)} axes")
    if attrs.keep_dims:
        shape = tuple(1 if i in attrs.axes else n for i, n in enumerate(x.shape))
    else:
        shape = tuple(n for i, n in enumerate(x.shape) if i not in attrs.axes)
    return [TensorType(shape, x.dtype)]


def _infer_arg_max(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, ArgMaxAttrs)
    x = present(inputs, 0)
    if not x.shape or not x.shape[-1] or attrs.dtype not in (DType.INT32, DType.INT64):
        raise ValueError(f"indices of type {attrs.dtype.value} of the last axis of {list(x.shape)}")
    return [TensorType(x.shape[:-1], attrs.dtype)]


declare(Op.MAX_POOL2D, Pool2dAttrs, (1, 1), _infer_pool2d, reference.max_pool2d)
declare(Op.AVERAGE_POOL2D, Pool2dAttrs, (1, 1), _infer_pool2d, reference.average_pool2d)
declare(Op.MEAN, ReduceAttrs, (1, 1), _infer_reduce, reference.mean)
declare(Op.ARG_MAX, ArgMaxAttrs, (1, 1), _infer_arg_max, reference.arg_max)
