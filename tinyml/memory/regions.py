"""Several regions of RAM: hot buffers to the fast ones, others where there is room, and what the user wishes.

One arena in one region is the rule. There are several where one does not hold everything, where the user places buffers,
and where the fewest cycles are wanted.
"""

import difflib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyml.errors import DoesNotFitError, UsageError
from tinyml.ir.graph import Graph
from tinyml.ir.macs import macs
from tinyml.kernels.rows import image_shape, row_bytes
from tinyml.memory.lifetimes import Demand, demand
from tinyml.memory.packing import make_problem
from tinyml.memory.plan import Buffer, MemoryPlan, Waiting
from tinyml.memory.planner import ARENA, Part, assemble
from tinyml.memory.search import Packing, pack
from tinyml.memory.sharing import share_out
from tinyml.schedule.model import Schedule
from tinyml.schedule.patch import windows_of
from tinyml.targets import Board, ram_called

DMA_BYTES = 32
"""Buffers that DMA touches begin at a multiple of this, and are as long as one: a line of the data cache, which is cleaned
and invalidated whole."""

FIRMWARE_DATA = 1024
"""Bytes that are left for the firmware's own data in a region that holds it, where that is not the arena's."""

_DMA = "dma"
_AUTO = "auto"
_WORD = 4  # bytes of an access


@dataclass(frozen=True, slots=True)
class Room:
    """What a region has for an arena."""

    region: str
    bytes: int
    wait_cycles: int
    dma: bool


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says about places (`--place`).

    Attributes:
        auto: hot buffers to fast regions.
        rules: (what, region); region None: where DMA reaches.
    """

    auto: bool = False
    rules: tuple[tuple[str, str | None], ...] = ()


def rooms_of(board: Board, reserve_bytes: int = 0) -> tuple[Room, ...]:
    """What the board has for arenas: the fastest region first, of equally fast ones the arena's, then the largest.

    Args:
        reserve_bytes: of the arena's region that the application keeps.
    """
    link, rooms = board.link, []
    for region in (region for region in board.regions if region.takes_arena):
        taken = link.stack_bytes if link.stack == region.name else 0
        if region.name == link.arena:
            taken += reserve_bytes
        elif region.name == link.data:
            taken += FIRMWARE_DATA
        rooms.append(Room(region.name, max(0, region.bytes - taken), region.wait_cycles, region.dma))
    return tuple(sorted(rooms, key=lambda r: (r.wait_cycles, r.region != link.arena, -r.bytes, r.region)))


def parse_wishes(texts: Sequence[str], board: Board) -> Wishes:
    """Reads `--place`: `auto`, or `WHAT=REGION`. Of `arena=REGION` the board knows (`tinyml.targets.choose_target`).

    Raises:
        UsageError: no such region, or another form.
    """
    wishes, whole = Wishes(), False
    for text in texts:
        what, equals, name = (part.strip() for part in text.rpartition("="))
        if text.strip() == _AUTO:
            wishes = replace(wishes, auto=True)
        elif not equals or not what or not name:
            raise UsageError(f"--place {text}: expected WHAT=REGION, or auto", "as in --place input=axi_sram")
        elif what == ARENA:
            whole = True
        else:
            region = None if name == _DMA else ram_called(name, board).name
            wishes = replace(wishes, rules=(*wishes.rules, (what, region)))
    if wishes.auto and whole:
        raise UsageError("--place auto: goes without --place arena=REGION, which leaves nothing to choose")
    return wishes


def place_memory(
    schedule: Schedule,
    rooms: Sequence[Room],
    home: str | None,
    wishes: Wishes = Wishes(),
    *,
    keep_input: bool = False,
    effort: float = 1.0,
) -> MemoryPlan:
    """Gives every buffer its place in one of the board's regions.

    Args:
        rooms: the board's, as `rooms_of` gives them.
        home: the region of what the user has no wishes for. None: hot buffers go to fast regions, in one arena where a
            region as fast as any holds them all.
        effort: as of `plan_memory`.

    Raises:
        UsageError: a wish is about something that the network has not, or is impossible.
        DoesNotFitError: what the user placed in a region is larger than it.
    """
    wanted = _wished(demand(schedule, keep_input), schedule.graph, wishes)
    allowed = [_allowed(buffer, rooms, home) for buffer in wanted.buffers]
    problem = make_problem(wanted.buffers, wanted.distances)
    alone = [room for room in rooms if all(room in some for some in allowed)]
    if alone:
        packing = pack(problem, effort)
        for room in alone:
            part = Part(ARENA, room.region, wanted.buffers, packing)
            if home is not None or (room.wait_cycles == rooms[0].wait_cycles and part.bytes <= room.bytes):
                return assemble(schedule, wanted, [part])
    traffic = traffic_of(schedule, wanted)
    costs = [
        [traffic[b.name] / _WORD * room.wait_cycles if room in some else math.inf for room in rooms]
        for b, some in zip(wanted.buffers, allowed, strict=True)
    ]
    over_read = max((b.over_read for b in wanted.buffers), default=0)
    sharing = share_out(problem, [room.bytes - over_read for room in rooms], costs)
    parts = []
    for index, room in enumerate(rooms):
        mine = [i for i, r in enumerate(sharing.rooms) if r == index]
        if mine:
            buffers = [wanted.buffers[i] for i in mine]
            packing = _packed(buffers, wanted.distances, [sharing.offsets[i] for i in mine], effort)
            parts.append(Part(room.region, room.region, buffers, packing, sum(traffic[b.name] for b in buffers)))
            _check_wishes(buffers, room)
    waiting = Waiting(round(sharing.cost), math.floor(sharing.lower_bound)) if home is None else None
    return assemble(schedule, wanted, parts, waiting)


def _packed(
    buffers: Sequence[Buffer], distances: Mapping[tuple[str, str], int], offsets: Sequence[int], effort: float
) -> Packing:
    """The best packing of a region's buffers: what the planner finds, or how they were shared out."""
    names = {buffer.name for buffer in buffers}
    near = {pair: apart for pair, apart in distances.items() if names.issuperset(pair)}
    packing = pack(make_problem(buffers, near), effort)
    shared = max((at + b.bytes for b, at in zip(buffers, offsets, strict=True)), default=0)
    return packing if packing.bytes <= shared else Packing(tuple(offsets), shared, packing.lower_bound)


def _allowed(buffer: Buffer, rooms: Sequence[Room], home: str | None) -> list[Room]:
    """Where a buffer may lie. home: nothing but wishes and DMA takes it from there."""
    able = [room for room in rooms if room.dma or not buffer.dma]
    if buffer.region is not None:
        return [room for room in able if room.region == buffer.region]
    at_home = [room for room in able if room.region == home]
    return at_home or able


def _wished(wanted: Demand, graph: Graph, wishes: Wishes) -> Demand:
    """The demand with the user's regions at its buffers.

    Raises:
        UsageError: see `place_memory`.
    """
    places: dict[str, str | None] = {}
    for what, region in wishes.rules:
        for name in _meant(what, wanted, graph):
            if name in places and places[name] != region:
                raise UsageError(f"--place {what}={region or _DMA}: {name} has another place already")
            places[name] = region
    buffers = tuple(_wished_buffer(b, places[b.name]) if b.name in places else b for b in wanted.buffers)
    return replace(wanted, buffers=buffers)


def _wished_buffer(buffer: Buffer, region: str | None) -> Buffer:
    if region is not None:
        return replace(buffer, region=region)
    whole = -(-buffer.bytes // DMA_BYTES) * DMA_BYTES
    return replace(buffer, dma=True, bytes=whole, alignment=math.lcm(buffer.alignment, DMA_BYTES))


def _meant(what: str, wanted: Demand, graph: Graph) -> list[str]:
    """Names of the buffers that the user means: of a value, of what a layer computes, of its scratch, or `input`."""
    values: Iterable[str]
    layers = {node.name: node.outputs for node in graph.nodes}
    scratch = [name for name, _ in wanted.scratch.values()]
    if what in scratch:
        return [what]
    if what in graph.values:
        values = (what,)
    elif what in layers:
        values = layers[what]
    elif what in ("input", "output"):
        values = graph.inputs if what == "input" else graph.outputs
    else:
        values = ()
    found = [b.name for b in wanted.buffers if set(values) & set(b.values)]
    if not found:
        known = [*(v for b in wanted.buffers for v in b.values), *layers, *scratch]
        near = difflib.get_close_matches(what, known, n=3, cutoff=0.4)
        raise UsageError(
            f"--place {what}: {graph.name} has no such value or layer",
            f"did you mean {' or '.join(near)}?" if near else "tinyml analyze names them",
        )
    return found


def _check_wishes(buffers: Sequence[Buffer], room: Room) -> None:
    """What the user placed in a region fits, whatever else is there."""
    mine = [buffer for buffer in buffers if buffer.region == room.region]
    least = make_problem(mine, {}).lower_bound
    if mine and least > room.bytes:
        raise DoesNotFitError(
            f"--place: what is placed in {room.region} takes {least:,} bytes, it has {room.bytes:,}: "
            f"{least - room.bytes:,} too many",
            "leave some of it out: " + ", ".join(b.name for b in sorted(mine, key=lambda b: -b.bytes)[:3]),
        )


def traffic_of(schedule: Schedule, wanted: Demand) -> Mapping[str, int]:
    """Buffer name -> bytes that a run reads and writes there, roughly.

    Counted are the rows that the calls of the schedule read and write. Of a sum of products each multiplication reads a
    byte more, from the scratch of kernels that have some, from the operand otherwise: what one read serves several
    channels is left out, and is much the same everywhere.
    """
    graph = schedule.graph
    home = {value: b.name for b in wanted.buffers for value in b.values} | {v: b for v, (b, _) in wanted.parts.items()}
    found: Counter[str] = Counter({b.name: 0 for b in wanted.buffers})
    for name in (*graph.inputs, *graph.outputs):  # the application's
        found[home[name]] += graph.value(name).bytes
    for stage in schedule.stages:
        for index, worker in enumerate(stage.stream.workers):
            calls = [stage.trace.calls[number] for number in stage.trace.calls_of[index]]
            parts = [parts for call in calls for parts in worker.parts(call.row, call.end)]
            for node, (height, width), computed in zip(
                worker.nodes, worker.patch.images, zip(*parts, strict=True), strict=True
            ):
                operands = graph.activations(node)
                windows = windows_of(node, graph, schedule.kernel(node).access)
                reads = []
                for name, window in zip(operands, windows, strict=True):
                    rows = image_shape(graph.value(name).shape)[0]
                    lines = sum(
                        (rows if window is None else window.end(p.end - 1, rows) - window.first(p.row)) * p.cols
                        for p in computed
                    )
                    reads.append(lines * row_bytes(graph.value(name)) // width)
                    found[home[name]] += reads[-1]
                pixels = sum(p.pixels for p in computed)
                for name in node.outputs:
                    found[home[name]] += graph.value(name).bytes
                products = macs(node, graph) * pixels // (height * width)
                if node.name in wanted.scratch:
                    found[wanted.scratch[node.name][0]] += sum(reads) + max(sum(reads), products)
                elif operands:
                    found[home[operands[0]]] += max(0, products - reads[0])
    return found
