"""Serial ports: pyserial's, with errors that say what to do."""

import contextlib
import errno
import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tinyml.device.link import TcpTransport, Transport, connect_tcp
from tinyml.errors import ToolError, UsageError

_SOCKET = "socket://"
_BUSY = (errno.EBUSY, errno.EAGAIN)
_NO_LINES = (errno.EINVAL, errno.ENOTTY)  # of pseudo-terminals, which have neither DTR nor RTS
_RESET_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port of this machine. vid and pid are None where it is not on USB."""

    path: str
    description: str
    vid: int | None
    pid: int | None
    serial_number: str | None


class SerialTransport:
    """A line over a port that pyserial opened."""

    def __init__(self, port: Any, name: str) -> None:
        self._port = port
        self._name = name

    def read(self, timeout: float) -> bytes:
        try:
            self._port.timeout = timeout
            first: bytes = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else b""
        except (OSError, TypeError) as error:  # TypeError: pyserial's, of a port that another thread closed
            raise ToolError(f"{self._name}: the port went away: {error}", "was the board unplugged?") from None

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            raise ToolError(f"{self._name}: cannot be written to: {error}", "was the board unplugged?") from None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._port.close()


def open_port(name: str, baud: int) -> Transport:
    """The serial line at `name`: a device (`/dev/ttyACM0`, `COM3`), or a URL (`socket://host:port` and pyserial's others).
    What arrived before is dropped.

    Raises:
        UsageError: `name` is malformed.
        ToolError: there is no such port, it is in use or not ours to open; or pyserial is missing.
    """
    if name.startswith(_SOCKET):
        return _open_socket(name)
    serial = pyserial()
    try:
        # A second program on the same port would take bytes that are for us. Only POSIX has to be told.
        exclusive = {} if "://" in name or sys.platform == "win32" else {"exclusive": True}
        port = serial.serial_for_url(name, baudrate=baud, timeout=0, write_timeout=30.0, **exclusive)
        port.reset_input_buffer()
    except ValueError as error:
        raise UsageError(f"port {name}: {error}") from None
    except OSError as error:
        raise _explain(name, error) from None
    return SerialTransport(port, name)


def pulse_reset(name: str) -> None:
    """Pulse DTR and RTS of the port at `name`: that resets boards whose adapter wires one of them to the reset pin. Others,
    and lines that are no port of this machine, take no notice.

    Raises:
        ToolError: as `open_port`.
    """
    if "://" in name:
        return
    serial = pyserial()
    try:
        with serial.Serial(name) as port:
            port.dtr, port.rts = False, True
            time.sleep(_RESET_SECONDS)
            port.dtr, port.rts = True, False
    except OSError as error:
        if error.errno not in _NO_LINES:
            raise _explain(name, error) from None


def list_ports() -> tuple[PortInfo, ...]:
    """The serial ports of this machine that something stands behind, by path. Raises ToolError without pyserial."""
    pyserial()
    from serial.tools.list_ports import comports

    ports = (PortInfo(p.device, p.description, p.vid, p.pid, p.serial_number) for p in comports() if p.hwid != "n/a")
    return tuple(sorted(ports, key=lambda port: port.path))


def pyserial() -> Any:
    """The module. Raises ToolError where it is not installed."""
    try:
        import serial
    except ImportError:
        raise ToolError(
            "pyserial, which opens serial ports, is not installed", "pip install 'tinyml[serial]'"
        ) from None
    return serial


def _open_socket(name: str) -> TcpTransport:
    try:
        parts = urlsplit(name)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise UsageError(f"port {name}: expected socket://HOST:PORT")
    return connect_tcp(host, port)


def _explain(name: str, error: OSError) -> ToolError:
    text = str(error)
    if error.errno in (errno.ENOENT, errno.ENODEV) or isinstance(error, FileNotFoundError) or "FileNotFound" in text:
        return ToolError(f"there is no port {name}", _known_ports())
    if error.errno in _BUSY or "exclusively lock" in text:
        return ToolError(
            f"{name} is in use by another program", "close the terminal or monitor that has it open, and try again"
        )
    if error.errno in (errno.EACCES, errno.EPERM) or "PermissionError" in text:
        if sys.platform == "win32":  # there, a port in use gives no other error
            return ToolError(f"{name} is in use by another program", "close what has it open, and try again")
        return ToolError(f"{name}: you may not open it", permission_hint())
    return ToolError(f"{name} cannot be opened: {text}", "see `tinyml doctor`")


def permission_hint() -> str:
    """What gives a user of Linux the right to open serial ports."""
    return "sudo usermod -aG dialout $USER (uucp on Arch), then log in again"


def _known_ports() -> str:
    try:
        ports = list_ports()
    except ToolError:
        ports = ()
    if not ports:
        return "no serial port is attached; is the board plugged in? `tinyml doctor` shows what is seen"
    return f"ports that are there: {', '.join(port.path for port in ports)}"
