"""Ways to a board: what carries the bytes of the serial protocol."""

import socket
from typing import Protocol

from tinyml.errors import ToolError

_CONNECT_SECONDS = 10.0


class Transport(Protocol):
    """A serial line. Bytes arrive in order; nothing says that all of them arrive at once."""

    def read(self, timeout: float) -> bytes:
        """Whatever has arrived, waiting up to `timeout` seconds for the first byte. Empty: the board is silent.

        Raises:
            ToolError: the line is broken, or the board stopped working.
        """

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises ToolError where the line is broken."""

    def close(self) -> None:
        """Give the line up. More than one call does no harm."""


class TcpTransport:
    """A line over a connected TCP socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self, timeout: float) -> bytes:
        # A timeout of 0 would make the socket one that never waits, and raises another error.
        self._connection.settimeout(max(timeout, 1e-4))
        try:
            data = self._connection.recv(65536)
        except TimeoutError:
            return b""
        except OSError as error:
            raise ToolError(f"the serial line over TCP broke: {error}") from None
        if not data:
            raise ToolError("the other end closed the serial line")
        return data

    def write(self, data: bytes) -> None:
        self._connection.settimeout(30.0)
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise ToolError(f"the serial line over TCP broke: {error}") from None

    def close(self) -> None:
        self._connection.close()


def connect_tcp(host: str, port: int) -> TcpTransport:
    """A line to whoever listens there. Raises ToolError where nobody does."""
    try:
        connection = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
    except (OSError, UnicodeError, OverflowError) as error:
        raise ToolError(f"nothing answers at {host}:{port}: {error}", "is `tinyml emulate … --tcp` running?") from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TcpTransport(connection)
