"""int8 depthwise convolutions by dot products of vectors: include/tinyml_depthwise_vector_s8.h."""

import math
from dataclasses import dataclass, replace

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.common import Reject, first_reason, parameter_array, quant_of, window_fields, zero_point_of
from tinyml.kernels.conv_s8 import NARROW_TOO, attrs_of, needs_depthwise
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.kernels.lanes_w4 import in_eights
from tinyml.kernels.rescaling_mve import needs_right_shifts, rescaling
from tinyml.targets.core import Isa

_LANES = 64
_CHANNELS = 8
_TABLES = 160
_SCRATCH = 2000  # bytes that the kernels are content with, if their window lets them; of widened weights apart


@dataclass(frozen=True, slots=True)
class _Layout:
    """How `rows` rows of outputs are computed at once: see the header."""

    rows: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    narrow: bool

    @property
    def widened(self) -> int:
        """Weights of eight channels, where they are of 4 bits."""
        return _CHANNELS * math.prod(self.kernel) if self.narrow else 0

    @property
    def column_rows(self) -> int:
        return self.kernel[0] + (self.rows - 1) * self.stride[0]

    @property
    def lanes(self) -> int:
        return (self.kernel[1] - 1) * self.column_rows + self.kernel[0]

    @property
    def vectors(self) -> int:
        return -(-self.lanes // 16)

    def scratch(self, cols: int) -> int:
        abreast = 4 // self.rows
        last = (-(-cols // abreast) * abreast - 1) * self.stride[1] * self.column_rows
        return _TABLES + self.widened + _CHANNELS * (last + (self.rows - 1) * self.stride[0] + 16 * self.vectors)

    def once(self, width: int, channels: int) -> float:
        """Instructions for `rows` rows. Counted: 3.5 to spread 8 channels of a pixel, 12 and 8 a vector for four sums, 36 and
        5 a vector for a channel, 7 for 32 weights that are widened."""
        seen = (width - 1) * self.stride[1] + self.kernel[1]
        spread = 40 + self.column_rows * (3.5 * seen + 8)
        abreast = 4 // self.rows
        sums = 36 + 5 * self.vectors + -(-width // abreast) * (16 + 8 * self.vectors)
        return 200 + -(-channels // _CHANNELS) * (spread + self.widened / 4) + channels * sums

    def tile(self, rows: int, width: int, channels: int) -> float:
        """Instructions of a call for so many rows; those that are left over go as the header says."""
        passes, rest = divmod(rows, self.rows)
        if rest == 3:
            passes, rest = passes + 1, 0
        rested = replace(self, rows=rest) if rest else None
        cols = self.block_cols(width)
        blocks = [cols] * (width // cols) + ([width % cols] if width % cols else [])
        return 150 + sum(
            passes * self.once(block, channels) + (rested.once(block, channels) if rested else 0) for block in blocks
        )

    def tiles(self, rows: int, height: int, width: int, channels: int) -> float:
        """Instructions of a layer in tiles of so many rows."""
        whole, rest = divmod(height, rows)
        return whole * self.tile(rows, width, channels) + (self.tile(rest, width, channels) if rest else 0)

    def space(self, cols: int, rows: int) -> int:
        """Bytes of scratch for so many rows and columns of outputs."""
        heights = {1, min(2, rows, self.rows), self.rows if rows > 2 else 1}
        return max(replace(self, rows=n).scratch(cols) for n in heights)

    def block_cols(self, width: int) -> int:
        """As many columns as _SCRATCH has room for, blocks of about the same size, multiples of four; at least four."""
        sizes = (min(-(-width // (4 * n)) * 4, width) for n in range(1, -(-width // 4) + 1))
        return next((cols for cols in sizes if self.space(cols, self.rows) - self.widened <= _SCRATCH), min(4, width))


def _layout(node: Node, graph: Graph, rows: int) -> _Layout:
    w = graph.value(node.inputs[1])
    return _Layout(rows, (w.shape[1], w.shape[2]), attrs_of(node).stride, w.dtype is DType.INT4)


def _layouts(node: Node, graph: Graph) -> tuple[_Layout, ...]:
    """Those of 1, 2 and 4 rows that the kernel has lanes for."""
    layouts = (_layout(node, graph, rows) for rows in (1, 2, 4))
    return tuple(layout for layout in layouts if layout.lanes <= _LANES)


def _best(node: Node, graph: Graph) -> _Layout:
    _, height, width, channels = graph.value(node.output).shape
    return min(reversed(_layouts(node, graph)), key=lambda layout: layout.tile(height, width, channels))


def _needs_lanes(node: Node, graph: Graph) -> str | None:
    attrs, x, w = attrs_of(node), graph.value(node.inputs[0]), graph.value(node.inputs[1])
    if w.shape[0] != x.shape[-1]:
        return f"gives one channel for one, this gives {w.shape[0]} for {x.shape[-1]}"
    if attrs.dilation != (1, 1):
        return f"computes windows without gaps, dilation is {attrs.dilation}"
    if not _layouts(node, graph):
        return f"computes windows of up to {_LANES} taps, this one is {w.shape[1]}x{w.shape[2]}"
    return None


def _needs_three(node: Node, graph: Graph) -> str | None:
    w, stride = graph.value(node.inputs[1]), attrs_of(node).stride
    if w.shape[1:3] != (3, 3):
        return f"computes 3x3 windows, this one is {w.shape[1]}x{w.shape[2]}"
    return None if stride in ((1, 1), (2, 2)) else f"moves its window by 1 or 2 both ways, strides are {stride}"


def _three(node: Node, graph: Graph) -> _Layout:
    return _layout(node, graph, 4 // attrs_of(node).stride[0])


def _kernel(symbol: str, rejects: Reject, three: bool, per_sum: float) -> KernelDescriptor:
    def layout_of(node: Node, graph: Graph) -> _Layout:
        return _three(node, graph) if three else _best(node, graph)

    def params(node: Node, graph: Graph) -> CParams:
        attrs = attrs_of(node)
        x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
        low, high = activation_range(attrs.clamp, quant_of(out))
        factors, layout = rescaling(node, graph), layout_of(node, graph)
        by_column = np.ascontiguousarray(factors.weights[..., 0].transpose(0, 2, 1)).reshape(w.shape[0], -1)
        table = np.stack([factors.bias, factors.multiplier, factors.shift.astype(np.int32)], axis=1)
        return CParams(
            "tinyml_depthwise_vector_s8_t",
            {
                "weights": Array("weights", in_eights(by_column, by_tap=False) if layout.narrow else by_column),
                "rescale": parameter_array("rescale", table),
                "window": window_fields(x, (w.shape[1], w.shape[2]), attrs.stride, attrs.padding, attrs.dilation),
                "narrow": int(layout.narrow),
                "in_zero_point": zero_point_of(x),
                "block_rows": layout.rows,
                "block_cols": layout.block_cols(out.shape[2]),
                "out_offset": zero_point_of(out),
                "out_min": low,
                "out_max": high,
            },
        )

    def scratch(node: Node, graph: Graph, rows: int) -> int:
        layout = layout_of(node, graph)
        return layout.space(layout.block_cols(graph.value(node.output).shape[2]), rows)

    def tile_cost(node: Node, graph: Graph, rows: int) -> float:
        _, height, width, channels = graph.value(node.output).shape
        return layout_of(node, graph).tiles(rows, height, width, channels) * per_sum

    def cost(node: Node, graph: Graph) -> float:
        return tile_cost(node, graph, graph.value(node.output).shape[1])

    return KernelDescriptor(
        symbol,
        f"armv8_1m/{symbol}.c",
        "include/tinyml_depthwise_vector_s8.h",
        Op.CONV2D,
        Isa.MVE,
        first_reason(*NARROW_TOO, needs_depthwise, _needs_lanes, rejects, needs_right_shifts),
        params,
        scratch,
        cost,
        tile_cost=tile_cost,
    )


KERNELS = (
    _kernel("tinyml_depthwise_s8_mve", lambda node, graph: None, three=False, per_sum=1),
    _kernel("tinyml_depthwise_3x3_s8_mve", _needs_three, three=True, per_sum=0.8),
)
