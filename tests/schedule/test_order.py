"""The order of nodes: against all orders of small networks, and what it must leave as it is."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from stream_networks import Layers

from tinyml.ir.graph import Graph, Node
from tinyml.memory import check, plan_memory
from tinyml.memory.lifetimes import demand
from tinyml.memory.packing import make_problem
from tinyml.schedule import order
from tinyml.schedule.model import Schedule
from tinyml.schedule.order import reordered
from tinyml.schedule.select import schedule
from tinyml.targets import CORES


def layered(graph: Graph) -> Schedule:
    return schedule(graph, CORES["cortex-m4"].isa)


def branched(seed: int, nodes: int) -> Graph:
    """Convolutions of one value, sums and concatenations of two: all of them over what was computed before."""
    random = Random(seed)
    net = Layers(f"branched_{seed}", seed)
    known = [net.image(4, 4, random.choice((1, 4, 8)))]
    for _ in range(nodes):
        a, b = random.choice(known[-4:]), random.choice(known)
        kind = random.randrange(4)
        if kind == 0 and a != b:
            known.append(net.concat([a, b]))
        elif kind == 1 and a != b and net.shape(a) == net.shape(b):
            known.append(net.add(a, b))
        else:
            known.append(net.conv(a, random.choice((1, 2, 4, 8, 16)), (1, 1)))
    graph = net.build([known[-1]])
    used = {name for node in graph.nodes for name in node.used} | set(graph.outputs)
    return graph.with_(outputs=tuple(n for n in known[1:] if n not in used) + graph.outputs)


def all_orders(base: Schedule) -> Iterator[Schedule]:
    known = frozenset(v.name for v in base.graph.constants()) | set(base.graph.inputs)
    stage = {node.name: s for s, node in zip(base.stages, base.graph.nodes, strict=True)}
    for nodes in _orders(base.graph.nodes, known):
        yield replace(base, graph=base.graph.with_(nodes=nodes), stages=tuple(stage[node.name] for node in nodes))


def _orders(nodes: tuple[Node, ...], known: frozenset[str]) -> Iterator[tuple[Node, ...]]:
    if not nodes:
        yield ()
    for node in nodes:
        if set(node.used) <= known:
            rest = tuple(other for other in nodes if other is not node)
            for order in _orders(rest, known | set(node.outputs)):
                yield (node, *order)


def height(layers: Schedule) -> int:
    """The most bytes that live at one step, as the planner counts them."""
    wanted = demand(layers, False)
    return make_problem(wanted.buffers, wanted.distances).lower_bound


@pytest.mark.parametrize("seed", range(16))
def test_no_order_of_a_small_network_needs_less(seed: int) -> None:
    base = layered(branched(seed, 6))
    assert height(reordered(base)) == min(map(height, all_orders(base)))


@pytest.mark.parametrize("seed", range(8))
def test_the_beam_never_makes_it_worse(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "_EXACT", 0)
    base = layered(branched(seed, 40))
    found = reordered(base)
    assert found is base or height(found) < height(base)
    check(plan_memory(found, effort=0.05))


def wide_and_narrow() -> Graph:
    """Two branches that begin wide and end narrow: each had better be computed to its end before the other begins."""
    net = Layers("branches")
    x = net.conv(net.image(8, 8, 4), 4, (1, 1))
    a, b = net.conv(x, 32, (1, 1)), net.conv(x, 32, (1, 1))
    return net.build([net.add(net.conv(a, 4, (1, 1)), net.conv(b, 4, (1, 1)))])


def test_a_branch_is_computed_to_its_end() -> None:
    base = layered(wide_and_narrow())
    found = reordered(base)
    # Both wide results of 2,048 bytes, with the operand of 256 bytes: 4,352. One of them, with x and a narrow one: 2,560.
    assert plan_memory(base).peak_bytes >= 4352
    assert 2560 <= plan_memory(found).peak_bytes < 2560 + 512
    assert {node.name for node in found.graph.nodes} == {node.name for node in base.graph.nodes}


def test_a_chain_stays_as_it_is() -> None:
    net = Layers("chain")
    base = layered(net.build([net.conv(net.conv(net.image(8, 8, 4), 8, (3, 3)), 2, (1, 1))]))
    assert reordered(base) is base


def test_what_reads_a_streamed_input_stays_in_front() -> None:
    net = Layers("two_readers")
    image = net.image(8, 8, 4)
    a, b = net.conv(image, 32, (1, 1)), net.conv(image, 32, (1, 1))
    graph = net.build([net.add(net.conv(a, 4, (1, 1)), net.conv(b, 4, (1, 1)))])
    base = layered(graph)
    assert reordered(base) is not base
    assert reordered(replace(base, stream_input=True)).graph.nodes[:2] == graph.nodes[:2]
