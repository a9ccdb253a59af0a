"""Moves axes so that as few bytes as possible are transposed.

Importers of channels-first models put TRANSPOSE nodes around the operations that the IR defines channels last. Here
every TRANSPOSE is dropped, an order of axes is chosen for each operation (`layout_search`), and the graph is written
anew with a TRANSPOSE only where a value is needed in an order in which it does not come (`layout_emit`). Constants are
transposed once and for all, a fully connected layer behind a flattened map permutes the columns of its weights, and
network inputs and outputs may move their axes, which `Value.layout` records.

The bytes that are transposed never become more: the search starts with the order that the file has and only takes steps
that cost less.
"""

from dataclasses import replace

from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op, TransposeAttrs
from tinyml.passes.base import Pass
from tinyml.passes.layout_emit import Emitter
from tinyml.passes.layout_search import Problem, Search
from tinyml.passes.rewrite import Rewriter


def _layout(graph: Graph) -> Graph:
    if all(node.op is not Op.TRANSPOSE for node in graph.nodes):
        return graph
    problem = Problem(graph)
    moved = Emitter(problem, Search(problem).run()).run()
    return _absorb_views(moved, {node.used[0] for node in graph.nodes if node.op is Op.TRANSPOSE})


def transposed_bytes(graph: Graph) -> int:
    """What the TRANSPOSE nodes of a graph that change the order of elements move."""
    total = 0
    for node in graph.nodes:
        if isinstance(node.attrs, TransposeAttrs):
            x = graph.values[node.used[0]]
            order = [axis for axis in node.attrs.perm if x.shape[axis] != 1]
            total += x.bytes if order != sorted(order) else 0
    return total


def _absorb_views(graph: Graph, transposed: set[str]) -> Graph:
    """A network input that the file transposes may still differ by axes of one element from what its reader wants."""
    rewriter = Rewriter(graph)
    for name in graph.inputs:
        value, readers = graph.values[name], rewriter.readers(name)
        if name not in transposed or len(readers) != 1 or readers[0].op is not Op.RESHAPE or name in graph.outputs:
            continue
        shape = graph.values[readers[0].output].shape
        long = [axis for axis, n in enumerate(value.shape) if n != 1]
        short = [axis for axis, n in enumerate(value.shape) if n == 1]
        if len(shape) != len(value.shape) or [n for n in shape if n != 1] != [value.shape[axis] for axis in long]:
            continue
        before = value.layout or tuple(range(len(shape)))
        layout = tuple(before[(short if n == 1 else long).pop(0)] for n in shape)
        if rewriter.forward(readers[0], name):
            rewriter.values[name] = replace(value, shape=shape, layout=layout)
    return rewriter.finish()


PASS = Pass("layout", _layout)
