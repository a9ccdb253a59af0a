"""Streams: rings, order and safe distances against hand arithmetic and against runs with every row and byte marked."""

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stream_networks import Layers, layered, random_network, random_stages

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.descriptor import Access
from tinyml.kernels.rows import image_shape, row_bytes
from tinyml.kernels.windows import row_windows
from tinyml.schedule.model import VIEWS, Schedule, Stage
from tinyml.schedule.overlap import distance, guests
from tinyml.schedule.stream import Stream, Tiling, Trace, make_stream, rows_fed, run_stream

ACCESS = {Op.ADD: Access(in_place_any=True), Op.RELU: Access(in_place=0), Op.MEAN: Access(reduces=True)}


def accesses(nodes: Sequence[Node]) -> list[Access]:
    return [ACCESS.get(node.op, Access(whole=node.op is Op.FULLY_CONNECTED)) for node in nodes]


def streamed(graph: Graph, tile: int | None = 1) -> tuple[Stream, Trace]:
    """All of a graph as one stream."""
    nodes = [node for node in graph.nodes if node.op not in VIEWS]
    stream = make_stream(nodes, [Tiling(tile)] * len(nodes), graph, accesses(nodes))
    return stream, run_stream(stream)


def chain(layers: Sequence[Callable[[Layers, str], str]], height: int = 16, width: int = 4) -> tuple[Layers, list[str]]:
    """Layers one behind the other, and the names of all values."""
    net = Layers("chain")
    values = [net.image(height, width, 4)]
    for layer in layers:
        values.append(layer(net, values[-1]))
    return net, values


def square(n: int, stride: int = 1, dilation: int = 1) -> Callable[[Layers, str], str]:
    return lambda net, x: net.conv(x, 4, (n, n), stride, dilation)


def valid(n: int, stride: int = 1) -> Callable[[Layers, str], str]:
    return lambda net, x: net.conv(x, 4, (n, n), stride, padding=((0, 0), (n // 2, n // 2)))


def rings(layers: Sequence[Callable[[Layers, str], str]], tile: int = 1, height: int = 16, width: int = 4) -> list[int]:
    """Lines for the input and each result of a chain but the last."""
    net, values = chain(layers, height, width)
    _, trace = streamed(net.build([values[-1]]), tile)
    return [trace.lines[name] for name in values[:-1]]


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("height", [12, 13])
def test_a_ring_holds_the_window(size: int, height: int) -> None:
    # Row y needs rows y - p .. y + p. Padding completes several rows of each layer at once at the bottom: those that
    # follow use them up one by one, so that no ring grows.
    assert rings([square(size)] * 5, height=height) == [size] * 5


def test_the_window_of_a_row_at_the_border_is_cut() -> None:
    assert rings([square(7)] * 2, height=5) == [5, 5]  # no more than there are


def test_valid_padding_needs_the_window() -> None:
    assert rings([valid(3)] * 4) == [3] * 4


def test_dilation_spreads_the_window() -> None:
    assert rings([square(3, dilation=2)] * 3) == [5] * 3  # rows y - 2, y, y + 2
    assert rings([square(3, dilation=4), square(1)]) == [9, 1]


def test_strides() -> None:
    assert rings([square(3, 2)] * 3) == [3] * 3
    assert rings([square(2, 2), square(2, 2)]) == [2, 2]
    # Of a window of one row with stride 2 only every other row is used. The row after is still written.
    assert rings([square(1), square(1, 2)]) == [1, 1]
    # A stride above the window: rows 0-1, then 3-4.
    assert rings([square(2, 3), square(1)], height=15) == [2, 1]


def test_tiles() -> None:
    # Pairs of rows: rows 2 and 3 take rows 1 .. 4, and 4 comes with 5. Later pairs are the same.
    assert rings([square(3)] * 3, tile=2) == [4, 5, 5]
    # Fours: rows 4 .. 7 take rows 3 .. 8, and 8 comes with 9, 10 and 11. The input comes row by row: 3 .. 8.
    assert rings([square(3)] * 3, tile=4) == [6, 9, 9]
    # Two rows of stride 2 take rows 4 .. 8, and 8 comes with 9. The input: 4 .. 8.
    assert rings([square(3), square(3, 2)], tile=2) == [4, 6]
    assert rings([square(1)] * 3, tile=4) == [4, 4, 4]


def test_audio_streams_over_time() -> None:
    # Windows of (n, 1) on [time, 1, channels].
    assert rings([lambda net, x: net.conv(x, 4, (5, 1)), lambda net, x: net.conv(x, 4, (3, 1))], width=1) == [5, 3]


def resize(op: Op, rows: int, half_pixel: bool = False) -> Callable[[Layers, str], str]:
    return lambda net, x: net.resize(x, op, rows, half_pixel)


def test_more_rows_than_are_read() -> None:
    # Rows 2 y and 2 y + 1 are row y: it is there alone. The 3 x 3 behind has its three rows, of two or three given ones.
    assert rings([resize(Op.RESIZE_NEAREST, 32), square(3)]) == [1, 3]
    assert rings([lambda net, x: net.blocks(x, 2), square(3)]) == [1, 3]
    # Between two rows, but for the last, which is all of the last row.
    assert rings([resize(Op.RESIZE_BILINEAR, 32, half_pixel=True), square(3)]) == [2, 3]
    # Of two rows the first, or half of each.
    assert rings([square(1), resize(Op.RESIZE_NEAREST, 8)]) == [1, 1]
    assert rings([square(1), resize(Op.RESIZE_BILINEAR, 8, half_pixel=True)]) == [1, 2]


@pytest.mark.parametrize("shortcut", [False, True])
def test_a_ring_of_a_resized_map_holds_what_is_read(shortcut: bool) -> None:
    net = Layers("up")
    x = net.conv(net.image(16, 4, 4), 4, (1, 1))
    up = net.resize(x, Op.RESIZE_NEAREST, 32)
    if shortcut:
        up = net.add(up, net.conv(up, 4, (3, 3)))
    _, trace = streamed(net.build([up]))
    assert trace.lines[x] == 1


@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_shortcut_waits_half_a_window(size: int) -> None:
    # stem -> x; 1x1, size x size, 1x1 -> y; x + y: row y of the sum needs row y of x, of which there are y + p then.
    net = Layers("inverted")
    x = net.conv(net.image(16, 4, 4), 4, (1, 1))
    wide = net.conv(x, 8, (1, 1))
    deep = net.depthwise(wide, (size, size))
    flat = net.conv(deep, 4, (1, 1))
    _, trace = streamed(net.build([net.add(flat, x)]))
    pad = size // 2
    assert [trace.lines[name] for name in (x, wide, deep, flat)] == [pad + 1, size, 1, 1]


def test_branches_wait_for_the_slowest() -> None:
    # Rows of the 1x1 and the 3x3 branch are there 3 and 2 rows before that of the 7x7, which lags 3 behind the input.
    net = Layers("branches")
    x = net.conv(net.image(16, 4, 4), 4, (1, 1))
    parts = [net.conv(x, 4, (n, n)) for n in (1, 3, 7)]
    _, trace = streamed(net.build([net.concat(parts)]))
    assert [trace.lines[name] for name in (x, *parts)] == [7, 4, 3, 1]


def test_calls_advance_in_lock_step() -> None:
    net, values = chain([square(3), square(3)], height=4)
    _, trace = streamed(net.build([values[-1]]))
    calls = [(call.fed, call.worker, call.row) for call in trace.calls]
    # With row 3 the padding completes two rows of the first, and two of the second: one of each a pass.
    assert calls == [(2, 0, 0), (3, 0, 1), (3, 1, 0), (4, 0, 2), (4, 1, 1), (4, 0, 3), (4, 1, 2), (4, 1, 3)]
    assert trace.calls_of == ((0, 1, 3, 5), (2, 4, 6, 7))
    # Before each call the oldest row that it or a later one reads: row y of the first reads from y - 1 on.
    assert trace.oldest["input"] == (0, 0, 1, 1, 2, 2, 4, 4)
    assert trace.later["input"] == (0, 1, 1, 2, 2, 4, 4, 4)


def test_a_mean_takes_rows_and_gives_one_after_the_last() -> None:
    net = Layers("mean")
    x = net.conv(net.image(7, 4, 4), 4, (3, 3))
    mean = net.mean(x)
    graph = net.build([net.conv(mean, 3, (1, 1))])
    stream, trace = streamed(graph, 2)
    assert [(w.rows, w.tile, w.reduces) for w in stream.workers] == [(7, 2, False), (7, 2, True), (1, 1, False)]
    assert [(c.row, c.end) for c in trace.calls if c.worker == 1] == [(0, 2), (2, 4), (4, 6), (6, 7)]
    assert trace.calls[-1].worker == 2 and len(trace.calls_of[2]) == 1
    assert (trace.lines[x], trace.lines[mean]) == (2, 1)


def test_what_is_taken_whole_ends_a_stream() -> None:
    net = Layers("whole")
    graph = net.build([net.mean(net.conv(net.image(4, 4, 4), 4, (3, 3)))])
    conv, mean = graph.nodes
    at_once = Access(whole=True)
    assert make_stream([mean], [Tiling()], graph, [at_once]).whole == {conv.output}
    with pytest.raises(ValueError, match="takes conv2d whole, which the same stream computes"):
        make_stream([conv, mean], [Tiling(1)] * 2, graph, [Access(), at_once])


def test_inputs_of_other_heights_are_fed_in_proportion() -> None:
    assert [rows_fed(fed, 8, 8) for fed in range(9)] == list(range(9))
    assert [rows_fed(fed, 8, 4) for fed in range(9)] == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [rows_fed(fed, 5, 3) for fed in range(6)] == [0, 1, 2, 2, 3, 3]
    net = Layers("two")
    big, small = net.image(8, 4, 4, "big"), net.image(4, 2, 4, "small")
    pooled = net.conv(big, 4, (2, 2), 2)
    stream, trace = streamed(net.build([net.concat([pooled, small])]))
    assert stream.feeds == 8 and stream.inputs == (big, small)
    assert (trace.lines[big], trace.lines[small]) == (2, 1)


def apart(layers: Sequence[Callable[[Layers, str], str]], tile: int | None = 1, height: int = 16) -> int:
    """How far the result of a chain on 4 columns of 4 channels must start below its input: bytes, of 16 a row."""
    net, values = chain(layers, height)
    graph = net.build([values[-1]])
    stream, trace = streamed(graph, tile)
    last = len(stream.workers) - 1
    return distance(graph, stream, trace, last, accesses(graph.nodes)[last], {values[0]})


def relu(net: Layers, x: str) -> str:
    return net.node(Op.RELU, [x], quant=net.values[x].quant)


def test_distances_by_hand() -> None:
    assert apart([square(3)], None) == 16 * 16  # at once: all of it
    assert apart([square(1)]) == 16  # row y is read while row y is written
    assert apart([square(3)]) == 2 * 16  # and row y - 1
    assert apart([square(7)]) == 4 * 16
    assert apart([square(3)], tile=2) == 3 * 16  # rows y - 1 .. y + 2 are read, up to y + 1 are written
    assert apart([square(3), square(3)]) == 0  # row y is written when the first is done with row y + 1: y is dead
    assert apart([square(1), square(1)]) == 0
    assert apart([relu]) == 0 and apart([relu], None) == 0  # in place
    # Half as wide and half as high: row 0, of 8 bytes, is written while row 0 is read; row 1 below row 2.
    assert apart([square(3, 2)]) == 8
    # Twice as deep: row y ends at 32 (y + 1), and row y, at 16 y, is read: 16 y + 32 at the last, y = 15, which is what
    # all of the result exceeds the input by, and a row.
    assert apart([lambda net, x: net.conv(x, 8, (1, 1))]) == 16 * 15 + 32


def test_a_reduction_writes_when_all_is_read() -> None:
    net = Layers("mean")
    x = net.image(4, 4, 4)
    graph = net.build([net.mean(x)])
    stream, trace = streamed(graph)
    # Written by the last call, which reads row 3 at 48: 4 bytes below fit anywhere.
    assert distance(graph, stream, trace, 0, ACCESS[Op.MEAN], {x}) == 0


def test_values_taken_whole_and_unknown_ones_keep_apart() -> None:
    net = Layers("gate")
    x, gate = net.image(4, 4, 4), net.image(1, 1, 4, "gate")
    graph = net.build([net.add(x, gate)])
    nodes = graph.nodes
    stream = make_stream(nodes, [Tiling(1)], graph, accesses(nodes))
    trace = run_stream(stream)
    assert stream.whole == {"gate"}
    assert distance(graph, stream, trace, 0, ACCESS[Op.ADD], {gate}) == 64
    assert distance(graph, stream, trace, 0, ACCESS[Op.ADD], {x}) == 0


def hosted(net: Layers, outputs: Sequence[str], *, rings: Collection[str] | None = None) -> Mapping[str, str]:
    graph = net.build(outputs)
    made = {name for node in graph.nodes for name in node.outputs}
    inner = made - set(outputs) if rings is None else set(rings)
    stream, _ = streamed(graph)
    return guests(graph, stream.workers, accesses(graph.nodes), inner, made - inner)


def test_guests() -> None:
    net, values = chain([square(3), relu, square(3)])
    assert hosted(net, values[-1:]) == {values[1]: values[2]}
    net, values = chain([square(3), relu])
    assert hosted(net, values[-1:]) == {values[1]: values[2]}  # also where the host is whole
    net, values = chain([square(3), square(3)])
    assert hosted(net, values[-1:]) == {}  # a convolution does not work in place
    net, values = chain([square(3), relu, relu])
    assert hosted(net, values[-1:]) == {values[1]: values[2]}  # a host is nobody's guest, which keeps distances short
    net, values = chain([square(3), relu])
    assert hosted(net, [net.add(values[1], values[2])], rings=values[1:]).get(values[1]) is None  # read again later


def test_a_sum_is_made_in_place_of_one_operand() -> None:
    net = Layers("sum")
    x = net.image(8, 4, 4)
    a, b = net.conv(x, 4, (3, 3)), net.conv(x, 4, (1, 1))
    total = net.add(a, b)
    assert hosted(net, [net.conv(total, 4, (3, 3))]) == {a: total}
    twice = Layers("twice")
    a = twice.conv(twice.image(8, 4, 4), 4, (3, 3))
    assert hosted(twice, [twice.conv(twice.add(a, a), 4, (3, 3))]) == {}  # both operands: it is read twice


def test_a_ring_of_guest_and_host_holds_both() -> None:
    # The host's rows y - 1 .. y + 1 wait for the 3x3, the guest's row y + 1 is one of them: 3 lines, not 4.
    net, values = chain([square(3), relu, square(3)])
    _, trace = streamed(net.build(values[-1:]))
    assert (trace.lines[values[1]], trace.lines[values[2]], trace.shared[values[1]]) == (1, 3, 3)


# Random stages, replayed.


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    rng = draw(st.randoms(use_true_random=False))
    found = random_stages(rng, layered(random_network(rng, 3)), patches=0.0)
    assert found is not None
    return found


def fits(schedule: Schedule, stage: Stage, lines: Mapping[str, int]) -> bool:
    """Whether all rows that a stage reads are there, in rings of that many lines where they hold row y in line y modulo
    their number; and no row is written that lies over another of the same call."""
    graph = schedule.graph
    held: dict[str, dict[int, int]] = {name: {} for name in lines}
    height = {name: image_shape(graph.value(name).shape)[0] for name in lines}
    fed = 0

    def write(name: str, rows: range) -> bool:
        for y in rows:
            held[name][y % lines[name]] = y
        return all(held[name][y % lines[name]] == y for y in rows)

    for call in stage.trace.calls:
        for name in stage.stream.inputs:
            old, new = (rows_fed(n, stage.stream.feeds, height[name]) for n in (fed, call.fed))
            write(name, range(old, new))
        fed = call.fed
        worker = stage.stream.workers[call.worker]
        node, reduces = worker.node, schedule.kernel(worker.node).access.reduces
        for name, window in zip(graph.activations(node), row_windows(node, graph), strict=True):
            if name not in lines:
                continue
            needed = range(call.row, call.end)
            if not reduces and window is None:
                return False
            if not reduces and window is not None:
                first = (call.row * window.stride - window.pad) // window.up
                end = ((call.end - 1) * window.stride - window.pad) // window.up + window.extent
                needed = range(max(first, 0), min(end, height[name]))
            if any(held[name].get(y % lines[name]) != y for y in needed):
                return False
        if not reduces or call.end == worker.rows:
            done = range(1) if reduces else range(call.row, call.end)
            if not all(write(name, done) for name in node.outputs):
                return False
    return True


@given(schedules())
@settings(max_examples=100, deadline=None)
def test_rings_hold_what_is_read_and_not_a_line_more(schedule: Schedule) -> None:
    for stage in schedule.stages:
        lines = dict(stage.trace.lines)
        assert fits(schedule, stage, lines)
        for name in lines:
            if lines[name] > 1:
                assert not fits(schedule, stage, {**lines, name: lines[name] - 1}), name


@given(schedules())
@settings(max_examples=100, deadline=None)
def test_every_row_is_computed_once_and_in_order(schedule: Schedule) -> None:
    for stage in schedule.stages:
        for i, worker in enumerate(stage.stream.workers):
            calls = [stage.trace.calls[n] for n in stage.trace.calls_of[i]]
            assert [row for c in calls for row in range(c.row, c.end)] == list(range(worker.rows))
            assert all(c.end - c.row == worker.tile for c in calls[:-1])
            name = worker.node.inputs[0] if worker.reduces else worker.node.output
            assert name is not None
            assert worker.rows == image_shape(schedule.graph.value(name).shape)[0]


def unharmed(schedule: Schedule, stage: Stage, worker: int, operand: str, below: int) -> bool:
    """Whether a stage reads what its operand held when the result of a worker starts `below` bytes below it. Kernels
    write a tile as early as they may: before they read anything or, in place, element after element."""
    graph = schedule.graph
    value, out = graph.value(operand), graph.value(stage.stream.workers[worker].node.output)
    intact = [True] * value.bytes
    for call in stage.trace.calls:
        acting = stage.stream.workers[call.worker]
        node, access = acting.node, schedule.kernel(acting.node).access
        read: list[int] = []
        for name, window in zip(graph.activations(node), row_windows(node, graph), strict=True):
            if name == operand:
                rows = range(call.row, call.end)
                if not access.reduces and window is not None:
                    rows = range(window.first(call.row), window.end(call.end - 1, image_shape(value.shape)[0]))
                size = row_bytes(value)
                read += range(rows.start * size, max(rows.stop, rows.start) * size)
        written: list[int] = []
        if call.worker == worker:
            size = row_bytes(out)
            span = range(call.row * size, call.end * size)
            if access.reduces:
                span = range(out.bytes if call.end == acting.rows else 0)
            written = [at - below for at in span]
        in_place = access.in_place_any or (access.in_place is not None and node.inputs[access.in_place] == operand)
        if written and in_place and node.inputs.count(operand) == 1 and row_bytes(out) <= row_bytes(value):
            for source, target in zip(read, written, strict=True):  # same number of bytes, element for element
                if not intact[source]:
                    return False
                if 0 <= target < len(intact):
                    intact[target] = False
            continue
        for target in written:
            if 0 <= target < len(intact):
                intact[target] = False
        if not all(intact[source] for source in read):
            return False
    return True


@given(schedules())
@settings(max_examples=100, deadline=None)
def test_distances_are_safe_and_as_short_as_can_be(schedule: Schedule) -> None:
    graph = schedule.graph
    pairs = 0
    for stage in schedule.stages:
        for name in set(stage.stream.inputs) - stage.stream.whole:
            for i, worker in enumerate(stage.stream.workers):
                out, host = graph.value(worker.node.output), graph.value(name)
                if out.bytes > 400 or host.bytes > 400:
                    continue
                pairs += 1
                access = schedule.kernel(worker.node).access
                found = distance(graph, stage.stream, stage.trace, i, access, {name})
                # Nothing is gained where the larger of both ends highest anyway.
                least = max(0, out.bytes - host.bytes)
                assert unharmed(schedule, stage, i, name, max(found, least))
                if found > least:
                    assert not unharmed(schedule, stage, i, name, found - 1)
    assume(pairs)


def test_random_networks_have_what_they_should() -> None:
    graphs = [random_network(Random(seed)) for seed in range(60)]
    ops = {node.op for graph in graphs for node in graph.nodes}
    assert {Op.CONV2D, Op.ADD, Op.CONCAT, Op.MAX_POOL2D, Op.AVERAGE_POOL2D, Op.MEAN, Op.FULLY_CONNECTED} <= ops
    assert {Op.RESIZE_NEAREST, Op.RESIZE_BILINEAR, Op.DEPTH_TO_SPACE, Op.STRIDED_SLICE} <= ops
    assert {Op.PART, Op.JOIN} <= {node.op for graph in graphs for node in layered(graph).graph.nodes}
