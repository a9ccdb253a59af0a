"""What drawings say about memory, against what must be true of any plan."""

from functools import cache
from random import Random

import pytest
from stream_networks import layered, random_network, random_stages

from tinyml.kernels.rows import row_bytes
from tinyml.memory import live_bytes, plan_memory
from tinyml.memory.plan import MemoryPlan
from tinyml.report.occupancy import Block, blocks, moments, needed_bytes

SEEDS = range(24)


@cache
def plan_of(seed: int) -> MemoryPlan:
    """Of a random network in random stages."""
    rng = Random(seed)
    base = layered(random_network(rng))
    schedule = random_stages(rng, base, stream_input=seed % 3 == 0) or random_stages(rng, base)
    assert schedule is not None
    return plan_memory(schedule, keep_input=False, effort=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_matters_is_there_and_lies_in_its_place(seed: int) -> None:
    plan = plan_of(seed)
    found = blocks(plan)
    assert {block.name for block in found} == set(plan.placements)
    for step, (row, live) in enumerate(zip(needed_bytes(plan, found), live_bytes(plan), strict=True)):
        assert len(row) == moments(plan.schedule.stages[step]) and 0 < max(row) <= live
        for block in found:
            if block.first <= step <= block.last:
                spans = [block.needed(step, moment) for moment in range(len(row))]
                assert all(block.offset <= low <= high <= block.end for low, high in spans)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_byte_matters_to_two(seed: int) -> None:
    """But for those of the tile that is just being computed, and of the slice of calls that one moment stands for."""
    plan = plan_of(seed)
    found = blocks(plan)
    for step, stage in enumerate(plan.schedule.stages):
        here = [block for block in found if block.first <= step <= block.last]
        calls = -(-len(stage.trace.calls) // moments(stage)) + 1
        slack = max(calls * worker.tile * _row(plan, worker.node.output) for worker in stage.stream.workers)
        for moment in range(moments(stage)):
            for i, one in enumerate(here):
                for other in here[:i]:
                    assert _shared(one, other, step, moment) <= slack


def _row(plan: MemoryPlan, value: str) -> int:
    return row_bytes(plan.schedule.graph.value(value))


def _shared(one: Block, other: Block, step: int, moment: int) -> int:
    (a, b), (c, d) = one.needed(step, moment), other.needed(step, moment)
    return min(b, d) - max(a, c) if one.arena == other.arena else 0


def test_a_result_fills_up_and_its_operand_empties() -> None:
    """In the end all of a buffer was written; of an operand that dies at most the last window is left."""
    emptied = 0
    for plan in map(plan_of, SEEDS):
        end = len(plan.schedule.stages) - 1
        for block in blocks(plan):
            lows = [low for step in sorted(block.moves) for low, _ in block.moves[step]]
            highs = [high for step in sorted(block.moves) for _, high in block.moves[step]]
            assert lows == sorted(lows) and highs == sorted(highs)
            final = min(block.last, end)
            assert block.needed(final, moments(plan.schedule.stages[final]) - 1)[1] == block.end
            emptied += bool(lows) and lows[-1] > block.bytes // 2
    assert emptied > 5
