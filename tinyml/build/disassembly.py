"""The functions of a linked Arm ELF as instructions, and the pointers to functions that it holds."""

import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import capstone
from capstone import arm_const as arm
from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tinyml.errors import ToolError

_VECTORS = "vectors"  # of firmware/startup/


@dataclass(frozen=True, slots=True)
class Opaque:
    """An instruction that Capstone cannot decode: newer than it, and neither a call nor a return."""

    address: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Routine:
    """A function. instructions: by address, Capstone's or Opaque."""

    name: str
    address: int
    end: int
    instructions: Mapping[int, Any]


@dataclass(frozen=True, slots=True)
class _Object:
    """A constant or variable with a name."""

    address: int
    end: int


class Code:
    """A program's functions, and what its constants point to.

    Attributes:
        routines: by address.
    """

    def __init__(self, path: Path, elf: ELFFile) -> None:
        self.path = path
        self._memory = [
            (int(s["sh_addr"]), s.data())
            for s in elf.iter_sections()
            if s["sh_flags"] & SH_FLAGS.SHF_ALLOC and s["sh_type"] == "SHT_PROGBITS"
        ]
        table = elf.get_section_by_name(".symtab")
        symbols = [] if table is None else list(table.iter_symbols())
        self._modes = _modes(symbols)
        self._objects = sorted(
            (
                _Object(int(s["st_value"]), int(s["st_value"]) + int(s["st_size"]))
                for s in symbols
                if _is(s, "STT_OBJECT")
            ),
            key=lambda o: o.address,
        )
        self.routines: Sequence[Routine] = tuple(self._routines(symbols))
        self._starts = [routine.address for routine in self.routines]
        self._entries = frozenset(self._starts)
        vectors = [s for s in symbols if s.name == _VECTORS and s["st_size"]]
        self._handlers = {
            handler
            for table in vectors
            for handler in self._pointers_in(int(table["st_value"]), int(table["st_value"]) + int(table["st_size"]))
        }
        self._taken = self._pointers_in_code()

    def routine(self, address: int) -> Routine:
        """The function that an address is in. Raises ToolError where there is none."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self.routines[index].end:
            raise ToolError(f"{self.path} calls {address:#x}, where no function is")
        return self.routines[index]

    def is_entry(self, address: int) -> bool:
        return address in self._entries

    def literal(self, x: Any) -> int | None:
        """The constant that an instruction loads from beside the code."""
        memory = next((o.mem for o in x.operands if o.type == arm.ARM_OP_MEM), None)
        if memory is None or memory.base != arm.ARM_REG_PC or memory.index:
            return None
        return self._word((x.address + 4 & ~3) + memory.disp)

    def reachable_by_pointer(self, routine: Routine) -> set[int]:
        """Functions that a call through a pointer in `routine` may reach: those in the objects that it names, and those
        that any code takes the address of. Exception handlers are called by the core alone."""
        found = set(self._taken)
        for value in self._constants(routine):
            named = self._object(value)
            if named is not None:
                found.update(self._pointers_in(named.address, named.end))
        return found - self._handlers

    def _pointers_in_code(self) -> set[int]:
        return {
            value & ~1
            for routine in self.routines
            if routine.address not in self._handlers
            for value in self._constants(routine)
            if value & 1 and value & ~1 in self._entries
        }

    def _constants(self, routine: Routine) -> Iterator[int]:
        """32-bit constants that the code of a function makes: loaded from beside it, or in two halves."""
        halves: dict[int, int] = {}
        for x in routine.instructions.values():
            if isinstance(x, Opaque):
                continue
            value = self.literal(x)
            if value is not None:
                yield value
            elif x.mnemonic == "movw":
                halves[x.operands[0].reg] = x.operands[1].imm & 0xFFFF
            elif x.mnemonic == "movt":
                yield halves.get(x.operands[0].reg, 0) | (x.operands[1].imm & 0xFFFF) << 16

    def _pointers_in(self, start: int, end: int) -> Iterator[int]:
        for address in range(start + 3 & ~3, end - 3, 4):
            value = self._word(address)
            if value is not None and value & 1 and value & ~1 in self._entries:
                yield value & ~1

    def _object(self, address: int) -> _Object | None:
        index = bisect_right(self._objects, address, key=lambda o: o.address) - 1
        found = self._objects[index] if index >= 0 else None
        return found if found is not None and address < found.end else None

    def _word(self, address: int) -> int | None:
        for start, data in self._memory:
            if start <= address <= start + len(data) - 4:
                return int(struct.unpack_from("<I", data, address - start)[0])
        return None

    def _routines(self, symbols: Sequence[Any]) -> Iterator[Routine]:
        named = {int(s["st_value"]) & ~1: s for s in symbols if _is(s, "STT_FUNC")}
        starts = sorted(named)
        for address, following in zip(starts, [*starts[1:], 1 << 32], strict=True):
            size = int(named[address]["st_size"])
            end = min(address + size if size else following, following)
            yield Routine(named[address].name, address, end, dict(self._decode(address, end)))

    def _decode(self, start: int, end: int) -> Iterator[tuple[int, Any]]:
        """Instructions from `start` on, constants between them left out."""
        for base, data in self._memory:
            if not base <= start < base + len(data):
                continue
            for first, last in self._code_ranges(start, min(end, base + len(data))):
                address = first
                while address < last:
                    for x in _disassembler().disasm(data[address - base : last - base], address):
                        yield x.address, x
                        address = x.address + x.size
                    if address < last:
                        (half,) = struct.unpack_from("<H", data, address - base)
                        yield address, Opaque(address, 4 if half >= 0xE800 else 2)
                        address += 4 if half >= 0xE800 else 2

    def _code_ranges(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        addresses = [address for address, _ in self._modes]
        index = bisect_right(addresses, start) - 1
        is_code = index < 0 or self._modes[index][1]
        while start < end:
            index += 1
            stop = min(addresses[index], end) if index < len(addresses) else end
            if is_code and stop > start:
                yield start, stop
            if index < len(addresses):
                is_code = self._modes[index][1]
            start = stop


def read_code(path: Path) -> Code:
    """Raises ToolError where there is no such file, or it is no ELF for Arm."""
    try:
        with path.open("rb") as stream:
            return Code(path, ELFFile(stream))
    except FileNotFoundError:
        raise ToolError(f"there is no firmware {path}") from None
    except ELFError as error:
        raise ToolError(f"{path} is not an ELF file: {error}") from None


def _is(symbol: Any, kind: str) -> bool:
    return bool(symbol["st_info"]["type"] == kind and symbol["st_shndx"] != "SHN_UNDEF" and symbol.name)


def _modes(symbols: Sequence[Any]) -> list[tuple[int, bool]]:
    """Where code begins and where constants do, by address (ELF for the Arm Architecture: mapping symbols)."""
    kinds = {"$t": True, "$d": False}
    return sorted(
        (int(s["st_value"]) & ~1, kinds[s.name[:2]])
        for s in symbols
        if s.name[:2] in kinds and s.name[2:3] in ("", ".")
    )


@cache
def _disassembler() -> capstone.Cs:
    disassembler = capstone.Cs(
        capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    )
    disassembler.detail = True
    return disassembler
