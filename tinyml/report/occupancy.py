"""What lies where in the arenas, call by call: what drawings of a memory plan show.

A buffer is there for whole steps. While a stage works through it, only some of its rows still matter: of a result those that
were written, of an operand that nobody needs afterwards those that were not yet read for the last time.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.ir.graph import Graph
from tinyml.kernels.rows import row_bytes
from tinyml.memory.plan import BufferKind, MemoryPlan, Placement
from tinyml.schedule.model import Stage

SLICES = 48
"""Moments of a stage that are told apart."""

Range = tuple[int, int]  # bytes from the start of a buffer


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A buffer in its place.

    Attributes:
        value: that which it is named after, of those that live in it; the buffer's own name for scratch.
        lines: of a ring; None where the buffer is whole.
        first, last: steps in which it is there. -1: before the run; the number of steps: after it.
        moves: step -> which of its bytes matter, moment by moment, in steps where these are not all of them.
    """

    name: str
    value: str
    kind: BufferKind
    arena: str
    offset: int
    bytes: int
    shape: tuple[int, ...] | None
    lines: int | None
    first: int
    last: int
    moves: Mapping[int, Sequence[Range]]

    @property
    def end(self) -> int:
        return self.offset + self.bytes

    def needed(self, step: int, moment: int) -> Range:
        """The bytes of it that matter, as addresses in the arena."""
        low, high = self.moves[step][moment] if step in self.moves else (0, self.bytes)
        return self.offset + low, self.offset + high


def blocks(plan: MemoryPlan) -> tuple[Block, ...]:
    """All buffers of a plan, the largest first."""
    graph = plan.schedule.graph
    placed = sorted(plan.placements.values(), key=lambda p: -p.buffer.bytes)
    found = []
    for placement in placed:
        buffer = placement.buffer
        life = buffer.lifetime
        lines = [plan.rings[value] for value in buffer.values if value in plan.rings]
        value = buffer.name if buffer.name in buffer.values else next(iter(buffer.values), buffer.name)
        moves = {}
        if not lines and buffer.kind not in (BufferKind.SCRATCH, BufferKind.STATE):
            moves = _moves(plan, placement, placed)
        found.append(
            Block(
                buffer.name,
                value,
                buffer.kind,
                placement.arena,
                placement.offset,
                buffer.bytes,
                graph.value(value).shape if buffer.values else None,
                max(lines, default=None),
                life.first,
                life.last,
                moves,
            )
        )
    return tuple(found)


def moments(stage: Stage) -> int:
    """Into how many moments a stage is divided: its calls, or SLICES where there are more; layers, which are one call,
    into SLICES for the sake of those that work in place."""
    calls = len(stage.trace.calls)
    return SLICES if calls == 1 else min(calls, SLICES)


def needed_bytes(plan: MemoryPlan, found: Sequence[Block]) -> tuple[tuple[int, ...], ...]:
    """For each step, moment by moment, how many bytes of all arenas hold what still matters."""
    totals = []
    for step, stage in enumerate(plan.schedule.stages):
        here = [block for block in found if block.first <= step <= block.last]
        totals.append(
            tuple(_union([(b.arena, *b.needed(step, moment)) for b in here]) for moment in range(moments(stage)))
        )
    return tuple(totals)


def _within(placed: Sequence[Placement], one: Placement, step: int) -> bool:
    """Whether another buffer of that step lies in part of the same bytes."""
    return any(
        other is not one
        and other.arena == one.arena
        and other.offset < one.end
        and one.offset < other.end
        and other.buffer.lifetime.first <= step <= other.buffer.lifetime.last
        for other in placed
    )


def _moves(plan: MemoryPlan, placement: Placement, placed: Sequence[Placement]) -> dict[int, list[Range]]:
    """Step by step; those in which all bytes matter all the time are left out."""
    graph, stages, buffer = plan.schedule.graph, plan.schedule.stages, placement.buffer
    first, last, size = buffer.lifetime.first, buffer.lifetime.last, buffer.bytes
    starts = {value: plan.location[value][1] - placement.offset for value in buffer.values}
    reached = size if first < 0 else 0
    found = {}
    for step in range(max(first, 0), min(last, len(stages) - 1) + 1):
        stage, dying = stages[step], first < step == last
        before, high = reached, _written(graph, stage, starts, reached)
        reached = high[-1]
        low = _read(graph, stage, starts) if dying else [0] * len(high)
        count = moments(stage)
        if len(high) > 1:
            edges = [len(high) * moment // count for moment in range(count + 1)]
            spans = [(min(low[a:b]), max(high[a:b])) for a, b in itertools.pairwise(edges)]
        elif _within(placed, placement, step) and (dying or before < reached):
            # A layer, which is one call, shares bytes with its operand where it works in place: byte by byte.
            edge = [before + (reached - before) * (k + 1) // count for k in range(count)]
            spans = [(reached * k // count, reached) for k in range(count)] if dying else [(0, at) for at in edge]
        else:
            spans = [(0, reached)] * count
        if set(spans) != {(0, size)}:
            found[step] = spans
    return found


def _read(graph: Graph, stage: Stage, starts: Mapping[str, int]) -> list[int]:
    """For each call, the bytes of a buffer that neither it nor a later one reads: those below the answer.

    Args:
        starts: of the values that are in the buffer, from its own.
    """
    rows = stage.trace.oldest
    read = {name for node in stage.nodes for name in graph.activations(node)} & set(starts)
    if not read or not read <= set(rows):
        return [0] * len(stage.trace.calls)
    each = [[starts[name] + row * row_bytes(graph.value(name)) for row in rows[name]] for name in read]
    return [min(together) for together in zip(*each, strict=True)]


def _written(graph: Graph, stage: Stage, starts: Mapping[str, int], reached: int) -> list[int]:
    """For each call, the bytes of a buffer that were written when it returns.

    Args:
        starts: of the values that are in the buffer, from its own.
        reached: before the stage.
    """
    written = []
    for call in stage.trace.calls:
        worker = stage.stream.workers[call.worker]
        for name in set(worker.node.outputs) & set(starts):
            value = graph.value(name)
            whole = value.bytes if call.end == worker.rows else 0
            there = whole if worker.reduces else call.end * row_bytes(value)
            reached = max(reached, starts[name] + there)
        written.append(reached)
    return written


def _union(spans: Sequence[tuple[str, int, int]]) -> int:
    total, arena, reached = 0, "", 0
    for name, start, end in sorted(spans):
        if name != arena:
            arena, reached = name, 0
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
