"""firmware/lib on this machine, against Python's own."""

import ctypes
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.build.toolchain import find_host_toolchain, run_tool
from tinyml.resources import resource_dir
from tinyml.targets import CORES

SIZE = 96
ranges = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 56))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """With names of its own, so that the C library's functions are not meant."""
    output = tmp_path_factory.mktemp("lib") / "lib.so"
    root = resource_dir("firmware")
    renamed = [f"-D{name}=our_{name}" for name in ("memcpy", "memmove", "memset", "memcmp")]
    sources = ["lib/mem.c", "lib/crc32.c"]
    arguments = ["-shared", "-Iinclude", "-Ilibc", *renamed, *sources, "-o", str(output)]
    run_tool(find_host_toolchain().compile_command(CORES["host"], arguments), Path(root))
    loaded = ctypes.CDLL(str(output))
    for name in ("memcpy", "memmove", "memset"):
        getattr(loaded, f"our_{name}").restype = ctypes.c_void_p
    loaded.crc32_update.restype = ctypes.c_uint32
    return loaded


def buffer() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(bytes(range(SIZE)), SIZE)


@settings(deadline=None)
@given(ranges)
def test_memmove_and_memcpy(library: ctypes.CDLL, where: tuple[int, int, int]) -> None:
    to, start, count = where
    expected = bytearray(range(SIZE))
    expected[to : to + count] = expected[start : start + count]
    memory = buffer()
    at = ctypes.addressof(memory)
    move, copy = library.our_memmove, library.our_memcpy
    arguments = ctypes.c_void_p(at + to), ctypes.c_void_p(at + start), ctypes.c_size_t(count)
    assert move(*arguments) == at + to
    assert memory.raw == bytes(expected)
    if to + count <= start or start + count <= to:
        memory = buffer()
        at = ctypes.addressof(memory)
        assert copy(ctypes.c_void_p(at + to), ctypes.c_void_p(at + start), ctypes.c_size_t(count)) == at + to
        assert memory.raw == bytes(expected)


@settings(deadline=None)
@given(ranges, st.integers(-300, 300))
def test_memset(library: ctypes.CDLL, where: tuple[int, int, int], value: int) -> None:
    to, _, count = where
    expected = bytearray(range(SIZE))
    expected[to : to + count] = bytes([value & 0xFF]) * count
    memory = buffer()
    library.our_memset(ctypes.c_void_p(ctypes.addressof(memory) + to), ctypes.c_int(value), ctypes.c_size_t(count))
    assert memory.raw == bytes(expected)


@settings(deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_memcmp(library: ctypes.CDLL, a: bytes, b: bytes) -> None:
    count = min(len(a), len(b))
    result = library.our_memcmp(a, b, ctypes.c_size_t(count))
    assert result == (a[:count] > b[:count]) - (a[:count] < b[:count])


@settings(deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_crc(library: ctypes.CDLL, first: bytes, second: bytes) -> None:
    crc = library.crc32_update(ctypes.c_uint32(0), first, ctypes.c_uint32(len(first)))
    assert crc == zlib.crc32(first)
    assert library.crc32_update(ctypes.c_uint32(crc), second, ctypes.c_uint32(len(second))) == zlib.crc32(
        first + second
    )
