"""Constants that are one number a channel, and the float weights that they fold into."""

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Node, Value
from tinyml.ir.ops import Conv2dAttrs, FullyConnectedAttrs, Op, TransposeConv2dAttrs
from tinyml.passes.rewrite import Rewriter

PRODUCTS = (Conv2dAttrs, TransposeConv2dAttrs, FullyConnectedAttrs)
"""Attributes of what `is_real_product` finds."""


def per_channel(constant: Value, shape: tuple[int, ...]) -> np.ndarray | None:
    """A real constant as one number for each index of the last axis of `shape`, or None where it is not that.

    It must broadcast to `shape` without making it larger.
    """
    if constant.data is None or constant.dtype is not DType.FLOAT32 or constant.quant is not None or not shape:
        return None
    data = constant.constant
    if data.ndim > len(shape) or any(n != 1 for n in data.shape[:-1]) or data.size not in (1, shape[-1]):
        return None
    return np.broadcast_to(data.reshape(-1), (shape[-1],))


def is_real_product(rewriter: Rewriter, node: Node | None) -> bool:
    """A convolution or fully connected layer on real numbers, with constant weights and bias."""
    if node is None or node.op not in (Op.CONV2D, Op.TRANSPOSE_CONV2D, Op.FULLY_CONNECTED):
        return False
    operands = [rewriter.values[name] for name in node.used]
    return all(v.dtype is DType.FLOAT32 and v.quant is None for v in operands) and all(
        v.is_constant for v in operands[1:]
    )


def bias_of(rewriter: Rewriter, node: Node) -> np.ndarray:
    """The bias of a product, 0 where it has none. Shape [outputs]."""
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        return rewriter.values[node.inputs[2]].constant
    return np.zeros(rewriter.values[node.used[1]].shape[0], np.float32)
