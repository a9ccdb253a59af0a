"""Estimates against what the planner is asked for, and how much work a search is."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_networks import Layers, layered, random_network

from tinyml.ir.graph import Graph
from tinyml.ir.ops import LookupAttrs, Op
from tinyml.memory.lifetimes import demand
from tinyml.schedule import model
from tinyml.schedule import search as module
from tinyml.schedule.estimate import TILES, Cut, Estimates, cycles_in_all
from tinyml.schedule.model import Schedule
from tinyml.schedule.search import search
from tinyml.schedule.stream import Stream, Tiling, Trace, run_stream


def with_stage(base: Schedule, estimates: Estimates, cut: Cut) -> Schedule:
    """All layer by layer, save for one stage."""
    layers = [base.stage((node,)) for node in estimates.nodes]
    stage = estimates.stages.of(cut.start, cut.tilings, cut.hosts)
    return replace(base, stages=(*layers[: cut.start], stage, *layers[cut.end :]))


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=25, deadline=None)
def test_estimates_are_what_the_planner_is_asked_for(rng: Random, keep_input: bool) -> None:
    base = layered(random_network(rng, 3))
    estimates = Estimates(base, keep_input)
    cuts = [*estimates.cuts(), *estimates.patched(1 << 40)]
    for cut in rng.sample(cuts, min(20, len(cuts))):
        schedule = with_stage(base, estimates, cut)
        wanted = demand(schedule, keep_input)
        live = [b.bytes for b in wanted.buffers if b.lifetime.first <= cut.start <= b.lifetime.last]
        assert sum(live) <= cut.apart <= sum(size + -size % 4 for size in live)
        if cut.overlap is not None and {cut.overlap.result, cut.overlap.operand} <= estimates.alone:
            assert cut.overlap.distance == wanted.distances[cut.overlap.result, cut.overlap.operand]
        stage = replace(schedule, stages=schedule.stages[cut.start : cut.start + 1])
        assert cycles_in_all(stage) == pytest.approx(cut.cycles)


def residual(blocks: int) -> Graph:
    """Blocks of two convolutions and an addition, at half the height after every third."""
    net = Layers("residual")
    x = net.conv(net.image(96, 4, 4), 4, (3, 3))
    for block in range(blocks):
        if block % 3 == 2 and net.shape(x)[1] > 6:
            x = net.conv(x, 4, (3, 3), 2)
        x = net.add(net.conv(net.conv(x, 4, (3, 3)), 4, (3, 3)), x)
    return net.build([x])


def test_a_search_is_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    # A stream runs once for each node that it may begin with and each height of its tiles, and each layer once, whatever
    # the kernels. The front of each node is extended by what its stages leave open, not by all there is.
    runs = grown = 0

    def counted(stream: Stream) -> Trace:
        nonlocal runs
        runs += 1
        return run_stream(stream)

    def growing(cut: Cut, front: Any) -> Iterator[Any]:
        nonlocal grown
        for suffix in grow(cut, front):
            grown += 1
            yield suffix

    grow = module._grown
    monkeypatch.setattr(model, "run_stream", counted)
    monkeypatch.setattr(module, "_grown", growing)
    base = layered(residual(12))
    estimates = Estimates(base)
    count = len(estimates.nodes)
    runs = 0
    assert search(estimates)
    cuts = sum(1 for _ in estimates.cuts())
    assert runs == count * (1 + len(TILES)) and grown <= 20 * cuts
    search(Estimates(base, stages=estimates.stages))
    assert runs == count * (1 + len(TILES))


def test_what_results_take_in_is_a_choice() -> None:
    # A 3x3 convolution and a lookup of 8 rows of 8 x 8 bytes, in tiles of one row. Taken in, the convolution's row y is written
    # when the input's rows from y - 1 on are needed: 2 rows apart, and no ring. Else the lookup's row y is written when the
    # convolution has read its own: 1 row apart, and a ring of 1 row.
    net = Layers("taken")
    y = net.conv(net.image(8, 8, 8), 8, (3, 3))
    table = net.constant("table", np.arange(256).astype(np.int8))
    base = layered(net.build([net.node(Op.LOOKUP, [y, table], LookupAttrs("any"), quant=net.values[y].quant)]))
    taken, apart = (Estimates(base).cut(0, [Tiling(1)] * 2, hosts) for hosts in (True, False))
    assert taken is not None and apart is not None
    assert apart.apart - taken.apart == 64
    for cut, rows in ((taken, 2), (apart, 1)):
        assert cut.overlap is not None and cut.overlap.distance == 64 * rows
