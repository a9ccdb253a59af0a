"""The order of operations of a branched network, searched for the least memory of a run layer by layer.

What lives between two steps depends on which nodes were computed, not on their order. So the search goes over sets of
computed nodes, from none to all, and looks for the way whose highest step is lowest: best first, which is exact, or with
a beam where there are too many sets.

A node that leaves no more alive than it found, in a step no higher than one that is needed anyway, is computed at once:
whatever comes later then meets as many live bytes or fewer.

Nodes that every other comes before or after divide the network. Each part is searched by itself, so that one that is far
below the highest step is ordered well, too: streams may take the others out of its way.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tinyml.ir.graph import Node
from tinyml.kernels.rows import image_shape
from tinyml.schedule.model import VIEWS, Schedule
from tinyml.schedule.overlap import distance
from tinyml.schedule.storage import storage_lifetimes, storage_roots

_EXACT = 20_000
"""Sets that the exact search looks at before it gives way to the beam."""

_BEAM = 100
"""Sets of each size that the beam keeps."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What computing a node does to memory; sets of nodes are bits of an integer, by the import's order.

    Attributes:
        before: nodes that come before it: those that compute what it reads, and those that read a state it overwrites.
        transient: bytes that live during its step besides what lives before it: results and scratch.
        born: of its results, bytes that live on.
        dying: buffers that it reads and that may die: (their bytes, those who read them, bytes that the result can take
            from them where it is the last).
    """

    before: int
    transient: int
    born: int
    dying: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """Nodes computed so far, with the highest step and the bytes that live now."""

    done: int
    peak: int
    live: int
    last: int = -1
    back: "_Way | None" = None

    def order(self) -> list[int]:
        """The nodes, first to last."""
        found = []
        way: _Way | None = self
        while way is not None and way.back is not None:
            found.append(way.last)
            way = way.back
        return found[::-1]


def reordered(base: Schedule, *, keep_input: bool = False) -> Schedule:
    """The schedule with its nodes in the order that needs the least memory layer by layer; the same one where no other
    order needs less than the graph's.

    Streams may prefer another order: compare what is made of both. With streamed input the nodes up to the last that
    reads the input stay where they are.

    Args:
        base: kernels for every node, layer by layer.
    """
    search = _Search(base, keep_input)
    order = search.run()
    if order is None:
        return base
    nodes = [stage.nodes[0] for stage in base.stages]
    graph = base.graph.with_(nodes=_with_views(base, [nodes[i] for i in order]))
    stages = tuple(base.stages[i] for i in order)
    return replace(base, graph=graph, stages=stages)


def _with_views(base: Schedule, computed: Sequence[Node]) -> tuple[Node, ...]:
    """Each view right after what it shows."""
    views = [node for node in base.graph.nodes if node.op in VIEWS]
    nodes: list[Node] = []
    there: set[str] = set()

    def show(names: Sequence[str]) -> None:
        there.update(names)
        for view in views:
            if not set(names).isdisjoint(view.used) and there.issuperset(view.used):
                nodes.append(view)
                show(view.outputs)

    show((*base.graph.inputs, *(state.read for state in base.graph.states)))
    for node in computed:
        nodes.append(node)
        show(node.outputs)
    known = {node.name for node in nodes}
    return (*(view for view in views if view.name not in known), *nodes)  # views of constants come first


class _Search:
    def __init__(self, base: Schedule, keep_input: bool) -> None:
        graph = base.graph
        self._root = root = storage_roots(graph)
        stages = [stage.nodes for stage in base.stages]
        self._life = storage_lifetimes(graph, stages, root, keep_input)
        self._size = {r: max(graph.value(v).bytes for v in root if root[v] == r) for r in self._life}
        self._readers = dict.fromkeys(self._life, 0)
        self._maker = {name: 1 << i for i, (node,) in enumerate(stages) for name in node.outputs}
        for i, (node,) in enumerate(stages):
            for name in graph.activations(node):
                self._readers[root[name]] |= 1 << i
        self._steps = [self._step(base, i) for i in range(len(stages))]
        self._fixed = 0
        if base.stream_input:
            self._fixed = max(self._readers[root[name]].bit_length() for name in graph.inputs)

    def run(self) -> list[int] | None:
        """The best order; None where none is better than the given one."""
        given = found = _Way(0, 0, sum(self._size[r] for r, life in self._life.items() if life.first < 0))
        improved = False
        for first, end in pairwise((0, *self._gates(), len(self._steps))):
            given = found = replace(found, peak=0)
            for index in range(first, end):
                given = self._after(given, index)
                if index < self._fixed:
                    found = given
            goal = (1 << end) - 1
            better = self._part(found, goal, given.peak)
            improved |= better is not None
            found = better or given
        return found.order() if improved else None

    def _gates(self) -> list[int]:
        """The nodes that all nodes before them must come before, and all after them after."""
        before = [0] * len(self._steps)
        for index, step in enumerate(self._steps):
            before[index] = step.before
            for other in range(index):
                if step.before >> other & 1:
                    before[index] |= before[other]
        everywhere = ~0
        gates = []
        for index in reversed(range(len(before))):
            if before[index] == (1 << index) - 1 and everywhere >> index & 1:
                gates.append(index)
            everywhere &= before[index]
        return gates[::-1]

    def _part(self, start: _Way, goal: int, given: int) -> _Way | None:
        """The best way from one gate to the next; None where it is no better than the given one."""
        todo = goal & ~start.done
        floor = max((self._least(i) for i in range(len(self._steps)) if todo >> i & 1), default=0)
        start = replace(start, peak=max(start.peak, floor))
        if given <= start.peak:
            return None
        return self._exact(start, goal, given) or self._beam(start, goal, given)

    def _step(self, base: Schedule, index: int) -> _Step:
        graph, stage = base.graph, base.stages[index]
        (node,) = stage.nodes
        end, bit = len(base.stages), 1 << index
        access = base.kernel(node).access
        rows = image_shape(graph.value(node.outputs[0]).shape)[0]
        made = {self._root[name] for name in node.outputs if self._life[self._root[name]].first == index}
        before, dying = self._before_values(base, node), []
        for root in {self._root[name]: None for name in graph.activations(node)}:
            if self._life[root].last < end:
                names = {name for name in graph.activations(node) if self._root[name] == root}
                saved = 0
                if len(node.outputs) == 1 and made:
                    out = self._size[self._root[node.output]]
                    apart = distance(graph, stage.stream, stage.trace, 0, access, names)
                    saved = out + self._size[root] - max(out, apart + self._size[root])
                dying.append((self._size[root], self._readers[root], saved))
        before |= self._before_states(base, node)
        scratch = base.kernel(node).scratch_bytes(node, graph, rows)
        lasting = [r for r in made if self._readers[r] or self._life[r].last == end]
        return _Step(
            before & ~bit,
            sum(self._size[r] for r in made) + scratch,
            sum(self._size[r] for r in lasting),
            tuple(dying),
        )

    def _before_values(self, base: Schedule, node: Node) -> int:
        """Nodes that compute what a node reads, be it through views."""
        views = {name: view for view in base.graph.nodes if view.op in VIEWS for name in view.outputs}
        before, names = 0, list(base.graph.activations(node))
        while names:
            name = names.pop()
            before |= self._maker.get(name, 0)
            names += views[name].used if name in views else ()
        return before

    def _before_states(self, base: Schedule, node: Node) -> int:
        """Nodes on the other side of a state: those that read the old value come before the one that computes the new
        one, and those that read the new one after it."""
        before = 0
        for state in base.graph.states:
            old = {state.read}
            for view in base.graph.nodes:
                if view.op in VIEWS and view.used[0] in old:
                    old.update(view.outputs)
            new = {name for name, root in self._root.items() if root == state.read} - old
            for i, stage in enumerate(base.stages):
                (other,) = stage.nodes
                if (new & set(node.outputs) and old & set(other.used)) or (
                    new & set(node.used) and new & set(other.outputs)
                ):
                    before |= 1 << i
        return before

    def _height(self, way: _Way, index: int) -> int:
        """Bytes that live during the step of a node."""
        step = self._steps[index]
        saved = [saved for _, readers, saved in step.dying if not readers & ~way.done & ~(1 << index)]
        return way.live + step.transient - max(saved, default=0)

    def _after(self, way: _Way, index: int) -> _Way:
        step, done = self._steps[index], way.done | 1 << index
        freed = sum(size for size, readers, _ in step.dying if not readers & ~done)
        peak = max(way.peak, self._height(way, index))
        return _Way(done, peak, way.live + step.born - freed, index, way)

    def _least(self, index: int) -> int:
        """What the step of a node needs in any order."""
        step = self._steps[index]
        read = sum(size for size, _, _ in step.dying)
        return read + step.transient - max((saved for _, _, saved in step.dying), default=0)

    def _next(self, way: _Way, goal: int) -> list[_Way]:
        """The ways that go one node further: one where a node costs nothing."""
        found = []
        for index in self._ready(way.done, goal):
            after = self._after(way, index)
            if after.peak == way.peak and after.live <= way.live:
                return [after]
            found.append(after)
        return found

    def _ready(self, done: int, goal: int) -> Iterator[int]:
        rest = goal & ~done
        while rest:
            low = rest & -rest
            index = low.bit_length() - 1
            if not self._steps[index].before & ~done:
                yield index
            rest ^= low

    def _exact(self, start: _Way, goal: int, limit: int) -> _Way | None:
        """The best way below `limit`; None where there is none, or too many sets were looked at."""
        heap = [(start.peak, 0, 0, start)]
        best = {start.done: start.peak}
        number = 0
        while heap and number < _EXACT:
            _, _, _, way = heapq.heappop(heap)
            if way.done == goal:
                return way
            for after in self._next(way, goal):
                if after.peak < min(limit, best.get(after.done, limit)):
                    best[after.done] = after.peak
                    number += 1
                    heapq.heappush(heap, (after.peak, -after.done.bit_count(), number, after))
        return None

    def _beam(self, start: _Way, goal: int, limit: int) -> _Way | None:
        """A good way below `limit`, if one is found."""
        ways = [start]
        while ways and ways[0].done != goal:
            best: dict[int, _Way] = {}
            for after in (after for way in ways for after in self._next(way, goal)):
                if after.peak < limit and (after.done not in best or after.peak < best[after.done].peak):
                    best[after.done] = after
            ways = sorted(best.values(), key=lambda way: (way.peak, way.live))[:_BEAM]
        return ways[0] if ways else None
