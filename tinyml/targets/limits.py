"""The target that was asked for: a board or a bare core, with less than it has by `--sram`, `--flash` and `--clock safe`."""

from collections.abc import Sequence
from dataclasses import replace

from tinyml.errors import UsageError
from tinyml.targets.board import Board, MemoryRegion
from tinyml.targets.load import generic_target, load_board

DEFAULT_BOARD = "stm32h7"
DEFAULT_SRAM, DEFAULT_FLASH = 512 << 10, 2 << 20  # of a bare core
_PAGE = 4096  # an emulator maps whole pages
SLOWEST_BAUD, FASTEST_BAUD = 1200, 3_000_000


def choose_target(
    *,
    board: str | None = None,
    core: str | None = None,
    sram_bytes: int | None = None,
    flash_bytes: int | None = None,
    clock: str = "full",
    baud: int | None = None,
    place: Sequence[str] = (),
) -> Board:
    """A board by its id, alias or file, or a bare core; its memory limited.

    Args:
        clock: "full" or "safe".
        baud: rate of the serial port; None for the board file's.
        place: of `--place`; `arena=REGION` names the region of the arena, which the limit of SRAM is about.

    Raises:
        BoardError: no such board, or a malformed file.
        UsageError: no such core; or the target has no such memory, clock or port.
    """
    if clock not in ("full", "safe"):
        raise UsageError(f"clock {clock!r}; expected full or safe")
    if core is not None:
        if clock == "safe":
            raise UsageError("--clock safe: a bare core has no clock to choose")
        if baud is not None:
            raise UsageError("--baud: a bare core has no serial port to set")
        return generic_target(
            core,
            DEFAULT_SRAM if sram_bytes is None else sram_bytes,
            DEFAULT_FLASH if flash_bytes is None else flash_bytes,
        )
    found = load_board(board or DEFAULT_BOARD)
    if clock == "safe":
        found = at_safe_clock(found)
    if baud is not None:
        found = _with_baud(found, baud)
    for text in place:
        what, _, name = text.partition("=")
        if what == "arena":
            found = replace(found, link=replace(found.link, arena=ram_called(name, found).name))
    return with_limits(found, sram_bytes, flash_bytes)


def _with_baud(board: Board, baud: int) -> Board:
    if board.uart is None:
        raise UsageError(f"--baud: {board.id} has no serial port")
    if not SLOWEST_BAUD <= baud <= FASTEST_BAUD:
        raise UsageError(f"--baud {baud}: expected {SLOWEST_BAUD} to {FASTEST_BAUD}")
    return replace(board, uart=replace(board.uart, baud=baud))


def ram_called(name: str, board: Board) -> MemoryRegion:
    """The RAM of that name, or the only one whose name begins so.

    Raises:
        UsageError: there is none, or no arena may lie there.
    """
    regions = [region for region in board.regions if region.kind == "ram"]
    found = [r for r in regions if r.name == name.lower()] or [r for r in regions if r.name.startswith(name.lower())]
    there = f"one of: {', '.join(r.name for r in regions if r.takes_arena)}"
    if len(found) != 1:
        raise UsageError(f"--place: {board.id} has no RAM called {name!r}", there)
    if not found[0].takes_arena:
        raise UsageError(f"--place: {found[0].name} of {board.id} begins at address 0, a null pointer in C", there)
    return found[0]


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
    """The board with the regions of arena and code cut to the given sizes; None leaves one as it is. What is left of the
    arena's region is spare.

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
    regions = [replace(r, bytes=wanted.get(r.name, r.bytes)) for r in board.regions]
    if sram_bytes is not None:
        regions += _rest(board.region(board.link.arena), sram_bytes)
    return replace(board, regions=tuple(regions))


def _rest(region: MemoryRegion, used: int) -> list[MemoryRegion]:
    """What is left of a region behind its first bytes, from the next page on, as something of its own."""
    first = -(-used // _PAGE) * _PAGE
    if first >= region.bytes:
        return []
    return [
        replace(
            region, name=f"{region.name}_rest", kind="spare", address=region.address + first, bytes=region.bytes - first
        )
    ]
