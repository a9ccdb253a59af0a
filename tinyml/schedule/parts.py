"""Concatenations and slices that move nothing: their parts lie in the whole.

CONCAT becomes JOIN where its operands can be computed into their places in its result, STRIDED_SLICE becomes PART where what
it takes lies end to end in its operand. Both hold along the outermost axis that is longer than 1: the rows of a map, points
in time, elements of a vector, channels of a single pixel.
"""

import math
from collections import Counter
from dataclasses import replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import ConcatAttrs, Op, StridedSliceAttrs
from tinyml.schedule.storage import Place, part_offset, storage_places

_ALIGNMENT = 4  # of every value: kernels read and write words


def with_parts(graph: Graph) -> Graph:
    """The graph with JOIN and PART for CONCAT and STRIDED_SLICE, where that is possible and saves memory."""
    return _with_joins(_with_slices(graph))


def _with_slices(graph: Graph) -> Graph:
    """A slice keeps all of its operand alive, so together slices must take at least half of it."""
    able = [node for node in graph.nodes if node.op is Op.STRIDED_SLICE and _lies_end_to_end(graph, node)]
    taken = Counter[str]()
    for node in able:
        taken[node.used[0]] += graph.value(node.output).bytes
    parts = {node.name for node in able if 2 * taken[node.used[0]] >= graph.value(node.used[0]).bytes}
    return _renamed(graph, parts, Op.PART)


def _lies_end_to_end(graph: Graph, node: Node) -> bool:
    attrs, x, y = node.attrs, graph.value(node.used[0]), graph.value(node.output)
    assert isinstance(attrs, StridedSliceAttrs)
    kept = {*graph.inputs, *graph.outputs, *(name for s in graph.states for name in (s.read, s.written))}
    if x.is_constant or not y.elements or x.name in kept - set(graph.inputs) or y.name in kept or x.quant != y.quant:
        return False
    taken = [len(range(*bounds.indices(n))) for bounds, n in zip(attrs.slices, x.shape, strict=True)]
    cut = [axis for axis, n in enumerate(x.shape) if taken[axis] != n]
    single = all(n == 1 for n in taken[: cut[-1]]) if cut else True
    steps = all(step == 1 or n == 1 for step, n in zip(attrs.stride, taken, strict=True))
    return single and steps and part_offset(graph, replace(node, op=Op.PART)) % _ALIGNMENT == 0


def _with_joins(graph: Graph) -> Graph:
    places = storage_places(graph)
    kept = {*graph.inputs, *(name for s in graph.states for name in (s.read, s.written))}
    fixed = {places[name].root for name in (*graph.outputs, *kept) if name in places}
    joins: set[str] = set()
    inside: set[str] = set()
    for node in graph.nodes:
        roots = _roots(graph, node, places)
        if roots is not None and roots.isdisjoint(fixed | inside) and places[node.output].root not in kept:
            joins.add(node.name)
            inside |= roots
    return _renamed(graph, joins, Op.JOIN)


def _roots(graph: Graph, node: Node, places: dict[str, Place]) -> set[str] | None:
    """The buffers of a concatenation's operands, where these can be places in its result; None where they cannot."""
    if not isinstance(node.attrs, ConcatAttrs) or node.op is not Op.CONCAT:
        return None
    y = graph.value(node.output)
    if math.prod(y.shape[: node.attrs.axis]) != 1 or any(
        v.is_constant or v.quant != y.quant for v in graph.node_inputs(node)
    ):
        return None
    offset, roots = 0, set()
    for x in graph.node_inputs(node):
        place = places[x.name]
        if place.offset or offset % _ALIGNMENT or graph.value(place.root).bytes != x.bytes or place.root in roots:
            return None
        roots.add(place.root)
        offset += x.bytes
    return roots


def _renamed(graph: Graph, names: set[str], op: Op) -> Graph:
    return graph.with_(nodes=tuple(replace(node, op=op) if node.name in names else node for node in graph.nodes))
