"""The planner and the checker on thousands of random problems."""

import random
import sys
import time
from collections.abc import Iterator

from common import Row, show
from stream_networks import layered, random_network, random_stages

from tinyml.memory import check, plan_memory
from tinyml.memory.checker import BrokenPlanError
from tinyml.memory.packing import make_problem
from tinyml.memory.plan import Buffer, BufferKind
from tinyml.memory.search import pack
from tinyml.schedule.storage import Lifetime

SETS, GRAPHS = 10_000, 2_000
NEAR = 1.02  # of the lower bound
_EFFORT = 0.02  # for the graphs, whose plans need not be the smallest


def lifetimes(rng: random.Random) -> list[Buffer]:
    """1 to 40 buffers: most live as long as activations of a chain do, some as long as shortcuts and outputs."""
    count = rng.randrange(1, 41)
    steps = rng.randrange(2, max(3, count))
    buffers = []
    for i in range(count):
        first = rng.randrange(-1, steps)
        last = min(steps, first + rng.choice([1, 1, 1, 2, 3, 5, 10]))
        size = rng.choice([rng.randrange(64), rng.randrange(1, 4096), 256 * rng.randrange(1, 20)])
        buffers.append(Buffer(f"b{i}", BufferKind.ACTIVATION, size, 4, Lifetime(first, last)))
    return buffers


def crowd(rng: random.Random, count: int) -> list[Buffer]:
    """Buffers of a long network."""
    buffers = []
    for i in range(count):
        first = rng.randrange(count // 2)
        life = Lifetime(first, first + rng.randrange(1, 8))
        buffers.append(Buffer(f"b{i}", BufferKind.ACTIVATION, rng.randrange(1, 4096), 4, life))
    return buffers


def valid(buffers: list[Buffer], offsets: tuple[int, ...]) -> bool:
    """No two buffers that live at one step share a byte, by their lifetimes."""
    for i, (a, at) in enumerate(zip(buffers, offsets, strict=True)):
        if at < 0 or at % a.alignment:
            return False
        for b, other in zip(buffers[:i], offsets, strict=False):
            meet = a.lifetime.first <= b.lifetime.last and b.lifetime.first <= a.lifetime.last
            if meet and at < other + b.bytes and other < at + a.bytes:
                return False
    return True


def rows(sets: int, graphs: int) -> Iterator[Row]:
    right = near = 0
    for seed in range(sets):
        buffers = lifetimes(random.Random(seed))
        problem = make_problem(buffers, {})
        packing = pack(problem)
        right += valid(buffers, packing.offsets)
        near += packing.bytes <= NEAR * packing.lower_bound
    yield ("random lifetime sets: valid", f"{right:,}", f"{sets:,}", "all"), right == sets
    yield (
        ("    within 2 % of the bound, or proved optimal", f"{near:,}", f"{sets:,}", "95 %"),
        near >= 0.95 * sets,
    )

    start = time.process_time()
    buffers = crowd(random.Random(1), 500)
    problem = make_problem(buffers, {})
    packing = pack(problem)
    seconds = time.process_time() - start
    fine = valid(buffers, packing.offsets) and seconds < 10
    gap = packing.bytes / packing.lower_bound - 1
    yield (f"500 buffers: seconds ({gap:.1%} above the bound)", f"{seconds:.1f}", "", "10"), fine

    for stream_input in (False, True):
        proved = made = rings = stages = 0
        for seed in range(graphs):
            rng = random.Random(seed)
            schedule = random_stages(rng, layered(random_network(rng)), stream_input)
            if schedule is None:
                continue
            plan = plan_memory(schedule, effort=_EFFORT)
            made, rings = made + 1, rings + len(plan.rings)
            stages += sum(len(stage.nodes) > 1 for stage in schedule.stages)
            try:
                check(plan)
                proved += 1
            except BrokenPlanError as e:
                print(f"graph {seed}: {e}", file=sys.stderr)
        how = "input fed row by row" if stream_input else "whole input"
        yield (
            (f"random graphs, {how}: proved ({stages:,} streams, {rings:,} rings)", f"{proved:,}", f"{made:,}", "all"),
            proved == made,
        )


if __name__ == "__main__":
    part = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    columns = ("plans", "good", "of", "bar")
    sys.exit(show("Memory plans", columns, rows(round(SETS * part), round(GRAPHS * part))))
