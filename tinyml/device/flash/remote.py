"""GDB's remote serial protocol, as much of it as loads a program. Source: GDB manual, appendix E."""

import re
import socket
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from tinyml.errors import ToolError, UsageError

_SECONDS = 20.0  # erasing a large sector takes seconds
_PIECE = 1024  # bytes of memory a packet, where the server does not say what it takes
_ESCAPED = b"#$*}"
_FLASH = re.compile(r'<memory\s+type="flash"\s+start="(0x[0-9a-fA-F]+|\d+)"\s+length="(0x[0-9a-fA-F]+|\d+)"')
_BLOCK = re.compile(r'<property\s+name="blocksize">\s*(0x[0-9a-fA-F]+|\d+)')

Segments = Sequence[tuple[int, bytes]]


class Remote:
    """A connection to a GDB server. Every method raises ToolError where the server does not answer as it should."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._connection = connection
        self._name = name
        self._buffer = b""
        features = self._ask("qSupported:qXfer:memory-map:read+").decode("ascii", "replace")
        size = re.search(r"PacketSize=([0-9a-fA-F]+)", features)
        # A byte takes two digits, or two bytes where it is escaped.
        self._piece = max(16, min((int(size[1], 16) - 64) // 2, 16384)) if size else _PIECE
        if "qXfer:features:read+" in features:
            # QEMU lets single registers be set only after this, as GDB always asks it.
            self._ask("qXfer:features:read:target.xml:0,ffb")
        self._has_map = "qXfer:memory-map:read+" in features

    @classmethod
    def connect(cls, address: str) -> Self:
        """Raises UsageError where `address` is not HOST:PORT, ToolError where nobody listens."""
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise UsageError(f"--gdb {address}: expected HOST:PORT")
        try:
            connection = socket.create_connection((host or "localhost", int(port)), timeout=_SECONDS)
        except (OSError, UnicodeError) as error:
            raise ToolError(f"no GDB server answers at {address}: {error}", "start it first") from None
        try:
            return cls(connection, address)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._connection.close()

    def monitor(self, command: str) -> None:
        """A command of the server's own. One that it does not know is not an error."""
        reply = self._ask(f"qRcmd,{command.encode().hex()}")
        while reply.startswith(b"O") and reply != b"OK":  # console output
            reply = self._receive()

    def read(self, address: int, size: int) -> bytes:
        """Memory of the target."""
        data = b""
        while len(data) < size:
            count = min(self._piece, size - len(data))
            reply = self._ask(f"m{address + len(data):x},{count:x}")
            try:
                piece = bytes.fromhex(reply.decode("ascii"))
            except ValueError:
                piece = b""
            if not 0 < len(piece) <= count:
                raise self._failed(f"read {count} bytes at {address + len(data):#010x}", reply)
            data += piece
        return data

    def write(self, segments: Segments) -> None:
        """Programs what lies in memory that the server calls flash, sector by sector; the rest is written as RAM."""
        flash = self._flash()
        programmed = [(a, d) for a, d in segments if _within(a, len(d), flash)]
        erased: set[int] = set()
        for address, data in programmed:
            for start, sector in _sectors(address, len(data), flash):
                if start not in erased:
                    self._expect_ok(f"vFlashErase:{start:x},{sector:x}", f"erase flash at {start:#010x}")
                    erased.add(start)
        for address, data in programmed:
            for start, piece in self._pieces(address, data):
                self._expect_ok(b"vFlashWrite:%x:" % start + _escape(piece), f"write flash at {start:#010x}")
        if programmed:
            self._expect_ok("vFlashDone", "finish writing flash")
        for address, data in segments:
            if (address, data) not in programmed:
                for start, piece in self._pieces(address, data):
                    self._expect_ok(f"M{start:x},{len(piece):x}:{piece.hex()}", f"write memory at {start:#010x}")

    def set_register(self, number: int, value: int) -> None:
        self._expect_ok(f"P{number:x}={value.to_bytes(4, 'little').hex()}", f"set register {number}")

    def detach(self) -> None:
        """Let the target run."""
        self._expect_ok("D", "detach")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _flash(self) -> list[tuple[int, int, int]]:
        """(start, length, sector size) of each flash in the server's memory map, if it has one."""
        if not self._has_map:
            return []
        text, more = b"", True
        while more:
            reply = self._ask(f"qXfer:memory-map:read::{len(text):x},{self._piece:x}")
            if reply[:1] not in (b"m", b"l"):
                return []
            more = reply[:1] == b"m" and len(reply) > 1
            text += _unescape(reply[1:])
        regions = []
        for element in text.decode("ascii", "replace").split("</memory>"):
            found, block = _FLASH.search(element), _BLOCK.search(element)
            if found and block:
                regions.append((int(found[1], 0), int(found[2], 0), max(1, int(block[1], 0))))
        return regions

    def _pieces(self, address: int, data: bytes) -> Iterator[tuple[int, bytes]]:
        return ((address + at, data[at : at + self._piece]) for at in range(0, len(data), self._piece))

    def _expect_ok(self, packet: str | bytes, what: str) -> None:
        reply = self._ask(packet)
        if reply != b"OK":
            raise self._failed(what, reply)

    def _failed(self, what: str, reply: bytes) -> ToolError:
        return ToolError(f"the GDB server at {self._name} did not {what}: it answered {reply[:80]!r}")

    def _ask(self, packet: str | bytes) -> bytes:
        body = packet.encode("ascii") if isinstance(packet, str) else packet
        self._send(b"$" + body + b"#%02x" % (sum(body) % 256))
        return self._receive()

    def _receive(self) -> bytes:
        """The next packet, acknowledged. Acknowledgements of ours are skipped, and so is the news that the target stopped."""
        deadline = time.monotonic() + _SECONDS
        while (found := re.search(rb"\$([^#]*)#([0-9a-fA-F]{2})", self._buffer)) is None:
            self._connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self._connection.recv(65536)
            except OSError:
                data = b""
            if not data:
                raise ToolError(f"the GDB server at {self._name} does not answer")
            self._buffer += data
        self._buffer = self._buffer[found.end() :]
        if sum(found[1]) % 256 != int(found[2], 16):
            raise ToolError(f"the GDB server at {self._name} sent a packet with a wrong checksum")
        self._send(b"+")
        return self._receive() if re.fullmatch(rb"[ST][0-9a-f]{2}.*", found[1], re.DOTALL) else _expand(found[1])

    def _send(self, data: bytes) -> None:
        self._connection.settimeout(_SECONDS)
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise ToolError(f"the GDB server at {self._name} went away: {error}") from None


def _within(address: int, size: int, flash: Sequence[tuple[int, int, int]]) -> bool:
    return any(start <= address and address + size <= start + length for start, length, _ in flash)


def _sectors(address: int, size: int, flash: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """Starts and sizes of the sectors that the bytes touch."""
    for start, length, sector in flash:
        if start <= address < start + length:
            first = (address - start) // sector
            last = (address + size - 1 - start) // sector
            yield from ((start + i * sector, sector) for i in range(first, last + 1))


def _escape(data: bytes) -> bytes:
    return b"".join(b"}" + bytes([b ^ 0x20]) if b in _ESCAPED else bytes([b]) for b in data)


def _unescape(data: bytes) -> bytes:
    return re.sub(rb"\}(.)", lambda m: bytes([m[1][0] ^ 0x20]), data, flags=re.DOTALL)


def _expand(data: bytes) -> bytes:
    """Run lengths: `X*n` is X and n - 29 more of it."""
    return re.sub(rb"(.)\*(.)", lambda m: m[1] * (m[2][0] - 28), data, flags=re.DOTALL)
