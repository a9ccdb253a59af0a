"""Reads a linked firmware and writes it in the forms that flash tools take."""

import io
import zlib
from collections.abc import Iterator

from elftools.elf.elffile import ELFFile

from tinyml.build.image import Sizes

_WEIGHTS = ".tinyml_weights"
_STATIC = (".data", ".bss", ".copy")


def read_sizes(elf: bytes) -> Sizes:
    """Bytes of code, weights and static data, from the section headers and the symbols of the link script."""
    file = ELFFile(io.BytesIO(elf))
    loaded = sum(segment["p_filesz"] for segment in file.iter_segments("PT_LOAD"))
    weights = _section_bytes(file, _WEIGHTS)
    symbols = {s.name: int(s["st_value"]) for s in file.get_section_by_name(".symtab").iter_symbols()}
    model_code = symbols["model_code_end"] - symbols["model_code_start"]
    model = sum(symbols[f"model_{part}_end"] - symbols[f"model_{part}_start"] for part in ("data", "bss"))
    blocks = [(int(s["sh_addr"]), int(s["sh_size"])) for s in map(file.get_section_by_name, _STATIC) if s is not None]
    static = sum(size for _, size in blocks)
    return Sizes(
        model_code_bytes=model_code,
        firmware_code_bytes=loaded - weights - model_code,
        weights_bytes=weights,
        model_static_bytes=model,
        firmware_static_bytes=static - model,
        static_blocks=tuple(blocks),
    )


def with_crcs(elf: bytes) -> bytes:
    """The ELF file with the CRC-32 of its code and of its weights in the words that the firmware compares at boot."""
    file = ELFFile(io.BytesIO(elf))
    table = file.get_section_by_name(".symtab")
    for part in ("code", "weights"):
        start, end = (int(table.get_symbol_by_name(f"{part}_{side}")[0]["st_value"]) for side in ("start", "end"))
        symbol = table.get_symbol_by_name(f"{part}_crc")[0]
        home = file.get_section(symbol["st_shndx"])
        offset = home["sh_offset"] + symbol["st_value"] - home["sh_addr"]
        crc = zlib.crc32(_loaded(file, start, end))
        elf = elf[:offset] + crc.to_bytes(4, "little") + elf[offset + 4 :]
    return _with_boot_checksum(elf, file)


def _with_boot_checksum(elf: bytes, file: ELFFile) -> bytes:
    """With the last word of what the RP2040's boot ROM loads first. CRC-32 as that ROM computes it (data sheet, "Checksum"):
    most significant bit first, nothing inverted at the end."""
    boot = file.get_section_by_name(".boot")
    if boot is None:
        return elf
    crc = 0xFFFF_FFFF
    for byte in boot.data()[:-4]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C1_1DB7 if crc >> 31 else 0)) & 0xFFFF_FFFF
    end = boot["sh_offset"] + boot["sh_size"]
    return elf[: end - 4] + crc.to_bytes(4, "little") + elf[end:]


def to_binary(elf: bytes) -> bytes:
    """What flash holds, from the first byte to the last; gaps as erased flash has them (0xFF)."""
    chunks = sorted(_segments(elf))
    base = chunks[0][0]
    image = bytearray()
    for address, data in chunks:
        image += b"\xff" * (address - base - len(image))
        image += data
    return bytes(image)


def to_intel_hex(elf: bytes) -> bytes:
    """The same as Intel HEX: 16 bytes a record, addresses of 32 bits by records of type 4."""
    lines = []
    upper = -1
    for start, data in sorted(_segments(elf)):
        position = 0
        while position < len(data):
            address = start + position
            if address >> 16 != upper:
                upper = address >> 16
                lines.append(_record(4, 0, upper.to_bytes(2, "big")))
            # No record crosses a border of 64 KiB.
            count = min(16, len(data) - position, 0x1_0000 - (address & 0xFFFF))
            lines.append(_record(0, address & 0xFFFF, data[position : position + count]))
            position += count
    lines.append(_record(1, 0, b""))
    return "".join(f"{line}\n" for line in lines).encode()


def _record(kind: int, address: int, data: bytes) -> str:
    body = bytes([len(data), address >> 8, address & 0xFF, kind]) + data
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}"


def _segments(elf: bytes) -> Iterator[tuple[int, bytes]]:
    """(physical address, bytes) of everything that is flashed."""
    for segment in ELFFile(io.BytesIO(elf)).iter_segments("PT_LOAD"):
        if segment["p_filesz"]:
            yield int(segment["p_paddr"]), segment.data()


def _loaded(file: ELFFile, start: int, end: int) -> bytes:
    """What memory holds from start to end, which lie in one segment."""
    for segment in file.iter_segments("PT_LOAD"):
        base = int(segment["p_vaddr"])
        if base <= start and end <= base + segment["p_filesz"]:
            return bytes(segment.data()[start - base : end - base])
    if start == end:
        return b""
    raise ValueError(f"no segment holds {start:#x} to {end:#x}")


def _section_bytes(file: ELFFile, name: str) -> int:
    section = file.get_section_by_name(name)
    return 0 if section is None else int(section["sh_size"])
