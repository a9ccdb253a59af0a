"""Runs firmware of one of QEMU's boards in QEMU: the second opinion on what Unicorn lets pass, above all misaligned
access. QEMU's cycles mean nothing."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyml.device.client import Client
from tinyml.device.link import TcpTransport, Transport
from tinyml.errors import ToolError
from tinyml.targets.board import Board

PROGRAM = "qemu-system-arm"
_START_SECONDS = 30.0


def find_qemu() -> Path:
    """Raises ToolError where QEMU is not installed."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise ToolError(
            f"{PROGRAM} is not installed",
            "Debian, Ubuntu: apt install qemu-system-arm; macOS: brew install qemu; Windows: winget install qemu",
        )
    return Path(found)


@contextlib.contextmanager
def qemu_board(elf: Path, board: Board, *, counting: bool = False) -> Iterator[Transport]:
    """QEMU with the firmware from reset on, and its serial line; ended with the context.

    Args:
        counting: every instruction takes a nanosecond of the machine's time: the board's cycles then are instructions
            times `board.clock_hz` / 10^9, repeatable but for the fraction of a cycle.

    Raises:
        ToolError: QEMU is missing, has no such board, or ends by itself.
    """
    if board.qemu_machine is None:
        raise ToolError(
            f"QEMU has no model of {board.title}",
            "build for one of the boards whose names begin with qemu_, or use the emulator",
        )
    program = find_qemu()
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()[:2]
        command = [
            str(program), "-M", board.qemu_machine, "-kernel", str(elf), "-display", "none", "-monitor", "none",
            "-chardev", f"socket,id=line,host={host},port={port},nodelay=on",
            *["-serial", "null"] * board.qemu_serial, "-serial", "chardev:line",
            *(["-icount", "shift=0"] if counting else []),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            transport = TcpTransport(_accept(server, process))
            try:
                yield transport
            except ToolError as error:
                raise _explain(process, error) from None
            finally:
                transport.close()
        finally:
            _end(process)


def run_in_qemu(elf: Path, board: Board, samples: Sequence[Sequence[bytes]]) -> list[tuple[bytes, ...]]:
    """Outputs of the firmware's network for each sample, which has the bytes of every input.

    Raises:
        ToolError: as `qemu_board`; the firmware faults or does not answer.
    """
    with qemu_board(elf, board) as transport:
        client = Client(transport, timeout=30.0)
        client.connect()
        return [client.infer(inputs) for inputs in samples]


def _accept(server: socket.socket, process: subprocess.Popen[bytes]) -> socket.socket:
    server.settimeout(0.1)
    for _ in range(int(_START_SECONDS / 0.1)):
        try:
            return server.accept()[0]
        except TimeoutError:
            if process.poll() is not None:
                break
    raise _explain(process, ToolError(f"{PROGRAM} did not open its serial line"))


def _explain(process: subprocess.Popen[bytes], error: ToolError) -> ToolError:
    """With what QEMU said, where it ended by itself."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return error
    said = b"" if process.stderr is None else process.stderr.read()
    first = said.decode(errors="replace").strip().splitlines()
    return ToolError(f"{PROGRAM} ended with status {process.returncode}: {first[0] if first else 'no message'}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()
