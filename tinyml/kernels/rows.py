"""How a tensor of any rank is seen as rows of an image."""

import math

from tinyml.ir.graph import Value


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(rows, columns, channels) of a tensor without its batch axis, which is 1.

    [1, H, W, C] -> (H, W, C); [1, T, C] -> (T, 1, C); [N, C] -> (N, 1, C): rows of a matrix; [C] -> (1, 1, C).
    Of more than four axes, all before the last two count as rows.
    """
    if len(shape) >= 4:
        return math.prod(shape[:-2]), shape[-2], shape[-1]
    if len(shape) >= 2:
        return math.prod(shape[:-1]), 1, shape[-1]
    return 1, 1, math.prod(shape)


def row_bytes(value: Value) -> int:
    """Bytes of one row of a tensor's image."""
    return value.bytes // image_shape(value.shape)[0]


def pixel_bytes(value: Value) -> int:
    """Bytes of all channels at one place of a tensor's image."""
    rows, columns, _ = image_shape(value.shape)
    return value.bytes // (rows * columns)


def image_axes(rank: int) -> tuple[range, range, range]:
    """Which axes of a tensor make up its rows, its columns and its channels in `image_shape`."""
    if rank >= 4:
        return range(rank - 2), range(rank - 2, rank - 1), range(rank - 1, rank)
    last = max(rank - 1, 0)
    return range(last), range(0), range(last, rank)


def corner(shape: tuple[int, ...], offsets: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Where element `offsets` of a tensor lies in its image, if all that is shifted is its outermost row axis."""
    rows, cols, channels = image_axes(len(shape))
    for axis in rows:
        if offsets[axis] and math.prod(shape[:axis]) != 1:
            return None
    row = sum(offsets[axis] * math.prod(shape[axis + 1 : rows.stop]) for axis in rows)
    return row, sum(offsets[axis] for axis in cols), sum(offsets[axis] for axis in channels)
