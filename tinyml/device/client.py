"""The host's side of firmware/protocol/PROTOCOL.md."""

import re
import secrets
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from tinyml.device.link import Transport
from tinyml.errors import ToolError

_READY = "m-ready"
_LONGEST_LINE = 1024
_LARGEST_TENSOR = 1 << 28
_CALL_SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """What `model%` says. clock_hz is the clock that the device reached; the rest is of the model that it runs.

    Attributes:
        plan: `SourceBundle.sha256` of the emitted C, which names network, schedule and memory plan.
        traced_layers: that `layers` and `tensor` can tell of; 0 in firmware that was built without trace.
    """

    name: str
    sha256: str
    plan: str
    board: str
    clock_hz: int
    traced_layers: int
    input_preserved: bool
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunTime:
    """Of all inferences of one `run`. Microseconds by the device's own clock."""

    microseconds: int
    cycles: int


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes.

    Attributes:
        stack_bytes: in use at the deepest point since reset or `paint`.
        arena_used: of each arena, up to the last byte that differs from the paint; empty where there was no `paint`.
    """

    stack_bytes: int
    stack_size: int
    arena_bytes: int
    arena_used: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerCycles:
    """Core cycles of all inferences of one `layers`: of each layer, and of the whole runs."""

    layers: tuple[int, ...]
    cycles: int


class Client:
    """Speaks to one board. Every method raises ToolError where the board reports an error, says nothing for too long,
    or says what the protocol does not have."""

    def __init__(self, transport: Transport, *, timeout: float = 10.0) -> None:
        """`timeout`: seconds within which the board must have answered anything but `run`."""
        self._transport = transport
        self._timeout = timeout
        self._buffer = bytearray()

    def connect(self, *, greeting: float | None = None) -> None:
        """Wait until the board takes commands.

        Args:
            greeting: seconds to wait for what a board says after its reset (None: the timeout). Where nothing comes, it
                has been on for long, perhaps in the middle of a command of another host's: then it is called.
        """
        try:
            self._reply("the reset", self._timeout if greeting is None else greeting)
        except _SilenceError:
            self._call()

    def name(self) -> str:
        return self._command("name", r"m-name-dut-\[(.*)\]")[1]

    def timestamp(self) -> int:
        """Microseconds since the board's reset, by its own clock."""
        return int(self._command("timestamp", r"m-lap-us-(\d{1,20})")[1])

    def model(self) -> DeviceModel:
        lines = self.lines("model")

        def number(key: str) -> int:
            return int(_match(lines, "model", rf"m-{key}-(\d{{1,12}})")[1])

        def sizes(kind: str) -> tuple[int, ...]:
            count = number(f"{kind}s")
            if count > len(lines):
                raise ToolError(f"the board says that its model has {count} {kind}s, and describes fewer")
            return tuple(number(f"{kind}-{i}") for i in range(count))

        return DeviceModel(
            name=_match(lines, "model", r"m-model-\[(.*)\]")[1],
            sha256=_match(lines, "model", r"m-sha256-\[([0-9a-f]{64})\]")[1],
            plan=_match(lines, "model", r"m-plan-\[([0-9a-f]{64})\]")[1],
            board=_match(lines, "model", r"m-board-\[(.*)\]")[1],
            clock_hz=number("clock-hz"),
            traced_layers=number("traced-layers"),
            input_preserved=bool(number("input-preserved")),
            input_bytes=sizes("input"),
            output_bytes=sizes("output"),
        )

    def put(self, index: int, data: bytes) -> None:
        """Write input `index`; the board checks the CRC."""
        command = f"put {index} {len(data)} {zlib.crc32(data):08x}"
        self._send(f"{command}%".encode())
        self._until("m-go", command, time.monotonic() + self._timeout)
        self._send(data)
        # A serial line of 115200 baud carries 11520 bytes a second.
        _match(self._reply(command, self._timeout + len(data) / 5000), command, "m-put-done")

    def run(self, times: int = 1, *, timeout: float = 600.0) -> RunTime:
        """Run the network `times` times on the input last put. See PROTOCOL.md about inputs that are not preserved."""
        command = f"run {times}"
        lines = self.lines(command, timeout)
        cycles = int(_match(lines, command, r"m-cycles-(\d{1,20})")[1])
        _match(lines, command, "m-run-done")
        laps = [int(found[1]) for line in lines if (found := re.fullmatch(r"m-lap-us-(\d{1,20})", line))]
        if len(laps) != 2 or laps[1] < laps[0]:
            raise ToolError(f"the board answered {command!r} with {len(laps)} times: {lines}")
        return RunTime(microseconds=laps[1] - laps[0], cycles=cycles)

    def layers(self, times: int = 1, *, timeout: float = 600.0) -> LayerCycles:
        """Run the network `times` times on the input last put, and tell the layers apart. Traced firmware only."""
        command = f"layers {times}"
        lines = self.lines(command, timeout)
        found = (re.fullmatch(r"m-layer-\d{1,10}-(\d{1,20})", line) for line in lines)
        cycles = int(_match(lines, command, r"m-cycles-(\d{1,20})")[1])
        return LayerCycles(tuple(int(layer[1]) for layer in found if layer is not None), cycles)

    def get(self, index: int) -> bytes:
        """Read output `index`, with its CRC checked."""
        return self._bytes(f"get {index}", f"output {index}", self._timeout)

    def tensor(self, layer: int, call: int, arena: int, offset: int, size: int, *, timeout: float = 600.0) -> bytes:
        """Run the network once on the input last put; what lies in an arena behind a call of a layer, counted from 0.
        Traced firmware only."""
        command = f"tensor {layer} {call} {arena} {offset} {size}"
        return self._bytes(command, f"the tensor behind layer {layer}", timeout)

    def _bytes(self, command: str, what: str, timeout: float) -> bytes:
        self._send(f"{command}%".encode())
        deadline = time.monotonic() + timeout
        found = self._until(r"m-get-(\d{1,9})-([0-9a-fA-F]{8})", command, deadline)
        size, crc = int(found[1]), int(found[2], 16)
        if size > _LARGEST_TENSOR:
            raise ToolError(f"the board announces {size} bytes as {what}")
        deadline += size / 5000
        while len(self._buffer) < size:
            self._receive(command, deadline)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._reply(command, timeout)
        arrived = zlib.crc32(data)
        if arrived != crc:
            raise ToolError(f"{what} was damaged on the line: CRC {arrived:08x}, sent {crc:08x}")
        return data

    def memory(self) -> DeviceMemory:
        lines = self.lines("mem")
        stack, size, arena = (
            int(_match(lines, "mem", rf"m-{key}-(\d{{1,10}})")[1]) for key in ("stack", "stack-size", "arena")
        )
        used = (re.fullmatch(r"m-arena-used-\d{1,10}-(\d{1,10})", line) for line in lines)
        return DeviceMemory(stack, size, arena, tuple(int(found[1]) for found in used if found is not None))

    def paint(self, byte: int) -> None:
        """Fill arenas with a byte and paint the free stack, so that `memory` tells what is used from then on. The
        network's state goes back to its beginning; inputs must be put again."""
        self._command(f"paint {byte:02x}", "m-paint-done")

    def reset(self) -> None:
        """As power-up; returns when the board takes commands."""
        self._send(b"reset%")
        self._reply("reset", self._timeout)

    def infer(self, inputs: Sequence[bytes], *, timeout: float = 600.0) -> tuple[bytes, ...]:
        """One inference: put all inputs, run, get all outputs."""
        model = self.model()
        given = tuple(len(data) for data in inputs)
        if given != model.input_bytes:
            raise ToolError(f"the board's model {model.name} takes inputs of {model.input_bytes} bytes, not {given}")
        for index, data in enumerate(inputs):
            self.put(index, data)
        self.run(timeout=timeout)
        return tuple(self.get(index) for index in range(len(model.output_bytes)))

    def lines(self, command: str, timeout: float | None = None) -> list[str]:
        """Any command (without its `%`): the lines of its answer, without the last, `m-ready`."""
        self._send(f"{command}%".encode())
        return self._reply(command, self._timeout if timeout is None else timeout)

    # -- lines -----------------------------------------------------------------------------------------------------

    def _command(self, command: str, pattern: str) -> re.Match[str]:
        return _match(self.lines(command), command, pattern)

    def _send(self, data: bytes) -> None:
        self._transport.write(data)

    def _reply(self, command: str, timeout: float) -> list[str]:
        """The lines up to `m-ready`, which is left out."""
        deadline = time.monotonic() + timeout
        lines: list[str] = []
        while (line := self._line(command, deadline)) != _READY:
            lines.append(line)
            if line.startswith("e-[Fault"):  # no `m-ready` follows
                break
        _refuse_errors(lines, command)
        return lines

    def _until(self, pattern: str, command: str, deadline: float) -> re.Match[str]:
        """The first line that matches, after which something else than lines follows."""
        lines: list[str] = []
        while (found := re.fullmatch(pattern, line := self._line(command, deadline))) is None:
            lines.append(line)
            if line == _READY:
                _refuse_errors(lines, command)
                return _match(lines, command, pattern)  # which fails
        return found

    def _call(self) -> None:
        """Send commands that do not exist until the board says so. What it says before is of no interest: it may be the end
        of an earlier answer. A `put` that was left takes what is sent for a tensor, until nothing comes for two seconds."""
        deadline = time.monotonic() + self._timeout
        while True:
            nobody = f"hello-{secrets.token_hex(4)}"
            self._send(f"%{nobody}%".encode())
            try:
                self._await_line(f"e-[Unknown command: {nobody}]", min(deadline, time.monotonic() + _CALL_SECONDS))
                self._await_line(_READY, deadline)
                return
            except _SilenceError:
                if time.monotonic() >= deadline:
                    raise

    def _await_line(self, line: str, deadline: float) -> None:
        wanted = f"{line}\r\n".encode()
        while (end := self._buffer.find(wanted)) < 0:
            del self._buffer[: -len(wanted)]
            self._receive("a call", deadline)
        del self._buffer[: end + len(wanted)]

    def _line(self, command: str, deadline: float) -> str:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE:
                start = bytes(self._buffer[:40])
                raise ToolError(f"the board answers {command!r} with bytes that are no lines: {start!r} …", _NOT_OURS)
            self._receive(command, deadline)
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line.decode("ascii", "backslashreplace")

    def _receive(self, command: str, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        data = self._transport.read(remaining) if remaining > 0 else b""
        if not data:
            heard = f"; last it said {bytes(self._buffer)!r}" if self._buffer else ""
            raise _SilenceError(f"the board does not finish its answer to {command!r}{heard}", _NOT_OURS)
        self._buffer += data


_NOT_OURS = "is it a tinyml firmware, at this baud rate? A reset of the board helps where it is lost"


class _SilenceError(ToolError):
    """Nothing came in time."""


def _refuse_errors(lines: Sequence[str], command: str) -> None:
    errors = [line for line in lines if line.startswith("e-[")]
    if errors:
        raise ToolError(f"the board answered {command!r} with {'; '.join(errors)}")


def _match(lines: Sequence[str], command: str, pattern: str) -> re.Match[str]:
    for line in lines:
        found = re.fullmatch(pattern, line)
        if found is not None:
            return found
    raise ToolError(f"the board answered {command!r} with {list(lines)}; expected a line {pattern!r}", _NOT_OURS)
