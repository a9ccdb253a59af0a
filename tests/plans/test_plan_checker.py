"""Random networks: plans are valid by the checker and by running them; what the checker accepts runs right."""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_networks import Net, kernel, resnet_8, scheduled

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import ConcatAttrs, Op
from tinyml.ir.ops.elementwise import BinaryAttrs
from tinyml.kernels.descriptor import Access
from tinyml.memory.checker import BrokenPlanError, check
from tinyml.memory.plan import Arena, MemoryPlan, Placement
from tinyml.memory.planner import plan_memory
from tinyml.schedule.model import Schedule

ELEMENTWISE = (Op.ADD, Op.RELU)


@st.composite
def networks(draw: st.DrawFn) -> tuple[Schedule, bool]:
    """Branched networks of a few bytes a tensor, with views, sums, concatenations, scratch and several outputs."""
    net = Net("random")
    values = [net.image(2, draw(st.integers(1, 3)), 2, f"input{i}") for i in range(draw(st.integers(1, 2)))]
    for _ in range(draw(st.integers(1, 9))):
        x = draw(st.sampled_from(values[-4:]))
        shape = net.values[x].shape
        same = [v for v in values if net.values[v].shape == shape]
        choice = draw(st.sampled_from(["relu", "conv", "add", "add", "view", "concat"]))
        if choice == "relu":
            values.append(net.relu(x))
        elif choice == "add":
            values.append(net.add(x, draw(st.sampled_from(same))))
        elif choice == "view":
            values.append(net.reshape(x, *reversed(shape)))
        elif choice == "concat":
            parts = [x, draw(st.sampled_from(same))]
            values.append(net.node(Op.CONCAT, parts, ConcatAttrs(3), quant=net.values[x].quant))
        else:
            values.append(net.conv(x, draw(st.integers(1, 5)), (1, 1)))
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True))
    graph = _without_dead_nodes(net.build([*outputs, *([values[-1]] if values[-1] not in outputs else [])]))
    scratch = {node.name: draw(st.sampled_from([0, 0, 3, 8])) for node in graph.nodes if node.op is Op.CONV2D}
    return scheduled(graph, scratch=scratch), draw(st.booleans())


def _without_dead_nodes(graph: Graph) -> Graph:
    needed, nodes = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if needed & set(node.outputs):
            needed.update(node.used)
            nodes.append(node)
    return graph.with_(nodes=tuple(reversed(nodes)))


def element(node: Node, index: int, operands: list[bytes]) -> int:
    """A stand-in for arithmetic: depends on one element of each operand, or on all of them."""
    seen = [bytes([data[index]]) for data in operands] if node.op in ELEMENTWISE else operands
    return zlib.crc32(b"|".join(seen), zlib.crc32(f"{node.name} {index}".encode())) & 0xFF


def run_apart(graph: Graph, inputs: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every value in memory of its own."""
    values = dict(inputs)
    for node in graph.nodes:
        operands = [values[name] for name in graph.activations(node)]
        size = graph.value(node.output).bytes
        views = node.op is Op.RESHAPE
        values[node.output] = operands[0] if views else bytes(element(node, i, operands) for i in range(size))
    return values


def run_in_arena(plan: MemoryPlan, inputs: Mapping[str, bytes]) -> dict[str, bytes]:
    """In the arena, an element at a time, with scratch full of rubbish before each."""
    schedule, graph = plan.schedule, plan.schedule.graph
    arena = bytearray(b"\xa5" * plan.arenas[0].bytes)

    def read(name: str) -> bytes:
        start = plan.location[name][1]
        return bytes(arena[start : start + graph.value(name).bytes])

    for name, data in inputs.items():
        start = plan.location[name][1]
        arena[start : start + len(data)] = data
    for stage in schedule.stages:
        (node,) = stage.nodes
        start = plan.location[node.output][1]
        for i in range(graph.value(node.output).bytes):
            if node.name in plan.scratch:
                at = plan.scratch[node.name][1]
                size = schedule.kernel(node).scratch_bytes(node, graph, 1)
                arena[at : at + size] = bytes([i & 0xFF]) * size
            arena[start + i] = element(node, i, [read(name) for name in graph.activations(node)])
    kept = {name: read(name) for name in graph.inputs} if plan.input_preserved else {}
    return kept | {name: read(name) for name in graph.outputs}


def right_results(plan: MemoryPlan) -> bool:
    graph = plan.schedule.graph
    inputs = {name: zlib.crc32(name.encode()).to_bytes(4, "big") * 4 for name in graph.inputs}
    inputs = {name: data[: graph.value(name).bytes] for name, data in inputs.items()}
    expected, got = run_apart(graph, inputs), run_in_arena(plan, inputs)
    return all(expected[name] == data for name, data in got.items())


@given(networks())
@settings(max_examples=150, deadline=None)
def test_plans_of_random_networks_check_and_run_right(network: tuple[Schedule, bool]) -> None:
    schedule, keep_input = network
    result = plan_memory(schedule, keep_input=keep_input)
    check(result)
    assert result.input_preserved or not keep_input
    assert right_results(result)


@given(networks(), st.data())
@settings(max_examples=300, deadline=None)
def test_a_shifted_buffer_is_caught_unless_it_does_no_harm(network: tuple[Schedule, bool], data: st.DataObject) -> None:
    schedule, keep_input = network
    good = plan_memory(schedule, keep_input=keep_input)
    name = data.draw(st.sampled_from(sorted(good.placements)))
    offset = data.draw(st.integers(0, good.arenas[0].bytes // 4 + 2)) * 4
    broken = moved(good, name, offset)
    try:
        check(broken)
    except BrokenPlanError:
        return
    assert right_results(broken)


def moved(plan: MemoryPlan, name: str, offset: int, arena: str = "arena") -> MemoryPlan:
    """The plan with one buffer elsewhere, consistently in all its fields."""
    old = plan.placements[name]
    placements = dict(plan.placements) | {name: Placement(old.buffer, arena, offset)}
    location = dict(plan.location) | dict.fromkeys(old.buffer.values, (arena, offset))
    scratch = {node: (arena, offset) if f"{node} scratch" == name else place for node, place in plan.scratch.items()}
    return replace(
        plan,
        placements=MappingProxyType(placements),
        location=MappingProxyType(location),
        scratch=MappingProxyType(scratch),
    )


def with_scratch() -> MemoryPlan:
    """input -> conv2d (with scratch) -> conv2d_1 -> add(conv2d, conv2d_1)."""
    net = Net("scratch")
    a = net.conv(net.image(4, 4, 4), 4, (3, 3))
    b = net.conv(a, 4, (3, 3))
    return plan_memory(scheduled(net.build([net.add(a, b)]), scratch={"conv2d": 32, "conv2d_1": 16}))


def test_the_plans_that_are_broken_below_are_right_before() -> None:
    check(with_scratch())
    check(plan_memory(scheduled(resnet_8())))


def test_an_operand_overwritten_while_it_waits_is_caught() -> None:
    # The first block's second convolution writes where the shortcut waits for the sum.
    good = plan_memory(scheduled(resnet_8()))
    shortcut, conv = "conv2d", "conv2d_2"
    with pytest.raises(BrokenPlanError, match=f"add.*reads {shortcut}"):
        check(moved(good, conv, good.location[shortcut][1]))


def test_a_convolution_in_place_is_caught() -> None:
    good = with_scratch()
    with pytest.raises(
        BrokenPlanError, match="conv2d lies over input, which is still being read; the kernel does not compute in place"
    ):
        check(moved(good, "conv2d", good.location["input"][1]))


def test_a_shifted_alias_is_caught() -> None:
    # An elementwise kernel may start where its operand does, not four bytes further.
    good = with_scratch()
    with pytest.raises(BrokenPlanError, match="lies over part of"):
        check(moved(good, "add", good.location["add"][1] + 4))


def test_a_buffer_outside_the_arena_is_caught() -> None:
    good = with_scratch()
    with pytest.raises(BrokenPlanError, match="out of arena"):
        check(moved(good, "add", good.arenas[0].bytes - 60))


def test_a_misaligned_buffer_is_caught() -> None:
    good = with_scratch()
    roomy = replace(good, arenas=(Arena("arena", 1000, 4, 0),))
    with pytest.raises(BrokenPlanError, match="not aligned to 4"):
        check(moved(roomy, "conv2d", 502))


def test_an_arena_aligned_less_than_its_buffers_is_caught() -> None:
    good = with_scratch()
    with pytest.raises(BrokenPlanError, match="not aligned"):
        check(replace(good, arenas=(replace(good.arenas[0], alignment=2),)))


def test_scratch_over_an_operand_is_caught() -> None:
    good = with_scratch()
    with pytest.raises(BrokenPlanError, match="scratch lies over conv2d"):
        check(moved(good, "conv2d_1 scratch", good.location["conv2d"][1]))


def test_scratch_over_a_waiting_value_is_caught() -> None:
    net = Net("waiting")
    a = net.conv(net.image(4, 4, 4), 4, (3, 3))
    b = net.relu(net.conv(net.conv(a, 4, (3, 3)), 4, (3, 3)))
    good = plan_memory(scheduled(net.build([net.add(a, b)]), scratch={"conv2d_2": 8}))
    check(good)
    with pytest.raises(BrokenPlanError, match=r"add.*reads conv2d, of which byte 0 .8 in all. now belongs to nothing"):
        check(moved(good, "conv2d_2 scratch", good.location["conv2d"][1]))


def test_missing_scratch_is_caught() -> None:
    with pytest.raises(BrokenPlanError, match="no scratch"):
        check(replace(with_scratch(), scratch={}))


def test_a_missing_value_is_caught() -> None:
    good = with_scratch()
    name = "conv2d_1"
    kept = {n: p for n, p in good.placements.items() if n != name}
    with pytest.raises(BrokenPlanError, match="conv2d_1 has no place"):
        check(replace(good, placements=kept, location={n: p for n, p in good.location.items() if n != name}))


def test_an_output_overwritten_before_the_end_is_caught() -> None:
    net = Net("two_outputs")
    x = net.image(4, 4, 4)
    early = net.conv(x, 4, (1, 1))
    graph = net.build([early, net.conv(net.conv(early, 4, (1, 1)), 4, (1, 1))])
    good = plan_memory(scheduled(graph))
    check(good)
    with pytest.raises(BrokenPlanError, match="after the run: reads conv2d,"):
        check(moved(good, "conv2d_2", good.location[early][1]))


def test_two_inputs_over_each_other_are_caught() -> None:
    net = Net("two_inputs")
    a, b = net.image(4, 4, 4, "a"), net.image(4, 4, 4, "b")
    good = plan_memory(scheduled(net.build([net.add(a, b)])))
    with pytest.raises(BrokenPlanError, match="before the first step: reads"):
        check(moved(good, b, good.location[a][1]))


def test_a_view_elsewhere_is_caught() -> None:
    net = Net("view")
    x = net.conv(net.image(4, 4, 4), 4, (1, 1))
    view = net.reshape(x, 1, 64)
    good = plan_memory(scheduled(net.build([view])))
    placed = good.placements[x]
    split = {
        x: replace(placed, buffer=replace(placed.buffer, values=(x,))),
        view: Placement(replace(placed.buffer, name=view, values=(view,)), "arena", 0 if placed.offset else 64),
    }
    location = dict(good.location) | {view: ("arena", split[view].offset)}
    with pytest.raises(BrokenPlanError, match=r"the view .* does not lie where"):
        check(replace(good, placements={**good.placements, **split}, location=location))


def test_a_promise_to_keep_the_input_is_held_to() -> None:
    net = Net("chain")
    overwriting = plan_memory(scheduled(net.build([net.relu(net.image(4, 4, 4))])))
    with pytest.raises(BrokenPlanError, match="the plan says that inputs are kept"):
        check(replace(overwriting, input_preserved=True))


def test_placements_that_disagree_with_locations_are_caught() -> None:
    good = with_scratch()
    location = dict(good.location) | {"conv2d": ("arena", good.location["conv2d"][1] + 4)}
    with pytest.raises(BrokenPlanError, match="placements and locations differ: conv2d"):
        check(replace(good, location=location))


def test_reading_past_the_arena_is_caught() -> None:
    net = Net("over_read")
    graph = net.build([net.conv(net.image(4, 4, 4), 4, (1, 1))])
    good = plan_memory(scheduled(graph, {Op.CONV2D: kernel(Op.CONV2D, Access(over_read=12))}))
    top = moved(moved(good, "input", 64), "conv2d", 0)
    with pytest.raises(BrokenPlanError, match="reads 12 bytes past input, out of arena"):
        check(replace(top, arenas=(replace(good.arenas[0], bytes=128),)))


def test_a_bound_above_the_arena_is_caught() -> None:
    good = with_scratch()
    with pytest.raises(BrokenPlanError, match="said to be impossible below 10000"):
        check(replace(good, arenas=(replace(good.arenas[0], lower_bound=10_000),)))


def test_a_larger_result_in_place_is_caught() -> None:
    net = Net("widening")
    x = net.image(4, 4, 4)
    graph = net.build([net.node(Op.DEQUANTIZE, [x])])
    good = plan_memory(scheduled(graph, {Op.DEQUANTIZE: kernel(Op.DEQUANTIZE, Access(in_place=0))}))
    assert good.schedule.graph.value("dequantize").dtype is DType.FLOAT32
    with pytest.raises(BrokenPlanError, match="is larger"):
        check(moved(moved(good, "input", 0), "dequantize", 0))


def test_broadcast_sums_only_overwrite_the_full_operand() -> None:
    net = Net("broadcast")
    x = net.image(4, 4, 4)
    full, gate = net.conv(x, 4, (1, 1)), net.conv(x, 1, (1, 1))
    result = plan_memory(
        scheduled(net.build([net.node(Op.MUL, [full, gate], BinaryAttrs(), quant=net.values[x].quant)]))
    )
    check(result)
    assert result.peak_bytes == 64 + 64 + 16  # the input, then the full operand, gives way to the product
    with pytest.raises(BrokenPlanError):
        check(moved(result, "mul", result.location[gate][1]))
