"""Runs a node through a kernel, tile by tile, on a machine: the host under sanitizers, or an emulated core."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from kernel_layout import Memory

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import (
    Conv2dAttrs,
    DepthToSpaceAttrs,
    Pool2dAttrs,
    ResizeAttrs,
    SpaceToDepthAttrs,
    StridedSliceAttrs,
    spec,
)
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.kernels.windows import row_windows

POISON = 0xA5

RowMap = tuple[int, int, int, int, int]  # buffer, row_bytes, rows, first_row, first_col


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
    shares: Mapping[str, int] = MappingProxyType({}),
) -> list[np.ndarray]:
    """The node's outputs. Asserts that a tile changes nothing outside itself, and no input.

    Args:
        shares: input -> index of the output whose memory it shares.
    """
    assert kernel.rejects(node, graph) is None, kernel.rejects(node, graph)
    form = "whole" if kernel.access.whole else tiling.inputs
    outs = [graph.value(name) for name in node.outputs]
    images = [np.full((*image_shape(v.shape), v.dtype.numpy.itemsize), POISON, np.uint8) for v in outs]
    stored = [image.tobytes() for image in images]
    for name, k in shares.items():
        stored[k] = np.ascontiguousarray(arrays[name]).tobytes()
    for tile in _tiles(images[0].shape, tiling):
        memory = Memory(machine.pointer)
        op = memory.params(kernel.params(node, graph))
        scratch = memory.add(bytes([POISON]) * kernel.scratch_bytes(node, graph, tile[1]))
        out_maps = [_whole(memory.add(stored[k]), value) for k, value in enumerate(outs)]
        in_maps = [
            _whole(out_maps[shares[name]][0], graph.value(name))
            if name in shares
            else _input(memory, node, graph, graph.value(name), arrays[name], tile, form)
            for name in graph.activations(node)
        ]
        writable = {m[0] for m in out_maps} | {scratch}
        before = [bytes(b) for b in memory.buffers]
        place = memory.add(np.array(tile, "<i4").tobytes())
        after = machine.call(kernel.symbol, memory, (op, memory.rows(in_maps), memory.rows(out_maps), place, scratch))
        for i, old in enumerate(before):
            assert i in writable or i == op or after[i] == old, f"{kernel.symbol} wrote to an input or constant"
        stored = [after[m[0]] for m in out_maps]
        result = [np.frombuffer(s[: i.size], np.uint8).reshape(i.shape) for s, i in zip(stored, images, strict=True)]
        if not shares:
            row, rows, col, cols = tile
            outside = np.ones(images[0].shape, bool)
            outside[row : row + rows, col : col + cols] = False
            assert np.array_equal(result[0][outside], images[0][outside]), f"{kernel.symbol} wrote outside its tile"
        images = result
    return [image.reshape(-1).view(v.dtype.numpy).reshape(v.shape) for image, v in zip(images, outs, strict=True)]


def _whole(buffer: int, value: Value) -> RowMap:
    height, width, channels = image_shape(value.shape)
    return buffer, width * channels * value.dtype.numpy.itemsize, height, 0, 0


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
) -> RowMap:
    """The row map of an input that holds what the tile needs, and nothing else."""
    height, width, channels = image_shape(value.shape)
    image = np.ascontiguousarray(array).reshape(height, width, channels)
    row_bytes = width * channels * image.itemsize
    windowed = isinstance(node.attrs, Conv2dAttrs | Pool2dAttrs)
    aligned = image_shape(value.shape)[:2] == image_shape(graph.value(node.outputs[0]).shape)[:2]
    row, rows, col, cols = tile
    resampled = isinstance(node.attrs, ResizeAttrs | DepthToSpaceAttrs | SpaceToDepthAttrs | StridedSliceAttrs)
    if form == "whole" or not (windowed or aligned or resampled):
        return _whole(memory.array(image), value)
    if resampled:
        (window,) = row_windows(node, graph)
        assert window is not None
        top, bottom = window.first(row), window.end(row + rows - 1, height)
    else:
        top, bottom = _needed(node, graph, 0, row, rows, height)
    if form == "ring" or resampled:
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
