"""Second passes: which nodes are computed again, and that the network stays the same."""

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_networks import Layers, excited_network, layered, random_stages

from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.macs import macs
from tinyml.ir.verify import verify
from tinyml.memory import check, plan_memory
from tinyml.schedule.choose import Chooser
from tinyml.schedule.model import Schedule
from tinyml.schedule.second_pass import (
    highest_passes,
    second_passes,
    with_second_passes,
    without_second_passes,
)
from tinyml.verification import random_inputs


def block(stride: int = 1, channels: int = 2, hidden: int = 16, blocks: int = 1) -> Schedule:
    """12 x 12 x 2 through expansion, depthwise 3x3, squeeze-and-excite and projection, with a residual where it can be."""
    net = Layers("block")
    x = net.conv(net.image(12, 12, 2), 2, (3, 3))
    for _ in range(blocks):
        x = net.excited(x, hidden, channels, stride=stride)
    return layered(net.build([net.conv(x, 2, (3, 3))]))


def ops(schedule: Schedule, names: tuple[str, ...]) -> list[str]:
    return [
        node.op.value + str(schedule.graph.value(node.output).shape)
        for node in schedule.graph.nodes
        if node.name in names
    ]


def test_a_block_is_computed_again_from_its_narrow_input() -> None:
    base = block()
    (one,) = second_passes(base)
    assert ops(base, one.nodes) == ["conv2d(1, 12, 12, 16)", "conv2d(1, 12, 12, 16)"]
    assert one.macs == 12 * 12 * 16 * (2 + 9)
    assert ops(base, one.readers) == ["mul(1, 12, 12, 16)"]


def test_what_keeps_no_less_is_not_computed_again() -> None:
    assert second_passes(block(hidden=4, stride=2)) == ()  # 6 x 6 x 4 is less than 12 x 12 x 2
    assert second_passes(block(hidden=2)) != ()  # the residual keeps the input of the block in any case


def test_rows_that_are_fed_are_gone() -> None:
    net = Layers("first")
    base = layered(net.build([net.excited(net.image(12, 12, 2), 16, 2)]))
    assert second_passes(base)
    assert second_passes(replace(base, stream_input=True)) == ()
    streamed = replace(block(), stream_input=True)
    assert [one.value for one in second_passes(streamed)] == [one.value for one in second_passes(block())]


def test_a_value_that_others_read_later_is_kept() -> None:
    net = Layers("kept")
    wide = net.conv(net.image(12, 12, 2), 16, (1, 1))
    product = net.gated(wide, 2)
    assert second_passes(layered(net.build([product]))) != ()
    assert second_passes(layered(net.build([product, wide]))) == ()
    assert second_passes(layered(net.build([product, net.conv(wide, 2, (1, 1))]))) == ()


def test_copies_have_names_that_tell_and_go_away() -> None:
    base = block(blocks=2)
    passes = second_passes(base)
    again = with_second_passes(base, passes)
    assert [again.copies[name] for name in again.copies] == [n for one in reversed(passes) for n in one.nodes]
    assert all(name == f"{node}_again" for name, node in again.copies.items())
    assert sum(macs(n, again.graph) for n in again.graph.nodes if n.name in again.copies) == sum(p.macs for p in passes)
    once = without_second_passes(again)
    assert (once.graph.nodes, once.graph.values) == (base.graph.nodes, base.graph.values)
    assert (once.selections, once.copies) == (base.selections, {})


def test_work_bounds_the_passes_and_the_highest_come_first() -> None:
    base = block(blocks=3)
    passes = second_passes(base)
    heights = {one.value: height for one, height in zip(passes, (10, 30, 20), strict=True)}
    assert highest_passes(passes, heights, 0, 1e9) == passes
    assert highest_passes(passes, heights, 15, 1e9) == passes[1:]
    assert highest_passes(passes, heights, 0, passes[1].macs) == (passes[1],)
    assert highest_passes(passes, heights, 0, passes[1].macs - 1) == ()


def test_memory_falls_by_what_need_not_stand() -> None:
    """12 x 12 x 16 stands whole for the mean; computed twice, 12 x 12 x 2 do, and rings of three and one lines."""
    base = block()
    most = 0.5

    def smallest(schedule: Schedule) -> int:
        chooser = Chooser(schedule, lambda s: plan_memory(s, effort=0.05).peak_bytes, recompute=most)
        return chooser.least(float("inf")).bytes

    once, twice = smallest(base), smallest(with_second_passes(base, second_passes(base)))
    assert once >= 12 * 12 * (16 + 2)
    assert twice < 12 * 12 * (2 + 2) + (3 + 2) * 12 * 16 + 512


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=40, deadline=None)
def test_random_networks_stay_the_same(seed: int, stream_input: bool) -> None:
    rng = Random(seed)
    graph = excited_network(rng)
    base = replace(layered(graph), stream_input=stream_input)
    passes = second_passes(base)
    again = with_second_passes(base, [one for one in passes if rng.random() < 0.8])
    verify(again.graph)
    staged = random_stages(rng, again, stream_input)
    if staged is not None:
        check(plan_memory(staged, effort=0.02))
    assert same_outputs(graph, again.graph)


def same_outputs(one: Graph, other: Graph) -> bool:
    inputs = random_inputs(one, 5)
    return all(np.array_equal(run(one, inputs).outputs[n], run(other, inputs).outputs[n]) for n in one.outputs)
