"""Kernels on the host, compiled with the address and undefined-behaviour sanitizers."""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kernel_layout import KERNELS, Memory

from tinyml.kernels.registry import KERNELS as DESCRIPTORS
from tinyml.targets.core import Isa

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def symbols(isa: Isa | None = None) -> list[str]:
    """Of all kernels, or of those for one feature."""
    return list(dict.fromkeys(kernel.symbol for kernel in DESCRIPTORS if isa in (None, kernel.isa)))


def compiler() -> list[str]:
    """gcc or clang; else zig's clang, which has no address sanitizer."""
    for name in ("gcc", "clang"):
        if path := shutil.which(name):
            return [path, *_SANITIZE]
    return [sys.executable, "-m", "ziglang", "cc", "-O1", "-g", "-fsanitize=undefined", "-fno-sanitize-recover=all"]


def build(folder: Path, isa: Isa | None = None, flags: Sequence[str] = ()) -> Path:
    """The driver with every kernel, or those for one feature; built once for the same sources, also by parallel workers."""
    chosen = {kernel.source for kernel in DESCRIPTORS if isa in (None, kernel.isa)}
    sources = sorted(path for path in KERNELS.glob("*/*.c") if path.relative_to(KERNELS).as_posix() in chosen)
    driver = Path(__file__).with_name("driver.c")
    command = [*compiler(), *flags]
    digest = hashlib.sha256(repr(command).encode())
    for path in (driver, *sources, *sorted(KERNELS.glob("include/*.h"))):
        digest.update(path.read_bytes())
    program = folder / f"driver-{digest.hexdigest()[:16]}{'.exe' if os.name == 'nt' else ''}"
    lock = program.with_suffix(".lock")
    while not program.exists():
        try:
            lock.touch(exist_ok=False)
        except FileExistsError:
            time.sleep(0.2)
            continue
        try:
            _compile(command, symbols(isa), sources, driver, folder, program)
        finally:
            lock.unlink()
    return program


def _compile(
    command: list[str], names: list[str], sources: list[Path], driver: Path, folder: Path, program: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        listing = Path(work) / "kernels.inc"
        listing.write_text("".join(f"KERNEL({name})\n" for name in names))
        built = Path(work) / "driver"
        include = ["-I", str(KERNELS / "include"), "-I", work]
        objects = []
        for i, source in enumerate(sources):
            objects.append(f"{work}/{i}.o")
            subprocess.run([*command, *WARNINGS, *include, "-c", str(source), "-o", objects[-1]], check=True)
        subprocess.run([*command, *include, str(driver), *objects, "-o", str(built)], check=True)
        built.replace(program)


class Host:
    """A driver process that answers calls until one of them is caught by a sanitizer."""

    pointer = struct.calcsize("P")

    def __init__(self, program: Path, isa: Isa | None = None) -> None:
        self._program = program
        self._index = {name: i for i, name in enumerate(symbols(isa))}
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, symbol: str, memory: Memory, args: Sequence[int]) -> list[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [str(self._program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        process = self._process
        assert process.stdin and process.stdout and process.stderr
        request = [struct.pack("=2I", self._index[symbol], len(memory.buffers))]
        for buffer in memory.buffers:
            request += [struct.pack("=I", len(buffer)), bytes(buffer)]
        request.append(struct.pack("=I", len(memory.pointers)))
        request += [struct.pack("=4I", *p) for p in memory.pointers]
        request.append(struct.pack("=5I", *args))
        process.stdin.write(b"".join(request))
        process.stdin.flush()
        answer = [process.stdout.read(len(buffer)) for buffer in memory.buffers]
        if [len(a) for a in answer] != [len(b) for b in memory.buffers]:
            self._process = None
            raise AssertionError(f"{symbol}: {process.stderr.read().decode()}")
        return answer

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin
            self._process.stdin.close()
            self._process.wait(10)
