"""The stage: Graph -> Schedule. Chooses a kernel for every node and cuts the graph into stages, one a node."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from tinyml.errors import ModelError
from tinyml.ir.graph import Graph, Node, Value
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.kernels.registry import candidates
from tinyml.schedule.model import Candidate, Counted, Objective, Schedule, Selection, computed_nodes
from tinyml.targets.core import Isa

# Kernels of an operation, each with the reason why it cannot serve, or None
_Offered = Sequence[tuple[KernelDescriptor, str | None]]

# (node, graph, features of the core) -> those of the node's operation
Candidates = Callable[[Node, Graph, frozenset[Isa]], _Offered]

_ROWS = 2  # of a tile, where kernels are compared by their scratch

BEARABLE = 1.05
"""Times the cycles of a whole node that tiles may cost: beyond that it comes first where weights may grow."""

# (name of a node, symbol of a kernel) -> what it costs there
Counts = Mapping[tuple[str, str], Counted]


def schedule(
    graph: Graph,
    isa: frozenset[Isa],
    *,
    objective: Objective = Objective.BALANCED,
    kernels: Candidates = candidates,
    counts: Counts = MappingProxyType({}),
    thrift: float | None = None,
    more_weights: int = 0,
    tiles: Mapping[str, int] = MappingProxyType({}),
) -> Schedule:
    """Runs the graph layer by layer, in its own order, each node by the fastest kernel that can compute it: the nodes of
    `tiles` in tiles of so many rows, the others at once.

    With `thrift` by the one that needs the least scratch for tiles of two rows, of those that take no more than so many
    times the cycles of the fastest in such tiles.

    Where kernels of a node were counted, the least count decides, and those that were not are out; otherwise the least
    prediction.

    Kernels whose constants take more bytes than the node's are taken, for no more than `more_weights` of them in all, where
    they save the most cycles for a byte.

    Layer by layer the objectives coincide; `objective` is recorded for the stages that follow.

    Raises:
        ModelError: some nodes have no kernel; the message lists all of them, with why each kernel refuses.
    """
    selections: dict[str, Selection] = {}
    refused: list[tuple[Node, list[tuple[str, str]]]] = []
    offers = [(node, kernels(node, graph, isa)) for node in computed_nodes(graph)]
    heights = tiles if thrift is None else dict.fromkeys((node.name for node, _ in offers), _ROWS)
    for node, offered in _affordable(offers, graph, counts, more_weights, heights):
        able = [kernel for kernel, reason in offered if reason is None]
        reasons = [(kernel.symbol, reason) for kernel, reason in offered if reason is not None]
        if able:
            selection = _fastest(node, graph, able, reasons, counts)
            if (tile := tiles.get(node.name)) is not None:
                selection = _fastest(node, graph, _alike(able, selection.kernel), reasons, counts, tile)
            selections[node.name] = selection if thrift is None else _thriftiest(node, graph, able, selection, thrift)
        else:
            refused.append((node, reasons))
    if refused:
        raise ModelError(
            "\n".join([f"{graph.name}: {_counted(len(refused))} no kernel", *(_refusal(graph, *r) for r in refused)]),
            "change these operations in the model: the lines below each say what its kernels take",
        )
    return Schedule(graph, (), MappingProxyType(selections), objective).by_layers()


def _affordable(
    offers: Sequence[tuple[Node, _Offered]], graph: Graph, counts: Counts, more_weights: int, tiles: Mapping[str, int]
) -> Iterator[tuple[Node, _Offered]]:
    """The offers, in which kernels of larger weights are refused but where they save the most for a byte, first of all in
    tiles that cost more than is bearable."""
    savings: list[tuple[bool, float, int, str]] = []  # whether it is unbearable, cycles for a byte, bytes, node
    for node, offered in offers:
        able = [kernel for kernel, reason in offered if reason is None]
        if all(kernel.extra_weights is None for kernel in able):
            continue
        tile = tiles.get(node.name)
        tried = _tried(node, able, counts)
        plain = [kernel for kernel in tried if kernel.extra_weights is None]
        least, whole = (
            min((_cost(node, graph, kernel, counts, rows) for kernel in plain), default=math.inf)
            for rows in (tile, None)
        )
        for kernel in tried:
            cost = _cost(node, graph, kernel, counts, tile)
            if kernel.extra_weights is not None and cost < least:
                extra = kernel.extra_weights(node, graph)
                savings.append((least > BEARABLE * whole, (least - cost) / extra, extra, node.name))
    granted: dict[str, int] = {}
    for _, _, extra, name in sorted(savings, reverse=True):
        if extra <= more_weights and name not in granted:
            granted[name] = extra
            more_weights -= extra
    for node, offered in offers:
        most = granted.get(node.name, 0)
        yield node, [(kernel, reason or _too_large(kernel, node, graph, most)) for kernel, reason in offered]


def _too_large(kernel: KernelDescriptor, node: Node, graph: Graph, most: int) -> str | None:
    if kernel.extra_weights is None or (extra := kernel.extra_weights(node, graph)) <= most:
        return None
    return f"its weights take {extra:,} bytes more than the model's, see --weights-growth"


def _tried(node: Node, able: Sequence[KernelDescriptor], counts: Counts) -> Sequence[KernelDescriptor]:
    """Those that were counted; all where none was."""
    return [kernel for kernel in able if (node.name, kernel.symbol) in counts] or able


def _cost(node: Node, graph: Graph, kernel: KernelDescriptor, counts: Counts, tile: int | None) -> float:
    """Counted or predicted, in tiles of so many rows. What a kernel costs there beyond its count, of the whole node, is in the
    proportion that was predicted."""
    predicted, counted = kernel.cost(node, graph), counts.get((node.name, kernel.symbol))
    cost = predicted if counted is None else counted.cost
    return cost if tile is None else cost * kernel.cost_in_tiles(node, graph, tile) / predicted


def _fastest(
    node: Node,
    graph: Graph,
    able: list[KernelDescriptor],
    refusals: list[tuple[str, str]],
    counts: Counts,
    tile: int | None = None,
) -> Selection:
    """The kernel of least cost in tiles of so many rows; among equals the first that is offered."""
    tried = _tried(node, able, counts)
    costs = {kernel.symbol: _cost(node, graph, kernel, counts, tile) for kernel in able}
    counted = {kernel.symbol: counts.get((node.name, kernel.symbol)) for kernel in able}
    best = min(tried, key=lambda kernel: costs[kernel.symbol])
    unit = "" if tile is None else f" in tiles of {tile}"
    verdicts = {symbol: f"{cost:,.0f} {_unit(counted[symbol])}{unit}" for symbol, cost in costs.items()}
    reason = (
        f"{verdicts[best.symbol]}, the least of {len(tried)}" if len(able) > 1 else "the only one that can compute it"
    )
    ranked = sorted(able, key=lambda kernel: kernel is not best)
    offered = [
        Candidate(k.symbol, k.cost(node, graph), counted[k.symbol], reason if k is best else verdicts[k.symbol])
        for k in ranked
    ]
    return Selection(best, reason, (*offered, *(Candidate(symbol, None, None, why) for symbol, why in refusals)))


def _alike(able: Sequence[KernelDescriptor], kernel: KernelDescriptor) -> list[KernelDescriptor]:
    """Those that take their operands as a kernel does."""
    return [other for other in able if other.access.pace == kernel.access.pace]


def _thriftiest(
    node: Node, graph: Graph, able: Sequence[KernelDescriptor], fastest: Selection, thrift: float
) -> Selection:
    """The kernel of least scratch, and the fastest of those."""

    def needs(kernel: KernelDescriptor) -> tuple[int, float]:
        return kernel.scratch_bytes(node, graph, _ROWS), kernel.cost_in_tiles(node, graph, _ROWS)

    limit = thrift * needs(fastest.kernel)[1]
    alike = [kernel for kernel in _alike(able, fastest.kernel) if needs(kernel)[1] <= limit]
    kernel = min(alike, key=needs, default=fastest.kernel)
    if kernel.symbol == fastest.kernel.symbol:
        return fastest
    reason = (
        f"{needs(kernel)[0]:,} bytes of scratch, the least for at most {thrift:g} x the cycles in tiles of {_ROWS} rows"
    )
    taken = [replace(c, verdict=reason) for c in fastest.candidates if c.symbol == kernel.symbol]
    return Selection(kernel, reason, (*taken, *(c for c in fastest.candidates if c.symbol != kernel.symbol)))


def _unit(count: Counted | None) -> str:
    if count is None:
        return "cycles predicted"
    return "instructions counted" if count.cycles is None else "cycles modelled"


def _counted(nodes: int) -> str:
    return "1 operation has" if nodes == 1 else f"{nodes} operations have"


def _refusal(graph: Graph, node: Node, reasons: list[tuple[str, str]]) -> str:
    operands = ", ".join(_type(graph.value(name)) for name in node.used)
    results = ", ".join(_type(graph.value(name)) for name in node.outputs)
    head = f"  {node.source or node.name} ({node.op.value}): {operands} -> {results}"
    if not reasons:
        return f"{head}\n    no kernel computes {node.op.value}"
    return "\n".join([head, *(f"    {symbol}: {reason}" for symbol, reason in reasons)])


def _type(value: Value) -> str:
    return f"{value.dtype.value}{list(value.shape)}"
