"""Kernels that change the size of maps, against numpy, from rings of just the rows that their windows name."""

import kernel_graphs as graphs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_checks import find, property_test, tilings
from kernel_harness import Tiling, reference, run
from kernel_host import Host

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Attrs, DepthToSpaceAttrs, Op, ResizeAttrs, SpaceToDepthAttrs

sizes = st.integers(1, 12)


@st.composite
def resized(draw: st.DrawFn, op: Op, dtype: DType) -> graphs.Case:
    attrs: Attrs
    if op in (Op.RESIZE_NEAREST, Op.RESIZE_BILINEAR):
        corners, half = draw(st.sampled_from([(False, False), (False, True), (True, False)]))
        shape, attrs = (
            (1, draw(sizes), draw(sizes), draw(graphs.small)),
            ResizeAttrs((draw(sizes), draw(sizes)), corners, half),
        )
    else:
        block, other, small = draw(st.integers(1, 3)), draw(st.integers(1, 3)), st.integers(1, 4)
        if op is Op.DEPTH_TO_SPACE:
            shape = (1, draw(small), draw(small), block * other * draw(small))
            crop = (draw(st.integers(0, block - 1)), draw(st.integers(0, other - 1)))
            attrs = DepthToSpaceAttrs((block, other), draw(st.booleans()), crop)
        else:
            shape, attrs = (1, block * draw(small), block * draw(small), draw(small)), SpaceToDepthAttrs(block)
    b = GraphBuilder("g")
    quant = None if dtype is DType.FLOAT32 else draw(graphs.quants(dtype, low=-6, high=0))
    x = b.input("x", shape, dtype, quant)
    return graphs.single(b, b.node(op, [x], attrs, quant=quant), np.random.default_rng(draw(graphs.seeds)))


@pytest.mark.parametrize(
    ("op", "dtypes", "symbol"),
    [
        (Op.RESIZE_NEAREST, (DType.INT8, DType.INT16, DType.FLOAT32), "tinyml_resize_nearest"),
        (Op.RESIZE_BILINEAR, (DType.INT8,), "tinyml_resize_bilinear_s8"),
        (Op.RESIZE_BILINEAR, (DType.FLOAT32,), "tinyml_resize_bilinear_f32"),
        (Op.DEPTH_TO_SPACE, (DType.INT8, DType.INT16, DType.FLOAT32), "tinyml_depth_to_space"),
        (Op.SPACE_TO_DEPTH, (DType.INT8, DType.INT16, DType.FLOAT32), "tinyml_space_to_depth"),
    ],
)
@property_test
@given(st.data(), tilings)
def test_resample(
    host: Host, op: Op, dtypes: tuple[DType, ...], symbol: str, data: st.DataObject, tiling: Tiling
) -> None:
    node, graph, arrays = data.draw(st.sampled_from(dtypes).flatmap(lambda dtype: resized(op, dtype)))
    (expected,) = reference(node, graph, arrays)
    (result,) = run(host, find(symbol, op), node, graph, arrays, tiling)
    if symbol.endswith("f32"):
        np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-5)
    else:
        np.testing.assert_array_equal(result, expected)
