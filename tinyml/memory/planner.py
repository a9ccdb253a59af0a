"""The stage: Schedule -> MemoryPlan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tinyml.memory.lifetimes import Demand, demand
from tinyml.memory.packing import make_problem
from tinyml.memory.plan import Arena, Buffer, BufferKind, MemoryPlan, Placement, Waiting
from tinyml.memory.search import Packing, pack
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
    return assemble(schedule, wanted, [Part(ARENA, region, wanted.buffers, packing)])


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """An arena, and the buffers that were packed into it."""

    name: str
    region: str | None
    buffers: Sequence[Buffer]
    packing: Packing
    traffic: int = 0

    @property
    def bytes(self) -> int:
        """Size of the arena: where the last buffer ends, with what kernels may read beyond."""
        ends = (at + b.bytes + b.over_read for b, at in zip(self.buffers, self.packing.offsets, strict=True))
        return max(ends, default=0)


def assemble(schedule: Schedule, wanted: Demand, parts: Sequence[Part], waiting: Waiting | None = None) -> MemoryPlan:
    """The plan in which all buffers are in one of the parts."""
    placements = {
        buffer.name: Placement(buffer, part.name, offset)
        for part in parts
        for buffer, offset in zip(part.buffers, part.packing.offsets, strict=True)
    }

    def inside(places: Mapping[str, tuple[str, int]]) -> Mapping[str, tuple[str, int]]:
        """Where something lies that is so many bytes behind the start of a buffer."""
        return MappingProxyType(
            {name: (placements[b].arena, placements[b].offset + at) for name, (b, at) in places.items()}
        )

    return MemoryPlan(
        schedule,
        tuple(
            Arena(
                part.name,
                part.bytes,
                max((b.alignment for b in part.buffers), default=1),
                part.packing.lower_bound,
                part.region,
                part.traffic,
            )
            for part in parts
        ),
        MappingProxyType(placements),
        MappingProxyType(
            {v: (p.arena, p.offset + wanted.offsets[v]) for p in placements.values() for v in p.buffer.values}
        ),
        inside(wanted.scratch),
        not schedule.stream_input and _input_preserved(tuple(placements.values())),
        MappingProxyType(dict(wanted.rings)),
        inside(wanted.parts),
        waiting,
    )


def _input_preserved(placements: tuple[Placement, ...]) -> bool:
    return not any(
        a is not b and a.arena == b.arena and a.offset < b.end and b.offset < a.end
        for a in placements
        if a.buffer.kind is BufferKind.INPUT
        for b in placements
    )
