"""Strided walks over a tensor: tinyml_nest_t and tinyml_reduced_t of include/tinyml_movement.h and tinyml_mean.h."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.kernels.descriptor import Field
from tinyml.kernels.rows import image_axes


@dataclass(frozen=True, slots=True)
class Axis:
    """`size` elements that lie `stride` elements apart in the input."""

    size: int
    stride: int


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Elements from one index to the next along each axis of a tensor that lies end to end."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def folded(axes: Sequence[Axis]) -> list[Axis]:
    """The same walk with as few axes as can be: none of size 1, and none that carries on where the next one ends."""
    result: list[Axis] = []
    for axis in axes:
        if axis.size == 1:
            continue
        if result and result[-1].stride == axis.size * axis.stride:
            result[-1] = Axis(result[-1].size * axis.size, axis.stride)
        else:
            result.append(axis)
    return result


def nest_reason(output: Sequence[Axis]) -> str | None:
    """Why no nest walks these axes of an output."""
    rows = folded([output[i] for i in image_axes(len(output))[0]])
    return f"the rows of the output walk {len(rows)} axes of the input, 2 are supported" if len(rows) > 2 else None


def nest_fields(output: Sequence[Axis], start: int = 0) -> Mapping[str, Field]:
    """tinyml_nest_t: for each axis of the output its walk over the input, from element `start` on."""
    rows, cols, channels = ([output[i] for i in axes] for axes in image_axes(len(output)))
    outer, inner = ([Axis(1, 0), Axis(1, 0), *folded(rows)])[-2:]
    col = cols[0] if cols else Axis(1, 0)
    channel = channels[0] if channels else Axis(1, 1)
    return {
        "start": start,
        "row_inner": inner.size,
        "outer_stride": outer.stride,
        "inner_stride": inner.stride,
        "col_stride": col.stride,
        "channel_stride": channel.stride,
        "channels": channel.size,
    }
