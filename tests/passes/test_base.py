"""The infrastructure catches a pass that does not tell the truth."""

from dataclasses import replace

import pytest
from pass_cases import graph_of

from tinyml.ir.graph import Graph
from tinyml.ir.ops import NoAttrs, Op
from tinyml.ir.verify import VerifyError
from tinyml.passes import Pass, PassError, run_pass, unsupported, without
from tinyml.passes.base import NO_DEAD_NODES

GRAPH = graph_of("""
input %x: float32[1,4]
%y: float32[1,4] = relu(%x)
%z: float32[1,4] = tanh(%y)
output %z
""")


def same(graph: Graph) -> Graph:
    return graph


def test_requires_is_checked_before() -> None:
    with pytest.raises(PassError, match=r"pass p requires 'no relu', but node y is a relu"):
        run_pass(GRAPH, Pass("p", same, requires=(without(Op.RELU),)))


def test_ensures_is_checked_after() -> None:
    with pytest.raises(PassError, match=r"pass p ensures 'no relu or tanh', but node y is a relu"):
        run_pass(GRAPH, Pass("p", same, ensures=(without(Op.RELU, Op.TANH),)))
    dead = GRAPH.with_(outputs=("y",))
    with pytest.raises(PassError, match="nothing reads what node z computes"):
        run_pass(dead, Pass("p", same, ensures=(NO_DEAD_NODES,)))


def test_result_is_verified() -> None:
    def break_order(graph: Graph) -> Graph:
        return replace(graph, nodes=graph.nodes[::-1])

    with pytest.raises(VerifyError, match="order"):
        run_pass(GRAPH, Pass("p", break_order))


def test_network_interface_is_kept() -> None:
    def swap_output(graph: Graph) -> Graph:
        return graph.with_(outputs=("y",))

    with pytest.raises(PassError, match="changed the network's outputs"):
        run_pass(GRAPH, Pass("p", swap_output))

    def change_type(graph: Graph) -> Graph:
        text = "input %x: float32[1,2]\n%y: float32[1,2] = relu(%x)\n%z: float32[1,2] = tanh(%y)\noutput %z"
        return graph_of(text)

    with pytest.raises(PassError, match="changed the type of network input x"):
        run_pass(GRAPH, Pass("p", change_type))


def test_unsupported_lists_nodes() -> None:
    assert unsupported(GRAPH, [Op.RELU]) == (GRAPH.nodes[1],)
    assert GRAPH.nodes[1].attrs == NoAttrs()
