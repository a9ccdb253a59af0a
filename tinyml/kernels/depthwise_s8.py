"""int8 depthwise convolutions: include/tinyml_conv_s8.h and include/tinyml_depthwise_s8.h."""

import math
from collections.abc import Callable

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.ir.reference.conv import channel_multipliers
from tinyml.kernels.common import (
    first_reason,
    no_scratch,
    parameter_array,
)
from tinyml.kernels.conv_s8 import COMMON, attrs_of, bias_of, conv_params, needs_depthwise, weights_by_tap
from tinyml.kernels.descriptor import CParams, KernelDescriptor
from tinyml.targets.core import Isa

# Bytes of scratch that a kernel is content with, if its window lets it. More would mean fewer calls a layer.
_SCRATCH = 2000
_CYCLES = 0.7  # an instruction, where two are issued at a time
_MOST_SHIFT = 22
_MOST_LEFT_SHIFT = 6


def _needs_planes(size: int) -> Callable[[Node, Graph], str | None]:
    def rejects(node: Node, graph: Graph) -> str | None:
        attrs, x, w = attrs_of(node), graph.value(node.inputs[0]), graph.value(node.inputs[1])
        if w.shape[1:3] != (size, size):
            return f"computes {size}x{size} windows, this one is {w.shape[1]}x{w.shape[2]}"
        if w.shape[0] != x.shape[-1]:
            return f"gives one channel for one, this gives {w.shape[0]} for {x.shape[-1]}"
        if w.shape[0] < 4:
            return f"computes four channels at a time, there are {w.shape[0]}"
        if attrs.dilation != (1, 1):
            return f"computes windows without gaps, dilation is {attrs.dilation}"
        if attrs.stride[1] > 2:
            return f"moves its window by one or two columns, the stride is {attrs.stride[1]}"
        return _needs_small_sums(node, graph)

    return rejects


def _largest_sums(node: Node, graph: Graph) -> np.ndarray:
    """A bound of every channel's sum, on the way too."""
    weights = np.abs(graph.value(node.inputs[1]).constant.astype(np.int64))
    bias = np.abs(bias_of(node, graph, fold_zero_point=True).astype(np.int64))
    return np.asarray(bias + 128 * weights.reshape(weights.shape[0], -1).sum(axis=1))


def _factors(node: Node, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers and shifts, those of channels that are zero anyway replaced by a plain zero."""
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    multiplier, shift = (a.astype(np.int64) for a in channel_multipliers(x, w, out))
    products = (_largest_sums(node, graph) * multiplier >> 31) + 1
    zero = products < np.left_shift(1, np.maximum(-shift - 1, 0))
    zero &= shift < 0
    return np.where(zero, 0, multiplier), np.where(zero, -1, shift)


def _needs_small_sums(node: Node, graph: Graph) -> str | None:
    _, shift = _factors(node, graph)
    if shift.max() > _MOST_LEFT_SHIFT or shift.min() < -_MOST_SHIFT:
        return f"shifts by {-_MOST_SHIFT} to {_MOST_LEFT_SHIFT} bits, this one by {shift.min()} to {shift.max()}"
    if (_largest_sums(node, graph) << np.maximum(shift, 0)).max() >= 1 << 30:
        return "sums have to stay below 2^30, these may not"
    return None


def _pitch(cols: int, size: int, stride: int) -> int:
    """pitch_of() of include/tinyml_depthwise_planar.h."""
    return (((cols + 1) // 2 * 2 - 1) * stride + size + 1) // 2 * 4


def _weights_bytes(node: Node, graph: Graph) -> int:
    size = graph.value(node.inputs[1]).shape[1]
    return 4 * (5 + size * (size - 1 if attrs_of(node).stride[1] == 1 else (size + 1) // 2))


def _patch_bytes(node: Node, graph: Graph, rows: int) -> int:
    """Bytes of a plane with the input of that many rows, or of less where that is too much."""
    size, (stride_y, stride_x) = graph.value(node.inputs[1]).shape[1], attrs_of(node).stride
    whole = _pitch(graph.value(node.output).shape[2], size, stride_x) * ((rows - 1) * stride_y + size)
    room = _SCRATCH // 4 - _weights_bytes(node, graph)
    return min(whole, max(room // 4 * 4, _pitch(2, size, stride_x) * size))


def _blocks(node: Node, graph: Graph) -> tuple[int, int]:
    """The width of blocks that takes the fewest instructions, and how many they are for four channels, about: wide blocks
    share few columns with their neighbours, but their rows do not all fit, and low ones share many rows."""
    size, (stride_y, stride_x) = graph.value(node.inputs[1]).shape[1], attrs_of(node).stride
    _, height, width, _ = graph.value(node.output).shape
    room = _patch_bytes(node, graph, height)

    def instructions(cols: int) -> int:
        pitch = _pitch(cols, size, stride_x)
        rows = min((room // pitch - size) // stride_y + 1, height)
        spread = ((rows - 1) * stride_y + size) * (60 + 13 * pitch // 4)
        four, two = 26 + size * (2 * size + 5), 24 + size * (size + 4)
        sums = 4 * rows * (30 + cols // 4 * four + (cols % 4 + 1) // 2 * two)
        return math.ceil(width / cols) * math.ceil(height / rows) * (500 + spread + sums)

    widths = [cols for cols in (*range(2, width, 2), width) if _pitch(cols, size, stride_x) * size <= room]
    best = min(reversed(widths), key=instructions)
    return best, instructions(best)


def _planar_cost(node: Node, graph: Graph) -> float:
    weights = 200 + 7 * _weights_bytes(node, graph)  # 27 instructions a word of four channels
    return _CYCLES * (weights + _blocks(node, graph)[1]) * graph.value(node.output).shape[-1] / 4


def _portable_cost(node: Node, graph: Graph) -> float:
    """Nine instructions a tap that lies in the image, and 45 an output."""
    attrs, x, w, out = attrs_of(node), *(graph.value(n) for n in (*node.inputs[:2], node.output) if n is not None)
    inside = [
        sum(
            0 <= position * attrs.stride[axis] - attrs.padding[axis][0] + k * attrs.dilation[axis] < x.shape[1 + axis]
            for position in range(out.shape[1 + axis])
            for k in range(w.shape[1 + axis])
        )
        for axis in (0, 1)
    ]
    return _CYCLES * (9 * inside[0] * inside[1] * out.shape[-1] + 45 * out.elements)


def _scratch(node: Node, graph: Graph, rows: int) -> int:
    return 4 * (_weights_bytes(node, graph) + _patch_bytes(node, graph, rows))


def _params(node: Node, graph: Graph) -> CParams:
    multiplier, shift = _factors(node, graph)
    conv = dict(conv_params(weights_by_tap, fold_zero_point=True)(node, graph).fields)
    conv["multiplier"] = parameter_array("multiplier", multiplier.astype(np.int32))
    conv["shift"] = parameter_array("shift", shift.astype(np.int8))
    patch_bytes = _patch_bytes(node, graph, graph.value(node.output).shape[1])
    return CParams(
        "tinyml_depthwise_s8_t",
        {"conv": conv, "patch_bytes": patch_bytes, "block_cols": _blocks(node, graph)[0]},
    )


def _planar(size: int) -> KernelDescriptor:
    symbol = f"tinyml_depthwise_{size}x{size}_s8_dsp"
    return KernelDescriptor(
        symbol,
        f"armv7em/{symbol}.c",
        "include/tinyml_depthwise_s8.h",
        Op.CONV2D,
        Isa.DSP,
        first_reason(*COMMON, needs_depthwise, _needs_planes(size)),
        _params,
        _scratch,
        _planar_cost,
    )


KERNELS = (
    KernelDescriptor(
        "tinyml_depthwise_s8",
        "reference/tinyml_depthwise_s8.c",
        "include/tinyml_conv_s8.h",
        Op.CONV2D,
        Isa.PORTABLE,
        first_reason(*COMMON, needs_depthwise),
        conv_params(weights_by_tap),
        no_scratch,
        _portable_cost,
    ),
    *(_planar(size) for size in (3, 5, 7)),
)
