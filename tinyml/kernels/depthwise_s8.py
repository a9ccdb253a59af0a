"""int8 depthwise convolutions, with weights of 8 and of 4 bits: include/tinyml_conv_s8.h, include/tinyml_conv_w4.h and
include/tinyml_depthwise_s8.h."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.ir.reference.conv import channel_multipliers
from tinyml.kernels.common import (
    Reject,
    first_reason,
    needs_int8_weights,
    needs_weights,
    no_scratch,
    parameter_array,
    quant_of,
    whole,
    zero_point_of,
)
from tinyml.kernels.conv_s8 import (
    COMMON,
    NARROW_TOO,
    WITH_ANY_WEIGHTS,
    attrs_of,
    bias_of,
    conv_params,
    needs_depthwise,
    weights_by_tap,
)
from tinyml.kernels.descriptor import Array, CParams, Field, KernelDescriptor
from tinyml.kernels.lanes_w4 import in_eights
from tinyml.targets.core import Isa

_SCRATCH = 2000  # bytes that 5x5 and 7x7 are content with, if the window lets them; more would mean fewer blocks
_LOW = 4  # rows of the tiles that channels are ready for, as the scheduler tries them
_MOST_SHIFT = 22
_MOST_LEFT_SHIFT = 6
# Of tinyml_depthwise_rows.h: bytes of a pair of columns in a plane, and of a channel; pairs in a plane for any rows, and in
# one for narrow rows.
_PAIR_BYTES, _CHANNEL_BYTES = 12, 36
_PAIRS, _NARROW_PAIRS = 25, 9
_SCALE_BYTES = 9  # of a channel's bias, multiplier and shift
# Of tinyml_depthwise_dsp.h: the shift of a channel that is finished evenly, and what stands for it.
_EVEN_SHIFT, _EVEN = 10, 0x7F800000


def _needs_planes(size: int) -> Callable[[Node, Graph], str | None]:
    def rejects(node: Node, graph: Graph) -> str | None:
        attrs, w = attrs_of(node), graph.value(node.inputs[1])
        if w.shape[1:3] != (size, size):
            return f"computes {size}x{size} windows, this one is {w.shape[1]}x{w.shape[2]}"
        if (reason := _needs_blocks(node, graph)) is not None:
            return reason
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


def _is_narrow(node: Node, graph: Graph) -> bool:
    return graph.value(node.inputs[1]).dtype is DType.INT4


def _taps(node: Node, graph: Graph) -> int:
    return math.prod(graph.value(node.inputs[1]).shape[1:3])


def _widening(node: Node, graph: Graph) -> int:
    """Counted instructions of widening the weights of four channels."""
    return 20 + 8 * _taps(node, graph) if _is_narrow(node, graph) else 0


def _narrow_weights(w: np.ndarray, groups: int) -> np.ndarray:
    """include/tinyml_widen_w4.h."""
    return in_eights(w.reshape(w.shape[0], -1), by_tap=True)


def _weights_in_fours(w: np.ndarray, groups: int) -> np.ndarray:
    """The same, with the last four channels in the place of those that are left when all before have gone in fours."""
    left = w.shape[0] % 4
    return _narrow_weights(np.concatenate([w[: w.shape[0] - left], w[-4:]]) if left else w, groups)


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
    if not _hides_ties(node, graph) and shift.max() >= 0:
        return "without a clamp that hides how negative sums are rounded, all have to shift to the right"
    return None


def _hides_ties(node: Node, graph: Graph) -> bool:
    """Whether results below zero, the only ones whose ties are rounded down, are clamped anyway."""
    out = graph.value(node.output)
    return activation_range(attrs_of(node).clamp, quant_of(out))[0] >= zero_point_of(out)


def _pitch(cols: int, size: int, stride: int) -> int:
    """pitch_of() of include/tinyml_depthwise_planar.h."""
    return (((cols + 1) // 2 * 2 - 1) * stride + size + 1) // 2 * 4


def _weights_bytes(node: Node, graph: Graph) -> int:
    size = graph.value(node.inputs[1]).shape[1]
    return 4 * (4 + size * (size - 1 if attrs_of(node).stride[1] == 1 else (size + 1) // 2))


def _room(node: Node, graph: Graph, ready: bool) -> int:
    """Bytes that a plane may have: all of the input, or less where that is too much."""
    size, (stride_y, stride_x) = graph.value(node.inputs[1]).shape[1], attrs_of(node).stride
    _, height, width, _ = graph.value(node.output).shape
    whole = _pitch(width, size, stride_x) * ((height - 1) * stride_y + size)
    room = _SCRATCH // 4 - (0 if ready else _weights_bytes(node, graph))
    return min(whole, max(room // 4 * 4, _pitch(2, size, stride_x) * size))


def _plane(node: Node, graph: Graph, cols: int, rows: int) -> int:
    """Bytes of a plane with what a block of outputs reads."""
    size, (stride_y, stride_x) = graph.value(node.inputs[1]).shape[1], attrs_of(node).stride
    return _pitch(cols, size, stride_x) * ((rows - 1) * stride_y + size)


def _rows_that_fit(node: Node, graph: Graph, cols: int, ready: bool) -> int:
    """In a block of that width."""
    size, (stride_y, stride_x) = graph.value(node.inputs[1]).shape[1], attrs_of(node).stride
    return (_room(node, graph, ready) // _pitch(cols, size, stride_x) - size) // stride_y + 1


# Counted instructions of four outputs of a channel, by size of the window and stride.
_FOUR = {(5, 1): 105, (5, 2): 110, (7, 1): 181, (7, 2): 181}


def _block_instructions(node: Node, graph: Graph, cols: int, rows: int, tile: int) -> float:
    """Of four channels of a tensor in tiles of so many rows, in blocks of that width and height, about."""
    size, (stride_y, stride_x) = graph.value(node.inputs[1]).shape[1], attrs_of(node).stride
    (_, in_height, in_width, _), pad_top = graph.value(node.inputs[0]).shape, attrs_of(node).padding[0][0]
    _, height, width, _ = graph.value(node.output).shape
    turns = height // tile * math.ceil(tile / rows) + math.ceil(height % tile / rows)
    below = (height - 1) * stride_y + size - pad_top - in_height
    outside = sum(range(pad_top, 0, -stride_y * rows)) + sum(range(below, 0, -stride_y * rows))
    spread = (height - turns) * stride_y + turns * size - outside
    pairs = min(_pitch(cols, size, stride_x) / 4, in_width / 2 + 1)
    odd = (0, 10 + 6 * size, 10 + 14 * size, 18 + 20 * size)[cols % 4]
    sums = 4 * height * (20 + cols // 4 * _FOUR[size, stride_x] + odd)
    padding = 0 if cols == width and rows == tile else 40  # of a row; if a tile is one block, it is the first channels'
    return math.ceil(width / cols) * (300 * turns + spread * (50 + padding + 14 * pairs) + sums)


def _planar_block(node: Node, graph: Graph, ready: bool) -> int:
    """The width of blocks that takes the fewest instructions for whole tensors, or for the tiles that channels are ready for:
    wide blocks share few columns with their neighbours, but their rows do not all fit, and low ones share many rows."""
    _, height, width, _ = graph.value(node.output).shape
    rows = min(height, _LOW) if ready else height
    room = _room(node, graph, ready)
    widths = [c for c in (*range(2, min(width, room), 2), width) if _plane(node, graph, c, 1) <= room]
    fit = {cols: min(_rows_that_fit(node, graph, cols, ready), rows) for cols in widths}
    best: int = min(reversed(widths), key=lambda cols: _block_instructions(node, graph, cols, fit[cols], rows))
    return best


def _patch_bytes(node: Node, graph: Graph, ready: bool) -> int:
    """Bytes of a plane at most: for whole tensors, and for tiles of few rows at once."""
    _, height, width, _ = graph.value(node.output).shape
    block, room = _planar_block(node, graph, ready), _room(node, graph, ready)
    tiles = [_plane(node, graph, width, rows) for rows in range(1, min(height, _LOW if ready else 1) + 1)]
    whole = _plane(node, graph, block, min(_rows_that_fit(node, graph, block, ready), height))
    return max(whole, *(size for size in tiles if size <= room), 0)


def _planar_cost(node: Node, graph: Graph, rows: int, ready: bool = False) -> float:
    _, height, width, channels = graph.value(node.output).shape
    call = 20 if ready else 160 + 29 * (_weights_bytes(node, graph) // 4) + _widening(node, graph)
    cols, tile = width, min(rows, height)
    together = tile
    if _plane(node, graph, width, tile) > _patch_bytes(node, graph, ready):
        cols = _planar_block(node, graph, ready)
        together = min(_rows_that_fit(node, graph, cols, ready), tile)
    blocks = _block_instructions(node, graph, cols, together, tile)
    return math.ceil(channels / 4) * (math.ceil(height / rows) * call + blocks)


def _planar_ready_cost(node: Node, graph: Graph, rows: int) -> float:
    """Of a tensor in one call, what the kernel costs that prepares the channels: see `_ready_cost`."""
    return _planar_cost(node, graph, rows, ready=rows < graph.value(node.output).shape[1])


def _planes_scratch(node: Node, graph: Graph, rows: int, ready: bool) -> int:
    width = graph.value(node.output).shape[2]
    return 4 * min(_plane(node, graph, width, rows), _patch_bytes(node, graph, ready))


def _planar_ready_scratch(node: Node, graph: Graph, rows: int) -> int:
    return _planes_scratch(node, graph, rows, ready=True)


def _planar_scratch(node: Node, graph: Graph, rows: int) -> int:
    return 4 * _weights_bytes(node, graph) + _planes_scratch(node, graph, rows, ready=False)


def _planar_params(node: Node, graph: Graph, ready: bool = False) -> CParams:
    return _params(node, graph, _patch_bytes(node, graph, ready), _planar_block(node, graph, ready))


def _row_block(node: Node, graph: Graph) -> int:
    """The width of blocks of rows: as few of them as can be, about equal, of a multiple of four."""
    width, stride = graph.value(node.output).shape[2], attrs_of(node).stride[1]
    most = (2 * _PAIRS - 2) // stride // 4 * 4
    return math.ceil(width / math.ceil(width / most) / 4) * 4


def _row_sums(node: Node, graph: Graph, cols: int) -> float:
    """Counted instructions of four channels of a row."""
    stride = attrs_of(node).stride[1]
    fours, odd = cols // 4, (0, 14, 23, 38)[cols % 4]
    return 77 + 18 * (cols * stride) + 4 * (20 + (42 if stride == 1 else 45) * fours + odd)


def _row_cost(node: Node, graph: Graph, rows: int) -> float:
    """Counted instructions: of a call, of four channels in it, and of a row of them."""
    _, height, width, channels = graph.value(node.output).shape
    row = 50 + _row_sums(node, graph, min(_row_block(node, graph), width))
    blocks = width / min(_row_block(node, graph), width)
    call = 200 + math.ceil(channels / 4) * (330 + 80 * math.ceil(blocks) + _widening(node, graph))
    return math.ceil(height / rows) * call + height * blocks * math.ceil(channels / 4) * row


def _ready_cost(node: Node, graph: Graph, rows: int) -> float:
    """Of a tensor in one call, what the kernel costs that prepares the channels once: there is little to be saved."""
    _, height, width, channels = graph.value(node.output).shape
    if rows >= height:
        return _row_cost(node, graph, rows)
    block = min(_row_block(node, graph), width)
    blocks = width / block
    row = 60 + 150 * (blocks - 1) + blocks * math.ceil(channels / 4) * (15 + _row_sums(node, graph, block))
    return 200 * math.ceil(height / rows) + height * row


def _planes_bytes(node: Node, graph: Graph, cols: int, pairs: int) -> int:
    """Of four channels, each for so many pairs of columns, the last as long as it needs to be."""
    return _PAIR_BYTES * (3 * pairs + (((cols + 1 & ~1) - 1) * attrs_of(node).stride[1] + 4) // 2)


def _row_scratch(node: Node, graph: Graph, rows: int) -> int:
    cols = min(_row_block(node, graph), graph.value(node.output).shape[2])
    return 4 * _CHANNEL_BYTES + _planes_bytes(node, graph, cols, _PAIRS)


def _ready_scratch(pairs: int) -> Callable[[Node, Graph, int], int]:
    def scratch(node: Node, graph: Graph, rows: int) -> int:
        return _planes_bytes(node, graph, min(_row_block(node, graph), graph.value(node.output).shape[2]), pairs)

    return scratch


def _row_params(node: Node, graph: Graph) -> CParams:
    return _params(node, graph, 0, _row_block(node, graph))


def _needs_narrow_rows(node: Node, graph: Graph) -> str | None:
    width, stride = graph.value(node.output).shape[2], attrs_of(node).stride[1]
    most = (2 * _NARROW_PAIRS - 2) // stride
    return f"computes rows of up to {most} outputs with this stride, these have {width}" if width > most else None


def _ready_params(node: Node, graph: Graph) -> CParams:
    """What the other kernel prepares, see tinyml_finish_t."""
    multiplier, shift = _factors(node, graph)
    weights, out = graph.value(node.inputs[1]).constant, graph.value(node.output)
    zero, hides = zero_point_of(out), _hides_ties(node, graph)
    bias = bias_of(node, graph, fold_zero_point=True).astype(np.int64)
    right = np.maximum(-shift, 0)
    even = (right >= _EVEN_SHIFT - 7) & (right < _EVEN_SHIFT) & (np.abs(bias) < 1 << 22) & hides
    left = np.where(even, _EVEN_SHIFT + 1 - right, 1 + np.maximum(shift, 0))
    taps = weights.reshape(weights.shape[0], -1).astype(np.int64) << left[:, None]
    pairs = np.pad(taps, ((0, 0), (0, 1)))[:, _pairs_of_taps(weights.shape[1], attrs_of(node).stride[1])]
    rounding = np.where(shift > 0, zero, (2 * zero + 1 << right) >> 1)
    even_rounding = (2 * zero + 1 << _EVEN_SHIFT - 1) + (1 << np.maximum(left - 2, 0))
    ties = (right > 0) & (not hides)
    finish = [
        multiplier,
        np.where(even, even_rounding, rounding),
        np.where(even, _EVEN, np.where(ties, right - (1 << 31), right)),
        bias << left,
    ]
    words = np.concatenate([pairs[..., 0] & 0xFFFF | pairs[..., 1] << 16, np.stack(finish, axis=1)], axis=1)
    prepared = (_row_params(node, graph) if weights.shape[1] == 3 else _planar_params(node, graph, ready=True)).fields
    conv = prepared["conv"]
    assert isinstance(conv, Mapping)
    unused = dict.fromkeys(("weights", "bias", "multiplier", "shift"))
    return CParams(
        "tinyml_depthwise_ready_s8_t",
        {
            "depthwise": {**prepared, "conv": {**conv, **unused}},
            "channels": Array("weights", words.astype(np.uint32).view(np.int32)),
        },
    )


def _ready_extra(node: Node, graph: Graph) -> int:
    """Bytes of `_ready_params` beyond weights of one byte and the bias, the multiplier and the shift of a channel."""
    channels = graph.value(node.output).shape[-1]
    ready = _CHANNEL_BYTES if _taps(node, graph) == 9 else _weights_bytes(node, graph)
    return channels * (ready - _taps(node, graph) - _SCALE_BYTES)


def _pairs_of_taps(size: int, stride: int) -> list[tuple[int, int]]:
    """The two taps of each word of a channel, size * size for none: see tinyml_depthwise_rows.h and
    tinyml_depthwise_planar.h."""
    if size == 3:
        return [(0, 3), (1, 4), (2, 5), (6, 7), (7, 8)]
    firsts = range(0, size, 2) if stride == 2 else {5: (0, 2, 1, 3), 7: (0, 2, 4, 5, 1, 3)}[size]
    rows = range(0, size * size, size)
    return [(row + k, row + k + 1 if k + 1 < size else size * size) for row in rows for k in firsts]


def _taps_inside(node: Node, graph: Graph) -> int:
    """Multiply-accumulates, without those of padding."""
    attrs, x, w, out = attrs_of(node), *(graph.value(n) for n in (*node.inputs[:2], node.output) if n is not None)
    inside = out.shape[-1]
    for axis, stride in enumerate(attrs.stride):
        size, outputs = x.shape[1 + axis], out.shape[1 + axis]
        # A tap's place is position * stride - before.
        before = [attrs.padding[axis][0] - k * attrs.dilation[axis] for k in range(w.shape[1 + axis])]
        last = [min((size - 1 + b) // stride, outputs - 1) for b in before]
        inside *= sum(max(0, end - max(0, -(-b // stride)) + 1) for b, end in zip(before, last, strict=True))
    return inside


def _cost_of_taps(tap: float, output: float) -> Callable[[Node, Graph], float]:
    def cost(node: Node, graph: Graph) -> float:
        return tap * _taps_inside(node, graph) + output * graph.value(node.output).elements

    return cost


def _any_cost(node: Node, graph: Graph, rows: int) -> float:
    """Counted instructions: of taps and outputs, of pixels, and of calls. Narrow weights come four channels at a time."""
    _, height, width, channels = graph.value(node.output).shape
    calls, fours = math.ceil(height / rows), math.ceil(channels / 4)
    pixels = 240 * height * width * (fours if _is_narrow(node, graph) else 1)
    return _cost_of_taps(3.4, 35)(node, graph) + pixels + calls * (100 + fours * _widening(node, graph))


def _needs_blocks(node: Node, graph: Graph) -> str | None:
    x, w = graph.value(node.inputs[0]), graph.value(node.inputs[1])
    if w.shape[0] != x.shape[-1]:
        return f"gives one channel for one, this gives {w.shape[0]} for {x.shape[-1]}"
    return f"computes four channels at a time, there are {w.shape[0]}" if w.shape[0] < 4 else None


def _needs_right_shifts(node: Node, graph: Graph) -> str | None:
    """Taps outside the image are skipped here, so sums on the way may be larger than `_largest_sums` by twice the taps."""
    _, shift = _factors(node, graph)
    if shift.max() > 0 or shift.min() < -_MOST_SHIFT:
        return f"shifts by {-_MOST_SHIFT} to 0 bits, this one by {shift.min()} to {shift.max()}"
    taps = np.abs(graph.value(node.inputs[1]).constant.astype(np.int64)).reshape(len(shift), -1).sum(axis=1)
    return (
        "sums have to stay below 2^30, these may not"
        if (_largest_sums(node, graph) + 256 * taps).max() >= 1 << 30
        else None
    )


def _conv_fields(node: Node, graph: Graph, *, fold_zero_point: bool) -> dict[str, Field]:
    multiplier, shift = _factors(node, graph)
    pack = _weights_in_fours if _is_narrow(node, graph) else weights_by_tap
    return {
        **conv_params(pack, fold_zero_point=fold_zero_point)(node, graph).fields,
        "multiplier": parameter_array("multiplier", multiplier.astype(np.int32)),
        "shift": parameter_array("shift", shift.astype(np.int8)),
    }


def _params(node: Node, graph: Graph, patch_bytes: int, block_cols: int, *, fold_zero_point: bool = True) -> CParams:
    return CParams(
        "tinyml_depthwise_s8_t",
        {
            "conv": _conv_fields(node, graph, fold_zero_point=fold_zero_point),
            "narrow": int(_is_narrow(node, graph)),
            "patch_bytes": patch_bytes,
            "block_cols": block_cols,
        },
    )


def _rejects_spread(size: int) -> Reject:
    return first_reason(*NARROW_TOO, needs_depthwise, _needs_planes(size))


def _spread(
    name: str,
    rejects: Reject,
    params: Callable[[Node, Graph], CParams],
    scratch: Callable[[Node, Graph, int], int],
    cost: Callable[[Node, Graph, int], float],
    extra_weights: Callable[[Node, Graph], int] | None = None,
) -> KernelDescriptor:
    symbol = f"tinyml_depthwise_{name}_s8_dsp"
    return KernelDescriptor(
        symbol,
        f"armv7em/{symbol}.c",
        "include/tinyml_depthwise_s8.h",
        Op.CONV2D,
        Isa.DSP,
        rejects,
        params,
        scratch,
        whole(cost),
        tile_cost=cost,
        extra_weights=extra_weights,
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
        _cost_of_taps(9, 45),
    ),
    KernelDescriptor(
        "tinyml_depthwise_s8_dsp",
        "armv7em/tinyml_depthwise_s8_dsp.c",
        "include/tinyml_depthwise_s8.h",
        Op.CONV2D,
        Isa.DSP,
        first_reason(*NARROW_TOO, needs_depthwise, _needs_blocks, _needs_right_shifts),
        lambda node, graph: _params(node, graph, 0, 0, fold_zero_point=False),
        lambda node, graph, rows: 4 * _taps(node, graph) if _is_narrow(node, graph) else 0,
        whole(_any_cost),
        tile_cost=_any_cost,
    ),
    KernelDescriptor(
        "tinyml_depthwise_w4",
        "reference/tinyml_depthwise_w4.c",
        "include/tinyml_conv_w4.h",
        Op.CONV2D,
        Isa.PORTABLE,
        first_reason(*WITH_ANY_WEIGHTS, needs_weights(DType.INT4), needs_depthwise),
        conv_params(_narrow_weights),
        lambda node, graph, rows: 4 * _taps(node, graph),
        _cost_of_taps(9, 60),
    ),
    _spread("3x3", _rejects_spread(3), _row_params, _row_scratch, _row_cost),
    _spread(
        "3x3_ready",
        first_reason(needs_int8_weights, _rejects_spread(3), _needs_narrow_rows),
        _ready_params,
        _ready_scratch(_NARROW_PAIRS),
        _ready_cost,
        _ready_extra,
    ),
    _spread(
        "3x3_ready_wide",
        first_reason(needs_int8_weights, _rejects_spread(3)),
        _ready_params,
        _ready_scratch(_PAIRS),
        _ready_cost,
        _ready_extra,
    ),
    *(
        _spread(f"{size}x{size}", _rejects_spread(size), _planar_params, _planar_scratch, _planar_cost)
        for size in (5, 7)
    ),
    *(
        _spread(
            f"{size}x{size}_ready",
            first_reason(needs_int8_weights, _rejects_spread(size)),
            _ready_params,
            _planar_ready_scratch,
            _planar_ready_cost,
            _ready_extra,
        )
        for size in (5, 7)
    ),
)
