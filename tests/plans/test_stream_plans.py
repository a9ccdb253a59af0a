"""Random networks in random stages: the checker proves their plans, and finds what is a row too short."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stream_networks import Layers, layered, random_network, random_stages

from tinyml.kernels.rows import row_bytes
from tinyml.memory import check, plan_memory
from tinyml.memory.checker import BrokenPlanError
from tinyml.memory.lifetimes import demand
from tinyml.memory.plan import Arena, MemoryPlan, Placement
from tinyml.memory.planner import ARENA
from tinyml.schedule.model import Schedule
from tinyml.schedule.stream import Tiling

EFFORT = 0.02  # of the search for a better packing, which is not what is tested here


@st.composite
def schedules(draw: st.DrawFn, most: int = 4, patches: float = 0.5) -> Schedule:
    rng = draw(st.randoms(use_true_random=False))
    found = random_stages(rng, layered(random_network(rng, most)), draw(st.booleans()), patches)
    assume(found is not None)
    assert found is not None
    return found


@given(schedules())
@settings(max_examples=200, deadline=None)
def test_plans_of_random_streams_are_right(schedule: Schedule) -> None:
    check(plan_memory(schedule, effort=EFFORT))


@given(schedules(3))
@settings(max_examples=60, deadline=None)
def test_inputs_are_kept_where_asked_for(schedule: Schedule) -> None:
    assume(not schedule.stream_input)
    plan = plan_memory(schedule, keep_input=True, effort=EFFORT)
    assert plan.input_preserved
    check(plan)


def placed_at(plan: MemoryPlan, offsets: Mapping[str, int]) -> MemoryPlan:
    """The plan with its buffers at other offsets, in an arena that is large enough."""
    placements = {name: replace(p, offset=offsets[name]) for name, p in plan.placements.items()}
    wanted = demand(plan.schedule, False)
    scratch, parts = (
        {name: (ARENA, offsets[buffer] + at) for name, (buffer, at) in of.items()}
        for of in (wanted.scratch, wanted.parts)
    )
    location = {v: (ARENA, p.offset + wanted.offsets[v]) for p in placements.values() for v in p.buffer.values}
    size = max((p.end + p.buffer.over_read for p in placements.values()), default=0)
    return replace(
        plan,
        arenas=(Arena(ARENA, size, plan.arenas[0].alignment, 0),),
        placements=MappingProxyType(placements),
        location=MappingProxyType(location),
        scratch=MappingProxyType(scratch),
        parts=MappingProxyType(parts),
        input_preserved=False,
    )


def spread(plan: MemoryPlan) -> MemoryPlan:
    """The plan with buffers that do not touch, whatever their lifetimes."""
    offsets: dict[str, int] = {}
    end = 0
    for name, placement in plan.placements.items():
        offsets[name] = end
        end += placement.buffer.bytes + placement.buffer.over_read
        end += -end % 16
    return placed_at(plan, offsets)


@given(schedules(3, patches=0.0))
@settings(max_examples=60, deadline=None)
def test_a_ring_one_line_too_short_is_caught(schedule: Schedule) -> None:
    plan = spread(plan_memory(schedule, effort=EFFORT))
    check(plan)
    found = {name for name, lines in plan.rings.items() if lines > 1}
    assume(found)
    for name in found:
        together = [other for other in plan.rings if plan.location[other] == plan.location[name]]
        shorter = dict(plan.rings) | dict.fromkeys(together, plan.rings[name] - 1)
        with pytest.raises(BrokenPlanError):
            check(replace(plan, rings=MappingProxyType(shorter)))


@given(schedules(3, patches=0.0))
@settings(max_examples=60, deadline=None)
def test_a_distance_too_short_is_caught(schedule: Schedule) -> None:
    plan = spread(plan_memory(schedule, effort=EFFORT))
    distances = demand(schedule, False).distances
    assume(distances)
    high = plan.peak_bytes
    high += -high % 16
    for (out, host), least in distances.items():
        sizes = [plan.placements[name].buffer.bytes for name in (out, host)]
        top = high + sizes[0] + -sizes[0] % 16
        offsets = {name: p.offset for name, p in plan.placements.items()}
        check(placed_at(plan, offsets | {host: top, out: top - least - -least % 4}))
        closer = (least - 1) // 4 * 4
        if closer >= max(0, sizes[0] - sizes[1]):  # nearer than that saves nothing, and is not asked for
            with pytest.raises(BrokenPlanError):
                check(placed_at(plan, offsets | {host: top, out: top - closer}))


def sum_in_place_of(read_again: bool) -> tuple[MemoryPlan, str, str]:
    """A plan of one stream in which a sum takes the place of its first operand, row by row."""
    net = Layers("guest")
    x = net.image(8, 4, 4)
    first, second = net.conv(x, 4, (3, 3)), net.conv(x, 4, (1, 1))
    total = net.add(first, second)
    deep = net.depthwise(total)
    base = layered(net.build([net.concat([deep, second, *([first] if read_again else [])])]))
    plan = spread(
        plan_memory(replace(base, stages=(base.stage(base.graph.nodes, [Tiling(1)] * len(base.graph.nodes)),)))
    )
    if plan.location[first] != plan.location[total]:
        guest, host = plan.placements[first].buffer, plan.placements[total].buffer
        lines = max(plan.lines(first), plan.lines(total))
        size = lines * row_bytes(base.graph.value(total))
        joined = replace(host, values=(*guest.values, *host.values), bytes=size)
        placements = {n: p for n, p in plan.placements.items() if n != guest.name}
        placements[host.name] = Placement(joined, ARENA, plan.peak_bytes + -plan.peak_bytes % 16)
        rings = dict(plan.rings) | {first: lines, total: lines}
        plan = replace(plan, placements=MappingProxyType(placements), rings=MappingProxyType(rings))
        plan = placed_at(plan, {n: p.offset for n, p in placements.items()})
    return plan, first, total


def test_a_guest_that_is_read_later_is_caught() -> None:
    plan, first, total = sum_in_place_of(read_again=False)
    assert plan.location[first] == plan.location[total]
    check(plan)
    plan, first, total = sum_in_place_of(read_again=True)
    with pytest.raises(BrokenPlanError, match=f"concat: reads {first}, of which .* now belongs to {total}"):
        check(plan)
