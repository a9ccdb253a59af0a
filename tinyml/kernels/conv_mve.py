"""Convolutions by dot products of vectors, int8 with weights of 8 and of 4 bits, and int16: include/tinyml_conv_vector.h."""

from collections.abc import Callable

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import Op
from tinyml.ir.reference.conv import channel_multipliers
from tinyml.ir.reference.int16 import reduced_multiplier
from tinyml.kernels import conv_s8, conv_s16
from tinyml.kernels.common import (
    Reject,
    first_reason,
    needs_batch_of_one,
    needs_weights,
    parameter_array,
    quant_of,
    whole,
    window_fields,
    zero_point_of,
)
from tinyml.kernels.conv_paired_s8 import needs_one_group
from tinyml.kernels.conv_s8 import attrs_of
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.kernels.rescaling_mve import Rescaling, needs_right_shifts, rescaling
from tinyml.targets.core import Isa

_STEP = 16  # bytes of inputs
_FILTERS = 4
_MOST_CHANNELS = 20_000
_SLIDES = 4  # rows that columns in scratch may move on
_SLACK = 16  # bytes of scratch before columns
_SCRATCH = 2000  # bytes that the kernels are content with, if their window lets them


def _needs_neighbours(node: Node, graph: Graph) -> str | None:
    gap = attrs_of(node).dilation[1]
    w = graph.value(node.inputs[1])
    return f"computes windows of neighbouring columns, dilation is {gap}" if gap != 1 and w.shape[2] > 1 else None


def _rows(w: np.ndarray) -> np.ndarray:
    """A filter a row, with the order of its taps."""
    return w.transpose(0, 2, 1, 3).reshape(w.shape[0], -1)


def packed_weights(rows: np.ndarray, step: int = _STEP, together: int = _FILTERS) -> np.ndarray:
    """[so many rows together][step][row][taps of the step], the first step with what is left over by the others."""
    blocks = np.pad(rows, ((0, -len(rows) % together), (0, 0))).reshape(-1, together, rows.shape[1])
    first = (rows.shape[1] - 1) % step + 1
    rest = blocks[..., first:].reshape(len(blocks), together, -1, step).transpose(0, 2, 1, 3)
    packed = np.concatenate([blocks[..., :first].reshape(len(blocks), -1), rest.reshape(len(blocks), -1)], axis=1)
    return np.pad(packed.reshape(-1), (0, step - first))


def paired_weights(rows: np.ndarray) -> np.ndarray:
    """The same of weights of 4 bits: a byte 16 b + a for the rows a and b of a pair."""
    even = np.pad(rows, ((0, -len(rows) % _FILTERS), (0, 0))).astype(np.int16)
    return packed_weights((16 * even[1::2] + even[::2]).astype(np.int8), together=_FILTERS // 2)


def needs_pairs(node: Node, graph: Graph) -> str | None:
    """Of the weights of `paired_weights`."""
    w = graph.value(node.inputs[1]).constant
    rows = w.reshape(len(w), -1)[: len(w) // 2 * 2]
    refused = ((rows[1::2] == -8) & (rows[::2] < 0)).any(axis=1)
    return f"takes weights from -7 on in channel {2 * int(refused.argmax()) + 1}" if refused.any() else None


def packed_rescaling(bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Nine words for each four channels."""
    more = -len(bias) % _FILTERS
    bias, multiplier = (np.pad(a.astype("<i4"), (0, more)).reshape(-1, _FILTERS) for a in (bias, multiplier))
    shifts = np.pad(shift.astype(np.int8), (0, more), constant_values=-1).view("<i4").reshape(-1, 1)
    return np.concatenate([bias, multiplier, shifts], axis=1).reshape(-1).astype(np.int32)


def _column_bytes(node: Node, graph: Graph, cols: int) -> int:
    """Of the columns that neighbouring outputs see."""
    height, width, channels = graph.value(node.inputs[1]).shape[1:]
    pixels = ((cols - 1) * attrs_of(node).stride[1] + width) * height
    return pixels * channels * graph.value(node.inputs[0]).dtype.numpy.itemsize


def _in_place(node: Node, graph: Graph) -> bool:
    """Whether the kernel reads windows where they are."""
    attrs, w = attrs_of(node), graph.value(node.inputs[1])
    return w.shape[1:3] == (1, 1) and attrs.padding == ((0, 0), (0, 0))


def _block_cols(node: Node, graph: Graph) -> int:
    width = graph.value(node.output).shape[2]
    fitting = [cols for cols in (*range(2, width, 2), width) if _column_bytes(node, graph, cols) <= _SCRATCH]
    return max(fitting, default=min(2, width))


def _scratch(node: Node, graph: Graph, rows: int) -> int:
    return 0 if _in_place(node, graph) else _SLACK + _column_bytes(node, graph, _block_cols(node, graph))


def _params(
    node: Node, graph: Graph, weights: np.ndarray, table: np.ndarray, shifts_left: bool, block_cols: int
) -> CParams:
    attrs = attrs_of(node)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    low, high = activation_range(attrs.clamp, quant_of(out))
    return CParams(
        "tinyml_conv_vector_t",
        {
            "weights": Array("weights", weights),
            "rescale": parameter_array("rescale", table),
            "window": window_fields(x, (w.shape[1], w.shape[2]), attrs.stride, attrs.padding, attrs.dilation),
            "out_channels": w.shape[0],
            "in_zero_point": zero_point_of(x),
            "block_cols": block_cols,
            "shifts_left": int(shifts_left),
            "out_offset": zero_point_of(out),
            "out_min": low,
            "out_max": high,
        },
    )


def _table(factors: Rescaling) -> np.ndarray:
    return packed_rescaling(factors.bias, factors.multiplier, factors.shift)


def _s8(pack: Callable[[np.ndarray], np.ndarray]) -> Callable[[Node, Graph], CParams]:
    def params(node: Node, graph: Graph) -> CParams:
        factors = rescaling(node, graph)
        weights = pack(_rows(factors.weights))
        return _params(node, graph, weights, _table(factors), bool(factors.shifts_left.any()), _block_cols(node, graph))

    return params


def _scaled(node: Node, graph: Graph) -> tuple[Value, Value, Value]:
    return graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)


def rescaling_s16(node: Node, graph: Graph, order: np.ndarray) -> np.ndarray:
    """Nine words for each four channels, taken in this order."""
    multiplier, shift = channel_multipliers(*_scaled(node, graph))
    reduced = np.array([reduced_multiplier(int(m)) << 16 for m in multiplier])
    return packed_rescaling(*(a[order] for a in (conv_s16.bias_of(node, graph), reduced, shift)))


def _s16(node: Node, graph: Graph) -> CParams:
    w = graph.value(node.inputs[1]).constant
    table = rescaling_s16(node, graph, np.arange(len(w)))
    return _params(node, graph, packed_weights(_rows(w), _STEP // 2), table, False, _block_cols(node, graph))


def needs_factors_below_a_half(node: Node, graph: Graph) -> str | None:
    _, shift = channel_multipliers(*_scaled(node, graph))
    return f"takes factors below 1/2, channel {int(shift.argmax())} has a larger one" if shift.max() >= 0 else None


def _run_cost(steps: int, outputs: int, channels: int, apart: bool, resident: bool, block: float) -> float:
    """Instructions for neighbouring outputs. Counted: 15 a step and `block` more for four filters and two outputs; with
    weights that stay in registers, 12 a step and 20 to 24 more for two filters and four outputs, 50 for two filters."""
    groups = outputs // 4 if resident and channels % _FILTERS == 0 and steps <= 2 else 0
    pairs = -(-(outputs - 4 * groups) // 2)
    kept = channels // 2 * (groups * (12 * steps + 20 + 4 * apart) + 50) if groups else 0
    return kept + pairs * -(-channels // _FILTERS) * (15 * steps + block)


def _kernel(
    name: str, rejects: Reject, params: Callable[[Node, Graph], CParams], step: int, block: float
) -> KernelDescriptor:
    """Instructions counted: 12 a row of a column that is laid out, 200 a call, and what neighbouring outputs take."""

    def tile_cost(node: Node, graph: Graph, rows: int) -> float:
        attrs, w = attrs_of(node), graph.value(node.inputs[1])
        _, height, width, channels = graph.value(node.output).shape
        steps = -(-int(np.prod(w.shape[1:])) // step)
        tiles, rest = divmod(height, rows)
        together = _in_place(node, graph) and attrs.stride == (1, 1)

        def run(outputs: int) -> float:
            return _run_cost(steps, outputs, channels, not together, step == _STEP, block)

        runs = tiles * run(rows * width) + run(rest * width) if together else height * run(width)
        columns = 0 if _in_place(node, graph) else height * width * attrs.stride[1]
        return runs + columns * 12 * w.shape[1] + 200 * (tiles + (rest > 0))

    return KernelDescriptor(
        f"tinyml_conv_{name}_mve",
        f"armv8_1m/tinyml_conv_{name}_mve.c",
        "include/tinyml_conv_vector.h",
        Op.CONV2D,
        Isa.MVE,
        first_reason(rejects, needs_one_group, _needs_neighbours),
        params,
        _scratch,
        whole(tile_cost),
        tile_cost=tile_cost,
    )


def _needs_shared_columns(node: Node, graph: Graph) -> str | None:
    attrs, w = attrs_of(node), graph.value(node.inputs[1])
    filters, height, width, channels = w.shape
    if (height, width) != (3, 3):
        return f"computes 3x3 windows, this one is {height}x{width}"
    if attrs.stride[1] > 2:
        return f"moves its window by 1 or 2 along a row, stride is {attrs.stride[1]}"
    if channels % _STEP:
        return f"takes multiples of {_STEP} channels, these are {channels}"
    if filters % 2 or filters > _MOST_CHANNELS:
        return f"gives an even number of up to {_MOST_CHANNELS} channels, these are {filters}"
    return None


def _shared_bytes(node: Node, graph: Graph, cols: int) -> int:
    return _column_bytes(node, graph, -(-cols // 4) * 4)


def _shared_cols(node: Node, graph: Graph) -> int:
    width = graph.value(node.output).shape[2]
    fitting = [cols for cols in (*range(4, width, 4), width) if _shared_bytes(node, graph, cols) <= _SCRATCH]
    return max(fitting, default=min(4, width))


def _columns_scratch(node: Node, graph: Graph, rows: int) -> int:
    channels = graph.value(node.inputs[0]).shape[3]
    return _shared_bytes(node, graph, _shared_cols(node, graph)) + _SLIDES * channels


def _columns_params(node: Node, graph: Graph) -> CParams:
    factors = rescaling(node, graph)
    filters, height, width, channels = factors.weights.shape
    split = factors.weights.reshape(filters // 2, 2, height, width, channels // _STEP, _STEP)
    weights = np.ascontiguousarray(split.transpose(0, 4, 2, 1, 3, 5))
    return _params(node, graph, weights, _table(factors), False, _shared_cols(node, graph))


def _columns_cost(node: Node, graph: Graph, rows: int) -> float:
    """Instructions counted: 111 for 16 channels of two filters and four outputs, 9 more with stride 2, 30 to rescale; 50 for
    two filters of a row; 4 for 16 bytes of columns, and 50 a row of them."""
    stride, x = attrs_of(node).stride, graph.value(node.inputs[0])
    _, height, width, channels = graph.value(node.output).shape
    steps, block = x.shape[3] // _STEP, _shared_cols(node, graph)
    calls = -(-height // rows)
    seen = min(3 * height, 3 * calls + (height - calls) * (min(stride[0], 3) + 3 / _SLIDES))
    total = 150.0 * calls
    for first in range(0, width, block):
        cols = min(block, width - first)
        total += height * (channels // 2 * (-(-cols // 4) * ((102 + 9 * stride[1]) * steps + 30) + 50) + 50)
        total += seen * steps * (4 * ((cols - 1) * stride[1] + 3) + 50)
    return total


_rejects_w4 = first_reason(*conv_s8.WITH_ANY_WEIGHTS, needs_weights(DType.INT4), needs_pairs)
_rejects_s16 = first_reason(
    *conv_s16.COMMON, needs_batch_of_one, needs_factors_below_a_half, conv_s16.needs_totals_of_32_bits
)

KERNELS = (
    _kernel("s8", first_reason(*conv_s8.COMMON), _s8(packed_weights), _STEP, 45),
    KernelDescriptor(
        "tinyml_conv_columns_s8_mve",
        "armv8_1m/tinyml_conv_columns_s8_mve.c",
        "include/tinyml_conv_vector.h",
        Op.CONV2D,
        Isa.MVE,
        first_reason(*conv_s8.COMMON, needs_one_group, _needs_neighbours, _needs_shared_columns, needs_right_shifts),
        _columns_params,
        _columns_scratch,
        whole(_columns_cost),
        tile_cost=_columns_cost,
    ),
    _kernel("w4", _rejects_w4, _s8(paired_weights), _STEP, 51),
    _kernel("s16", _rejects_s16, _s16, _STEP // 2, 43),
)
