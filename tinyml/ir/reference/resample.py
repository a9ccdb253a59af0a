"""Maps of another size."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import round_half_away

if TYPE_CHECKING:
    from tinyml.ir.graph import Value
    from tinyml.ir.ops import DepthToSpaceAttrs, ResizeAttrs, SpaceToDepthAttrs

Values = Sequence["Value | None"]
Arrays = Sequence[np.ndarray | None]

_UNIT = 1 << 10  # of the fractions with which LiteRT interpolates integers


def _first(arrays: Arrays) -> np.ndarray:
    assert arrays[0] is not None
    return arrays[0]


def resize_nearest(
    attrs: "ResizeAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    x = _first(arrays)
    rows, cols = (nearest(attrs, axis, x.shape[1 + axis]) for axis in range(2))
    return [np.ascontiguousarray(x[:, rows[:, None], cols[None, :], :])]


def nearest(attrs: "ResizeAttrs", axis: int, length: int) -> np.ndarray:
    """Index of the row (axis 0) or column (1) of a map that each one of the resized map is.

    Source: reference_ops::GetNearestNeighbor in LiteRT, in single precision.
    """
    at = _steps(attrs, axis, length)
    index = round_half_away(at) if attrs.align_corners else np.floor(at).astype(np.int64)
    return np.asarray(np.clip(index, 0, length - 1))


def _steps(attrs: "ResizeAttrs", axis: int, length: int) -> np.ndarray:
    """Each index of the resized axis, with half a pixel added where asked for, in steps of the map's own axis."""
    size = attrs.size[axis]
    count = np.arange(size, dtype=np.float32) + np.float32(0.5 if attrs.half_pixel else 0)
    if attrs.align_corners and size > 1:
        return count * (np.float32(length - 1) / np.float32(size - 1))
    return count * (np.float32(length) / np.float32(size))


def resize_bilinear(
    attrs: "ResizeAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    """Integers: reference_ops::ResizeBilinearInteger, on stored numbers, rounded half away from zero."""
    x = _first(arrays)
    real = outputs[0].dtype is DType.FLOAT32
    (rows, below), (cols, right) = (linear(attrs, axis, x.shape[1 + axis], real) for axis in range(2))
    unit = 1 if real else _UNIT
    x = x.astype(np.float64 if real else np.int64)
    x = _mixed(x, 1, rows, below, unit)
    x = _mixed(x, 2, cols, right, unit)
    if real:
        return [x.astype(np.float32)]
    half = _UNIT * _UNIT // 2
    rounded = np.where(x > 0, (x + half) // (_UNIT * _UNIT), -((half - x) // (_UNIT * _UNIT)))
    return [rounded.astype(outputs[0].dtype.numpy)]


def _mixed(x: np.ndarray, axis: int, first: np.ndarray, fraction: np.ndarray, unit: int) -> np.ndarray:
    shape = [1] * x.ndim
    shape[axis] = -1
    weight = fraction.reshape(shape)
    after = first + (fraction != 0)
    return np.asarray(x.take(first, axis) * (unit - weight) + x.take(after, axis) * weight)


def linear(attrs: "ResizeAttrs", axis: int, length: int, real: bool) -> tuple[np.ndarray, np.ndarray]:
    """(first, fraction) for each row (axis 0) or column (1) of the resized map: it is (1 - fraction) times the map's
    row `first` and fraction times the next one, which exists where the fraction is not 0.

    Fractions are float32, or of integers multiples of 1/1024, as in LiteRT's ComputeInterpolationValues and
    ComputeInterpolationValuesInteger. Past the border these weigh one row with numbers that add up to 1; here it has all.
    """
    if real:
        at = _steps(attrs, axis, length) - np.float32(0.5 if attrs.half_pixel else 0)
        first = np.floor(at).astype(np.int64)
        fraction = at - first.astype(np.float32)
    else:
        size = attrs.size[axis]
        steps, count = (length - 1, size - 1) if attrs.align_corners and size > 1 else (length, size)
        scale = (_UNIT * steps + count // 2) // count
        fine = np.arange(size, dtype=np.int64) * scale + (scale // 2 - _UNIT // 2 if attrs.half_pixel else 0)
        first, fraction = np.divmod(fine, _UNIT)
    outside = (first < 0) | (first >= length - 1)
    return np.clip(first, 0, length - 1), np.where(outside, fraction.dtype.type(0), fraction)


def depth_to_space(
    attrs: "DepthToSpaceAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    x = _first(arrays)
    n, height, width, _ = x.shape
    (bh, bw), (_, rows, cols, depth) = attrs.block, outputs[0].shape
    if attrs.channel_major:
        blocks = x.reshape(n, height, width, depth, bh, bw).transpose(0, 1, 4, 2, 5, 3)
    else:
        blocks = x.reshape(n, height, width, bh, bw, depth).transpose(0, 1, 3, 2, 4, 5)
    return [np.ascontiguousarray(blocks.reshape(n, height * bh, width * bw, depth)[:, :rows, :cols])]


def space_to_depth(
    attrs: "SpaceToDepthAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    x = _first(arrays)
    n, height, width, channels = x.shape
    block = attrs.block
    blocks = x.reshape(n, height // block, block, width // block, block, channels).transpose(0, 1, 3, 2, 4, 5)
    return [np.ascontiguousarray(blocks).reshape(outputs[0].shape)]
