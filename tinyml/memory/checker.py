"""Proves a memory plan by running it: byte by byte, call by call, with owners instead of data.

It shares nothing with the planner but the dataclasses: it takes the graph, the calls of the kernels and the offsets, and
knows nothing of lifetimes, of how long rings are made or of how close buffers may come. A plan that fails is a bug of
ours, never the user's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, StridedSliceAttrs
from tinyml.kernels.rows import image_shape, pixel_bytes, row_bytes
from tinyml.kernels.windows import COLUMNS, ROWS, RowWindow
from tinyml.memory.plan import MemoryPlan
from tinyml.schedule.model import UPDATES, VIEWS, Stage
from tinyml.schedule.patch import Part, Span, windows_of
from tinyml.schedule.stream import Call, Worker


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
_VALUE = 1 << 40  # more than any value has bytes


@dataclass(frozen=True, slots=True)
class _Span:
    """Bytes of an arena that hold bytes of a value, from `byte` on."""

    arena: str
    start: int
    end: int
    byte: int

    def overlaps(self, other: "_Span") -> bool:
        return self.arena == other.arena and self.start < other.end and other.start < self.end


def _needed(window: RowWindow | None, first: int, end: int, length: int) -> Span:
    """Rows, or columns, of an operand of that length that [first, end) are computed from."""
    return (0, length) if window is None else (window.first(first), window.end(end - 1, length))


class _Replay:
    """Which byte of which value every byte of each arena holds, after the calls so far."""

    def __init__(self, plan: MemoryPlan) -> None:
        self.plan = plan
        self.graph: Graph = plan.schedule.graph
        self.owner = {arena.name: np.full(arena.bytes, _NOBODY, np.int64) for arena in plan.arenas}
        self.alignment = {arena.name: arena.alignment for arena in plan.arenas}
        self.held: dict[str, Part] = {}  # of values that a patch computes part by part, the part that is there now
        self.pitch: dict[str, int] = {}  # of these, pixels from one row to the next
        self.ids = {name: i for i, name in enumerate((*self.graph.values, *(node.name for node in self.graph.nodes)))}
        self.first = dict.fromkeys(self.ids, 0)  # byte of the value with that id where a value starts

    def run(self) -> None:
        graph, plan = self.graph, self.plan
        self._check_placements()
        self._check_states()
        self._name_views()
        inputs = () if plan.schedule.stream_input else graph.inputs
        for name in (*(s.read for s in graph.states), *inputs):
            self._write(name)
        for name in (*inputs, *(s.read for s in graph.states)):
            self._read(name, "before the first step")  # inputs must not lie over each other, nor over a state
        self._check_stages()
        for step, stage in enumerate(plan.schedule.stages):
            for worker in stage.stream.workers:
                self._check_worker(worker, f"step {step}")
            fed = 0
            for call in stage.trace.calls:
                if step == 0 and plan.schedule.stream_input:
                    self._feed(stage, fed, call.fed)
                    fed = call.fed
                self._turn(stage.stream.workers[call.worker], call, f"step {step}")
        for name in graph.outputs:
            self._read(name, "after the run")
        for state in graph.states:
            self._read(state.written, "after the run")
        if plan.input_preserved:
            self._check_inputs_kept()

    def _feed(self, stage: Stage, first: int, end: int) -> None:
        """The application hands in rows [first, end) of the input, one after the other."""
        (name,) = stage.stream.inputs
        for span in self._rows(name, first, end):
            self._write_span(name, span)

    def _check_stages(self) -> None:
        """Every node but views is computed in one stage, from its first row to its last."""
        for stage in self.plan.schedule.stages:
            done = [0] * len(stage.stream.workers)
            for call in stage.trace.calls:
                if call.row != done[call.worker] or call.end <= call.row:
                    raise BrokenPlanError(
                        f"{stage.stream.workers[call.worker].node.name}: rows are left out or computed twice"
                    )
                done[call.worker] = call.end
            for worker, rows in zip(stage.stream.workers, done, strict=True):
                of = worker.node.inputs[0] if self.plan.schedule.kernel(worker.node).access.reduces else None
                if rows != image_shape(self.graph.value(of or worker.node.outputs[0]).shape)[0]:
                    raise BrokenPlanError(f"{worker.node.name}: its last rows are not computed")
        computed = [node.name for stage in self.plan.schedule.stages for node in stage.nodes]
        if sorted(computed) != sorted(node.name for node in self.graph.nodes if node.op not in VIEWS):
            raise BrokenPlanError("some node is in no stage and is no view, or is in several stages")

    def _check_worker(self, worker: Worker, where: str) -> None:
        graph = self.graph
        for node, (rows, cols) in zip(worker.nodes, worker.patch.sizes(worker.tile), strict=True):
            access, what = self.plan.schedule.kernel(node).access, f"{where}, {node.name}"
            for name in (*graph.activations(node), *node.outputs):
                if name in self.plan.parts:
                    continue
                arena, start = self._location(name)
                size = self.plan.lines(name) * row_bytes(graph.value(name))
                self._check_inside(f"{what}: {name}", arena, start, size, access.alignment)
                if name in graph.activations(node) and start + size + access.over_read > len(self.owner[arena]):
                    raise BrokenPlanError(f"{what}: reads {access.over_read} bytes past {name}, out of {arena}")
            if node is not worker.node:
                if node.output not in self.plan.parts:
                    raise BrokenPlanError(f"{what}: computes part by part what the plan holds in rows")
                arena, start = self.plan.parts[node.output]
                size = rows * cols * pixel_bytes(graph.value(node.output))
                self._check_inside(f"{what}: its part", arena, start, size, access.alignment)
            if scratch := self._scratch(node, rows):
                size = scratch.end - scratch.start
                self._check_inside(f"{what}: its scratch", scratch.arena, scratch.start, size, access.alignment)
            elif self.plan.schedule.kernel(node).scratch_bytes(node, graph, rows):
                raise BrokenPlanError(f"{what}: the plan has no scratch for it")

    def _scratch(self, node: Node, rows: int) -> _Span | None:
        """Of a kernel, for as many rows at once."""
        size = self.plan.schedule.kernel(node).scratch_bytes(node, self.graph, rows)
        if not size or node.name not in self.plan.scratch:
            return None
        arena, start = self.plan.scratch[node.name]
        return _Span(arena, start, start + size, 0)

    def _turn(self, worker: Worker, call: Call, where: str) -> None:
        """A call of a worker: of every node of it, part by part."""
        sizes = worker.patch.sizes(worker.tile)
        self.pitch = {name: cols for name, (_, cols) in zip(worker.passing, sizes, strict=False)}
        for parts in worker.parts(call.row, call.end):
            held = dict(zip(worker.passing, parts, strict=False))
            for name, part in held.items():
                self._keep(name, part, where)
            self.held = held
            for node, part, (most_rows, most_cols) in zip(worker.nodes, parts, sizes, strict=True):
                if part.rows > most_rows or part.kept + part.cols > most_cols:
                    raise BrokenPlanError(f"{where}, {node.name}: a part is larger than said")
                if part.cols:
                    self._compute(node, part, most_rows, f"{where}, {node.name}")
        self.held = {}

    def _keep(self, name: str, part: Part, where: str) -> None:
        """What a part takes over of the one before moves to where it lies in the new one, row by row."""
        if not part.kept:
            return
        kept = (part.row, part.end), (part.first_col, part.col)
        there = self._area(name, *kept)
        for span in there:
            self._read_span(name, span, f"{where}, kept for the next part")
        self.held[name] = part
        for span in self._area(name, *kept):
            self._write_span(name, span)

    def _compute(self, node: Node, part: Part, tile: int, where: str) -> None:
        graph, access = self.graph, self.plan.schedule.kernel(node).access
        reads: list[tuple[str, _Span]] = []
        windows = [windows_of(node, graph, access, axis) for axis in (ROWS, COLUMNS)]
        for name, by_row, by_col in zip(graph.activations(node), *windows, strict=True):
            height, width, _ = image_shape(graph.value(name).shape)
            rows, cols = _needed(by_row, part.row, part.end, height), _needed(by_col, part.col, part.end_col, width)
            if name not in self.held:
                cols = (0, width)
            reads += ((name, span) for span in self._area(name, rows, cols))
        of = graph.value(node.inputs[0] if access.reduces else node.outputs[0])
        height, width, _ = image_shape(of.shape)
        complete = part.end == height and part.end_col == width
        begins = part.row == 0 and part.col == 0
        writes: list[tuple[str, _Span]] = []
        for name in node.outputs:
            if not access.reduces:
                spans = self._area(name, (part.row, part.end), (part.col, part.end_col))
                writes += ((name, span) for span in spans)
            elif complete:
                writes += ((name, span) for span in self._rows(name, 0, image_shape(graph.value(name).shape)[0]))

        for name, span in reads:
            self._read_span(name, span, where)
        if scratch := self._scratch(node, tile):
            for name, span in (*reads, *writes):
                if span.overlaps(scratch):
                    raise BrokenPlanError(f"{where}: its scratch lies over {name}")
            if access.reduces and not begins:
                self._read_span(node.name, scratch, where)
            self.owner[scratch.arena][scratch.start : scratch.end] = _NOBODY
            if access.reduces:
                self._write_span(node.name, scratch)
        for i, (name, span) in enumerate(writes):
            if any(span.overlaps(other) for _, other in writes[:i]):
                raise BrokenPlanError(f"{where}: its outputs lie over each other at {name}")
            for operand in {operand for operand, read in reads if span.overlaps(read)}:
                self._check_in_place(node, node.outputs.index(name), operand, part, where)
        for name, span in writes:
            self._write_span(name, span)

    def _check_in_place(self, node: Node, out: int, operand: str, part: Part, where: str) -> None:
        """Whether the kernel allows the output of a call to lie over rows of an operand that the same call reads."""
        written = node.outputs[out]
        index = node.inputs.index(operand)
        states = [self._location(state.read) for state in self.graph.states]
        same_place = self._location(written) == self._location(operand)
        if UPDATES.get(node.op) == (index, out) and same_place and self._location(operand) in states:
            return
        access = self.plan.schedule.kernel(node).access
        able = access.in_place_any or access.in_place == index
        if not able or len(node.outputs) > 1 or node.used.count(operand) > 1:
            raise BrokenPlanError(
                f"{where}: {written} lies over {operand}, which is still being read; the kernel does not compute in place"
            )
        outs, ins = self._rows(written, part.row, part.end), self._rows(operand, part.row, part.end)
        if [(o.start, o.end) for o in outs] == [(i.start, i.end) for i in ins]:
            return
        if len(outs) > 1 or len(ins) > 1:
            raise BrokenPlanError(f"{where}: {written} lies over other rows of {operand}")
        if outs[0].end - outs[0].start > ins[0].end - ins[0].start:
            raise BrokenPlanError(f"{where}: {written} lies over {operand} and is larger")
        if outs[0].start > ins[0].start:
            raise BrokenPlanError(f"{where}: {written} lies over part of {operand}, which is still being read")

    def _name_views(self) -> None:
        """A view must lie where its source does, or some bytes behind; these go by either name."""
        for node in self.graph.nodes:
            if node.op in VIEWS and node.op is not Op.JOIN:
                self._same_bytes(node.output, node.used[0], self._skipped(node))
        for node in reversed(self.graph.nodes):
            if node.op is Op.JOIN:
                at = 0
                for name in node.used:
                    self._same_bytes(name, node.output, at)
                    at += self.graph.value(name).bytes

    def _skipped(self, node: Node) -> int:
        """Bytes of its source before a view: those whose elements come before its first."""
        x = self.graph.value(node.used[0])
        if not isinstance(node.attrs, StridedSliceAttrs):
            return 0
        numbers = np.arange(x.elements).reshape(x.shape)[node.attrs.slices].ravel()
        if not np.array_equal(numbers, np.arange(numbers[0], numbers[0] + len(numbers))):
            raise BrokenPlanError(f"{node.name}: its elements do not lie end to end in {x.name}")
        return int(numbers[0]) * x.dtype.numpy.itemsize

    def _same_bytes(self, part: str, whole: str, at: int) -> None:
        """A value, and all that are named after it, is bytes of another one, from byte `at` on."""
        (arena, start), (other, place) = self._location(whole), self._location(part)
        if (arena, start + at) != (other, place):
            raise BrokenPlanError(f"the view {part} does not lie where its bytes of {whole} do")
        old, moved = self.ids[part], self.first[whole] + at - self.first[part]
        for name in [name for name, i in self.ids.items() if i == old]:
            self.ids[name] = self.ids[whole]
            self.first[name] += moved

    def _area(self, name: str, rows: Span, cols: Span) -> list[_Span]:
        """Where rows and columns of a value lie."""
        value, held = self.graph.value(name), self.held.get(name)
        if held is None and cols == (0, image_shape(value.shape)[1]):
            return self._rows(name, *rows)
        pixel, line = pixel_bytes(value), row_bytes(value)
        if held is None:
            arena, start = self._location(name)
            corners = [(y, start + y % self.plan.lines(name) * line + cols[0] * pixel) for y in range(*rows)]
        else:
            if rows[0] < held.row or rows[1] > held.end or cols[0] < held.first_col or cols[1] > held.end_col:
                raise BrokenPlanError(f"{name}: rows {rows} and columns {cols} of it are not in the part {held}")
            arena, start = self.plan.parts[name]
            first = cols[0] - held.first_col
            corners = [(y, start + ((y - held.row) * self.pitch[name] + first) * pixel) for y in range(*rows)]
        size = (cols[1] - cols[0]) * pixel
        return [_Span(arena, at, at + size, y * line + cols[0] * pixel) for y, at in corners]

    def _rows(self, name: str, first: int, end: int) -> list[_Span]:
        """Where rows [first, end) of a value lie: one run of bytes, or one a row where they lie in a ring."""
        arena, start = self._location(name)
        size, lines = row_bytes(self.graph.value(name)), self.plan.lines(name)
        if end <= first:
            return []
        if lines == image_shape(self.graph.value(name).shape)[0]:
            return [_Span(arena, start + first * size, start + end * size, first * size)]
        at = [(y, start + y % lines * size) for y in range(first, end)]
        return [_Span(arena, place, place + size, y * size) for y, place in at]

    def _read(self, name: str, where: str) -> None:
        for span in self._rows(name, 0, image_shape(self.graph.value(name).shape)[0]):
            self._read_span(name, span, where)

    def _read_span(self, name: str, span: _Span, where: str) -> None:
        owned = self.owner[span.arena][span.start : span.end]
        first = self.ids[name] * _VALUE + self.first[name] + span.byte
        wrong = np.flatnonzero(owned != np.arange(first, first + span.end - span.start))
        if len(wrong):
            owner = int(owned[wrong[0]]) // _VALUE
            culprit = next((other for other, i in self.ids.items() if i == owner), "nothing or scratch")
            raise BrokenPlanError(
                f"{where}: reads {name}, of which byte {span.byte + int(wrong[0])} ({len(wrong)} in all) now belongs to "
                f"{culprit if culprit != name else 'other rows of it'}"
            )

    def _write(self, name: str) -> None:
        for span in self._rows(name, 0, image_shape(self.graph.value(name).shape)[0]):
            self._write_span(name, span)

    def _write_span(self, name: str, span: _Span) -> None:
        first = self.ids[name] * _VALUE + self.first[name] + span.byte
        self.owner[span.arena][span.start : span.end] = np.arange(first, first + span.end - span.start)

    def _location(self, name: str) -> tuple[str, int]:
        if name not in self.plan.location:
            raise BrokenPlanError(f"{name} has no place in the plan")
        return self.plan.location[name]

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
            if self._location(state.read) != self._location(state.written):
                raise BrokenPlanError(f"state {state.read} does not lie where {state.written} leaves it")

    def _check_inputs_kept(self) -> None:
        for name in self.graph.inputs:
            self._read(name, "after the run (the plan says that inputs are kept)")

    def _check_placements(self) -> None:
        """What reports and drawings are made from must be what the code is made from."""
        placed: set[str] = set()
        for placement in self.plan.placements.values():
            buffer = placement.buffer
            self._check_inside(buffer.name, placement.arena, placement.offset, buffer.bytes, buffer.alignment)
            if buffer.values and self._location(buffer.name) != (placement.arena, placement.offset):
                raise BrokenPlanError(f"placements and locations differ: {buffer.name}")
            if buffer.region not in (None, self.plan.region(buffer.name)):
                raise BrokenPlanError(f"{buffer.name} is in {placement.arena}, not in {buffer.region}")
            for name in buffer.values:
                placed.add(name)
                where, start = self._location(name)
                if where != placement.arena or start < placement.offset:
                    raise BrokenPlanError(f"placements and locations differ: {name}")
                if name in self.graph.inputs and self.plan.schedule.stream_input:
                    continue
                if start + self.plan.lines(name) * row_bytes(self.graph.value(name)) > placement.end:
                    raise BrokenPlanError(f"{buffer.name} has {buffer.bytes} bytes, too few for {name}")
        if wrong := placed ^ set(self.plan.location):
            raise BrokenPlanError(f"placements and locations differ: {', '.join(sorted(wrong))}")
        for name in self._activations():
            if name not in self.plan.parts:
                self._location(name)
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
