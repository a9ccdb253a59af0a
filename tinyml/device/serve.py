"""The emulated board for any program that opens a serial port: behind a pseudo-terminal, or a TCP port.

A line has nobody at its other end, or one client; clients come and go, as they do at a serial port. What the board sends
while nobody is there is lost, as it is at a serial port.
"""

import contextlib
import errno
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from tinyml.device.emulator import EmulatedBoard
from tinyml.device.link import Transport
from tinyml.errors import ToolError, UsageError

_SLICE = 4_000_000  # instructions between two looks at the line
_PATIENCE = 0.05  # seconds to wait for bytes where the board has nothing to do
_CHUNK = 4096
_BOOTED, _BOOT_SECONDS = b"m-ready\r\n", 10.0


class Line(Protocol):
    """The clients' end of a serial line.

    Attributes:
        address: what a client opens.
    """

    address: str

    def receive(self, timeout: float) -> bytes:
        """What a client sent, waiting up to `timeout` seconds. Empty: nothing, or nobody is there."""

    def send(self, data: bytes) -> None:
        """To the client, if there is one; what it does not take in time is lost."""


class Machine(Protocol):
    """What is at the board's end."""

    def exchange(self, received: bytes) -> tuple[bytes, bool]:
        """Hand in what a client sent. Returns what the board sent, and whether it waits for more."""

    def wait(self, seconds: float) -> None:
        """Time went by."""


class EmulatedMachine:
    """The board in Unicorn. While it waits for input, its clock is that of the wall.

    It has booted, and nobody heard it: a client that is served from now on must not take the boot message for an answer.
    """

    def __init__(self, board: EmulatedBoard) -> None:
        self._board = board
        while board.read():
            pass

    def exchange(self, received: bytes) -> tuple[bytes, bool]:
        self._board.write(received)
        return self._board.advance(_SLICE)

    def wait(self, seconds: float) -> None:
        self._board.wait(seconds)


class RemoteMachine:
    """A board that runs by itself behind a transport: QEMU. It has booted, as an `EmulatedMachine` has."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        said = b""
        while not said.endswith(_BOOTED) and (heard := transport.read(_BOOT_SECONDS)):
            said = (said + heard)[-len(_BOOTED) :]

    def exchange(self, received: bytes) -> tuple[bytes, bool]:
        if received:
            self._transport.write(received)
        return self._transport.read(0.002), False

    def wait(self, seconds: float) -> None:
        """Its own clock goes on."""


def serve(machine: Machine, line: Line, stopped: Callable[[], bool]) -> None:
    """Carry bytes between board and clients until `stopped()`, which is asked several times a second.

    Raises:
        ToolError: the firmware went astray, or the line broke.
    """
    idle = False
    while not stopped():
        begin = time.monotonic()
        received = line.receive(_PATIENCE if idle else 0.0)
        if idle:
            machine.wait(time.monotonic() - begin)
        sent, idle = machine.exchange(received)
        if sent:
            line.send(sent)


@contextlib.contextmanager
def tcp_line(port: int) -> Iterator[Line]:
    """Listens on this machine's own TCP `port`; 0 takes a free one. For others in the network use an SSH tunnel.

    Raises:
        ToolError: the port is taken.
    """
    try:
        server = socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise ToolError(f"TCP port {port} cannot be had: {error}", "take another one; 0 takes a free one") from None
    with server:
        line = _TcpLine(server)
        try:
            yield line
        finally:
            line.hang_up()


@contextlib.contextmanager
def pty_line() -> Iterator[Line]:
    """A pseudo-terminal, raw: no echo, no line editing, no signals.

    Raises:
        UsageError: this system has none (Windows).
    """
    try:
        import pty  # noqa: F401
        import termios  # noqa: F401
    except ImportError:
        raise UsageError(
            "this system has no pseudo-terminals", "serve TCP: --tcp 5555, and open socket://localhost:5555"
        ) from None
    master, slave = os.openpty()
    try:
        yield _PtyLine(master, slave)
    finally:
        os.close(master)


class _TcpLine:
    def __init__(self, server: socket.socket) -> None:
        self.address = f"socket://127.0.0.1:{server.getsockname()[1]}"
        self._server = server
        self._client: socket.socket | None = None

    def receive(self, timeout: float) -> bytes:
        if self._client is None:  # a second client waits until the first has left
            if not select.select([self._server], [], [], timeout)[0]:
                return b""
            self._accept()
            return b""
        if not select.select([self._client], [], [], timeout)[0]:
            return b""
        data = b""
        with contextlib.suppress(OSError):  # it vanished
            data = self._client.recv(_CHUNK)
        if not data:
            self.hang_up()
        return data

    def send(self, data: bytes) -> None:
        if self._client is None:
            return
        try:
            self._client.sendall(data)
        except OSError:  # it vanished, or takes nothing
            self.hang_up()

    def hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _accept(self) -> None:
        self._client, _ = self._server.accept()
        self._client.settimeout(10.0)
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _PtyLine:
    """The slave's end is opened by clients only: so the master sees when nobody is there."""

    def __init__(self, master: int, slave: int) -> None:
        self.address = os.ttyname(slave)
        self._master = master
        self._nobody = True
        os.set_blocking(master, False)
        _make_raw(slave)
        os.close(slave)

    def receive(self, timeout: float) -> bytes:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        events = poll.poll(0 if self._nobody else timeout * 1000)
        if any(event & select.POLLIN for _, event in events):
            self._nobody = False
            return self._read()
        nobody = any(event & select.POLLHUP for _, event in events)
        if nobody:
            if not self._nobody:  # what the last client left unread is not for the next one
                self._reset()
            time.sleep(timeout)
        self._nobody = nobody
        return b""

    def send(self, data: bytes) -> None:
        if self._nobody:
            return
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._master, view[:_CHUNK]) :]
            except BlockingIOError:  # the client does not read: wait a while, as no line can
                if not select.select([], [self._master], [], 10.0)[1]:
                    return
            except OSError as error:
                if error.errno != errno.EIO:  # it vanished
                    raise ToolError(f"{self.address}: {error}") from None
                return

    def _read(self) -> bytes:
        try:
            return os.read(self._master, _CHUNK)
        except OSError:  # nobody is there any more
            return b""

    def _reset(self) -> None:
        import termios

        slave = os.open(self.address, os.O_RDWR | os.O_NOCTTY)
        try:
            _make_raw(slave)
            termios.tcflush(slave, termios.TCIOFLUSH)
        finally:
            os.close(slave)


def _make_raw(terminal: int) -> None:
    import termios
    import tty

    tty.setraw(terminal, termios.TCSANOW)
