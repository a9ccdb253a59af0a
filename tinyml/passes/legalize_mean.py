"""Writes MEAN over all positions of a map as MEAN over (1, 2) of [1, H, W, C], and joins MEAN of MEAN.

The latter only on real numbers: integers are rounded after each.
"""

from dataclasses import replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, ReduceAttrs, ReshapeAttrs
from tinyml.passes.base import Pass
from tinyml.passes.rewrite import Rewriter


def _legalize_mean(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if isinstance(node.attrs, ReduceAttrs):
            _legalize(rewriter, node if rewriter.quantized(node) else _join(rewriter, node))
    return rewriter.finish()


def _join(rewriter: Rewriter, node: Node) -> Node:
    """MEAN of MEAN is one MEAN over both sets of axes: each sums equally many elements for every one that it keeps."""
    inner = rewriter.producer(node.used[0])
    if inner is None or rewriter.only_reader(node.used[0]) is not node or not isinstance(inner.attrs, ReduceAttrs):
        return node
    assert isinstance(node.attrs, ReduceAttrs)
    shape = rewriter.values[inner.used[0]].shape
    kept = [axis for axis in range(len(shape)) if inner.attrs.keep_dims or axis not in inner.attrs.axes]
    axes = tuple(sorted({*inner.attrs.axes, *(kept[axis] for axis in node.attrs.axes)}))
    if inner.attrs.keep_dims is not node.attrs.keep_dims:
        return node
    joined = replace(node, inputs=inner.inputs, attrs=replace(node.attrs, axes=axes))
    rewriter.fuse(inner, node, joined)
    fused = rewriter.producer(node.output)
    assert fused is not None
    return fused


def _legalize(rewriter: Rewriter, node: Node) -> None:
    assert isinstance(node.attrs, ReduceAttrs)
    x, y = rewriter.values[node.used[0]], rewriter.values[node.output]
    long = tuple(axis for axis, n in enumerate(x.shape) if n != 1)
    reduced = tuple(axis for axis in node.attrs.axes if x.shape[axis] != 1)
    last = len(x.shape) - 1
    if (node.attrs.axes == (1, 2) and last == 3) or not reduced or last in node.attrs.axes:
        return
    if reduced != tuple(axis for axis in long if axis != last) or len(reduced) > 2:
        return
    height, width = (*(x.shape[axis] for axis in reduced), 1)[:2]
    image = (1, height, width, x.shape[last])
    inputs: tuple[str, ...] = node.used
    nodes: list[Node] = []
    if image != x.shape:
        shaped = rewriter.activation(f"{x.name}_map", image, x)
        nodes.append(
            Node(
                rewriter.node_name(f"{node.name}_map"), Op.RESHAPE, inputs, (shaped,), ReshapeAttrs(image), node.source
            )
        )
        inputs = (shaped,)
    if y.shape in ((1, 1, 1, image[3]), (1, image[3])):
        mean = ReduceAttrs((1, 2), keep_dims=len(y.shape) == 4)
        nodes.append(replace(node, inputs=inputs, attrs=mean))
    else:
        pooled = rewriter.activation(f"{y.name}_mean", (1, image[3]), y)
        nodes.append(replace(node, inputs=inputs, outputs=(pooled,), attrs=ReduceAttrs((1, 2))))
        name = rewriter.node_name(f"{node.name}_shape")
        nodes.append(Node(name, Op.RESHAPE, (pooled,), node.outputs, ReshapeAttrs(y.shape), node.source))
    rewriter.replace(node, *nodes)


PASS = Pass("legalize_mean", _legalize_mean)
