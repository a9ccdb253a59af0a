"""Lowers STACK to RESHAPE and CONCAT, and GATHER of one known run of indices to STRIDED_SLICE."""

from dataclasses import replace

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import ConcatAttrs, GatherAttrs, Op, ReshapeAttrs, StackAttrs, StridedSliceAttrs
from tinyml.passes.base import Pass, without
from tinyml.passes.rewrite import Rewriter


def _lower_selection(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if isinstance(node.attrs, StackAttrs):
            _lower_stack(rewriter, node, node.attrs.axis)
        elif isinstance(node.attrs, GatherAttrs):
            _lower_gather(rewriter, node, node.attrs.axis)
    return rewriter.finish()


def _lower_stack(rewriter: Rewriter, node: Node, axis: int) -> None:
    nodes, parts = [], []
    for i, name in enumerate(node.used):
        x = rewriter.values[name]
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        parts.append(rewriter.activation(f"{node.output}_part", shape, x))
        reshape = rewriter.node_name(f"{node.name}_part{i}")
        nodes.append(Node(reshape, Op.RESHAPE, (name,), (parts[-1],), ReshapeAttrs(shape), node.source))
    rewriter.replace(node, *nodes, replace(node, op=Op.CONCAT, inputs=tuple(parts), attrs=ConcatAttrs(axis)))


def _lower_gather(rewriter: Rewriter, node: Node, axis: int) -> None:
    x, indices = (rewriter.values[name] for name in node.used)
    if indices.data is None or indices.data.ndim > 1:
        return
    run = indices.constant.reshape(-1).astype(np.int64)
    step = int(run[1] - run[0]) if run.size > 1 else 1
    if not run.size or step == 0 or np.any(np.diff(run) != step) or run.min() < 0 or run.max() >= x.shape[axis]:
        return
    begin, end, stride = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    begin[axis], end[axis], stride[axis] = int(run[0]), int(run[-1]) + (1 if step > 0 else -1), step
    squeeze = (axis,) if indices.data.ndim == 0 else ()
    attrs = StridedSliceAttrs(tuple(begin), tuple(end), tuple(stride), squeeze)
    rewriter.replace(node, replace(node, op=Op.STRIDED_SLICE, inputs=(x.name,), attrs=attrs))


PASS = Pass("lower_selection", _lower_selection, ensures=(without(Op.STACK),))
