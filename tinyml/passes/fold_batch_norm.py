"""Folds batch normalization, y = a * x + b with a and b known for each channel, into a convolution or fully connected
layer; what is left becomes MUL and ADD.

The layer before takes it by scaling its outputs, the layer after by scaling its inputs. The latter is exact only
where the layer pads nothing: a padded tap is 0, not b.
"""

from dataclasses import replace

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import NO_CLAMP, BatchNormAttrs, BinaryAttrs, Conv2dAttrs, Op, TransposeConv2dAttrs
from tinyml.passes.base import Pass, without
from tinyml.passes.channels import PRODUCTS, bias_of, is_real_product
from tinyml.passes.rewrite import Rewriter


def _fold_batch_norm(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if isinstance(node.attrs, BatchNormAttrs) and not (_fold_before(rewriter, node) or _fold_after(rewriter, node)):
            _spell_out(rewriter, node)
    return rewriter.finish()


def _affine(rewriter: Rewriter, node: Node) -> tuple[np.ndarray, np.ndarray]:
    """a and b, in double precision."""
    assert isinstance(node.attrs, BatchNormAttrs)
    gamma, beta, mean, variance = (rewriter.values[name].constant.astype(np.float64) for name in node.used[1:])
    a = gamma / np.sqrt(variance + node.attrs.epsilon)
    return a, beta - a * mean


def _fold_before(rewriter: Rewriter, node: Node) -> bool:
    """a * (w x + c) + b = (a w) x + (a c + b)"""
    x = node.used[0]
    product = rewriter.producer(x)
    if product is None or not is_real_product(rewriter, product) or rewriter.only_reader(x) is not node:
        return False
    assert isinstance(product.attrs, PRODUCTS)
    if product.attrs.clamp != NO_CLAMP:
        return False
    a, b = _affine(rewriter, node)
    weights = rewriter.values[product.used[1]].constant
    scaled = weights * a.reshape(-1, *[1] * (weights.ndim - 1))
    bias = bias_of(rewriter, product) * a + b
    rewriter.fuse(product, node, _with_weights(rewriter, product, scaled, bias))
    return True


def _fold_after(rewriter: Rewriter, node: Node) -> bool:
    """w (a x + b) + c = (w a) x + (w b + c)"""
    product = rewriter.only_reader(node.output)
    if product is None or not is_real_product(rewriter, product) or product.used[0] != node.output:
        return False
    if isinstance(product.attrs, TransposeConv2dAttrs):
        return False  # how many taps meet in an output differs from one to the next
    a, b = _affine(rewriter, node)
    weights = rewriter.values[product.used[1]].constant.astype(np.float64)
    if isinstance(product.attrs, Conv2dAttrs):
        if any(any(pair) for pair in product.attrs.padding):
            return False
        outputs, _, _, depth = weights.shape
        groups = product.attrs.groups
        # Row o of these holds a and b for the input channels that output o reads.
        group = np.repeat(np.arange(groups), outputs // groups)
        a, b = (v.reshape(groups, depth)[group][:, np.newaxis, np.newaxis, :] for v in (a, b))
    elif weights.shape[1] % len(a):
        return False
    else:
        a, b = (np.tile(v, weights.shape[1] // len(v)) for v in (a, b))
    bias = bias_of(rewriter, product) + (weights * b).reshape(len(weights), -1).sum(axis=1)
    rewritten = _with_weights(rewriter, product, weights * a, bias)
    rewriter.fuse(node, product, replace(rewritten, inputs=(node.used[0], *rewritten.inputs[1:])))
    return True


def _with_weights(rewriter: Rewriter, product: Node, weights: np.ndarray, bias: np.ndarray) -> Node:
    old = product.used[1]
    bias_name = product.used[2] if len(product.used) > 2 else f"{product.name}_bias"
    return replace(
        product,
        inputs=(
            product.inputs[0],
            rewriter.constant(old, weights.astype(np.float32)),
            rewriter.constant(bias_name, bias.astype(np.float32)),
        ),
    )


def _spell_out(rewriter: Rewriter, node: Node) -> None:
    a, b = _affine(rewriter, node)
    x = rewriter.values[node.used[0]]
    scale = rewriter.constant(f"{node.name}_scale", a.astype(np.float32))
    offset = rewriter.constant(f"{node.name}_offset", b.astype(np.float32))
    scaled = rewriter.activation(f"{node.output}_scaled", x.shape, rewriter.values[node.output])
    mul = Node(rewriter.node_name(f"{node.name}_mul"), Op.MUL, (x.name, scale), (scaled,), BinaryAttrs(), node.source)
    add = Node(node.name, Op.ADD, (scaled, offset), node.outputs, BinaryAttrs(), node.source)
    rewriter.replace(node, mul, add)


PASS = Pass("fold_batch_norm", _fold_batch_norm, ensures=(without(Op.BATCH_NORM),))
