"""What takes a turn in a stream: predicted cycles, and work that is done again."""

import math
from collections import Counter
from dataclasses import replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.kernels.rows import image_shape, pixel_bytes
from tinyml.kernels.windows import COLUMNS, ROWS, RowWindow
from tinyml.schedule.model import Schedule
from tinyml.schedule.patch import windows_of
from tinyml.schedule.stream import Worker

PART_CYCLES = 60.0
"""Of the call of a kernel for a part of a patch, besides what it costs to compute it."""

MOVE_CYCLES = 1.75
"""Of a byte that one part of a patch keeps for the next: seven instructions a word."""


def cycles_of(worker: Worker, schedule: Schedule) -> float:
    """Predicted, of all calls of a worker's kernels."""
    graph = schedule.graph
    if len(worker.nodes) == 1:
        return schedule.kernel(worker.node).cost_in_tiles(worker.node, graph, worker.tile)
    total = 0.0
    patch = worker.patch
    lines, strips = zip(*patch.lines(worker.tile), strict=True), zip(*patch.strips(), strict=True)
    for node, spans, columns in zip(worker.nodes, lines, strips, strict=True):
        kernel = schedule.kernel(node)
        heights = Counter(end - first for first, end in spans)
        widths = Counter(end - first for first, end, _ in columns if first < end)
        for rows, high in heights.items():
            for cols, wide in widths.items():
                total += high * wide * (PART_CYCLES + _part_cycles(kernel, node, graph, rows, cols))
    for position, pixels in enumerate(patch.moved(worker.tile)):
        total += MOVE_CYCLES * pixels * pixel_bytes(graph.value(worker.nodes[position].output))
    return total


def macs_again(worker: Worker, graph: Graph) -> int:
    """Multiply-accumulates that a patch computes more than once."""
    if len(worker.nodes) == 1:
        return 0
    computed = worker.patch.computed(worker.tile)
    return sum(
        macs(node, graph) * pixels // math.prod(image) - macs(node, graph)
        for node, pixels, image in zip(worker.nodes, computed, worker.patch.images, strict=True)
    )


def _part_cycles(kernel: KernelDescriptor, node: Node, graph: Graph, rows: int, cols: int) -> float:
    """Of a part of that many rows and columns: what a node costs of which that is all."""
    values = {name: graph.value(name) for name in (*node.used, *node.outputs)}
    by_axis = (windows_of(node, graph, kernel.access, axis) for axis in (ROWS, COLUMNS))
    for name, by_row, by_col in zip(graph.activations(node), *by_axis, strict=True):
        height, width, channels = image_shape(values[name].shape)
        taken = (_taken(by_row, rows, height), _taken(by_col, cols, width))
        values[name] = replace(values[name], shape=(1, *taken, channels))
    if not kernel.access.reduces:
        values[node.output] = replace(values[node.output], shape=(1, rows, cols, values[node.output].shape[-1]))
    return kernel.cost_in_tiles(node, Graph("part", (), (), (node,), values), rows)


def _taken(window: RowWindow | None, places: int, length: int) -> int:
    """Of an operand of that length."""
    return length if window is None else min((places - 1) * window.stride // window.up + window.extent, length)
