"""int8 convolution by dot products of vectors: include/tinyml_conv_vector_s8.h."""

import numpy as np

from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.common import first_reason, parameter_array, quant_of, window_fields, zero_point_of
from tinyml.kernels.conv_s8 import COMMON, attrs_of
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.kernels.rescaling_mve import needs_right_shifts, rescaling
from tinyml.targets.core import Isa

_STEP = 16
_FILTERS = 4
_SCRATCH = 2000  # bytes that the kernel is content with, if its window lets it


def _needs_one_group(node: Node, graph: Graph) -> str | None:
    groups = attrs_of(node).groups
    return f"computes one group of channels, there are {groups}" if groups != 1 else None


def _needs_neighbours(node: Node, graph: Graph) -> str | None:
    gap = attrs_of(node).dilation[1]
    w = graph.value(node.inputs[1])
    return f"computes windows of neighbouring columns, dilation is {gap}" if gap != 1 and w.shape[2] > 1 else None


def packed_weights(w: np.ndarray) -> np.ndarray:
    """[four filters][step][filter][taps of the step], the first step with what is left over by the others."""
    rows = w.transpose(0, 2, 1, 3).reshape(w.shape[0], -1)
    fours = np.pad(rows, ((0, -len(rows) % _FILTERS), (0, 0))).reshape(-1, _FILTERS, rows.shape[1])
    first = (rows.shape[1] - 1) % _STEP + 1
    rest = fours[..., first:].reshape(len(fours), _FILTERS, -1, _STEP).transpose(0, 2, 1, 3)
    blocks = np.concatenate([fours[..., :first].reshape(len(fours), -1), rest.reshape(len(fours), -1)], axis=1)
    return np.pad(blocks.reshape(-1), (0, _STEP - first))


def packed_rescaling(bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Nine words for each four channels."""
    more = -len(bias) % _FILTERS
    bias, multiplier = (np.pad(a.astype("<i4"), (0, more)).reshape(-1, _FILTERS) for a in (bias, multiplier))
    shifts = np.pad(shift.astype(np.int8), (0, more), constant_values=-1).view("<i4").reshape(-1, 1)
    return np.concatenate([bias, multiplier, shifts], axis=1).reshape(-1).astype(np.int32)


def _column_bytes(node: Node, graph: Graph, cols: int) -> int:
    """Of the columns that neighbouring outputs see."""
    height, width, channels = graph.value(node.inputs[1]).shape[1:]
    return ((cols - 1) * attrs_of(node).stride[1] + width) * height * channels


def _in_place(node: Node, graph: Graph) -> bool:
    """Whether the kernel reads windows where they are."""
    attrs, w = attrs_of(node), graph.value(node.inputs[1])
    return w.shape[1:3] == (1, 1) and attrs.padding == ((0, 0), (0, 0))


def _block_cols(node: Node, graph: Graph) -> int:
    width = graph.value(node.output).shape[2]
    fitting = [cols for cols in (*range(2, width, 2), width) if _column_bytes(node, graph, cols) <= _SCRATCH]
    return max(fitting, default=min(2, width))


def _scratch(node: Node, graph: Graph, rows: int) -> int:
    return 0 if _in_place(node, graph) else _column_bytes(node, graph, _block_cols(node, graph))


def _params(node: Node, graph: Graph) -> CParams:
    attrs = attrs_of(node)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    low, high = activation_range(attrs.clamp, quant_of(out))
    factors = rescaling(node, graph)
    table = packed_rescaling(factors.bias, factors.multiplier, factors.shift)
    return CParams(
        "tinyml_conv_vector_s8_t",
        {
            "weights": Array("weights", packed_weights(factors.weights)),
            "rescale": parameter_array("rescale", table),
            "window": window_fields(x, (w.shape[1], w.shape[2]), attrs.stride, attrs.padding, attrs.dilation),
            "out_channels": w.shape[0],
            "in_zero_point": zero_point_of(x),
            "block_cols": _block_cols(node, graph),
            "out_offset": zero_point_of(out),
            "out_min": low,
            "out_max": high,
        },
    )


def _tile_cost(node: Node, graph: Graph, rows: int) -> float:
    """Instructions counted: 15 a step and 45 more for four filters and two outputs, 12 a row of a column that is laid out,
    200 a call."""
    attrs, w = attrs_of(node), graph.value(node.inputs[1])
    _, height, width, channels = graph.value(node.output).shape
    steps = -(-int(np.prod(w.shape[1:])) // _STEP)
    whole, rest = divmod(height, rows)
    if _in_place(node, graph) and attrs.stride == (1, 1):
        pairs = whole * -(-rows * width // 2) + -(-rest * width // 2)
    else:
        pairs = height * -(-width // 2)
    columns = 0 if _in_place(node, graph) else height * width * attrs.stride[1]
    calls = whole + (rest > 0)
    return pairs * -(-channels // _FILTERS) * (15 * steps + 45) + columns * 12 * w.shape[1] + 200 * calls


def _cost(node: Node, graph: Graph) -> float:
    return _tile_cost(node, graph, graph.value(node.output).shape[1])


KERNELS = (
    KernelDescriptor(
        "tinyml_conv_s8_mve",
        "armv8_1m/tinyml_conv_s8_mve.c",
        "include/tinyml_conv_vector_s8.h",
        Op.CONV2D,
        Isa.MVE,
        first_reason(*COMMON, _needs_one_group, _needs_neighbours, needs_right_shifts),
        _params,
        _scratch,
        _cost,
        tile_cost=_tile_cost,
    ),
)
