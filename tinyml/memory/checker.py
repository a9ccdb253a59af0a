"""Proves a memory plan by running it: byte by byte, step by step, with owners instead of data.

It shares nothing with the planner but the dataclasses: it takes the graph, the chosen kernels and the offsets, and
knows nothing of lifetimes. A plan that fails is a bug of ours, never the user's.
"""

from collections.abc import Iterable

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.memory.plan import MemoryPlan
from tinyml.schedule.model import UPDATES, VIEWS


class BrokenPlanError(Exception):
    """A memory plan under which a run would read or write the wrong bytes."""


def check(plan: MemoryPlan) -> None:
    """Replays a run under a plan.

    Raises:
        BrokenPlanError: a value is read after some of its bytes have been overwritten; a kernel writes over what it
            still reads; scratch touches a live value; a state does not come back to where it is read, or does not
            survive; an output does not survive the run; an input does not survive although the plan says so; a buffer
            leaves its arena, is misaligned or missing; the placements, which reports are made from, disagree with the
            locations, which the code is made from.
    """
    _Replay(plan).run()


_NOBODY = -1


class _Replay:
    """Who owns each byte of each arena, after the steps so far."""

    def __init__(self, plan: MemoryPlan) -> None:
        self.plan = plan
        self.graph: Graph = plan.schedule.graph
        self.owner = {arena.name: np.full(arena.bytes, _NOBODY, np.int32) for arena in plan.arenas}
        self.alignment = {arena.name: arena.alignment for arena in plan.arenas}
        self.ids = {name: i for i, name in enumerate(self.graph.values)}

    def run(self) -> None:
        graph, plan = self.graph, self.plan
        self._check_placements()
        self._check_states()
        for name in (*(s.read for s in graph.states), *graph.inputs):
            self._write(name, "before the first step")
        for name in (*graph.inputs, *(s.read for s in graph.states)):
            self._read(name, "before the first step")  # inputs must not lie over each other, nor over a state
        steps = {node.name: step for step, stage in enumerate(plan.schedule.stages) for node in stage.nodes}
        for node in graph.nodes:
            if node.name in steps:
                self._compute(node, steps[node.name])
            elif node.op in VIEWS:
                self._rename(node)
            else:
                raise BrokenPlanError(f"{node.name} is in no stage and is no view")
        for name in graph.outputs:
            self._read(name, "after the run")
        for state in graph.states:
            self._read(state.written, "after the run")
        if plan.input_preserved:
            self._check_inputs_kept()

    def _compute(self, node: Node, step: int) -> None:
        where = f"step {step}, {node.name}"
        graph, plan = self.graph, self.plan
        kernel = plan.schedule.kernel(node)
        reads, writes = graph.activations(node), node.outputs
        for name in (*reads, *writes):
            self._check_aligned(name, kernel.access.alignment, where)
        scratch = kernel.scratch_bytes(node, graph, plan.schedule.tile_rows(plan.schedule.stages[step]))
        if scratch:
            self._check_scratch(node, scratch, kernel.access.alignment, where)
        for name in reads:
            self._read(name, where)
            arena, _, end = self._range(name)
            if end + kernel.access.over_read > len(self.owner[arena]):
                raise BrokenPlanError(f"{where}: reads {kernel.access.over_read} bytes past {name}, out of {arena}")
        for out, name in enumerate(writes):
            for i, operand in enumerate(node.inputs):
                if operand is not None and operand in reads and self._overlap(name, operand):
                    self._check_in_place(node, out, i, where)
        for i, name in enumerate(writes):
            if any(self._overlap(name, other) for other in writes[:i]):
                raise BrokenPlanError(f"{where}: its outputs lie over each other at {name}")
            self._write(name, where)

    def _check_in_place(self, node: Node, out: int, operand: int, where: str) -> None:
        """Whether the kernel allows an output to lie over an operand."""
        written, read = node.outputs[out], node.inputs[operand]
        assert read is not None
        if self._range(written)[:2] != self._range(read)[:2]:
            raise BrokenPlanError(f"{where}: {written} lies over part of {read}, which is still being read")
        states = [self._range(state.read) for state in self.graph.states]
        if UPDATES.get(node.op) == (operand, out) and self._range(read) in states:
            return
        access = self.plan.schedule.kernel(node).access
        if len(node.outputs) > 1 or not (access.in_place_any or access.in_place == operand):
            raise BrokenPlanError(f"{where}: {written} lies over {read}, and the kernel does not compute in place")
        if self.graph.value(written).bytes > self.graph.value(read).bytes:
            raise BrokenPlanError(f"{where}: {written} lies over {read} and is larger")

    def _check_scratch(self, node: Node, size: int, alignment: int, where: str) -> None:
        """Scratch must be clear of what the step reads and writes; it destroys everything else that lies there."""
        if node.name not in self.plan.scratch:
            raise BrokenPlanError(f"{where}: the plan has no scratch for it")
        arena, start = self.plan.scratch[node.name]
        self._check_inside(f"scratch of {node.name}", arena, start, size, alignment)
        for name in (*self.graph.activations(node), *node.outputs):
            other, begin, end = self._range(name)
            if other == arena and begin < start + size and start < end:
                raise BrokenPlanError(f"{where}: its scratch lies over {name}")
        self.owner[arena][start : start + size] = _NOBODY

    def _rename(self, node: Node) -> None:
        """A view must lie where its source does; from now on the bytes go by its name too."""
        source, view = node.used[0], node.output
        if self._range(source) != self._range(view):
            raise BrokenPlanError(f"{node.name}: the view {view} does not lie where {source} does")
        self.ids[view] = self.ids[source]

    def _read(self, name: str, where: str) -> None:
        arena, start, end = self._range(name)
        wrong = np.flatnonzero(self.owner[arena][start:end] != self.ids[name])
        if len(wrong):
            owner = int(self.owner[arena][start + wrong[0]])
            culprit = next((other for other, i in self.ids.items() if i == owner), "nothing or scratch")
            raise BrokenPlanError(
                f"{where}: reads {name}, of which byte {int(wrong[0])} ({len(wrong)} in all) now belongs to {culprit}"
            )

    def _write(self, name: str, where: str) -> None:
        arena, start, end = self._range(name)
        self.owner[arena][start:end] = self.ids[name]

    def _range(self, name: str) -> tuple[str, int, int]:
        """(arena, first byte, end) of a value."""
        if name not in self.plan.location:
            raise BrokenPlanError(f"{name} has no place in the plan")
        arena, start = self.plan.location[name]
        return arena, start, start + self.graph.value(name).bytes

    def _overlap(self, a: str, b: str) -> bool:
        arena_a, start_a, end_a = self._range(a)
        arena_b, start_b, end_b = self._range(b)
        return arena_a == arena_b and start_a < end_b and start_b < end_a

    def _check_aligned(self, name: str, alignment: int, where: str) -> None:
        arena, start, end = self._range(name)
        self._check_inside(f"{where}: {name}", arena, start, end - start, alignment)

    def _check_inside(self, what: str, arena: str, start: int, size: int, alignment: int) -> None:
        if arena not in self.owner:
            raise BrokenPlanError(f"{what} is in {arena}, which is no arena of the plan")
        if start < 0 or start + size > len(self.owner[arena]):
            raise BrokenPlanError(
                f"{what}: [{start}, {start + size}) is out of {arena} ({len(self.owner[arena])} bytes)"
            )
        if start % alignment or self.alignment[arena] % alignment:
            raise BrokenPlanError(f"{what}: offset {start} of {arena} is not aligned to {alignment} bytes")

    def _check_states(self) -> None:
        for state in self.graph.states:
            if self._range(state.read) != self._range(state.written):
                raise BrokenPlanError(f"state {state.read} does not lie where {state.written} leaves it")

    def _check_inputs_kept(self) -> None:
        for name in self.graph.inputs:
            self._read(name, "after the run (the plan says that inputs are kept)")

    def _check_placements(self) -> None:
        """What reports and drawings are made from must be what the code is made from."""
        values: dict[str, tuple[str, int]] = {}
        for placement in self.plan.placements.values():
            buffer = placement.buffer
            self._check_inside(buffer.name, placement.arena, placement.offset, buffer.bytes, buffer.alignment)
            for name in buffer.values:
                values[name] = (placement.arena, placement.offset)
                if self.graph.value(name).bytes > buffer.bytes:
                    raise BrokenPlanError(f"{buffer.name} has {buffer.bytes} bytes, too few for {name}")
        if values != dict(self.plan.location):
            wrong = [name for name in self.ids if values.get(name) != self.plan.location.get(name)]
            raise BrokenPlanError(f"placements and locations differ: {', '.join(wrong)}")
        for name in self._activations():
            self._range(name)
        for arena in self.plan.arenas:
            if arena.lower_bound > arena.bytes:
                raise BrokenPlanError(
                    f"{arena.name}: {arena.bytes} bytes, said to be impossible below {arena.lower_bound}"
                )

    def _activations(self) -> Iterable[str]:
        yield from self.graph.inputs
        yield from (state.read for state in self.graph.states)
        for node in self.graph.nodes:
            yield from node.outputs
