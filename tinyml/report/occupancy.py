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
    graph, stages = plan.schedule.graph, plan.schedule.stages
    placed = sorted(plan.placements.values(), key=lambda p: -p.buffer.bytes)
    found = []
    for placement in placed:
        buffer = placement.buffer
        life = buffer.lifetime
        lines = [plan.rings[value] for value in buffer.values if value in plan.rings]
        value = buffer.name if buffer.name in buffer.values else next(iter(buffer.values), buffer.name)
        moves = {}
        for step in {life.first, life.last} & set(range(len(stages))):
            if not lines and buffer.kind not in (BufferKind.SCRATCH, BufferKind.STATE):
                moves[step] = _moves(graph, stages[step], placement, step, _within(placed, placement, step))
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


def _moves(graph: Graph, stage: Stage, placement: Placement, step: int, shares: bool) -> list[Range]:
    """Args:
    shares: other buffers lie in its bytes at the same time. A layer, one call, then works in place, byte by byte.
    """
    buffer, count = placement.buffer, moments(stage)
    born, dying = buffer.lifetime.first == step, buffer.lifetime.last == step
    calls = len(stage.trace.calls)
    if calls == 1:
        if not shares or born == dying:
            return [(0, buffer.bytes)] * count
        edge = [round(buffer.bytes * (moment + (0 if dying else 1)) / count) for moment in range(count)]
        return [(at, buffer.bytes) if dying else (0, at) for at in edge]
    low, high = [0] * calls, [buffer.bytes] * calls
    if dying and not born:
        low = _read(graph, stage, buffer.values, buffer.bytes)
    if born:
        high = _written(graph, stage, buffer.values, buffer.bytes)
    edges = [calls * moment // count for moment in range(count + 1)]
    return [(min(low[a:b]), max(high[a:b])) for a, b in itertools.pairwise(edges)]


def _read(graph: Graph, stage: Stage, values: Sequence[str], size: int) -> list[int]:
    """For each call, the bytes of a buffer that neither it nor a later one reads: those below the answer."""
    rows = stage.trace.oldest
    read = {name for node in stage.nodes for name in graph.activations(node)} & set(values)
    if not read or not read <= set(rows):
        return [0] * len(stage.trace.calls)
    each = [[row * row_bytes(graph.value(name)) for row in rows[name]] for name in read]
    return [min(size, *together) for together in zip(*each, strict=True)]


def _written(graph: Graph, stage: Stage, values: Sequence[str], size: int) -> list[int]:
    """For each call, the bytes of a buffer that were written when it returns."""
    written, reached = [], 0
    for call in stage.trace.calls:
        worker = stage.stream.workers[call.worker]
        for name in set(worker.node.outputs) & set(values):
            whole = worker.reduces and call.end == worker.rows
            rows = 0 if worker.reduces else call.end
            reached = max(reached, size if whole else rows * row_bytes(graph.value(name)))
        written.append(min(reached, size))
    return written


def _union(spans: Sequence[tuple[str, int, int]]) -> int:
    total, arena, reached = 0, "", 0
    for name, start, end in sorted(spans):
        if name != arena:
            arena, reached = name, 0
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
