"""Which nodes the outputs need, and in which order they can be read."""

import heapq
from typing import Any

from tinyml.errors import ModelError
from tinyml.frontends.onnx.names import printable
from tinyml.frontends.onnx.reader import ModelFile

_MAX_NODES = 20_000


def live_order(file: ModelFile) -> list[Any]:
    """The nodes that the outputs need, each after what it reads; in the order of the file where that allows it.

    Raises:
        ModelError: a name is undefined or defined twice, or nodes form a cycle.
    """
    nodes = file.graph.node
    if len(nodes) > _MAX_NODES:
        raise ModelError(f"{file.path}: {len(nodes)} nodes, more than {_MAX_NODES}")
    producer = _producers(file)
    live = _live(file, producer)
    waits = {i: {producer[name] for name in nodes[i].input if name in producer} for i in live}
    readers: dict[int, list[int]] = {}
    for i, before in waits.items():
        for b in before:
            readers.setdefault(b, []).append(i)
    ready = [i for i, before in waits.items() if not before]
    heapq.heapify(ready)
    order = []
    while ready:
        i = heapq.heappop(ready)
        order.append(nodes[i])
        for r in readers.get(i, ()):
            waits[r].discard(i)
            if not waits[r]:
                heapq.heappush(ready, r)
    if len(order) != len(live):
        stuck = nodes[min(i for i, before in waits.items() if before)]
        raise ModelError(f"{file.path}: nodes form a cycle through {stuck.op_type} {printable(stuck.name)!r}")
    return order


def _given(file: ModelFile) -> set[str]:
    """Tensors that no node computes."""
    return {i.name for i in file.graph.input} | {t.name for t in file.graph.initializer}


def _producers(file: ModelFile) -> dict[str, int]:
    """Tensor -> index of the node that computes it. Refuses names that are missing or defined twice."""
    graph = file.graph
    if not graph.output:
        raise ModelError(f"{file.path}: the graph has no outputs")
    for kind, names in (("input", [i.name for i in graph.input]), ("output", [o.name for o in graph.output])):
        if len(set(names)) != len(names) or "" in names:
            raise ModelError(f"{file.path}: {kind}s must have names, each its own, found {names}")
    given = _given(file)
    producer: dict[str, int] = {}
    for index, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in producer or name in given:
                raise ModelError(f"{file.path}: {printable(name)!r} is defined twice")
            producer[name] = index
    return producer


def _live(file: ModelFile, producer: dict[str, int]) -> set[int]:
    """Indices of the nodes that the outputs depend on. Refuses names that nothing defines."""
    given = _given(file)
    live: set[int] = set()
    todo = [o.name for o in file.graph.output]
    while todo:
        name = todo.pop()
        if not name or name in given:
            continue
        if name not in producer:
            raise ModelError(f"{file.path}: {printable(name)!r} is read, but nothing defines it")
        if producer[name] not in live:
            live.add(producer[name])
            todo.extend(file.graph.node[producer[name]].input)
    return live
