"""Kernels on a Cortex-M55 in QEMU, which has Helium: Unicorn has not."""

import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from kernel_core import RUNTIME
from kernel_layout import KERNELS, Memory

from tinyml.build.toolchain import find_toolchain, run_tool
from tinyml.device.qemu import find_qemu
from tinyml.targets.core import CORES

M55 = CORES["cortex-m55"]
RAM, RAM_BYTES = 0x2100_0000, 0x0040_0000
GAP = 64  # bytes of poison between buffers
INSTRUCTIONS_PER_TICK = 31.25  # of the 32 MHz SysTick, where QEMU lets each instruction take a nanosecond

_LINK = """
ENTRY(reset_handler)
SECTIONS
{
    .text 0 : { KEEP(*(.vectors)) *(.text*) *(.rodata*) }
    .data 0x20000000 : { *(.data*) *(.bss*) }
    /DISCARD/ : { *(.ARM.exidx*) *(.comment) *(.ARM.attributes) }
}
"""


def build(folder: Path, toolchain: str, symbols: Sequence[str]) -> Path:
    """An ELF with these kernels, and with helium_driver.c that calls them."""
    tools = find_toolchain(toolchain)
    (folder / "kernels.inc").write_text("".join(f"KERNEL({symbol})\n" for symbol in symbols))
    (folder / "runtime.c").write_text(RUNTIME)
    sources = [next(KERNELS.glob(f"*/{symbol}.c")) for symbol in symbols]
    objects = []
    for source in (*sources, Path(__file__).with_name("helium_driver.c"), folder / "runtime.c"):
        objects.append(str(folder / f"{source.stem}.o"))
        arguments = ["-I", str(KERNELS / "include"), "-I", str(folder), "-c", str(source), "-o", objects[-1]]
        run_tool(tools.compile_command(M55, arguments), folder)
    elf = folder / "kernels.elf"
    script = folder / "link.ld"
    script.write_text(_LINK)
    place = ["--nmagic", "-T", str(script)]
    if tools.is_zig:
        link = [*tools.command, "ld.lld", *place, *objects, "-o", str(elf)]
    else:
        flags = ["-nostdlib", f"-Wl,{','.join(place)}", *objects, "-lgcc", "-o", str(elf)]
        link = tools.compile_command(M55, flags)
    run_tool(link, folder)
    return elf


class HeliumCore:
    """Calls kernels of an ELF. Buffers lie 4-aligned with poison between them, and whoever touches it is found out; the
    first input lies at the very end of the memory, where whoever reads past it faults."""

    pointer = 4

    def __init__(self, elf: Path, symbols: Sequence[str]) -> None:
        self._elf = elf
        self._index = {name: i for i, name in enumerate(symbols)}
        self._process: subprocess.Popen[bytes] | None = None
        self._ticks = 0

    def call(self, symbol: str, memory: Memory, args: Sequence[int]) -> list[bytes]:
        pinned = next((target for buffer, _, target, _ in memory.pointers if buffer == args[1]), None)
        places, at = [], RAM + GAP
        for i, buffer in enumerate(memory.buffers):
            size = len(buffer) + -len(buffer) % 4
            places.append(RAM + RAM_BYTES - size if i == pinned else at)
            at += 0 if i == pinned else size + GAP
        low = at - RAM
        high = 0 if pinned is None else RAM + RAM_BYTES - places[pinned] + GAP
        assert low + high < RAM_BYTES
        request = [struct.pack("<4I", self._index[symbol], low, high, len(memory.buffers))]
        for place, buffer in zip(places, memory.buffers, strict=True):
            request += [struct.pack("<2I", place, len(buffer)), bytes(buffer)]
        request.append(struct.pack("<I", len(memory.pointers)))
        for buffer_index, offset, target, inner in memory.pointers:
            request.append(struct.pack("<2I", places[buffer_index] + offset, places[target] + inner))
            memory.buffers[buffer_index][offset : offset + 4] = struct.pack("<I", places[target] + inner)
        request.append(struct.pack("<5I", *(places[arg] for arg in args)))
        ticks, ram = self._ask(symbol, b"".join(request), low, high)
        self._ticks += ticks
        offsets = [p - RAM if i != pinned else low + p - (RAM + RAM_BYTES - high) for i, p in enumerate(places)]
        used = bytearray(ram)
        after = []
        for offset, buffer in zip(offsets, memory.buffers, strict=True):
            after.append(ram[offset : offset + len(buffer)])
            used[offset : offset + len(buffer)] = b"\xa5" * len(buffer)
        assert used == b"\xa5" * len(used), f"{symbol} wrote between its buffers"
        return after

    def _ask(self, symbol: str, request: bytes, low: int, high: int) -> tuple[int, bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [str(find_qemu()), "-M", "mps3-an547", "-kernel", str(self._elf), "-display", "none", "-monitor", "none",
                 "-serial", "none", "-semihosting-config", "enable=on,target=native", "-icount", "shift=0"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(request)
        process.stdin.flush()
        answer = process.stdout.read(4 + low + high)
        if len(answer) < 4 + low + high:
            self.close()
            where = f"{struct.unpack('<I', answer)[0]:#x}" if len(answer) == 4 else "an unknown address"
            raise AssertionError(f"{symbol} faults at {where} of {self._elf}")
        return struct.unpack_from("<I", answer)[0], answer[4:]

    def instructions(self, action: Callable[[], object]) -> float:
        """Instructions that the core executes while the action calls kernels."""
        before = self._ticks
        action()
        return INSTRUCTIONS_PER_TICK * (self._ticks - before)

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin and self._process.stdout
            self._process.stdin.close()
            self._process.wait(10)
            self._process.stdout.close()
            self._process = None


def is_available() -> bool:
    return shutil.which("qemu-system-arm") is not None
