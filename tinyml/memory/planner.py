"""The stage: Schedule -> MemoryPlan."""

from types import MappingProxyType

from tinyml.memory.lifetimes import demand
from tinyml.memory.packing import make_problem
from tinyml.memory.plan import Arena, BufferKind, MemoryPlan, Placement
from tinyml.memory.search import pack
from tinyml.schedule.model import Schedule

ARENA = "arena"


def plan_memory(
    schedule: Schedule, *, keep_input: bool = False, region: str | None = None, effort: float = 1.0
) -> MemoryPlan:
    """Gives every activation, state and scratch buffer its place in one arena.

    Deterministic. `tinyml.memory.checker.check` proves the result without looking at how it was made.

    Args:
        keep_input: nothing may overwrite the network's inputs, so that a run can be repeated.
        region: the board's memory region that the arena is meant for.
        effort: how much of the usual work goes into the search for a better packing.

    Raises:
        ModelError: a state is read after its next value has been computed.
    """
    wanted = demand(schedule, keep_input)
    packing = pack(make_problem(wanted.buffers, wanted.distances), effort)
    placements = {
        buffer.name: Placement(buffer, ARENA, offset)
        for buffer, offset in zip(wanted.buffers, packing.offsets, strict=True)
    }
    arena = Arena(
        ARENA,
        max((p.end + p.buffer.over_read for p in placements.values()), default=0),
        max((p.buffer.alignment for p in placements.values()), default=1),
        packing.lower_bound,
        region,
    )
    return MemoryPlan(
        schedule,
        (arena,),
        MappingProxyType(placements),
        MappingProxyType(
            {v: (p.arena, p.offset + wanted.offsets[v]) for p in placements.values() for v in p.buffer.values}
        ),
        MappingProxyType({node: (ARENA, placements[name].offset) for node, name in wanted.scratch.items()}),
        not schedule.stream_input and _input_preserved(tuple(placements.values())),
        MappingProxyType(dict(wanted.rings)),
    )


def _input_preserved(placements: tuple[Placement, ...]) -> bool:
    return not any(
        a is not b and a.arena == b.arena and a.offset < b.end and b.offset < a.end
        for a in placements
        if a.buffer.kind is BufferKind.INPUT
        for b in placements
    )
