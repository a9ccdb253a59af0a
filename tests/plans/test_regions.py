"""Several regions of RAM: hot buffers in fast ones, wishes heard, and never worse than all ways there are."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import inf
from random import Random

import pytest
from plan_networks import Net, ds_cnn, resnet_8, scheduled

from tinyml.errors import DoesNotFitError, UsageError
from tinyml.memory import check, excess, parse_wishes, place_memory, plan_memory, rooms_of
from tinyml.memory.checker import BrokenPlanError
from tinyml.memory.packing import Problem, height, make_problem
from tinyml.memory.plan import Buffer, BufferKind
from tinyml.memory.regions import Room, Wishes
from tinyml.memory.search import pack
from tinyml.memory.sharing import Sharing, share_out
from tinyml.schedule.storage import Lifetime
from tinyml.targets import choose_target, load_board

H7 = load_board("stm32h7")
FAST, SLOW = Room("fast", 20_000, 0, False), Room("slow", 1 << 20, 4, True)


def random_buffers(random: Random, count: int) -> list[Buffer]:
    buffers = []
    for i in range(count):
        first = random.randrange(5)
        life = Lifetime(first, min(5, first + random.randrange(3)))
        buffers.append(Buffer(f"b{i}", BufferKind.ACTIVATION, 4 * random.randrange(1, 25), 4, life))
    return buffers


def fits_in(buffers: Sequence[Buffer], capacity: int) -> bool:
    return pack(make_problem(buffers, {})).bytes <= capacity


def least_cost(buffers: Sequence[Buffer], capacity: Sequence[int], costs: Sequence[Sequence[float]]) -> float:
    """Of all ways to share the buffers out."""
    least = inf
    for rooms in product(range(len(capacity)), repeat=len(buffers)):
        cost = sum(costs[i][room] for i, room in enumerate(rooms))
        parts = [[b for b, r in zip(buffers, rooms, strict=True) if r == room] for room in range(len(capacity))]
        if cost < least and all(map(fits_in, parts, capacity)):
            least = cost
    return least


def assert_valid(problem: Problem, sharing: Sharing, capacity: Sequence[int]) -> None:
    for i, rivals in enumerate(problem.rivals):
        assert sharing.offsets[i] + problem.size[i] <= capacity[sharing.rooms[i]]
        for j in rivals:
            apart = sharing.offsets[i] + problem.size[i] <= sharing.offsets[j]
            assert (
                sharing.rooms[i] != sharing.rooms[j]
                or apart
                or sharing.offsets[j] + problem.size[j] <= sharing.offsets[i]
            )


def test_sharings_come_close_to_the_best_and_bounds_are_below_it() -> None:
    best = 0
    for seed in range(40):
        random = Random(seed)
        buffers = random_buffers(random, 7)
        capacity = [60 + 4 * random.randrange(20), 80 + 4 * random.randrange(30), 100_000]
        heat = [random.randrange(100) for _ in buffers]
        costs = [[0.0, float(h), 3.0 * h] for h in heat]
        problem = make_problem(buffers, {})
        found = share_out(problem, capacity, costs)
        least = least_cost(buffers, capacity, costs)
        assert_valid(problem, found, capacity)
        assert found.lower_bound - 1e-6 <= least <= found.cost
        best += found.cost == least
    assert best >= 36


def test_what_fits_nowhere_is_told() -> None:
    (big, small) = (Buffer(name, BufferKind.ACTIVATION, n, 4, Lifetime(0, 1)) for name, n in (("a", 100), ("b", 20)))
    problem = make_problem([big, small], {})
    found = share_out(problem, [64, 64], [[0.0, 1.0]] * 2)
    assert found.excess == 100
    assert height(problem, list(found.offsets)) >= 100


def test_one_region_that_holds_everything_is_planned_as_before() -> None:
    schedule = scheduled(resnet_8())
    before = plan_memory(schedule, region="slow")
    after = place_memory(schedule, (FAST, SLOW), "slow")
    assert after.arenas == before.arenas and after.placements == before.placements


def test_hot_buffers_go_to_the_fast_region() -> None:
    """Three maps of 16,384 bytes live at once in ResNet-8's first block, and 20,000 bytes are fast."""
    plan = place_memory(scheduled(resnet_8()), (FAST, SLOW), None)
    check(plan)
    fast, slow = plan.arenas
    assert (fast.region, slow.region) == ("fast", "slow") and fast.bytes <= FAST.bytes
    assert fast.traffic > slow.traffic / 2 and plan.waiting is not None
    assert 0 < plan.waiting.lower_bound <= plan.waiting.cycles == slow.traffic
    at_once = [plan.region(p.buffer.name) for p in plan.placements.values() if p.buffer.bytes == 16_384]
    assert at_once.count("fast") >= 1 and at_once.count("slow") >= 2


def test_a_fast_region_that_holds_everything_has_it() -> None:
    plan = place_memory(scheduled(ds_cnn()), (FAST, SLOW), None)
    assert [(arena.region, arena.bytes) for arena in plan.arenas] == [("fast", 16_000)]


def test_wishes_are_heard() -> None:
    schedule = scheduled(ds_cnn())
    node = schedule.stages[2].nodes[0]
    plan = place_memory(schedule, (FAST, SLOW), "slow", Wishes(rules=((node.name, "fast"), ("output", "fast"))))
    check(plan)
    assert {name for name in plan.placements if plan.region(name) == "fast"} == {node.output, *schedule.graph.outputs}


def test_what_dma_touches_is_where_it_reaches_and_whole_lines_long() -> None:
    net = Net("odd")
    schedule = scheduled(net.build([net.conv(net.image(5, 5, 3), 4, (3, 3))]))
    plan = place_memory(schedule, (FAST, SLOW), None, Wishes(rules=(("input", None),)))
    check(plan)
    place = plan.placements["input"]
    assert (plan.region("input"), place.buffer.bytes, place.buffer.alignment, place.offset % 32) == ("slow", 96, 32, 0)
    assert plan.region(schedule.graph.outputs[0]) == "fast"


def test_the_checker_knows_wishes() -> None:
    plan = place_memory(scheduled(ds_cnn()), (FAST, SLOW), "slow", Wishes(rules=(("input", "fast"),)))
    fast, slow = plan.arenas
    with pytest.raises(BrokenPlanError, match="input is in fast, not in fast"):
        check(replace(plan, arenas=(replace(fast, region="slow"), slow)))


def test_rooms_are_what_stack_and_data_leave() -> None:
    rooms = {room.region: room for room in rooms_of(H7, reserve_bytes=1000)}
    assert rooms["dtcm"] == Room("dtcm", (128 << 10) - 8192 - 1024, 0, False)
    assert rooms["axi_sram"].bytes == (512 << 10) - 1000 and rooms["axi_sram"].dma
    assert "itcm" not in rooms  # at address 0
    assert [room.region for room in rooms_of(H7)][:2] == ["dtcm", "axi_sram"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input=sram9", "st_nucleo_h743zi has no RAM called 'sram9'"),
        ("input=sram", "has no RAM called 'sram'"),  # of four
        ("input=flash", "has no RAM called 'flash'"),
        ("input=itcm", "itcm of st_nucleo_h743zi begins at address 0"),
        ("input", "expected WHAT=REGION, or auto"),
        ("=dtcm", "expected WHAT=REGION, or auto"),
    ],
)
def test_wishes_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_wishes([text], H7)


def test_wishes_are_read() -> None:
    wishes = parse_wishes(["arena=DTCM", "input=axi", "a=b=dma"], H7)
    assert wishes == Wishes(False, (("input", "axi_sram"), ("a=b", None)))
    small = choose_target(board="stm32h7", sram_bytes=64 << 10, place=["arena=DTCM"])
    assert small.link.arena == "dtcm" and small.region("dtcm").bytes == 64 << 10
    with pytest.raises(UsageError, match="leaves nothing to choose"):
        parse_wishes(["auto", "arena=dtcm"], H7)


def test_wishes_about_nothing_and_about_too_much() -> None:
    schedule = scheduled(resnet_8())
    with pytest.raises(UsageError, match="resnet_8 has no such value or layer") as unknown:
        place_memory(schedule, (FAST, SLOW), "slow", Wishes(rules=(("inptu", "fast"),)))
    assert "did you mean input?" in str(unknown.value.hint)
    with pytest.raises(UsageError, match="has another place already"):
        place_memory(schedule, (FAST, SLOW), "slow", Wishes(rules=(("input", "fast"), ("input", "slow"))))
    rules = tuple((stage.nodes[0].name, "fast") for stage in schedule.stages[:2])
    with pytest.raises(
        DoesNotFitError, match="what is placed in fast takes 32,768 bytes, it has 20,000: 12,768 too many"
    ):
        place_memory(schedule, (FAST, SLOW), "slow", Wishes(rules=rules))


def test_an_arena_that_is_too_large_for_any_region() -> None:
    """Parts of ResNet-8's 49,152 bytes go to either region of 32 KiB; 49,152 bytes of one buffer would not."""
    rooms = [replace(FAST, bytes=32 << 10), replace(SLOW, bytes=32 << 10)]
    plan = place_memory(scheduled(resnet_8()), rooms, None)
    check(plan)
    assert [arena.bytes <= 32 << 10 for arena in plan.arenas] == [True, True]
    assert sum(arena.bytes for arena in plan.arenas) >= 49_152


def test_the_excess_of_a_plan_counts_region_by_region() -> None:
    regions = tuple(replace(r, bytes=40_000) if r.name == "axi_sram" else r for r in H7.regions)
    plan = plan_memory(scheduled(resnet_8()), region="axi_sram")
    assert excess(plan, replace(H7, regions=regions)) == 49_152 - 40_000
    assert excess(plan, H7) == 0
