"""Kernels on an emulated Cortex-M core, compiled with the flags of firmware."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import unicorn
from elftools.elf.elffile import ELFFile
from kernel_layout import KERNELS, Memory
from unicorn import arm_const

from tinyml.build.toolchain import find_toolchain, run_tool
from tinyml.device.emulator.meter import attach
from tinyml.device.emulator.timing import Cost, block_cost
from tinyml.targets.core import CORES, Core, Isa

CODE, RAM, RAM_BYTES = 0x0001_0000, 0x2000_0000, 0x0020_0000
RETURN = 0x0000_1000
STACK_BYTES = 0x1_0000
GAP = 64  # bytes of poison between buffers

# What compilers call without being asked.
RUNTIME = """
#include <stddef.h>
#define LOOP(statement) while (n--) { statement; __asm__ volatile(""); }
void *memcpy(void *to, const void *from, size_t n)
{ char *o = to; const char *i = from; LOOP(*o++ = *i++) return to; }
void *memset(void *to, int value, size_t n) { char *o = to; LOOP(*o++ = (char)value) return to; }
void __aeabi_memcpy(void *to, const void *from, size_t n) { char *o = to; const char *i = from; LOOP(*o++ = *i++) }
void __aeabi_memset(void *to, size_t n, int value) { char *o = to; LOOP(*o++ = (char)value) }
void __aeabi_memclr(void *to, size_t n) { char *o = to; LOOP(*o++ = 0) }
"""


def build(folder: Path, core: Core, toolchain: str | None, symbols: Sequence[str]) -> Path:
    """An ELF with these kernels at CODE."""
    tools = find_toolchain(toolchain)
    sources = [next(KERNELS.glob(f"*/{symbol}.c")) for symbol in symbols]
    runtime = folder / "runtime.c"
    runtime.write_text(RUNTIME)
    objects = []
    for source in (*sources, runtime):
        objects.append(str(folder / f"{source.stem}.o"))
        arguments = ["-I", str(KERNELS / "include"), "-c", str(source), "-o", objects[-1]]
        run_tool(tools.compile_command(core, arguments), folder)
    elf = folder / "kernels.elf"
    if tools.is_zig:
        link = [*tools.command, "ld.lld", f"-Ttext={CODE:#x}", "-e", "0", *objects, "-o", str(elf)]
    else:
        flags = ["-nostdlib", f"-Wl,-Ttext={CODE:#x},-e,0", *objects, "-lgcc", "-o", str(elf)]
        link = tools.compile_command(core, flags)
    run_tool(link, folder)
    return elf


class EmulatedCore:
    """Calls kernels of an ELF; buffers lie 4-aligned with poison between them, and whoever touches it is found out."""

    pointer = 4

    def __init__(self, elf: Path, core: Core) -> None:
        assert core.unicorn_model is not None
        self.has_dsp = Isa.DSP in core.isa
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(getattr(arm_const, core.unicorn_model))
        if core.has_fpu:
            self._uc.reg_write(arm_const.UC_ARM_REG_C1_C0_2, 0xF << 20)
            self._uc.reg_write(arm_const.UC_ARM_REG_FPEXC, 1 << 30)
        self._uc.mem_map(0, 0x0010_0000)
        self._uc.mem_map(RAM, RAM_BYTES)
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                self._uc.mem_write(segment["p_vaddr"], segment.data())
            table = image.get_section_by_name(".symtab")
            self._symbols = {s.name: s["st_value"] for s in table.iter_symbols()}
            code_bytes = sum(segment["p_filesz"] for segment in image.iter_segments("PT_LOAD"))

        def price(address: int, size: int) -> Cost:
            return block_cost(core.name, bytes(self._uc.mem_read(address, size)))

        self._meter = attach(self._uc, code_bytes, price, (), lambda _: None, True)
        self._meter.fuel = 1 << 62

    def call(self, symbol: str, memory: Memory, args: Sequence[int]) -> list[bytes]:
        places = self.load(memory)
        self.start(symbol, [places[arg] for arg in args])
        after = [bytes(self._uc.mem_read(p, len(b))) for p, b in zip(places, memory.buffers, strict=True)]
        ends = [RAM, *(p + len(b) for p, b in zip(places, memory.buffers, strict=True))]
        for end, start in zip(ends, [*places, ends[-1] + GAP], strict=True):
            gap = self._uc.mem_read(end, start - end)
            assert gap == b"\xa5" * len(gap), f"{symbol} wrote between its buffers"
        return after

    def load(self, memory: Memory) -> list[int]:
        """Writes the buffers to RAM; the address of each."""
        self._uc.mem_write(RAM, b"\xa5" * RAM_BYTES)
        places, at = [], RAM + GAP
        for buffer in memory.buffers:
            places.append(at)
            at += len(buffer) + GAP
            at += -at % 4
        assert at < RAM + RAM_BYTES - STACK_BYTES, "no room for the stack"
        for buffer, offset, target, inner in memory.pointers:
            memory.buffers[buffer][offset : offset + 4] = (places[target] + inner).to_bytes(4, "little")
        for place, buffer in zip(places, memory.buffers, strict=True):
            self.write(place, buffer)
        return places

    def write(self, address: int, data: bytes | bytearray) -> None:
        self._uc.mem_write(address, bytes(data))

    def start(self, symbol: str, arguments: Sequence[int]) -> None:
        """Calls a kernel with five addresses."""
        stack = RAM + RAM_BYTES - 16
        self._uc.mem_write(stack, arguments[4].to_bytes(4, "little"))
        registers = (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2, arm_const.UC_ARM_REG_R3)
        for register, address in zip(registers, arguments[:4], strict=True):
            self._uc.reg_write(register, address)
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._uc.reg_write(arm_const.UC_ARM_REG_LR, RETURN | 1)
        self._uc.emu_start(self._symbols[symbol] | 1, RETURN)

    def instructions(self, action: Callable[[], object]) -> int:
        """Instructions that the core executes while the action calls kernels."""
        before = self._meter.total.instructions
        action()
        return self._meter.total.instructions - before


M0, M4, M7 = CORES["cortex-m0"], CORES["cortex-m4"], CORES["cortex-m7"]

MACHINES = {
    "m4-gcc": (M4, "arm-none-eabi-gcc"),
    "m7-zig": (M7, "ziglang"),
    "m0-gcc": (M0, "arm-none-eabi-gcc"),
}


def emulated(name: str, folder: Path, symbols: Sequence[str]) -> EmulatedCore:
    """One of `MACHINES` with these kernels; skips where its compiler is missing."""
    core, toolchain = MACHINES[name]
    if toolchain == "arm-none-eabi-gcc" and shutil.which(toolchain) is None:
        pytest.skip(f"{toolchain} is not on the PATH")
    return EmulatedCore(build(folder, core, toolchain, symbols), core)
