"""What a user asks about a plan: where its peak is, what lives there, and whether a board has room for it."""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tinyml.errors import DoesNotFitError
from tinyml.ir.describe import shortened
from tinyml.ir.graph import Graph, Node
from tinyml.memory.plan import Arena, BufferKind, MemoryPlan, Placement
from tinyml.memory.planner import plan_memory
from tinyml.memory.regions import FIRMWARE_DATA, rooms_of
from tinyml.schedule.model import computed_nodes
from tinyml.schedule.storage import storage_lifetimes, storage_roots
from tinyml.targets.board import Board


@dataclass(frozen=True, slots=True)
class LiveBuffer:
    name: str
    kind: BufferKind
    bytes: int


@dataclass(frozen=True, slots=True)
class Peak:
    """The step at which most bytes live.

    Attributes:
        nodes: what the step computes; none where inputs that nobody reads, or outputs, need most.
        bytes: of the arena that are taken at that step (memory shared in place counts once). The arena is larger where
            the planner could not pack without gaps.
        buffers: what is there, largest first.
    """

    step: int
    nodes: tuple[Node, ...]
    bytes: int
    buffers: tuple[LiveBuffer, ...]

    @property
    def source(self) -> str:
        """The layer, or the first and the last of a stage, by their names in the model file."""
        if not self.nodes:
            return "the inputs and outputs"
        ends = dict.fromkeys((self.nodes[0], self.nodes[-1]))
        return " to ".join(shortened(node.source or node.name) for node in ends)

    @property
    def op(self) -> str:
        return ", ".join(dict.fromkeys(node.op.value for node in self.nodes))


def live_bytes(plan: MemoryPlan) -> tuple[int, ...]:
    """Bytes of all arenas that are taken at each step."""
    return tuple(_covered(_live(plan, step)) for step in range(len(plan.schedule.stages)))


def most_live(plan: MemoryPlan, values: AbstractSet[str]) -> int:
    """The most bytes of all arenas that are taken at a step where one of the values is there; 0 where none ever is."""
    lives = [p.buffer.lifetime for p in plan.placements.values() if not values.isdisjoint(p.buffer.values)]
    live = live_bytes(plan)
    return max(
        (taken for step, taken in enumerate(live) if any(life.first <= step <= life.last for life in lives)), default=0
    )


def peak_report(plan: MemoryPlan) -> Peak:
    """The first step with the most live bytes."""
    stages = plan.schedule.stages
    steps = [*range(len(stages)), -1, len(stages)]
    step = max(steps, key=lambda s: _covered(_live(plan, s)))
    live = _live(plan, step)
    largest_first = sorted((p.buffer for p in live), key=lambda b: -b.bytes)
    return Peak(
        step,
        stages[step].nodes if 0 <= step < len(stages) else (),
        _covered(live),
        tuple(LiveBuffer(b.name, b.kind, b.bytes) for b in largest_first),
    )


@dataclass(frozen=True, slots=True)
class LayerMemory:
    """Activation bytes while a node runs, as the graph alone tells them: nothing in place, no scratch.

    Attributes:
        waiting_bytes: values that the node does not touch but later ones, or the caller, need.
    """

    node: Node
    input_bytes: int
    output_bytes: int
    waiting_bytes: int

    @property
    def live_bytes(self) -> int:
        return self.input_bytes + self.output_bytes + self.waiting_bytes


def layer_memory(graph: Graph) -> tuple[LayerMemory, ...]:
    """Live bytes at each node but views, for graphs that may have no kernels. A plan's own figure is `live_bytes`."""
    nodes = computed_nodes(graph)
    root = storage_roots(graph)
    lifetimes = storage_lifetimes(graph, [(node,) for node in nodes], root, keep_input=False)
    size = {name: max(graph.value(v).bytes for v in root if root[v] == name) for name in lifetimes}
    layers = []
    for step, node in enumerate(nodes):
        read = {root[name] for name in graph.activations(node)}
        written = {root[name] for name in node.outputs} - read
        live = {name for name, life in lifetimes.items() if life.first <= step <= life.last}
        layers.append(
            LayerMemory(node, *(sum(size[n] for n in part) for part in (read, written, live - read - written)))
        )
    return tuple(layers)


def arena_capacity(board: Board, reserve_bytes: int = 0) -> int:
    """Bytes that a board has for the arena: its region, less the stack where it is the same, less what is reserved.

    The firmware's static data is not known before the link; the linker has the last word.
    """
    stack = board.link.stack_bytes if board.link.stack == board.link.arena else 0
    return board.region(board.link.arena).bytes - stack - reserve_bytes


def excess(plan: MemoryPlan, board: Board, reserve_bytes: int = 0) -> int:
    """Bytes of arenas that their regions have no room for; 0 where all fit."""
    return sum(max(0, arena.bytes - _room(arena, board, reserve_bytes)) for arena in plan.arenas)


def _room(arena: Arena, board: Board, reserve_bytes: int) -> int:
    if arena.region in (None, board.link.arena):
        return arena_capacity(board, reserve_bytes)
    return next(room.bytes for room in rooms_of(board) if room.region == arena.region)


def fits(
    plan: MemoryPlan,
    board: Board,
    *,
    reserve_bytes: int = 0,
    stack_bytes: int = 0,
    boards: Iterable[Board] = (),
    others: Callable[[], Iterable[tuple[str, int]]] = tuple,
) -> None:
    """Returns where the board has room for the arenas.

    Args:
        reserve_bytes: RAM that the application keeps (`--reserve-sram`), and the stack's share of a limit.
        stack_bytes: that share.
        boards: others that the message may suggest.
        others: what else the user could do, and the arena that it would take: called where it does not fit.

    Raises:
        DoesNotFitError: it has not: by how much, in which layer, what lives there, and what would help.
    """
    over = excess(plan, board, reserve_bytes)
    if not over:
        return
    peak = peak_report(plan)
    where = f"{peak.source} ({peak.op})" if peak.nodes else peak.source
    taken = [f"{a.bytes:,} bytes, {_room_text(a, board, reserve_bytes)}" for a in plan.arenas]
    what = f"its arena takes {taken[0]}" if len(taken) == 1 else f"its arenas take {'; '.join(taken)}"
    raise DoesNotFitError(
        "\n".join(
            [
                f"{plan.schedule.graph.name} does not fit {board.id} by {over:,} bytes of SRAM: {what}",
                f"  the peak is in {where}, where {peak.bytes:,} bytes live at once:",
                *(f"  {b.bytes:>11,}  {b.kind.value:<10}  {shortened(b.name)}" for b in peak.buffers),
            ]
        ),
        _remedies(plan, board, reserve_bytes, stack_bytes, boards, others()),
    )


def _room_text(arena: Arena, board: Board, reserve_bytes: int) -> str:
    """`sram has 30,720 without 2,048 of stack`."""
    region = arena.region or board.link.arena
    stack = board.link.stack_bytes if board.link.stack == region else 0
    reserved = reserve_bytes if region == board.link.arena else 0
    data = FIRMWARE_DATA if board.link.data == region != board.link.arena else 0
    kept = [f"{n:,} {what}" for n, what in ((stack, "of stack"), (data, "of data"), (reserved, "reserved")) if n]
    without = f" without {' and '.join(kept)}" if kept else ""
    return f"{region} has {max(0, _room(arena, board, reserve_bytes)):,}{without}"


def _remedies(
    plan: MemoryPlan,
    board: Board,
    reserve_bytes: int,
    stack_bytes: int,
    boards: Iterable[Board],
    others: Iterable[tuple[str, int]],
) -> str:
    """What would make it fit: options first, as they cost nothing, each of them tried."""
    needed, free = plan.peak_bytes, arena_capacity(board, stack_bytes)
    remedies: list[str] = []
    short: list[str] = []
    if needed <= free:
        remedies.append(f"reserve at most {free - needed:,} bytes (--reserve-sram)")
    overwriting = plan_memory(plan.schedule, keep_input=False).peak_bytes
    for what, size in (("let the run overwrite its input (no --keep-input)", overwriting), *others):
        if size < needed:
            (remedies if size <= arena_capacity(board, reserve_bytes) else short).append(f"{what}: {size:,} bytes")
    roomy = [
        b.id for b in boards if b.id != board.id and not b.core.hosted and arena_capacity(b, reserve_bytes) >= needed
    ]
    if roomy:
        remedies.append(f"take a board that has room: {', '.join(roomy)}")
    remedies.append("make the network's input smaller: activations grow with its area")
    lower = f"\n  lower, but not enough alone: {'; '.join(short)}" if short else ""
    return "; or ".join(remedies) + lower


def _live(plan: MemoryPlan, step: int) -> list[Placement]:
    return [p for p in plan.placements.values() if p.buffer.lifetime.first <= step <= p.buffer.lifetime.last]


def _covered(placements: Sequence[Placement]) -> int:
    """Bytes that are in at least one of the placements."""
    total, arena, reached = 0, "", 0
    for p in sorted(placements, key=lambda p: (p.arena, p.offset)):
        if p.arena != arena:
            arena, reached = p.arena, 0
        total += max(0, p.end - max(p.offset, reached))
        reached = max(reached, p.end)
    return total
