"""Drops nodes that no output and no state depends on."""

from tinyml.ir.graph import Graph
from tinyml.passes.base import NO_DEAD_NODES, Pass


def _drop_dead(graph: Graph) -> Graph:
    live = {*graph.outputs, *(state.written for state in graph.states)}
    kept = []
    for node in reversed(graph.nodes):
        if not live.isdisjoint(node.outputs):
            live.update(node.used)
            kept.append(node)
    return graph.with_(nodes=tuple(reversed(kept)))


PASS = Pass("drop_dead", _drop_dead, ensures=(NO_DEAD_NODES,))
