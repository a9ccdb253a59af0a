"""Concatenations and slices that move nothing."""

from collections.abc import Sequence

import pytest
from stream_networks import Layers, Q, layered

from tinyml.ir.graph import Graph
from tinyml.ir.ops import ConcatAttrs, Op, ReshapeAttrs
from tinyml.memory import check, plan_memory
from tinyml.memory.checker import BrokenPlanError
from tinyml.memory.plan import MemoryPlan
from tinyml.schedule.parts import with_parts


def ops(graph: Graph) -> list[Op]:
    return [node.op for node in with_parts(graph).nodes]


def planned(net: Layers, outputs: Sequence[str]) -> MemoryPlan:
    plan = plan_memory(layered(net.build(outputs)))
    check(plan)
    return plan


def test_operands_lie_in_the_result() -> None:
    net = Layers("joined")
    x = net.image(4, 3, 4)
    parts = [net.conv(x, 4, (n, 1)) for n in (1, 3)]
    y = net.stacked(parts)
    plan = planned(net, [y])
    arena, start = plan.location[y]
    assert [plan.location[part] for part in parts] == [(arena, start), (arena, start + 4 * 3 * 4)]
    assert plan.peak_bytes == 3 * 48  # input and result: as parts of their own, both would have been there twice
    assert plan.placements[y].buffer.bytes == 2 * 48 and parts[0] not in plan.placements


def test_slices_lie_in_their_operand() -> None:
    net = Layers("split")
    x = net.conv(net.image(6, 2, 4), 4, (1, 1))
    top, bottom = net.rows(x, 0, 2), net.rows(x, 2, 6)
    plan = planned(net, [net.conv(top, 4, (1, 1)), net.conv(bottom, 4, (1, 1))])
    arena, start = plan.location[x]
    assert (plan.location[top], plan.location[bottom]) == ((arena, start), (arena, start + 2 * 2 * 4))
    assert top not in plan.placements and bottom not in plan.placements


def test_views_and_results_inside_of_results() -> None:
    net = Layers("nested")
    x = net.image(2, 2, 4)
    flat = [net.node(Op.RESHAPE, [net.conv(x, 4, (1, 1))], ReshapeAttrs((1, 16)), quant=Q) for _ in range(3)]
    inner = net.node(Op.CONCAT, flat[:2], ConcatAttrs(1), quant=Q)
    outer = net.node(Op.CONCAT, [flat[2], inner], ConcatAttrs(1), quant=Q)
    plan = planned(net, [outer])
    start = plan.location[outer][1]
    assert [plan.location[name][1] - start for name in (flat[2], inner, *flat[:2])] == [0, 16, 16, 32]


def other_channels(net: Layers, x: str) -> str:
    return net.concat([net.conv(x, 4, (1, 1)), net.conv(x, 4, (1, 1))])


def uneven(net: Layers, x: str) -> str:
    return net.stacked([net.conv(x, 3, (1, 1)) for _ in range(2)])  # 1 x 3 x 3 x 3 = 27 bytes: no words


def with_itself(net: Layers, x: str) -> str:
    y = net.conv(x, 4, (1, 1))
    return net.stacked([y, y])


def with_the_input(net: Layers, x: str) -> str:
    return net.stacked([net.conv(x, 4, (1, 1)), x])


def of_a_slice(net: Layers, x: str) -> str:
    y = net.conv(x, 4, (1, 1))
    return net.stacked([net.rows(y, 0, 2), net.conv(x, 4, (1, 1))])


@pytest.mark.parametrize("layer", [other_channels, uneven, with_itself, with_the_input, of_a_slice])
def test_what_is_copied(layer: object) -> None:
    net = Layers("copied")
    graph = net.build([layer(net, net.image(3, 3, 4))])  # type: ignore[operator]
    assert Op.CONCAT in ops(graph) and Op.JOIN not in ops(graph)


def test_a_small_slice_is_copied() -> None:
    """As a part it would keep all of its operand alive."""
    net = Layers("last")
    x = net.conv(net.image(8, 1, 4), 4, (1, 1))
    assert Op.STRIDED_SLICE in ops(net.build([net.conv(net.rows(x, 7, 8), 4, (1, 1))]))
    assert Op.PART in ops(net.build([net.conv(net.rows(x, 4, 8), 4, (1, 1))]))


def test_damage_is_found() -> None:
    net = Layers("damaged")
    x = net.conv(net.image(4, 3, 4), 4, (1, 1))
    top = net.rows(x, 0, 2)
    y = net.stacked([net.conv(top, 4, (1, 1)), net.conv(net.rows(x, 2, 4), 4, (1, 1))])
    plan = planned(net, [y])
    for name in (
        top,
        next(n for n in plan.location if n.startswith("conv2d") and plan.location[n] == plan.location[y]),
    ):
        moved = {**plan.location, name: (plan.location[name][0], plan.location[name][1] + 4)}
        with pytest.raises(BrokenPlanError):
            check(_with_location(plan, moved))


def _with_location(plan: MemoryPlan, location: dict[str, tuple[str, int]]) -> MemoryPlan:
    from dataclasses import replace

    return replace(plan, location=location)
