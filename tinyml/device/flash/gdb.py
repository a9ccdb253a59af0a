"""Any GDB server: OpenOCD's, pyOCD's, J-Link's, a Black Magic Probe, QEMU's. We speak its protocol; no gdb is needed."""

from tinyml.device.emulator.elf import load_program
from tinyml.device.flash.job import Action, Job
from tinyml.device.flash.remote import Remote
from tinyml.errors import ToolError
from tinyml.targets.board import Board

NAME = "gdb"

_RESET_AND_HALT = "reset halt"  # to OpenOCD and pyOCD; J-Link's server takes `reset`. Others have no such command.
_SP, _PC, _XPSR = 13, 15, 25  # numbers of registers in GDB's description of M-profile cores
_THUMB = 1 << 24


def fits(board: Board) -> bool:
    return board.has_firmware


def find(job: Job) -> str | None:
    return job.gdb


def missing(job: Job) -> str:
    return "start a GDB server and name it: --gdb localhost:3333"


def action(job: Job, found: str | None) -> Action:
    target = found or "HOST:PORT"
    return Action(f"load firmware.elf by way of the GDB server at {target}", lambda: load(job, target))


def load(job: Job, target: str) -> None:
    """Halts the core, writes flash (or RAM, where the server says that it is, or says nothing), reads it back and starts it as
    reset does.

    Raises:
        ToolError: nothing listens, the server reports an error, or what was written reads otherwise.
    """
    program = load_program(job.folder / "firmware.elf")
    segments = [(address, bytes(data)) for address, data in program.segments if data]
    vectors = job.board.region(job.board.link.code).address
    with Remote.connect(target) as remote:
        remote.monitor(_RESET_AND_HALT)
        remote.write(segments)
        for address, data in segments:
            if remote.read(address, len(data)) != data:
                raise ToolError(
                    f"{target}: {len(data)} bytes at {address:#010x} read otherwise than they were written",
                    "is that memory which this server can write?",
                )
        stack, start = (int.from_bytes(remote.read(vectors + 4 * i, 4), "little") for i in range(2))
        for number, value in ((_SP, stack), (_XPSR, _THUMB), (_PC, start & ~1)):
            remote.set_register(number, value)
        remote.detach()
