"""The compiled meter: made once, and done without where no compiler works."""

import ctypes
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinyml.device.emulator import native
from tinyml.errors import ToolError


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty cache."""
    monkeypatch.setenv("TINYML_CACHE", str(tmp_path / "cache"))
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def _no_compiler() -> None:
    raise ToolError("no C compiler")


@pytest.mark.usefixtures("fresh")
def test_is_compiled_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert native.library() is not None
    (made,) = (tmp_path / "cache" / "native").iterdir()
    assert made.stem.startswith("meter-")
    native.library.cache_clear()
    monkeypatch.setattr(native, "find_host_toolchain", _no_compiler)
    assert native.library() is not None


@pytest.mark.usefixtures("fresh")
def test_without_a_compiler_there_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(native, "find_host_toolchain", _no_compiler)
    with caplog.at_level(logging.WARNING):
        assert native.library() is None
    assert "no native meter: no C compiler" in caplog.text


@pytest.mark.usefixtures("fresh")
def test_a_library_that_does_not_load_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_compiled", lambda name: b"not a library")
    assert native.library() is None


def test_zig_compiles_it_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    made = tmp_path / "meter"
    made.write_bytes(native._compiled(made.name))
    assert ctypes.CDLL(str(made)).tinyml_on_block
