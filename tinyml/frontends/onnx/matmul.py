"""Matrix products."""

import numpy as np

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.tensors import Known, Tensor
from tinyml.ir.ops import FullyConnectedAttrs, Op


@handler("Gemm", "any alpha, beta, transA and transB; B may be computed at run time")
def _gemm(node: NodeContext) -> list[Tensor]:
    a, b, c = node.tensor(0), node.tensor(1), node.optional(2)
    if node.rank(a) != 2 or node.rank(b) != 2:
        raise UnsupportedError(f"it multiplies {list(node.shape(a))} by {list(node.shape(b))}, expected matrices")
    if node.attr_int("transA", 0):
        a = node.transpose(a, (1, 0))
    alpha, beta = node.attr_float("alpha", 1.0), node.attr_float("beta", 1.0)
    by_output = bool(node.attr_int("transB", 0))  # B is [O, I] already
    if not isinstance(b, Known):
        y = node.emit(Op.MATMUL, [a, node.transpose(b, (1, 0)) if by_output else b])
    else:
        w = b if by_output else node.transpose(b, (1, 0))
        if isinstance(w, Known) and w.quant is None:
            w, alpha = _scaled(node, w, alpha), 1.0
        bias = _bias(node, c, beta, node.shape(w)[0]) if alpha == 1.0 else None
        y = node.emit(Op.FULLY_CONNECTED, [a, w, bias])
        if bias is not None:
            return [y]
    y = _scaled(node, y, alpha)
    return [y if c is None or beta == 0.0 else node.emit(Op.ADD, [y, _scaled(node, c, beta)])]


@handler("MatMul", "either side constant or computed at run time; leading axes broadcast")
def _matmul(node: NodeContext) -> list[Tensor]:
    a, b = node.tensor(0), node.tensor(1)
    if not node.rank(a) or not node.rank(b):
        raise UnsupportedError("it multiplies a scalar")
    row, column = node.rank(a) == 1, node.rank(b) == 1
    if row:
        a = node.reshape(a, (1, *node.shape(a)))
    if column:
        b = node.reshape(b, (*node.shape(b), 1))
    if isinstance(b, Known) and node.rank(b) == 2:
        if node.shape(a)[-1] != node.shape(b)[0]:
            raise UnsupportedError(f"{list(node.shape(a))} x {list(node.shape(b))} do not match")
        weights = node.transpose(b, (1, 0))
        y = node.emit(Op.FULLY_CONNECTED, [a, weights], FullyConnectedAttrs(keep_dims=node.rank(a) != 2))
    else:
        y = node.emit(Op.MATMUL, [a, b])
    shape = node.shape(y)
    rows = () if row else shape[-2:-1]
    columns = () if column else shape[-1:]
    return [node.reshape(y, (*shape[:-2], *rows, *columns))]


def _scaled(node: NodeContext, t: Tensor, factor: float) -> Tensor:
    return t if factor == 1.0 else node.emit(Op.MUL, [t, Known(np.array(factor, np.float32), "scale")])


def _bias(node: NodeContext, c: Tensor | None, beta: float, outputs: int) -> Known | None:
    """C as one number an output, or None where it is not that."""
    if not isinstance(c, Known) or beta == 0.0 or c.array.size not in (1, outputs):
        return None
    if c.array.size != 1 and c.array.shape[-1] != outputs:  # a column: one number a row
        return None
    if c.array.size == 1 and outputs != 1:
        if c.quant is not None:
            return None
        c = Known(np.repeat(c.array.reshape(1), outputs), c.name)
    flat = node.reshape(c, (outputs,))
    scaled = _scaled(node, flat, beta)
    return scaled if isinstance(scaled, Known) else None
