"""Makes the ADD of one constant a channel behind a convolution or fully connected layer that layer's bias.

Only on real numbers: on integers the sum would be rounded once instead of twice.
"""

from dataclasses import replace

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import NO_CLAMP, BinaryAttrs, Op
from tinyml.passes.base import Pass
from tinyml.passes.channels import PRODUCTS, bias_of, is_real_product, per_channel
from tinyml.passes.rewrite import Rewriter


def _fuse_bias(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if node.op in (Op.ADD, Op.SUB):
            _fuse(rewriter, node)
    return rewriter.finish()


def _fuse(rewriter: Rewriter, node: Node) -> None:
    a, b = node.used
    if rewriter.values[a].is_constant and node.op is Op.ADD:
        a, b = b, a
    x, y = rewriter.values[a], rewriter.values[node.output]
    product = rewriter.producer(a)
    added = per_channel(rewriter.values[b], x.shape)
    if product is None or added is None or x.shape != y.shape or rewriter.only_reader(a) is not node:
        return
    if not is_real_product(rewriter, product):
        return
    assert isinstance(product.attrs, PRODUCTS) and isinstance(node.attrs, BinaryAttrs)
    if product.attrs.clamp != NO_CLAMP:
        return
    old = bias_of(rewriter, product)
    bias = rewriter.constant(b, (old - added if node.op is Op.SUB else old + added).astype(np.float32))
    rewriter.fuse(
        product,
        node,
        replace(
            product,
            inputs=(*product.inputs[:2], bias),
            attrs=replace(product.attrs, clamp=node.attrs.clamp),
        ),
    )


PASS = Pass("fuse_bias", _fuse_bias)
