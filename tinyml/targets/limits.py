"""A board with less memory than it has: `--sram` and `--flash`."""

from dataclasses import replace

from tinyml.errors import UsageError
from tinyml.targets.board import Board


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
