"""Large blocks of memory that the link script puts where they have room: arenas, and pictures that the firmware keeps."""

from dataclasses import dataclass

from tinyml.emit.bundle import SourceBundle
from tinyml.errors import DoesNotFitError
from tinyml.memory.plan import Arena, MemoryPlan
from tinyml.memory.regions import FIRMWARE_DATA
from tinyml.targets.board import Board


@dataclass(frozen=True, slots=True)
class Placed:
    """A section of the link script.

    Attributes:
        section: the name that the sources have behind `.bss.tinyml_`.
    """

    section: str
    region: str
    comment: str


def placed_blocks(bundle: SourceBundle, board: Board, copy_bytes: int) -> tuple[Placed, ...]:
    """Where the arenas are, and what is large besides.

    Args:
        copy_bytes: of the copy that is kept of a benchmark's input; 0: none.

    Raises:
        DoesNotFitError: what the firmware keeps besides the arenas has no room.
    """
    plan = bundle.plan
    blocks = [
        Placed(f"arena_{i}" if i else "arena", _region(arena, board), "The network's memory.")
        for i, arena in enumerate(plan.arenas)
    ]
    room = _free_bytes(plan, board)
    graph = plan.schedule.graph
    if plan.schedule.stream_input:
        size = sum(graph.value(name).bytes for name in graph.inputs)
        hint = "--emit c: an application with a camera needs no such picture"
        spare = {
            region.name: region.bytes for region in board.regions if region.kind == "spare"
        }  # beyond the user's limit
        region = _roomiest(board, room | spare, size, "the picture that the firmware keeps in place of a camera", hint)
        room[region] = room.get(region, 0) - size
        blocks.append(Placed("frame", region, "The picture that stands for a camera's."))
    if copy_bytes:
        hint = "--keep-input: a run then leaves its input, and no copy is kept of integers"
        region = _roomiest(board, room, copy_bytes, "the benchmark's copy of the input", hint)
        blocks.append(Placed("copy", region, "What the benchmark's runner sent, kept for the next run."))
    return tuple(blocks)


def _region(arena: Arena, board: Board) -> str:
    """The board's own where the plan was made for another."""
    return next((region.name for region in board.regions if region.name == arena.region), board.link.arena)


def _free_bytes(plan: MemoryPlan, board: Board) -> dict[str, int]:
    """What arenas, stack and data leave of each region."""
    room = {region.name: region.bytes for region in board.regions if region.takes_arena}
    taken = [(_region(arena, board), arena.bytes) for arena in plan.arenas]
    for name, size in (*taken, (board.link.stack, board.link.stack_bytes), (board.link.data, FIRMWARE_DATA)):
        if name in room:
            room[name] -= size
    return room


def _roomiest(board: Board, room: dict[str, int], size: int, what: str, hint: str) -> str:
    """The region that has most room left, which must be so many bytes."""
    best = max(room, key=lambda name: room[name])
    if room[best] < size:
        raise DoesNotFitError(
            f"{board.id} has no room for {what}: {size:,} bytes, {best} has {max(0, room[best]):,} left", hint
        )
    return best
