"""MLPerf Tiny's Python runner, as far as a board can tell: its bytes, its pieces of 31, its regular expressions.

Written against mlcommons/tiny, benchmark/runner: serial_device.py, device_under_test.py and script.py.
"""

import re
import time
from dataclasses import dataclass

from tinyml.device.link import Transport

BYTES_A_COMMAND = 31
LINE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Inference:
    microseconds: int
    results: list[float]


class Runner:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._text = b""

    def lines(self) -> list[str]:
        """Up to the first line that contains `m-ready`. Carriage returns and NULs are dropped, empty lines too."""
        found: list[str] = []
        while not found or "m-ready" not in found[-1]:
            line = self._line()
            if line:
                found.append(line)
        return found

    def command(self, text: str) -> list[str]:
        self._transport.write(f"{text}%".encode())
        return self.lines()

    def identify(self) -> tuple[str, str, str]:
        """Name, profile, model."""
        name = [m[1] for line in self.command("name") if (m := re.match(r"^m-name-dut-\[([^]]+)]$", line))]
        told = {
            m[1]: m[2] for line in self.command("profile") if (m := re.match(r"^m-(model|profile)-\[([^]]+)]$", line))
        }
        return name[0], told["profile"], told["model"]

    def load(self, data: bytes) -> None:
        assert self.command(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]", "m-ready"]
        for start in range(0, len(data), BYTES_A_COMMAND):
            command = f"db {data[start : start + BYTES_A_COMMAND].hex()}"
            last = start + BYTES_A_COMMAND >= len(data)
            assert self.command(command) == ["m-load-done"] * last + ["m-ready"]

    def infer(self, count: int, warmups: int) -> Inference:
        lines = self.command(f"infer {count} {warmups}")
        laps = [int(m[1]) for line in lines if (m := re.match(r"^m-lap-us-([0-9]+)$", line))]
        results = [m[1] for line in lines if (m := re.match(r"^m-results-\[([^]]+)\]$", line))]
        assert (len(laps), len(results)) == (2, 1), lines
        return Inference(laps[1] - laps[0], [float(x) for x in results[0].split(",") if x.strip()])

    def _line(self) -> str:
        deadline = time.monotonic() + LINE_SECONDS
        while b"\n" not in self._text:
            data = self._transport.read(max(0.0, deadline - time.monotonic()))
            assert data, f"silent for {LINE_SECONDS} s after {self._text!r}"
            self._text += data
        line, _, self._text = self._text.partition(b"\n")
        return line.decode().replace("\r", "").replace("\0", "")
