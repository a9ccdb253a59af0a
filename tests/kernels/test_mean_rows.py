"""Means row by row against the numpy reference. Tiles count rows of the input, and come from the first to the last."""

import kernel_graphs as graphs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_checks import find, property_test
from kernel_harness import POISON, Machine, reference
from kernel_host import Host
from kernel_layout import Memory
from s16_graphs import sixteen_bits

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op, Pool2dAttrs
from tinyml.ir.quant import QuantParams

heights = st.integers(1, 10)


def in_order(machine: Machine, symbol: str, case: graphs.Case, tile_rows: int) -> np.ndarray:
    """What the kernel leaves after all tiles, when each finds the input in a ring of just `tile_rows` lines.

    Asserts that the output is touched by the last call alone, that the input is not, and that no byte of scratch needs
    to be cleared before.
    """
    node, graph, arrays = case
    kernel = find(symbol, node.op)
    assert kernel.access.reduces
    (name,) = graph.activations(node)
    value, out = graph.value(name), graph.value(node.output)
    _, height, width, _ = value.shape
    image = np.ascontiguousarray(arrays[name]).reshape(height, -1).view(np.uint8)
    scratch = bytes([POISON]) * kernel.scratch_bytes(node, graph, tile_rows)
    stored = bytes([POISON]) * out.bytes
    for row in range(0, height, tile_rows):
        rows = min(tile_rows, height - row)
        ring = np.full((tile_rows, image.shape[1]), POISON, np.uint8)
        for y in range(row, row + rows):
            ring[y % tile_rows] = image[y]
        memory = Memory(machine.pointer)
        op = memory.params(kernel.params(node, graph))
        source, target, sums = memory.array(ring), memory.add(stored), memory.add(scratch)
        ins = memory.rows([(source, image.shape[1], tile_rows, 0, 0)])
        outs = memory.rows([(target, out.bytes, 1, 0, 0)])
        tile = memory.add(np.array((row, rows, 0, width), "<i4").tobytes())
        after = machine.call(kernel.symbol, memory, (op, ins, outs, tile, sums))
        assert after[source] == ring.tobytes(), "the input is left alone"
        if row + rows < height:
            assert after[target] == stored, "nothing is written before the last row is there"
        stored, scratch = after[target], after[sums]
    return np.frombuffer(stored, out.dtype.numpy).reshape(out.shape)


@st.composite
def averages(draw: st.DrawFn) -> graphs.Case:
    """Averages over all of an image, as networks that end in a pool have them."""
    rng = np.random.default_rng(draw(graphs.seeds))
    height, width = draw(graphs.small), draw(graphs.small)
    b = GraphBuilder("g")
    quant = draw(graphs.quants(low=-6, high=0))
    x = b.input("x", (1, height, width, draw(graphs.small)), DType.INT8, quant)
    attrs = Pool2dAttrs((height, width), (1, 1), clamp=draw(graphs.clamps))
    return graphs.single(b, b.node(Op.AVERAGE_POOL2D, [x], attrs, quant=quant), rng)


@property_test
@given(graphs.means(DType.INT8, image=True), heights)
def test_mean(host: Host, case: graphs.Case, tile_rows: int) -> None:
    (expected,) = reference(*case)
    np.testing.assert_array_equal(in_order(host, "tinyml_mean_rows_s8", case, tile_rows), expected)


@property_test
@given(graphs.means(DType.INT8, image=True).map(sixteen_bits), heights)
def test_mean_of_int16(host: Host, case: graphs.Case, tile_rows: int) -> None:
    (expected,) = reference(*case)
    np.testing.assert_array_equal(in_order(host, "tinyml_mean_rows_s16", case, tile_rows), expected)


@property_test
@given(averages(), heights)
def test_average(host: Host, case: graphs.Case, tile_rows: int) -> None:
    (expected,) = reference(*case)
    np.testing.assert_array_equal(in_order(host, "tinyml_average_rows_s8", case, tile_rows), expected)


@pytest.mark.parametrize(("width", "bytes_each"), [(16, 2), (17, 4)])
def test_the_largest_sums(host: Host, width: int, bytes_each: int) -> None:
    """-128 * 256 is the least int16; a map of more pixels has its sums in int32."""
    b = GraphBuilder("g")
    quant = QuantParams.per_tensor(0.1, 3)
    x = b.input("x", (1, 16, width, 5), DType.INT8, quant)
    name = b.node(Op.AVERAGE_POOL2D, [x], Pool2dAttrs((16, width), (1, 1)), quant=quant)
    node, graph, arrays = graphs.single(b, name, np.random.default_rng(0))
    assert find("tinyml_average_rows_s8", Op.AVERAGE_POOL2D).scratch_bytes(node, graph, 1) == 5 * bytes_each
    for value in (-128, 127):
        case = (node, graph, {"x": np.full_like(arrays["x"], value)})
        np.testing.assert_array_equal(in_order(host, "tinyml_average_rows_s8", case, 3), np.full((1, 1, 1, 5), value))


@property_test
@given(graphs.means(DType.FLOAT32, image=True), heights)
def test_float_mean(host: Host, case: graphs.Case, tile_rows: int) -> None:
    _, graph, arrays = case
    got = in_order(host, "tinyml_mean_rows_f32", case, tile_rows)
    (expected,) = reference(*case)
    # A float32 sum of n terms in any order errs by at most about n * eps of the sum of their magnitudes; so may the
    # reference's.
    magnitudes = np.abs(arrays[graph.inputs[0]].astype(np.float64)).mean(axis=(1, 2), keepdims=True)
    count = arrays[graph.inputs[0]].shape[1] * arrays[graph.inputs[0]].shape[2]
    assert np.all(np.abs(got - expected) <= 2 * count * np.finfo(np.float32).eps * magnitudes)


@property_test
@given(graphs.means(DType.FLOAT32, image=True), heights)
def test_tiles_do_not_change_a_float_mean(host: Host, case: graphs.Case, tile_rows: int) -> None:
    at_once = in_order(host, "tinyml_mean_rows_f32", case, 9)
    np.testing.assert_array_equal(in_order(host, "tinyml_mean_rows_f32", case, tile_rows), at_once)
