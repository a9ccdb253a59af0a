"""Rows that are read: resized maps, all sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op, ResizeAttrs
from tinyml.ir.reference.resample import linear, nearest
from tinyml.kernels.windows import RowWindow, row_windows

sizes = st.integers(1, 200)


def window(op: Op, rows: int, size: int, dtype: DType = DType.FLOAT32, **coordinates: bool) -> RowWindow:
    b = GraphBuilder("g")
    y = b.node(op, [b.input("x", (1, rows, 1, 1), dtype)], ResizeAttrs((size, 1), **coordinates))
    graph = b.build([y])
    (found,) = row_windows(graph.nodes[0], graph)
    assert found is not None
    return found


@pytest.mark.parametrize("coordinates", [{}, {"half_pixel": True}, {"align_corners": True}])
@given(sizes, sizes, st.sampled_from([DType.INT8, DType.FLOAT32]))
def test_windows_hold_what_is_read(coordinates: dict[str, bool], rows: int, size: int, dtype: DType) -> None:
    attrs = ResizeAttrs((size, 1), **coordinates)
    first, fraction = linear(attrs, 0, rows, dtype is DType.FLOAT32)
    for op, top, bottom in (
        (Op.RESIZE_NEAREST, nearest(attrs, 0, rows), nearest(attrs, 0, rows)),
        (Op.RESIZE_BILINEAR, first, first + (fraction != 0)),
    ):
        found = window(op, rows, size, dtype, **coordinates)
        for y in range(size):
            assert found.first(y) <= top[y] and bottom[y] < found.end(y, rows)


def test_windows_of_whole_factors() -> None:
    # Row y is row y / 2; between rows (y - 1) // 2 and the next; row 2 y; half of rows 2 y and 2 y + 1 each.
    assert window(Op.RESIZE_NEAREST, 8, 16) == RowWindow(1, 1, 0, 2)
    assert window(Op.RESIZE_BILINEAR, 8, 16, half_pixel=True) == RowWindow(1, 2, 1, 2)
    assert window(Op.RESIZE_NEAREST, 16, 8) == RowWindow(2, 1, 0, 1)
    assert window(Op.RESIZE_BILINEAR, 16, 8, half_pixel=True) == RowWindow(2, 2, 0, 1)
