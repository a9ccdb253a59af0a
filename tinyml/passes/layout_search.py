"""Chooses the order of axes in which every operation is carried out, so that the fewest bytes are transposed.

Operations with a frame form regions, which end at operations without one. What a border of a region asks for is spread
over the region as far as it goes, then single operations may change their minds. Every step that is kept makes the cost
smaller, so that the search ends, and its result costs no more than its start.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyml.ir.graph import Graph, Value
from tinyml.ir.ops import Op
from tinyml.passes.layout_frames import ELEMENTWISE, Frame, Order, alias_axes, frame_of, long_axes, whole

# Bytes transposed, transposes, network inputs and outputs whose axes move.
Cost = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Use:
    """A value as an actor reads it: axis i of the root value is axis `axes[i]` for the actor."""

    actor: int
    index: int
    axes: tuple[tuple[int, int], ...]

    def to_actor(self, order: Order) -> Order:
        to = dict(self.axes)
        return tuple(to[axis] for axis in order)

    def to_root(self, order: Order) -> Order:
        back = {own: root for root, own in self.axes}
        return tuple(back[axis] for axis in order)


@dataclass(slots=True)
class Actor:
    """A node, a network input or a network output, with the roots that it touches."""

    frame: Frame | None
    reads: list[tuple[str, Use]] = field(default_factory=list)
    writes: str | None = None
    interface: bool = False


class Problem:
    """What is known of a graph before the search.

    Attributes:
        roots: value -> the value that it renames and (root axis, own axis) for every long axis.
        actors: one for every node that is no alias, in the order of `nodes`, then the network's inputs and outputs.
        actor_of: node name, or "input x", "output y" -> index of its actor.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.roots: dict[str, tuple[str, tuple[tuple[int, int], ...]]] = {}
        self.actors: list[Actor] = []
        self.actor_of: dict[str, int] = {}
        self.writer: dict[str, int] = {}
        self.readers: dict[str, list[Use]] = {}
        for name in graph.inputs:
            self._add(f"input {name}", _free(graph.values[name]), (), name, True)
        absorbing = _absorbing(graph)
        for node in graph.nodes:
            alias = alias_axes(graph, node)
            if alias is not None:
                root, axes = self._root(node.used[0])
                to_root = {own: r for r, own in axes}
                self.roots[node.output] = root, tuple((to_root[old], new) for new, old in alias.items())
                continue
            frame = frame_of(graph, node, node.output in absorbing)
            self._add(node.name, frame, node.inputs, node.output if len(node.outputs) == 1 else None, False)
        for name in graph.outputs:
            self._add(f"output {name}", _free(graph.values[name]), (name,), None, True)
        for state in graph.states:
            self._add(f"state {state.written}", None, (state.written,), None, False)

    def _root(self, name: str) -> tuple[str, tuple[tuple[int, int], ...]]:
        if name not in self.roots:
            self.roots[name] = name, tuple((axis, axis) for axis in long_axes(self.graph.values[name].shape))
        return self.roots[name]

    def _add(
        self, key: str, frame: Frame | None, inputs: tuple[str | None, ...], written: str | None, interface: bool
    ) -> None:
        actor = Actor(frame, writes=written, interface=interface)
        number = self.actor_of[key] = len(self.actors)
        self.actors.append(actor)
        if written is not None:
            self.writer[written] = number
        for index, name in enumerate(inputs):
            if name is None or (frame is not None and frame.inputs[index] is None):
                continue
            root, axes = self._root(name)
            if not self.graph.values[root].is_constant:
                use = Use(number, index, axes)
                actor.reads.append((root, use))
                self.readers.setdefault(root, []).append(use)


def _free(value: Value) -> Frame | None:
    """Network inputs and outputs may move axes where they are maps or series."""
    return whole(value) if len(value.shape) in (3, 4) else None


def _absorbing(graph: Graph) -> set[str]:
    """Values of one long axis of which every reader, perhaps behind elementwise nodes, is a FULLY_CONNECTED layer that
    can permute its weights."""
    consumers = graph.consumers()
    fixed = {*graph.outputs, *(s.read for s in graph.states), *(s.written for s in graph.states)}
    found: set[str] = set()
    for node in reversed(graph.nodes):
        if len(node.outputs) != 1 or node.output in fixed or len(long_axes(graph.values[node.output].shape)) != 1:
            continue
        elements = graph.values[node.output].elements
        for reader in consumers.get(node.output, ()):
            if reader.op is Op.FULLY_CONNECTED:
                weights = graph.values[reader.used[1]]
                if not weights.is_constant or weights.shape[1] != elements or node.output in reader.used[1:]:
                    break
            elif reader.op not in ELEMENTWISE or reader.output not in found:
                break
        else:
            found.add(node.output)
    return found


class Search:
    """Arrangements under change, and what they cost."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.chosen: list[Order | None] = [None if a.frame is None else a.frame.items for a in problem.actors]

    def run(self) -> list[Order | None]:
        for region in self._regions():
            values = self._values(region)
            if self._cost(region, values)[0] == 0:
                continue
            while self._spread_wishes(region, values) or self._mend(region):
                pass
        return self.chosen

    def _regions(self) -> list[list[int]]:
        """Actors with a frame that are joined by values."""
        problem = self.problem
        seen: set[int] = set()
        regions = []
        for start, actor in enumerate(problem.actors):
            if actor.frame is None or start in seen:
                continue
            seen.add(start)
            region = [start]
            for number in region:
                for root in self._roots(number):
                    for other, _ in self._around(root):
                        if other not in seen and problem.actors[other].frame is not None:
                            seen.add(other)
                            region.append(other)
            regions.append(region)
        return regions

    def _roots(self, number: int) -> list[str]:
        actor = self.problem.actors[number]
        roots = [root for root, _ in actor.reads]
        return roots if actor.writes is None else [*roots, actor.writes]

    def _around(self, root: str) -> list[tuple[int, Use | None]]:
        """The actors that touch a value: its writer without a use, and its readers."""
        writer = self.problem.writer.get(root)
        readers: list[tuple[int, Use | None]] = [(use.actor, use) for use in self.problem.readers.get(root, ())]
        return readers if writer is None else [(writer, None), *readers]

    def _values(self, region: list[int]) -> list[str]:
        return list(dict.fromkeys(root for number in region for root in self._roots(number)))

    def written(self, root: str) -> Order:
        """The order in which a value is made."""
        number = self.problem.writer.get(root)
        if number is not None:
            frame, arrangement = self.problem.actors[number].frame, self.chosen[number]
            if frame is not None and arrangement is not None:
                return frame.result(arrangement)
        return long_axes(self.problem.graph.values[root].shape)

    def needed(self, use: Use) -> Order:
        """The order of the root's axes in which an actor reads it."""
        frame, arrangement = self.problem.actors[use.actor].frame, self.chosen[use.actor]
        if frame is None or arrangement is None:
            return use.to_root(tuple(sorted(own for _, own in use.axes)))
        return use.to_root(frame.need(use.index, arrangement))

    def _cost(self, region: list[int], values: list[str]) -> Cost:
        size = count = 0
        for root in values:
            others = {self.needed(use) for use in self.problem.readers.get(root, ())} - {self.written(root)}
            size += len(others) * self.problem.graph.values[root].bytes
            count += len(others)
        actors = self.problem.actors
        moved = sum(1 for n in region if actors[n].interface and self.chosen[n] != self._items(n))
        return size, count, moved

    def _items(self, number: int) -> Order | None:
        frame = self.problem.actors[number].frame
        return None if frame is None else frame.items

    def _spread_wishes(self, region: list[int], values: list[str]) -> bool:
        """Spreads what the borders ask for, one after the other, and keeps what is cheaper; whether any was."""
        current = {number: self.chosen[number] for number in region}
        cost = self._cost(region, values)
        start = cost
        tried: set[tuple[int, Order]] = set()
        for number, arrangement in self._wishes(region):
            if (number, arrangement) in tried or cost[0] == 0:
                continue
            spread = self._spread(number, arrangement)
            tried.update(spread.items())
            self._choose(spread)
            changed = self._cost(region, values)
            if changed < cost:
                current.update(spread)
                cost = changed
            else:
                self._choose(current)
        return cost < start

    def _choose(self, arrangements: Mapping[int, Order | None]) -> None:
        for number, arrangement in arrangements.items():
            self.chosen[number] = arrangement

    def _wishes(self, region: list[int]) -> list[tuple[int, Order]]:
        """What the borders of a region ask of the actors beside them, and the order in the file of its ends."""
        wishes = []
        for number in region:
            actor = self.problem.actors[number]
            assert actor.frame is not None
            if actor.interface:
                wishes.append((number, actor.frame.items))
            for root, use in actor.reads:
                writer = self.problem.writer.get(root)
                if writer is None or self.problem.actors[writer].frame is None:
                    wanted = actor.frame.from_need(use.index, use.to_actor(self.written(root)))
                    if wanted is not None:
                        wishes.append((number, wanted))
            if actor.writes is None:
                continue
            for use in self.problem.readers.get(actor.writes, ()):
                if self.problem.actors[use.actor].frame is None:
                    wanted = actor.frame.from_result(self.needed(use))
                    if wanted is not None:
                        wishes.append((number, wanted))
        return wishes

    def _spread(self, start: int, arrangement: Order) -> dict[int, Order]:
        """Every actor that can go along with an arrangement of one: nearest first, and those last of which a value that
        they share does not tell all (the small operand of a broadcast, the result of a MEAN)."""
        found: dict[int, Order] = {}
        sure = deque([(start, arrangement)])
        unsure: deque[tuple[int, Order]] = deque()
        while sure or unsure:
            number, arrangement = sure.popleft() if sure else unsure.popleft()
            if number in found:
                continue
            found[number] = arrangement
            for root, order in self._orders(number, arrangement):
                for other, use in self._around(root):
                    frame = self.problem.actors[other].frame
                    if frame is None or other in found:
                        continue
                    if use is None:
                        wanted, axes = frame.from_result(order), frame.output
                    else:
                        wanted, axes = frame.from_need(use.index, use.to_actor(order)), frame.axes(use.index)
                    if wanted is not None:
                        (sure if len(axes) == len(frame.items) else unsure).append((other, wanted))
        return found

    def _orders(self, number: int, arrangement: Order) -> list[tuple[str, Order]]:
        """The values that an actor touches, and their orders with an arrangement."""
        actor = self.problem.actors[number]
        assert actor.frame is not None
        orders = [(root, use.to_root(actor.frame.need(use.index, arrangement))) for root, use in actor.reads]
        if actor.writes is not None:
            orders.append((actor.writes, actor.frame.result(arrangement)))
        return orders

    def _mend(self, region: list[int]) -> bool:
        """Lets single actors change their minds where that is cheaper; whether any did."""
        changed = False
        for number in region:
            actor = self.problem.actors[number]
            assert actor.frame is not None
            values = self._values([number])
            best, best_cost = self.chosen[number], self._cost([number], values)
            wanted = [
                actor.frame.from_need(use.index, use.to_actor(self.written(root)))
                for root, use in actor.reads
                if root != actor.writes
            ]
            if actor.writes is not None:
                uses = self.problem.readers.get(actor.writes, ())
                wanted += [actor.frame.from_result(self.needed(use)) for use in uses]
            for arrangement in wanted:
                if arrangement is None:
                    continue
                self.chosen[number] = arrangement
                cost = self._cost([number], values)
                if cost < best_cost:
                    best, best_cost, changed = arrangement, cost, True
            self.chosen[number] = best
        return changed
