"""Lays parameter structures out in memory as C does, from the kernels' own headers."""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from tinyml.kernels.descriptor import Array, CParams, Field
from tinyml.resources import resource_dir

KERNELS = resource_dir("codegen") / "kernels"

_STRUCT = re.compile(r"typedef struct \{([^{}]*)\} (tinyml_\w+);")
_FIELD = re.compile(r"^(const )?(\w+) (\*?)(\w+)(?:\[(\d+)\])?$")
_SCALARS = {
    "uint16_t": "H",
    "int64_t": "q",
    "int8_t": "b",
    "uint8_t": "B",
    "int16_t": "h",
    "int32_t": "i",
    "uint32_t": "I",
    "float": "f",
}


@dataclass(frozen=True)
class Member:
    ctype: str
    name: str
    pointer: bool
    count: int | None


@cache
def structs() -> Mapping[str, tuple[Member, ...]]:
    found = {}
    for header in sorted((KERNELS / "include").glob("*.h")):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for body, name in _STRUCT.findall(text):
            members = []
            for declaration in filter(None, (d.strip() for d in body.split(";"))):
                match = _FIELD.match(declaration)
                assert match, f"{header.name}: cannot read {declaration!r}"
                _, ctype, star, member, count = match.groups()
                members.append(Member(ctype, member, bool(star), int(count) if count else None))
            found[name] = tuple(members)
    return found


@dataclass
class Memory:
    """Buffers and the pointers between them, for a machine whose pointers take `pointer` bytes."""

    pointer: int
    buffers: list[bytearray] = field(default_factory=list)
    pointers: list[tuple[int, int, int, int]] = field(default_factory=list)  # buffer, offset, target, offset in it

    def add(self, data: bytes | bytearray) -> int:
        self.buffers.append(bytearray(data))
        return len(self.buffers) - 1

    def array(self, data: np.ndarray) -> int:
        return self.add(np.ascontiguousarray(data).tobytes())

    def struct(self, struct_type: str, fields: Mapping[str, Field], count: int = 1) -> int:
        index = self.add(b"")
        for _ in range(count):
            self._append(index, struct_type, fields)
        return index

    def params(self, params: CParams) -> int:
        return self.struct(params.struct_type, params.fields)

    def rows(self, maps: list[tuple[int, int, int, int, int]]) -> int:
        """An array of tinyml_rows_t: (buffer, row_bytes, rows, first_row, first_col)."""
        index = self.add(b"")
        for base, row_bytes, rows, first_row, first_col in maps:
            self._pointer(index, base, 0)
            self.buffers[index] += struct.pack("<4i", row_bytes, rows, first_row, first_col)
            self._align(index, self.pointer)
        return index

    def _append(self, index: int, struct_type: str, fields: Mapping[str, Field]) -> None:
        members = structs()[struct_type]
        assert [m.name for m in members] == list(fields), f"{struct_type}: fields {list(fields)}"
        self._align(index, self._alignment(struct_type))
        for member in members:
            value = fields[member.name]
            if member.count is None:
                self._member(index, member, value)
            else:
                assert isinstance(value, tuple) and len(value) == member.count
                for item in value:
                    self._member(index, member, item)
        self._align(index, self._alignment(struct_type))

    def _member(self, index: int, member: Member, value: Field) -> None:
        if member.pointer:
            if value is None:
                self._align(index, self.pointer)
                self.buffers[index] += bytes(self.pointer)
                return
            assert isinstance(value, Array), f"{member.name}: {value!r}"
            dtype = value.data.dtype.name
            named = "float" if dtype == "float32" else f"{dtype}_t"
            assert member.ctype in ("void", named), f"{member.name}: {dtype}"
            target = self.array(value.data)
            self._pointer(index, target, 0)
        elif member.ctype in _SCALARS:
            code = _SCALARS[member.ctype]
            self._align(index, struct.calcsize(code))
            self.buffers[index] += struct.pack("<" + code, value)
        else:
            assert isinstance(value, Mapping), f"{member.name}: {value!r}"
            self._append(index, member.ctype, value)

    def _pointer(self, index: int, target: int, offset: int) -> None:
        self._align(index, self.pointer)
        self.pointers.append((index, len(self.buffers[index]), target, offset))
        self.buffers[index] += bytes(self.pointer)

    def _align(self, index: int, alignment: int) -> None:
        self.buffers[index] += bytes(-len(self.buffers[index]) % alignment)

    def _alignment(self, struct_type: str) -> int:
        return max(
            self.pointer
            if m.pointer
            else struct.calcsize(_SCALARS[m.ctype])
            if m.ctype in _SCALARS
            else self._alignment(m.ctype)
            for m in structs()[struct_type]
        )
