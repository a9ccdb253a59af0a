"""The memory that a worker needs for its turn alone: scratch of kernels, and parts of what a patch computes on its way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tinyml.ir.graph import Graph, Node
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.kernels.rows import pixel_bytes
from tinyml.schedule.stream import Worker


@dataclass(frozen=True, slots=True)
class Workspace:
    """A run of bytes that all workers of a stage use in turn.

    Attributes:
        parts: value -> where in it the part lies that is being computed.
        scratch: node name -> where in it its kernel's scratch lies. What a kernel keeps between calls is not in it.
    """

    bytes: int
    alignment: int
    parts: Mapping[str, int]
    scratch: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Need:
    """Bytes for the calls of the nodes at positions [first, last] of a patch."""

    node: int
    is_part: bool
    bytes: int
    first: int
    last: int


def workspace(worker: Worker, graph: Graph, kernel: Callable[[Node], KernelDescriptor]) -> Workspace:
    """Places parts and scratch, the largest first, each at the lowest offset that is free while it is needed."""
    sizes = worker.patch.sizes(worker.tile)
    alignment = max(4, *(kernel(node).access.alignment for node in worker.nodes))
    needs: list[_Need] = []
    last = len(worker.nodes) - 1
    for i, (node, (rows, cols)) in enumerate(zip(worker.nodes, sizes, strict=True)):
        if i < len(worker.patch.readers):
            readers = [reader.position for reader in worker.patch.readers[i]]
            over_read = max(kernel(worker.nodes[j]).access.over_read for j in readers)
            size = rows * cols * pixel_bytes(graph.value(node.output)) + over_read
            kept = i in worker.patch.keeps
            needs.append(_Need(i, True, size, 0 if kept else i, last if kept else max(readers)))
        if not kernel(node).access.reduces:
            needs.append(_Need(i, False, kernel(node).scratch_bytes(node, graph, rows), i, i))
    placed: list[tuple[_Need, int]] = []
    for need in sorted((n for n in needs if n.bytes), key=lambda n: (-n.bytes, n.node)):
        busy = sorted((at, at + p.bytes) for p, at in placed if p.first <= need.last and need.first <= p.last)
        offset = 0
        for start, end in busy:
            if offset + need.bytes <= start:
                break
            offset = max(offset, -(-end // alignment) * alignment)
        placed.append((need, offset))
    return Workspace(
        max((at + need.bytes for need, at in placed), default=0),
        alignment,
        MappingProxyType({worker.nodes[n.node].output: at for n, at in placed if n.is_part}),
        MappingProxyType({worker.nodes[n.node].name: at for n, at in placed if not n.is_part}),
    )
