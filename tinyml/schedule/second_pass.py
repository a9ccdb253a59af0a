"""A second pass: what is averaged and read again is computed twice, in place of being kept.

Squeeze-and-excite multiplies a map by gates that are computed from its mean. So the map stands whole from the mean to the
product, and it is the widest of its block. A second pass keeps what the map is computed from, which is narrow: it computes
the map once for the mean, in a stream that ends there, and once more for the product, in the stream that goes on from
there. In the graph this is a copy of the nodes in between. Streams, plans and code know nothing of it.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from types import MappingProxyType

from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Op
from tinyml.kernels.rows import image_shape
from tinyml.schedule.choose import Choice, Chooser, better
from tinyml.schedule.model import VIEWS, Objective, Schedule
from tinyml.schedule.storage import storage_lifetimes, storage_roots


@dataclass(frozen=True, slots=True)
class SecondPass:
    """Nodes that may be computed a second time.

    Attributes:
        value: that is averaged first and read again afterwards.
        readers: names of the nodes that read it again, in order; results: what these compute.
        nodes: names of those that compute it, in order.
        macs: multiply-accumulates of these.
    """

    value: str
    readers: tuple[str, ...]
    results: tuple[str, ...]
    nodes: tuple[str, ...]
    macs: int


def second_passes(base: Schedule) -> tuple[SecondPass, ...]:
    """Of each value that is averaged and read again the shortest second pass that keeps less, where there is one.

    With streamed input none goes back to the input, which is gone by then.

    Args:
        base: kernels for every node.
    """
    graph = base.graph
    root = storage_roots(graph)
    life = storage_lifetimes(graph, [(node,) for node in graph.nodes], root, keep_input=False)
    found: list[SecondPass] = []
    for position, node in enumerate(graph.nodes):
        if node.op in VIEWS or not base.kernel(node).access.reduces:
            continue
        (value,) = graph.activations(node)
        readers = _later_readers(graph, position, value)
        others = [reader for reader in graph.consumers()[value] if reader not in readers]
        end = graph.nodes.index(readers[0]) if readers else position
        if end == position or value in graph.outputs or graph.nodes.index(others[-1]) > end:
            continue
        kept_anyway = {r for r in life if life[r].first <= position and life[r].last >= end} - {root[value]}
        for nodes, operands in _makers(base, value):
            kept = {root[name] for name in operands} - kept_anyway
            gone = base.stream_input and not operands.isdisjoint(graph.inputs)
            if not gone and sum(graph.value(r).bytes for r in kept) < graph.value(root[value]).bytes:
                found.append(
                    SecondPass(
                        value,
                        tuple(reader.name for reader in readers),
                        tuple(name for reader in readers for name in reader.outputs),
                        tuple(maker.name for maker in nodes),
                        sum(macs(maker, graph) for maker in nodes),
                    )
                )
                break
    return tuple(found)


def _later_readers(graph: Graph, position: int, value: str) -> list[Node]:
    """Nodes that read a value, and what the node at a position computes from it."""
    after = set(graph.nodes[position].outputs)
    readers: list[Node] = []
    for node in graph.nodes[position + 1 :]:
        if not after.isdisjoint(node.used):
            after.update(node.outputs)
            if value in node.used:
                readers.append(node)
    return readers


def _makers(base: Schedule, value: str) -> Iterator[tuple[list[Node], set[str]]]:
    """The last nodes that compute a value, one more each time, with the activations that they read. Values of a single
    row, such as the gates of another block, are not computed again."""
    graph = base.graph
    maker = {name: i for i, node in enumerate(graph.nodes) for name in node.outputs}
    nodes: list[Node] = []
    operands, open_ends = {value}, {value}
    while (position := max((maker.get(name, -1) for name in open_ends), default=-1)) >= 0:
        node = graph.nodes[position]
        if len(node.outputs) > 1 or node.op is Op.JOIN or (node.op not in VIEWS and base.kernel(node).access.whole):
            return
        nodes.insert(0, node)
        operands = operands - {node.output} | set(graph.activations(node))
        open_ends = {name for name in operands if image_shape(graph.value(name).shape)[0] > 1}
        yield list(nodes), operands


def highest_passes(
    passes: Sequence[SecondPass], heights: Mapping[str, int], level: int, work: float
) -> tuple[SecondPass, ...]:
    """Those whose values are there where more than so many bytes live, the highest first, as far as the work allows.

    Args:
        heights: value -> the most bytes that live while it is there.
        work: multiply-accumulates.
    """
    chosen: set[str] = set()
    for one in sorted(passes, key=lambda one: -heights[one.value]):
        if heights[one.value] > level and one.macs <= work:
            chosen.add(one.value)
            work -= one.macs
    return tuple(one for one in passes if one.value in chosen)


def computed_twice(
    choice: Choice,
    base: Schedule,
    live: Callable[[AbstractSet[str]], int],
    chooser_of: Callable[[Schedule], Chooser],
    recompute: float,
    objective: Objective,
    capacity: int,
    standard: float,
) -> Choice:
    """The better of a choice and of what second passes allow, where one is at its peak: as many as may be, the highest first,
    or those alone without which as little memory would not do.

    Args:
        base: the network without second passes.
        live: the most bytes that live in the choice while some of the values are there.
        chooser_of: among the schedules of a network.
        recompute: share of the network's multiply-accumulates that may be computed again.
        standard: cycles that those of `Objective.SRAM` are compared with.
    """
    graph = base.graph
    passes = second_passes(base)
    heights = {one.value: live({one.value, *one.results}) for one in passes}
    if max(heights.values(), default=0) < live(graph.values.keys()):
        return choice
    best, used, level = choice, passes[:0], 0
    for _ in range(2):
        needed = highest_passes(passes, heights, level, recompute * sum(macs(node, graph) for node in graph.nodes))
        if needed in (used, ()):
            break
        found = chooser_of(with_second_passes(base, needed)).choose(objective, capacity, standard)
        best, used, level = better(best, found, objective, capacity), needed, found.bytes
    return best


def with_second_passes(base: Schedule, passes: Sequence[SecondPass]) -> Schedule:
    """The graph in which nodes are computed again, layer by layer. A copy has the constants and the kernel of its node.

    Args:
        passes: in the order of the graph. Later ones may copy what earlier ones read again, so they come first.
    """
    for one in reversed(passes):
        base = _with_copies(base, one)
    return base


def without_second_passes(schedule: Schedule) -> Schedule:
    """The graph in which every node is computed once, layer by layer."""
    graph, copies = schedule.graph, schedule.copies
    output = {node.name: node.output for node in graph.nodes if len(node.outputs) == 1}
    first = {output[copy]: output[node] for copy, node in copies.items()}
    nodes = tuple(replace(node, inputs=_renamed(node.inputs, first)) for node in graph.nodes if node.name not in copies)
    selections = {name: selection for name, selection in schedule.selections.items() if name not in copies}
    once = replace(
        schedule,
        graph=graph.with_(nodes=nodes),
        selections=MappingProxyType(selections),
        copies=MappingProxyType({}),
    )
    return once.by_layers()


def _with_copies(base: Schedule, one: SecondPass) -> Schedule:
    graph = base.graph
    values, selections, copies = dict(graph.values), dict(base.selections), dict(base.copies)
    again: dict[str, str] = {}  # value -> its copy
    nodes: list[Node] = []
    copied: list[Node] = []
    for node in graph.nodes:
        if node.name in one.nodes:
            name, out = _unused(node.name, copies), _unused(node.output, values)
            copied.append(replace(node, name=name, inputs=_renamed(node.inputs, again), outputs=(out,)))
            again[node.output] = out
            values[out] = replace(values[node.output], name=out)
            copies[name] = node.name
            if node.name in selections:  # views have no kernel
                selections[name] = selections[node.name]
        if node.name in one.readers:
            nodes += copied
            copied = []
            node = replace(node, inputs=_renamed(node.inputs, {one.value: again[one.value]}))
        nodes.append(node)
    twice = replace(
        base,
        graph=graph.with_(nodes=tuple(nodes), values=values),
        selections=MappingProxyType(selections),
        copies=MappingProxyType(copies),
    )
    return twice.by_layers()


def _renamed(names: Sequence[str | None], to: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(name if name is None else to.get(name, name) for name in names)


def _unused(name: str, taken: Container[str]) -> str:
    name = f"{name}_again"
    return _unused(name, taken) if name in taken else name
