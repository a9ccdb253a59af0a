"""What the emulator takes from a linked ELF: bytes to load, code sizes, symbols."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tinyml.errors import ToolError


@dataclass(frozen=True, slots=True)
class Symbol:
    """Attributes:
    address: without the Thumb bit.
    bytes: 0 where the ELF does not say.
    """

    name: str
    address: int
    bytes: int
    is_function: bool


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Attributes:
    segments: (load address, bytes), what a flash tool would write.
    code_bytes: size of all sections with instructions.
    """

    path: Path
    segments: tuple[tuple[int, bytes], ...]
    code_bytes: int
    symbols: Mapping[str, Symbol]

    def symbol(self, name: str) -> Symbol:
        """Raises ToolError where there is none of that name."""
        found = self.symbols.get(name)
        if found is None:
            raise ToolError(f"{self.path} defines no symbol {name!r}")
        return found

    def where(self, address: int) -> str:
        """`function+offset`, or "no known function"."""
        for symbol in self.symbols.values():
            if symbol.is_function and symbol.address <= address < symbol.address + max(symbol.bytes, 2):
                return f"{symbol.name}+{address - symbol.address:#x}"
        return "no known function"


def load_program(path: Path) -> Program:
    """Read a 32-bit little-endian Arm executable.

    Raises:
        ToolError: there is no such file, or it is of another kind.
    """
    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            if elf.get_machine_arch() != "ARM" or elf.elfclass != 32 or not elf.little_endian:
                raise ToolError(f"{path} is for {elf.get_machine_arch()}; the emulator runs 32-bit little-endian Arm")
            table = elf.get_section_by_name(".symtab")
            entries = [] if table is None else [s for s in table.iter_symbols() if s.name and s.name[0] != "$"]
            symbols = {
                entry.name: Symbol(
                    name=entry.name,
                    address=entry["st_value"] & ~1 if entry["st_info"]["type"] == "STT_FUNC" else entry["st_value"],
                    bytes=entry["st_size"],
                    is_function=entry["st_info"]["type"] == "STT_FUNC",
                )
                for entry in entries
                if entry["st_shndx"] != "SHN_UNDEF" and entry["st_info"]["type"] != "STT_FILE"
            }
            return Program(
                path=path,
                segments=tuple(
                    (segment["p_paddr"], segment.data())
                    for segment in elf.iter_segments()
                    if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
                ),
                code_bytes=sum(
                    section["sh_size"]
                    for section in elf.iter_sections()
                    if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR
                ),
                symbols=symbols,
            )
    except FileNotFoundError:
        raise ToolError(f"there is no firmware {path}") from None
    except ELFError as error:
        raise ToolError(f"{path} is not an ELF file: {error}") from None
