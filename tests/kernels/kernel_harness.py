"""Runs a node through a kernel, tile by tile, on a machine: the host under sanitizers, or an emulated core."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from kernel_layout import Memory

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import Conv2dAttrs, Pool2dAttrs, spec
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.kernels.rows import image_shape

POISON = 0xA5


class Machine(Protocol):
    pointer: int

    def call(self, symbol: str, memory: Memory, args: Sequence[int]) -> list[bytes]:
        """Calls a kernel with five buffers; the bytes of every buffer afterwards."""
        ...


@dataclass(frozen=True)
class Tiling:
    """How the output is cut, and where the input rows live.

    Attributes:
        inputs: "whole"; "ring": a ring of just the rows that a tile needs; "patch": just its rows and columns.
    """

    rows: int | None = None
    cols: int | None = None
    inputs: str = "whole"


WHOLE = Tiling()


def reference(node: Node, graph: Graph, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    inputs = [None if n is None else graph.value(n) for n in node.inputs]
    data = [None if v is None else v.data if v.is_constant else arrays[v.name] for v in inputs]
    return spec(node.op).reference(node.attrs, inputs, data, [graph.value(n) for n in node.outputs])


def run(
    machine: Machine,
    kernel: KernelDescriptor,
    node: Node,
    graph: Graph,
    arrays: Mapping[str, np.ndarray],
    tiling: Tiling = WHOLE,
    in_place: str | None = None,
) -> list[np.ndarray]:
    """The node's outputs. Asserts that a tile changes nothing outside itself.

    Args:
        in_place: name of the input whose memory the output shares.
    """
    assert kernel.rejects(node, graph) is None, kernel.rejects(node, graph)
    form = "whole" if kernel.access.whole else tiling.inputs
    outs = [graph.value(name) for name in node.outputs]
    images = [np.full((*image_shape(v.shape), v.dtype.numpy.itemsize), POISON, np.uint8) for v in outs]
    if in_place is not None:
        source = np.ascontiguousarray(arrays[in_place]).view(np.uint8).reshape(-1)
        images[0] = source[: images[0].size].reshape(images[0].shape).copy()
    for row, rows, col, cols in _tiles(images[0].shape, tiling):
        memory = Memory(machine.pointer)
        op = memory.params(kernel.params(node, graph))
        scratch = memory.add(bytes([POISON]) * kernel.scratch_bytes(node, graph, rows))
        out_maps = []
        for image in images:
            height, width, channels, size = image.shape
            out_maps.append((memory.array(image), width * channels * size, height, 0, 0))
        in_maps = []
        for name in graph.activations(node):
            value = graph.value(name)
            if name == in_place:
                height, width, channels = image_shape(value.shape)
                in_maps.append((out_maps[0][0], width * channels * value.dtype.numpy.itemsize, height, 0, 0))
            else:
                in_maps.append(_input(memory, node, graph, value, arrays[name], (row, rows, col, cols), form))
        tile = memory.add(np.array([row, rows, col, cols], "<i4").tobytes())
        before = [bytes(b) for b in memory.buffers]
        after = machine.call(kernel.symbol, memory, (op, memory.rows(in_maps), memory.rows(out_maps), tile, scratch))
        written = {m[0] for m in out_maps} | {scratch}
        for i, old in enumerate(before):
            assert i in written or i == op or after[i] == old, f"{kernel.symbol} wrote to an input or constant"
        for k, (buffer, *_) in enumerate(out_maps):
            new = np.frombuffer(after[buffer], np.uint8).reshape(images[k].shape)
            if k == 0 and in_place is None:
                outside = np.ones(images[0].shape, bool)
                outside[row : row + rows, col : col + cols] = False
                assert np.array_equal(new[outside], images[0][outside]), f"{kernel.symbol} wrote outside its tile"
            images[k] = new.copy()
    return [image.reshape(-1).view(v.dtype.numpy).reshape(v.shape) for image, v in zip(images, outs, strict=True)]


def _tiles(image: tuple[int, ...], tiling: Tiling) -> Iterator[tuple[int, int, int, int]]:
    """Last tile first: what a tile wrongly leaves in a later one is then not overwritten."""
    height, width = image[0], image[1]
    step_y, step_x = tiling.rows or height, tiling.cols or width
    for row in reversed(range(0, height, step_y)):
        for col in reversed(range(0, width, step_x)):
            yield row, min(step_y, height - row), col, min(step_x, width - col)


def _input(
    memory: Memory,
    node: Node,
    graph: Graph,
    value: Value,
    array: np.ndarray,
    tile: tuple[int, int, int, int],
    form: str,
) -> tuple[int, int, int, int, int]:
    """The row map of an input that holds what the tile needs, and nothing else."""
    height, width, channels = image_shape(value.shape)
    image = np.ascontiguousarray(array).reshape(height, width, channels)
    row_bytes = width * channels * image.itemsize
    windowed = isinstance(node.attrs, Conv2dAttrs | Pool2dAttrs)
    aligned = image_shape(value.shape)[:2] == image_shape(graph.value(node.outputs[0]).shape)[:2]
    if form == "whole" or not (windowed or aligned):
        return memory.array(image), row_bytes, height, 0, 0
    row, rows, col, cols = tile
    top, bottom = _needed(node, graph, 0, row, rows, height)
    if form == "ring":
        ring = np.full((bottom - top, row_bytes), POISON, np.uint8)
        for y in range(top, bottom):
            ring[y % len(ring)] = image[y].reshape(-1).view(np.uint8)
        return memory.array(ring), row_bytes, len(ring), 0, 0
    left, right = _needed(node, graph, 1, col, cols, width)
    patch = image[top:bottom, left:right]
    return memory.array(patch), (right - left) * channels * image.itemsize, bottom - top, top, left


def _needed(node: Node, graph: Graph, axis: int, first: int, count: int, length: int) -> tuple[int, int]:
    """Input rows (axis 0) or columns (1) that `count` output rows from `first` on read: at least one."""
    attrs = node.attrs
    match attrs:
        case Conv2dAttrs():
            kernel, dilation = graph.value(node.inputs[1]).shape[1 + axis], attrs.dilation[axis]
        case Pool2dAttrs():
            kernel, dilation = attrs.kernel[axis], 1
        case _:
            return first, first + count
    lo = first * attrs.stride[axis] - attrs.padding[axis][0]
    hi = lo + (count - 1) * attrs.stride[axis] + (kernel - 1) * dilation + 1
    lo = min(max(lo, 0), length - 1)
    return lo, max(min(hi, length), lo + 1)
