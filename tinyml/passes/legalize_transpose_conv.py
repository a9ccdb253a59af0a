"""Writes TRANSPOSE_CONV2D as a convolution whose pixels are the blocks of stride x stride outputs, and DEPTH_TO_SPACE.

Output row q * stride + p takes input row q + d through tap p + padding - d * stride, for every d that names a tap. Over all
p that is one window of a few rows, with weights of 0 where p has no tap: an ordinary convolution with stride^2 times the
filters. Its sums are those of the transposed one, to the bit in integers, and any kernel for convolutions computes them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Conv2dAttrs, DepthToSpaceAttrs, Op, TransposeConv2dAttrs
from tinyml.passes.base import Pass, without
from tinyml.passes.rewrite import Rewriter

Arrange = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis: output q * stride + p, of `size`, reads `taps` inputs from q + first on."""

    kernel: int
    stride: int
    pad: int
    size: int

    @property
    def first(self) -> int:
        return -((self.kernel - 1 - self.pad) // self.stride)

    @property
    def taps(self) -> int:
        return (self.stride - 1 + self.pad) // self.stride - self.first + 1

    @property
    def blocks(self) -> int:
        return -(-self.size // self.stride)

    def padding(self, length: int) -> tuple[int, int]:
        return -self.first, self.blocks - 1 + self.first + self.taps - length

    def tap(self, p: int, index: int) -> int | None:
        """The tap through which p takes the input of that index in its window, if there is one."""
        tap = p + self.pad - (self.first + index) * self.stride
        return tap if 0 <= tap < self.kernel else None


def _legalize_transpose_conv(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if isinstance(node.attrs, TransposeConv2dAttrs):
            _legalize(rewriter, node, node.attrs)
    return rewriter.finish()


def _legalize(rewriter: Rewriter, node: Node, attrs: TransposeConv2dAttrs) -> None:
    x, w, y = (rewriter.values[name] for name in (node.used[0], node.used[1], node.output))
    rows, cols = (
        _Axis(kernel, stride, pads[0], size)
        for kernel, stride, pads, size in zip(w.shape[1:3], attrs.stride, attrs.padding, y.shape[1:3], strict=True)
    )

    def blocks(parts: np.ndarray) -> np.ndarray:
        """[pixels of a block, O, ...] -> [pixels * O, ...]; where there are groups, channels of one stay together."""
        parts = parts if attrs.groups == 1 else parts.swapaxes(0, 1)
        return parts.reshape(-1, *parts.shape[2:])

    def windows(weights: np.ndarray) -> np.ndarray:
        out, _, _, depth = weights.shape
        parts = np.zeros((rows.stride, cols.stride, out, rows.taps, cols.taps, depth), weights.dtype)
        for py, px, i, j in np.ndindex(rows.stride, cols.stride, rows.taps, cols.taps):
            ky, kx = rows.tap(py, i), cols.tap(px, j)
            if ky is not None and kx is not None:
                parts[py, px, :, i, j] = weights[:, ky, kx]
        return blocks(parts.reshape(-1, *parts.shape[2:]))

    def repeated(each: np.ndarray) -> np.ndarray:
        return blocks(np.stack([each] * (rows.stride * cols.stride)))

    nodes: list[Node] = []
    inputs = [x.name, _arranged(rewriter, node.used[1], windows, repeated, nodes)]
    inputs += [_arranged(rewriter, name, repeated, repeated, nodes) for name in node.used[2:]]
    shape = (1, rows.blocks, cols.blocks, w.shape[0] * rows.stride * cols.stride)
    packed = rewriter.activation(f"{y.name}_blocks", shape, y)
    padding = (rows.padding(x.shape[1]), cols.padding(x.shape[2]))
    conv = Conv2dAttrs(padding=padding, groups=attrs.groups, clamp=attrs.clamp)
    name = rewriter.node_name(f"{node.name}_blocks")
    crop = (rows.blocks * rows.stride - rows.size, cols.blocks * cols.stride - cols.size)
    unpack = DepthToSpaceAttrs(attrs.stride, attrs.groups > 1, crop)
    rewriter.replace(
        node,
        *nodes,
        replace(node, op=Op.CONV2D, inputs=tuple(inputs), outputs=(packed,), attrs=conv),
        Node(name, Op.DEPTH_TO_SPACE, (packed,), node.outputs, unpack, node.source),
    )


def _arranged(rewriter: Rewriter, name: str, arrange: Arrange, repeated: Arrange, nodes: list[Node]) -> str:
    """Constant weights or bias, arranged anew; those that are dequantized, with a DEQUANTIZE of their own in `nodes`."""
    dequantize = rewriter.producer(name)
    value = rewriter.values[name if dequantize is None else dequantize.used[0]]
    quant = value.quant
    if quant is not None and quant.axis is not None:
        scales = tuple(repeated(np.array(quant.scale)).tolist())
        quant = replace(quant, scale=scales, zero_point=(0,) * len(scales))
    constant = rewriter.constant(value.name, arrange(value.constant), quant, value.dtype)
    if dequantize is None:
        return constant
    made = rewriter.values[constant]
    result = rewriter.activation(name, made.shape, rewriter.values[name])
    nodes.append(replace(dequantize, name=rewriter.node_name(dequantize.name), inputs=(constant,), outputs=(result,)))
    return result


PASS = Pass("legalize_transpose_conv", _legalize_transpose_conv, ensures=(without(Op.TRANSPOSE_CONV2D),))
