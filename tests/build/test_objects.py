"""The cache of objects, and files that are whole or absent."""

import shutil
from pathlib import Path

import pytest

from tinyml.build.files import write_file, write_tree
from tinyml.build.objects import Unit, compile_units
from tinyml.build.toolchain import Toolchain, find_host_toolchain, find_toolchain
from tinyml.errors import ToolError
from tinyml.targets import CORES, Core

M4 = CORES["cortex-m4"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the units that really were compiled."""
    paths: list[str] = []
    real = Toolchain.compile_command

    def spy(self: Toolchain, core: Core, arguments: list[str]) -> list[str]:
        paths.append(arguments[arguments.index("-c") + 1])
        return real(self, core, arguments)

    monkeypatch.setattr(Toolchain, "compile_command", spy)
    return paths


def unit(root: Path, include: Path, *definitions: str) -> Unit:
    return Unit(root, "a.c", (include,), definitions)


def test_only_what_changed_is_compiled(tmp_path: Path, compiled: list[str]) -> None:
    toolchain = find_host_toolchain()
    host = CORES["host"]
    write_tree(tmp_path / "src", {"a.c": '#include "a.h"\nint a = A;\n'})
    write_tree(tmp_path / "inc", {"a.h": '# include "deep/b.h"\n', "deep/b.h": "#define A 1\n", "c.h": ""})
    first = compile_units(toolchain, host, [unit(tmp_path / "src", tmp_path / "inc")])
    assert compile_units(toolchain, host, [unit(tmp_path / "src", tmp_path / "inc")]) == first
    assert compiled == ["a.c"]

    # A header that a header includes; a definition; and back again.
    write_file(tmp_path / "inc" / "deep" / "b.h", b"#define A 2\n")
    second = compile_units(toolchain, host, [unit(tmp_path / "src", tmp_path / "inc")])
    assert second != first
    third = compile_units(toolchain, host, [unit(tmp_path / "src", tmp_path / "inc", "B")])
    assert third not in (first, second)
    assert len(compiled) == 3
    write_file(tmp_path / "inc" / "deep" / "b.h", b"#define A 1\n")
    write_file(tmp_path / "inc" / "c.h", b"/* nobody includes this */")
    assert compile_units(toolchain, host, [unit(tmp_path / "src", tmp_path / "inc")]) == first
    assert len(compiled) == 3


@pytest.mark.parametrize("name", ["arm-none-eabi-gcc", "ziglang"])
def test_objects_do_not_know_where_they_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name == "arm-none-eabi-gcc" and shutil.which(name) is None:
        pytest.skip("arm-none-eabi-gcc is not on the PATH")
    made = []
    for place in ("one", "elsewhere/two"):
        monkeypatch.setenv("TINYML_CACHE", str(tmp_path / place / "cache"))
        write_tree(tmp_path / place / "src", {"deep/a.c": 'const char *f(void) { return __FILE__; }\n#include "a.h"\n'})
        write_tree(tmp_path / place / "inc", {"a.h": "static const char *g(void) { return __FILE__; }\n"})
        source = Unit(tmp_path / place / "src", "deep/a.c", (tmp_path / place / "inc",))
        made.append(compile_units(find_toolchain(name), M4, [source])[0].read_bytes())
    assert made[0] == made[1]
    assert str(tmp_path).encode() not in made[0]


def test_a_failure_leaves_no_object(tmp_path: Path, cache: Path) -> None:
    write_tree(tmp_path / "src", {"a.c": "int a = nothing;\n", "b.c": "int b;\n"})
    units = [Unit(tmp_path / "src", "a.c"), Unit(tmp_path / "src", "b.c")]
    with pytest.raises(ToolError, match=r"a\.c:1:.*nothing"):
        compile_units(find_host_toolchain(), CORES["host"], units)
    assert len(list((cache / "objects").rglob("*"))) <= 2  # b.o and its folder, if it came to that


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out" / "a.bin"
    write_file(path, b"old")

    def interrupt(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_tree_holds_nothing_else(tmp_path: Path) -> None:
    write_tree(tmp_path / "src", {"a.c": "1", "old/b.c": "2"})
    write_tree(tmp_path / "src", {"a.c": "1", "new/c.c": "3"})
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")} == {
        "src", "src/a.c", "src/new", "src/new/c.c",
    }  # fmt: skip


def test_no_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for preferred in (None, "gcc", "zig"):
        with pytest.raises(ToolError) as caught:
            find_toolchain(preferred)
        assert caught.value.hint is not None
        assert "python -m pip install ziglang" in caught.value.hint
    with pytest.raises(ToolError, match="no C compiler for this machine"):
        find_host_toolchain()


def test_an_unknown_compiler() -> None:
    with pytest.raises(ToolError, match="unknown toolchain 'keil'"):
        find_toolchain("keil")


def test_gcc_comes_first_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not on the PATH")
    assert find_toolchain().name == "arm-none-eabi-gcc"
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert find_toolchain().name == "ziglang"
