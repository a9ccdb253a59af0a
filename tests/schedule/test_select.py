"""Which kernel is chosen, what is recorded, and what is said where there is none."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tinyml.errors import ModelError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Conv2dAttrs, Op, ReshapeAttrs, SoftmaxAttrs
from tinyml.ir.quant import QuantParams
from tinyml.kernels.descriptor import Access, CParams, KernelDescriptor
from tinyml.schedule.model import Objective, StageKind
from tinyml.schedule.select import Candidates, schedule
from tinyml.schedule.stream import Tiling
from tinyml.targets.core import Isa

Q = QuantParams.per_tensor(0.1, 0)
PORTABLE = frozenset({Isa.PORTABLE})


def small_graph() -> Graph:
    b = GraphBuilder("small")
    x = b.input("x", (1, 6, 4, 2), DType.INT8, Q)
    w = b.constant("w", np.zeros((3, 1, 1, 2), np.int8), Q)
    y = b.node(Op.CONV2D, [x, w], Conv2dAttrs(), source="features/conv", quant=Q)
    y = b.node(Op.RESHAPE, [y], ReshapeAttrs((1, 72)), quant=Q)
    y = b.node(Op.SOFTMAX, [y], SoftmaxAttrs(), source="head/softmax", quant=Q)
    return b.build([y])


def descriptor(symbol: str, op: Op, cost: float) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        "k.c",
        "k.h",
        op,
        Isa.PORTABLE,
        lambda node, graph: None,
        lambda node, graph: CParams("k_t"),
        lambda node, graph, rows: 0,
        lambda node, graph: cost,
    )


def offering(**kernels: Sequence[tuple[str, float, str | None]]) -> Candidates:
    """op value -> (symbol, cost, reason why not) of each kernel."""

    def candidates(node: Node, graph: Graph, isa: frozenset[Isa]) -> list[tuple[KernelDescriptor, str | None]]:
        return [(descriptor(s, node.op, cost), why) for s, cost, why in kernels.get(node.op.value, ())]

    return candidates


def test_the_fastest_kernel_is_chosen_and_the_others_are_recorded() -> None:
    conv = [("slow", 900.0, None), ("fast", 300.0, None), ("fastest", 100.0, "needs 4 channels, has 2")]
    result = schedule(small_graph(), PORTABLE, kernels=offering(conv2d=conv, softmax=[("only", 5.0, None)]))
    chosen = result.selections["conv2d"]
    assert chosen.kernel.symbol == "fast"
    assert chosen.reason == "300 cycles predicted, the least of 2"
    assert chosen.rejected == (("slow", "900 cycles predicted"), ("fastest", "needs 4 channels, has 2"))
    assert result.selections["softmax"].reason == "the only one that can compute it"


def test_larger_weights_go_where_a_byte_saves_the_most() -> None:
    """Three layers that a kernel of larger weights computes faster, by 4, 10 and 6 for a byte."""
    b = GraphBuilder("larger")
    names = [b.input("x", (1, 4, 4, 2), DType.INT8, Q)]
    for i in range(3):
        w = b.constant(f"w{i}", np.zeros((2, 1, 1, 2), np.int8), Q)
        names.append(b.node(Op.CONV2D, [names[-1], w], Conv2dAttrs(), quant=Q))
    graph = b.build([names[-1]])
    bytes_of = dict(zip((node.name for node in graph.nodes), (100, 50, 10), strict=True))
    saved = dict(zip(bytes_of, (400, 500, 60), strict=True))
    larger = replace(
        descriptor("larger", Op.CONV2D, 0),
        cost=lambda node, graph: 1000.0 - saved[node.name],
        extra_weights=lambda node, graph: bytes_of[node.name],
    )

    def faster(more_weights: int) -> list[int]:
        kernels = [(descriptor("plain", Op.CONV2D, 1000.0), None), (larger, None)]
        result = schedule(graph, PORTABLE, kernels=lambda *_: kernels, more_weights=more_weights)
        chosen = [result.selections[name] for name in bytes_of]
        for name, selection in zip(bytes_of, chosen, strict=True):
            refusal = f"its weights take {bytes_of[name]} bytes more than the model's, see --weights-growth"
            assert (selection.kernel is larger) != (("larger", refusal) in selection.rejected)
        return [i for i, selection in enumerate(chosen) if selection.kernel is larger]

    assert [faster(n) for n in (0, 10, 50, 60, 150, 160)] == [[], [2], [1], [1, 2], [1, 2], [0, 1, 2]]


def test_tiles_that_cost_too_much_come_first() -> None:
    """Two layers: tiles of one row cost the second 6 % more, and a byte saves more in the first."""
    b = GraphBuilder("tiles")
    names = [b.input("x", (1, 4, 4, 2), DType.INT8, Q)]
    for i in range(2):
        w = b.constant(f"w{i}", np.zeros((2, 1, 1, 2), np.int8), Q)
        names.append(b.node(Op.CONV2D, [names[-1], w], Conv2dAttrs(), quant=Q))
    graph = b.build([names[-1]])
    first, second = (node.name for node in graph.nodes)
    in_tiles = {first: 1049.0, second: 1060.0}
    saved = {first: 500.0, second: 100.0}
    plain = replace(
        descriptor("plain", Op.CONV2D, 1000.0),
        tile_cost=lambda node, graph, rows: in_tiles[node.name] if rows == 1 else 1000,
    )
    ready = replace(
        descriptor("ready", Op.CONV2D, 1000.0),
        tile_cost=lambda node, graph, rows: in_tiles[node.name] - saved[node.name] if rows == 1 else 1000,
        extra_weights=lambda node, graph: 10,
    )

    def ready_in(tiles: dict[str, int]) -> list[str]:
        kernels = [(plain, None), (ready, None)]
        chosen = schedule(graph, PORTABLE, kernels=lambda *_: kernels, more_weights=10, tiles=tiles).selections
        return [name for name, selection in chosen.items() if selection.kernel is ready]

    assert ready_in({first: 1, second: 1}) == [second]
    assert ready_in({first: 1, second: 4}) == [first]
    assert ready_in({}) == []


def test_of_equal_kernels_the_first_is_chosen() -> None:
    conv = [("a", 1.0, None), ("b", 1.0, None)]
    result = schedule(small_graph(), PORTABLE, kernels=offering(conv2d=conv, softmax=[("s", 1.0, None)]))
    assert result.selections["conv2d"].kernel.symbol == "a"


def test_in_tiles_the_fastest_kernel_for_them_is_chosen() -> None:
    def candidates(node: Node, graph: Graph, isa: frozenset[Isa]) -> list[tuple[KernelDescriptor, str | None]]:
        once = replace(descriptor("at_once", node.op, 100.0), tile_cost=lambda node, graph, rows: 100 + 60 / rows)
        low = replace(descriptor("low", node.op, 110.0), tile_cost=lambda node, graph, rows: 110 + 4 / rows)
        summed = replace(descriptor("summed", node.op, 105.0), access=Access(reduces=True))
        return [(once, None), (low, None), (summed, None)]

    whole = schedule(small_graph(), PORTABLE, kernels=candidates)
    (conv,) = (node for node in whole.graph.nodes if node.op is Op.CONV2D)
    assert {s.kernel.symbol for s in whole.selections.values()} == {"at_once"}
    assert not whole.tiles

    tiled = replace(whole, stages=(whole.stage((conv,), (Tiling(4),)), *whole.stages[1:]))
    assert tiled.tiles == {"conv2d": 4}
    chosen = schedule(small_graph(), PORTABLE, kernels=candidates, tiles=tiled.tiles).selections
    assert chosen["conv2d"].kernel.symbol == "low"
    assert chosen["conv2d"].reason == "111 cycles predicted in tiles of 4, the least of 2"
    assert chosen["softmax"].kernel.symbol == "at_once"


def test_views_have_no_stage_and_all_else_has_one() -> None:
    kernels = offering(conv2d=[("c", 1.0, None)], softmax=[("s", 1.0, None)])
    result = schedule(small_graph(), PORTABLE, objective=Objective.SRAM, kernels=kernels)
    assert [[n.name for n in s.nodes] for s in result.stages] == [["conv2d"], ["softmax"]]
    assert {s.kind for s in result.stages} == {StageKind.LAYER}
    assert result.objective is Objective.SRAM


def test_a_layer_is_one_tile_of_all_rows() -> None:
    kernels = offering(conv2d=[("c", 1.0, None)], softmax=[("s", 1.0, None)])
    result = schedule(small_graph(), PORTABLE, kernels=kernels)
    assert [[(call.row, call.end) for call in stage.trace.calls] for stage in result.stages] == [[(0, 6)], [(0, 1)]]
    in_tiles = result.stage(result.stages[0].nodes, [Tiling(4)])
    assert [(call.row, call.end) for call in in_tiles.trace.calls] == [(0, 4), (4, 6)]


def test_every_node_without_a_kernel_is_listed_once_with_the_reasons() -> None:
    kernels = offering(conv2d=[("conv_s8", 1.0, "needs 4 channels, has 2"), ("conv_f32", 1.0, "takes float32")])
    with pytest.raises(ModelError) as error:
        schedule(small_graph(), PORTABLE, kernels=kernels)
    assert error.value.exit_code == 1
    assert error.value.what == (
        "small: 2 operations have no kernel\n"
        "  features/conv (conv2d): int8[1, 6, 4, 2], int8[3, 1, 1, 2] -> int8[1, 6, 4, 3]\n"
        "    conv_s8: needs 4 channels, has 2\n"
        "    conv_f32: takes float32\n"
        "  head/softmax (softmax): int8[1, 72] -> int8[1, 72]\n"
        "    no kernel computes softmax"
    )


def test_one_node_without_a_kernel_reads_right() -> None:
    with pytest.raises(ModelError, match=r"^small: 1 operation has no kernel\n"):
        schedule(small_graph(), PORTABLE, kernels=offering(softmax=[("s", 1.0, None)]))
