"""Arenas of networks whose peak can be reckoned by hand."""

import numpy as np
import pytest
from plan_networks import Net, Q, ds_cnn, kernel, mobilenet_v1_quarter, resnet_8, scheduled

from tinyml.errors import ModelError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op, QuantizeAttrs, SvdfAttrs
from tinyml.ir.quant import QuantParams
from tinyml.kernels.descriptor import Access
from tinyml.memory.checker import check
from tinyml.memory.explain import peak_report
from tinyml.memory.plan import BufferKind, MemoryPlan
from tinyml.memory.planner import plan_memory


def planned(graph: Graph, **options: bool) -> MemoryPlan:
    result = plan_memory(scheduled(graph), **options)
    check(result)
    return result


def test_mobilenet_v1_quarter_at_96() -> None:
    # The first pointwise convolution reads 48*48*8 = 18,432 and writes 48*48*16 = 36,864.
    result = planned(mobilenet_v1_quarter())
    assert result.peak_bytes == result.arenas[0].lower_bound == 18_432 + 36_864 == 55_296
    assert peak_report(result).step == 2


def test_resnet_8_adds_in_place() -> None:
    # Second convolution of the first block: the shortcut, its input and its output, 32*32*16 = 16,384 each.
    result = planned(resnet_8())
    assert result.peak_bytes == result.arenas[0].lower_bound == 3 * 16_384 == 49_152


def test_ds_cnn() -> None:
    # Each of the eight layers between 25*5*64 = 8,000 and as much again.
    result = planned(ds_cnn())
    assert result.peak_bytes == result.arenas[0].lower_bound == 2 * 25 * 5 * 64 == 16_000


def test_keeping_the_input_costs_its_bytes_at_the_peak() -> None:
    # 96*96*3 = 27,648 lie beside MobileNet's peak of 55,296.
    free, kept = planned(mobilenet_v1_quarter()), planned(mobilenet_v1_quarter(), keep_input=True)
    assert kept.peak_bytes == 55_296 + 27_648
    assert kept.input_preserved and not free.input_preserved


def test_the_output_may_lie_over_the_input() -> None:
    net = Net("chain")
    result = planned(net.build([net.relu(net.image(4, 4, 4))]))
    assert result.peak_bytes == 64
    assert result.location["input"] == result.location["relu"]


def test_no_kernel_overwrites_a_kept_input() -> None:
    net = Net("chain")
    result = planned(net.build([net.relu(net.image(4, 4, 4))]), keep_input=True)
    assert result.peak_bytes == 128


def test_an_input_that_is_needed_later_is_not_overwritten() -> None:
    net = Net("diamond")
    x = net.image(4, 4, 4)
    y = net.relu(x)
    result = planned(net.build([net.add(x, y)]))
    assert result.location[x] != result.location[y]
    assert result.peak_bytes == 128  # the sum takes the place of one of its operands


def test_quantizing_in_place_frees_what_it_does_not_need() -> None:
    # float32[1,8,8,4] = 1,024 bytes become int8 = 256 in place; the convolution then writes 8*8*12 = 768 into the rest.
    net = Net("float_in")
    x = net.input("input", (1, 8, 8, 4), DType.FLOAT32)
    q = net.node(Op.QUANTIZE, [x], QuantizeAttrs(DType.INT8), quant=Q)
    result = planned(net.build([net.conv(q, 12, (1, 1))]))
    assert result.location[x] == result.location[q] == ("arena", 0)
    assert result.peak_bytes == 1024


def test_a_result_larger_than_its_input_is_never_in_place() -> None:
    net = Net("dequantize")
    q = net.image(8, 8, 4)
    graph = net.build([net.node(Op.DEQUANTIZE, [q])])
    result = plan_memory(scheduled(graph, {Op.DEQUANTIZE: kernel(Op.DEQUANTIZE, Access(in_place=0))}))
    check(result)
    assert result.peak_bytes == 256 + 1024


def test_adding_in_place_only_on_the_operand_that_the_kernel_names() -> None:
    # b is free after the sum, a is an output: a kernel that writes over operand 0 only needs a third tensor.
    net = Net("sum")
    x = net.image(4, 4, 4)
    a, b = net.conv(x, 4, (1, 1)), net.conv(x, 4, (1, 1))
    graph = net.build([a, net.add(a, b)])
    check(plan_memory(scheduled(graph)))
    first = plan_memory(scheduled(graph, {Op.ADD: kernel(Op.ADD, Access(in_place=0))}))
    check(first)
    placed = {name: range(first.location[name][1], first.location[name][1] + 64) for name in (a, b, "add")}
    assert not set(placed["add"]) & (set(placed[a]) | set(placed[b]))


def test_a_tensor_added_to_itself_is_not_overwritten() -> None:
    net = Net("double")
    x = net.conv(net.image(4, 4, 4), 4, (1, 1))
    result = planned(net.build([net.add(x, x)]))
    assert result.location["add"] != result.location[x]


def test_views_take_no_memory_and_keep_their_source_alive() -> None:
    # The view is read last by the sum of two vectors, after its source's last other reader.
    net = Net("views")
    x = net.conv(net.image(4, 4, 4), 4, (1, 1))
    view = net.reshape(x, 1, 64)
    y = net.reshape(net.conv(x, 4, (1, 1)), 1, 64)
    result = planned(net.build([net.add(view, y)]))
    assert result.location[view] == result.location[x]
    assert result.peak_bytes == 128


def test_a_view_of_the_input_can_be_the_output() -> None:
    net = Net("flatten")
    result = planned(net.build([net.reshape(net.image(4, 4, 4), 1, 64)]))
    assert result.peak_bytes == 64 and result.input_preserved


def test_scratch_lies_beside_what_its_kernel_touches() -> None:
    net = Net("scratch")
    graph = net.build([net.conv(net.image(4, 4, 4), 4, (3, 3))])
    result = plan_memory(scheduled(graph, scratch={"conv2d": 100}))
    check(result)
    assert result.peak_bytes == 64 + 64 + 100
    assert result.scratch["conv2d"] == ("arena", result.placements["conv2d scratch"].offset)


def test_scratch_is_asked_for_all_rows_of_a_layer() -> None:
    net = Net("rows")
    graph = net.build([net.conv(net.image(6, 4, 4), 4, (1, 1))])
    asked: list[int] = []
    result = plan_memory(
        scheduled(graph, {Op.CONV2D: kernel(Op.CONV2D, scratch=lambda n, g, rows: asked.append(rows) or 8 * rows)})
    )
    assert set(asked) == {6}
    assert result.peak_bytes == 96 + 96 + 48


def test_over_read_stays_in_the_arena_and_costs_nothing_elsewhere() -> None:
    # Only the end of the arena has to be padded: 64 + 64, and 12 behind whichever is read from the top; none if the
    # input lies below.
    net = Net("over_read")
    graph = net.build([net.conv(net.image(4, 4, 4), 4, (1, 1))])
    result = plan_memory(scheduled(graph, {Op.CONV2D: kernel(Op.CONV2D, Access(over_read=12))}))
    check(result)
    assert 128 <= result.peak_bytes <= 140


def test_alignment_of_kernels_reaches_the_arena() -> None:
    net = Net("aligned")
    graph = net.build([net.conv(net.image(3, 3, 1), 1, (1, 1))])
    result = plan_memory(scheduled(graph, {Op.CONV2D: kernel(Op.CONV2D, Access(alignment=16))}))
    check(result)
    assert result.arenas[0].alignment == 16
    assert result.peak_bytes == result.arenas[0].lower_bound == 16 + 9


def test_several_inputs_live_from_the_start() -> None:
    net = Net("two_inputs")
    a, b = net.image(4, 4, 4, "a"), net.image(4, 4, 4, "b")
    y = net.conv(net.relu(a), 4, (1, 1))
    assert planned(net.build([net.add(y, b)])).peak_bytes == 3 * 64


def test_an_input_that_nobody_reads_has_its_place() -> None:
    net = Net("idle")
    a, b = net.image(4, 4, 4, "a"), net.image(2, 2, 2, "b")
    result = planned(net.build([net.relu(a)]))
    assert b in result.location
    assert result.peak_bytes == 64 + 8


def svdf_network(late_reader: bool = False) -> Graph:
    net = GraphBuilder("svdf")
    x = net.input("input", (1, 8), DType.INT8, Q)
    q16 = QuantParams.per_tensor(0.1, 0, DType.INT16)
    state = net.state("state", (1, 40), DType.INT16, q16)
    weights = [net.constant("w", np.zeros(s, np.int8), Q) for s in ((4, 8), (4, 10))]
    y, new = net.nodes(Op.SVDF, [x, *weights, None, state], SvdfAttrs(1), quants=[Q, q16])
    net.update_state(state, new)
    if late_reader:
        return net.build([y, net.node(Op.RELU, [state], quant=q16)])
    return net.build([net.node(Op.RELU, [y], quant=Q)])


def test_a_state_is_one_buffer_that_nothing_else_touches() -> None:
    # The state (40 int16) throughout, and at the SVDF its input of 8 and its output of 4 bytes.
    result = planned(svdf_network())
    (state,) = (p for p in result.placements.values() if p.buffer.kind is BufferKind.STATE)
    assert len(state.buffer.values) == 2
    assert result.peak_bytes == 80 + 8 + 4


def test_a_state_that_is_read_too_late_is_refused() -> None:
    with pytest.raises(ModelError, match=r"state state: .*relu.* reads it when its next value"):
        plan_memory(scheduled(svdf_network(late_reader=True)))


def test_plans_do_not_depend_on_chance() -> None:
    first, second = planned(resnet_8()), planned(resnet_8())
    assert dict(first.location) == dict(second.location)
