"""Where firmware runs: the emulated board, QEMU, or a board behind a serial port. What `--on` selects."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tinyml.device.client import Client, DeviceModel
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.link import Transport
from tinyml.device.qemu import qemu_board
from tinyml.device.serial_port import open_port
from tinyml.errors import ToolError
from tinyml.targets.board import Board

EMULATOR, QEMU = "emulator", "qemu"
_GREETING_SECONDS = 0.3
_TIMEOUT = 30.0


def is_port(place: str) -> bool:
    """Whether `place` names a serial port, as opposed to something that runs on this machine."""
    return place not in (EMULATOR, QEMU)


@contextlib.contextmanager
def open_line(place: str, elf: Path | None, board: Board) -> Iterator[Transport]:
    """The serial line of the firmware at `place`: "emulator", "qemu" (both start `elf` from reset) or a port, behind which a
    board runs whatever it was flashed with (`elf` may be None). Given up with the context.

    Raises:
        ToolError: there is no such port, or nothing here can emulate the board.
    """
    if is_port(place):
        if board.uart is None:
            raise ToolError(f"{board.id} has no serial port")
        transport = open_port(place, board.uart.baud)
    elif elf is None:
        raise ValueError(f"no firmware for {place}")
    elif place == QEMU:
        with qemu_board(elf, board) as transport:
            yield transport
        return
    else:
        transport = EmulatedBoard(elf, board)
    try:
        yield transport
    finally:
        transport.close()


@contextlib.contextmanager
def open_board(place: str, elf: Path | None, board: Board) -> Iterator[Client]:
    """As `open_line`, with the firmware ready for commands.

    Raises:
        ToolError: as `open_line`; or nothing answers as our firmware does.
    """
    with open_line(place, elf, board) as line:
        client = Client(line, timeout=_TIMEOUT)
        client.connect(greeting=_GREETING_SECONDS if is_port(place) else _TIMEOUT)
        yield client


def check_identity(found: DeviceModel, place: str, *, name: str, plan: str, board: str) -> None:
    """Refuses to take another firmware's answers for those of a build.

    Args:
        plan: `SourceBundle.sha256` of the build.

    Raises:
        ToolError: the board runs another model, or was built for another board.
    """
    if found.board != board:
        raise ToolError(
            f"the firmware at {place} was built for {found.board}, not for {board}",
            f"build with --board {found.board}, or flash this build: tinyml flash BUILD",
        )
    if found.plan != plan:
        other = "another build of it" if found.name == name else f"{found.name}, not {name}"
        raise ToolError(
            f"the board at {place} runs {other} (plan {found.plan[:12]}…; expected {plan[:12]}…)",
            "flash the build first: tinyml flash BUILD; model, flags and version of tinyml all count",
        )
