"""A board with less than it has: `--sram`, `--flash` and `--clock safe`."""

from dataclasses import replace

from tinyml.errors import UsageError
from tinyml.targets.board import Board


def at_safe_clock(board: Board) -> Board:
    """The board on its safe clock; the same board where it has but one.

    Raises:
        UsageError: it has no clock at all.
    """
    if board.clock_hz is None:
        raise UsageError(f"{board.id} has no clock to choose", "leave --clock out")
    if board.safe_clock_hz is None:
        return board
    return replace(board, clock_hz=board.safe_clock_hz, full_speed=False)


def with_limits(board: Board, sram_bytes: int | None, flash_bytes: int | None) -> Board:
    """The board with the regions of arena and code cut to the given sizes; None leaves one as it is.

    Raises:
        UsageError: a limit is larger than the region.
    """
    wanted = {
        name: size
        for name, size in ((board.link.arena, sram_bytes), (board.link.code, flash_bytes))
        if size is not None
    }
    for name, size in wanted.items():
        if size > board.region(name).bytes:
            raise UsageError(f"{board.id} has {board.region(name).bytes:,} bytes of {name}, asked for {size:,}")
    return replace(
        board, regions=tuple(replace(r, bytes=wanted[r.name]) if r.name in wanted else r for r in board.regions)
    )
