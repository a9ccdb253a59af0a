"""Lowers functions of one int8 element to a table of their 256 results."""

from dataclasses import replace

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import LookupAttrs, Op, spec
from tinyml.passes.base import Pass, Property
from tinyml.passes.rewrite import Rewriter

_FUNCTIONS = frozenset(
    {
        Op.RELU,
        Op.CLIP,
        Op.LEAKY_RELU,
        Op.HARD_SWISH,
        Op.HARD_SIGMOID,
        Op.SIGMOID,
        Op.TANH,
        Op.EXP,
        Op.SQRT,
        Op.ERF,
        Op.GELU,
    }
)


def _lower_lookup(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    tables: dict[tuple[bytes, object], str] = {}
    for node in rewriter.nodes():
        if not _is_function_of_int8(graph, node):
            continue
        table = _table(graph, node)
        quant = graph.values[node.output].quant
        key = (table.tobytes(), quant)
        if key not in tables:
            tables[key] = rewriter.constant(f"{node.name}_table", table, quant)
        lookup = LookupAttrs(node.op.value)
        rewriter.replace(node, replace(node, op=Op.LOOKUP, inputs=(*node.inputs, tables[key]), attrs=lookup))
    return rewriter.finish()


def _is_function_of_int8(graph: Graph, node: Node) -> bool:
    operands = [graph.values[name] for name in (*node.used, *node.outputs)]
    return node.op in _FUNCTIONS and all(v.dtype is DType.INT8 and v.quant is not None for v in operands)


def _table(graph: Graph, node: Node) -> np.ndarray:
    """Entry i is the result for the input i - 128."""
    x, y = (replace(graph.values[name], shape=(256,), layout=None) for name in (node.used[0], node.output))
    (table,) = spec(node.op).reference(node.attrs, [x], [np.arange(-128, 128, dtype=np.int8)], [y])
    return np.asarray(table, np.int8)


def _left(graph: Graph) -> str | None:
    return next((f"node {node.name} is one" for node in graph.nodes if _is_function_of_int8(graph, node)), None)


PASS = Pass("lower_lookup", _lower_lookup, ensures=(Property("no function of one int8 element is computed", _left),))
