"""Firmware under QEMU, driven by its serial protocol; every wait has an end."""

import shutil
import subprocess
import threading
import zlib
from typing import IO

import pytest

from tinyml.build.image import FirmwareImage

_CONSOLE = ("-serial", "stdio", "-display", "none", "-monitor", "none")


class Qemu:
    """A machine that runs an image. Replies are lists of lines, `m-ready` left out."""

    def __init__(self, image: FirmwareImage, seconds: float = 30) -> None:
        program = shutil.which("qemu-system-arm")
        if program is None:
            pytest.skip("qemu-system-arm is not on the PATH")
        machine = image.board.qemu_machine
        assert machine is not None
        self._process = subprocess.Popen(
            [
                program,
                "-M",
                machine,
                "-kernel",
                image.elf,
                *["-serial", "null"] * image.board.qemu_serial,
                *_CONSOLE,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._timer = threading.Timer(seconds, self._process.kill)

    def __enter__(self) -> "Qemu":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def line(self) -> str:
        data = self._output.readline()
        assert data.endswith(b"\r\n"), f"the device fell silent after {data!r}"
        return data[:-2].decode("ascii")

    def reply(self) -> list[str]:
        lines: list[str] = []
        while (line := self.line()) != "m-ready":
            lines.append(line)
        return lines

    def ask(self, command: str) -> list[str]:
        self.write(command.encode("latin-1"))
        return self.reply()

    def put(self, index: int, data: bytes, *, crc: int | None = None, announce: int | None = None) -> list[str]:
        wanted = zlib.crc32(data) if crc is None else crc
        self.write(f"put {index} {len(data) if announce is None else announce} {wanted:08x}%".encode())
        assert self.line() == "m-go"
        self.write(data)
        return self.reply()

    def get(self, index: int, command: str = "") -> bytes:
        self.write(f"{command or f'get {index}'}%".encode())
        _, _, size, crc = self.line().split("-")
        data = self._output.read(int(size))
        assert f"{zlib.crc32(data):08x}" == crc
        assert self.reply() == [""]
        return data
