"""Makes x * (1 + erf(x / sqrt(2))) / 2, in whatever order exporters multiply it out, one GELU.

It then is one table of int8, and keeps the digits that 1 + erf loses where x is far below 0.
"""

import math

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import NO_CLAMP, BinaryAttrs, GeluAttrs, Op
from tinyml.passes.base import Pass
from tinyml.passes.rewrite import Rewriter

_TOLERANCE = 1e-5


def _fuse_gelu(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if node.op is Op.ERF:
            _fuse(rewriter, node)
    return rewriter.finish()


def _fuse(rewriter: Rewriter, erf: Node) -> None:
    """Walks from erf to the product; `factor` is the constant in it so far."""
    inner = rewriter.producer(erf.used[0])
    scaled = None if inner is None else _scaled(rewriter, inner)
    if scaled is None or not math.isclose(scaled[1], math.sqrt(0.5), rel_tol=_TOLERANCE):
        return
    x, factor, seen = scaled[0], 1.0, [erf]
    one = _only_reader(rewriter, erf, Op.ADD)
    if one is None or _constant(rewriter, _other(one, erf.output)) != 1.0:
        return
    seen.append(one)
    found = False
    while not (found and math.isclose(factor, 0.5, rel_tol=_TOLERANCE)):
        last = seen[-1]
        product = _only_reader(rewriter, last, Op.MUL)
        if product is None:
            return
        other = _other(product, last.output)
        constant = _constant(rewriter, other)
        before = rewriter.producer(other)
        half = None if before is None else _scaled(rewriter, before)
        if constant is not None:
            factor *= constant
        elif other == x and not found:
            found = True
        elif half is not None and half[0] == x and not found:
            found, factor = True, factor * half[1]
        else:
            return
        seen.append(product)
    last = seen[-1]
    source = " + ".join(dict.fromkeys(node.source for node in seen))
    rewriter.replace(last, Node(last.name, Op.GELU, (x,), last.outputs, GeluAttrs(), source))


def _scaled(rewriter: Rewriter, node: Node) -> tuple[str, float] | None:
    """(x, factor) of a node that computes x times or divided by a constant number."""
    if node.op not in (Op.MUL, Op.DIV) or node.attrs != BinaryAttrs(NO_CLAMP):
        return None
    for x, other in (node.used, node.used[::-1])[: 1 if node.op is Op.DIV else 2]:
        number = _constant(rewriter, other)
        if number:
            return x, 1 / number if node.op is Op.DIV else number
    return None


def _constant(rewriter: Rewriter, name: str) -> float | None:
    value = rewriter.values[name]
    return float(value.constant.reshape(())) if value.is_constant and value.elements == 1 else None


def _only_reader(rewriter: Rewriter, node: Node, op: Op) -> Node | None:
    reader = rewriter.only_reader(node.output)
    return reader if reader is not None and reader.op is op and reader.attrs == BinaryAttrs(NO_CLAMP) else None


def _other(node: Node, name: str) -> str:
    a, b = node.used
    return b if a == name else a


PASS = Pass("fuse_gelu", _fuse_gelu)
