"""How the kernels for Helium rescale sums of int8 products: out = divide_pow2(high_mul(sum + bias, multiplier), -shift)."""

from dataclasses import dataclass

import numpy as np

from tinyml.ir.fixedpoint import activation_range, multiply_by_quantized_multiplier
from tinyml.ir.graph import Graph, Node
from tinyml.ir.reference.conv import channel_multipliers
from tinyml.kernels.common import quant_of, zero_point_of
from tinyml.kernels.conv_s8 import attrs_of, bias_of


@dataclass(frozen=True, slots=True, eq=False)
class Rescaling:
    """Of each output channel.

    Attributes:
        bias: with minus the input's zero point times the sum of weights.
        multiplier, shift: see tinyml_requant.h.
        weights: those of the node; zeros where a channel gives one number whatever the input. Networks have such dead
            channels, with biases and shifts of any size; theirs are replaced.
        shifts_left: channels whose shift is positive, or 0 without a clamp at zero.
    """

    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    weights: np.ndarray
    shifts_left: np.ndarray


def rescaling(node: Node, graph: Graph) -> Rescaling:
    """Of a convolution."""
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    multiplier, shift = channel_multipliers(x, w, out)
    zero = zero_point_of(out)
    low, high = activation_range(attrs_of(node).clamp, quant_of(out))

    flat = w.constant.reshape(w.shape[0], -1).astype(np.int64)
    positive, negative = np.maximum(flat, 0).sum(axis=1), np.minimum(flat, 0).sum(axis=1)
    least, most = -128 - zero_point_of(x), 127 - zero_point_of(x)
    sums = np.stack([positive * least + negative * most, positive * most + negative * least])
    sums += bias_of(node, graph, fold_zero_point=False)
    first, last = np.clip(multiply_by_quantized_multiplier(sums, multiplier, shift) + zero, low, high)
    dead = first == last  # rescaling is monotonic

    # A quarter of four times the number.
    return Rescaling(
        np.where(dead, 4 * (first - zero), bias_of(node, graph, fold_zero_point=True)).astype(np.int32),
        np.where(dead, 1 << 30, multiplier).astype(np.int32),
        np.where(dead, -1, shift).astype(np.int8),
        np.where(dead[:, None, None, None], 0, w.constant).astype(np.int8),
        # Kernels take 1 off negative products for their ties, which is wrong without a shift; a clamp at zero hides it.
        (shift > (0 if low >= zero else -1)) & ~dead,
    )


def needs_right_shifts(node: Node, graph: Graph) -> str | None:
    refused = rescaling(node, graph).shifts_left
    if refused.any():
        return f"takes sums that rescaling halves at least, channel {int(refused.argmax())} has others"
    return None
