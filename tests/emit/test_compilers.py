"""The emitted C under the compilers of its users: no warning, the same bytes, nothing hidden in the objects."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from emitted_c import STRICT, ZIG_CC, build_program, compiler, graph_of, infer, interpreted, noise, write, zoo_network

from tinyml.build.toolchain import run_tool
from tinyml.pipeline import need
from tinyml.resources import resource_dir
from tinyml.targets import CORES

elffile = pytest.importorskip("elftools.elf.elffile")

KERNELS = resource_dir("codegen") / "kernels"
COMPILERS = (
    *(("gcc", "host"), ("clang", "host"), ("zig", "host"), ("zig", "cortex-m7")),
    *(("arm-none-eabi-gcc", core) for core in ("cortex-m0+", "cortex-m4", "cortex-m7")),
)
NETWORKS = (("ds_cnn", "int8"), ("resnet8", "int8"), ("autoencoder", "float32"))
# What a compiler may call on its own: copies, and arithmetic that a core has no instruction for.
LIBRARY = {"memcpy", "memset", "memmove"}
HELPERS = ("__aeabi_",)


def command(name: str, core: str) -> Sequence[str]:
    """A compiler and its target, as docs/contract.md names them."""
    if core == "host":
        return compiler(name)
    if name == "zig":
        return (*ZIG_CC, "-target", CORES[core].zig_target, f"-mcpu={CORES[core].zig_cpu}")
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on the PATH")
    return (name, "-mthumb", *CORES[core].gcc_flags)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def sources(networks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three networks and all kernels in one folder: emitted kernel files are copies of those in codegen/."""
    folder = tmp_path_factory.mktemp("sources")
    for name, precision in NETWORKS:
        write(need(zoo_network(name, networks, precision).bundle), folder)
    for path in (*KERNELS.glob("*/*.c"), *KERNELS.glob("include/*.h")):
        emitted = folder / path.name
        assert not emitted.exists() or emitted.read_bytes() == path.read_bytes()
        shutil.copyfile(path, emitted)
    return folder


@pytest.mark.parametrize(("name", "core"), COMPILERS)
def test_every_file_compiles_by_itself(sources: Path, tmp_path: Path, name: str, core: str) -> None:
    """Without a warning, and objects define constants and functions only: nothing that a run could change."""
    files = sorted(str(path) for path in sources.glob("*.c"))
    if name == "clang":
        run_tool([*command(name, core), *STRICT, "-fsyntax-only", *files], tmp_path)  # it finds all it warns of there
        return
    run_tool([*command(name, core), *STRICT, "-O1", "-c", *files], tmp_path)
    objects = list(tmp_path.glob("*.o"))
    assert len(objects) == (1 if name == "zig" else len(files))  # zig makes one object of all
    if core != "host":
        for path in objects:
            _check_object(path)


def _check_object(path: Path) -> None:
    with path.open("rb") as file:
        elf = elffile.ELFFile(file)
        for section in elf.iter_sections():
            writable = section["sh_flags"] & 3 == 3  # SHF_WRITE | SHF_ALLOC
            assert not writable or section["sh_size"] == 0, f"{path.name}: {section.name} is mutable"
        undefined = {s.name for s in elf.get_section_by_name(".symtab").iter_symbols() if s["st_shndx"] == "SHN_UNDEF"}
        common = {s.name for s in elf.get_section_by_name(".symtab").iter_symbols() if s["st_shndx"] == "SHN_COMMON"}
    assert not common
    ours = ("tinyml_", *(f"{name}_" for name, _ in NETWORKS))
    foreign = {n for n in undefined if n and n not in LIBRARY and not n.startswith((*ours, *HELPERS))}
    assert not foreign, f"{path.name} calls {foreign}"


@pytest.mark.parametrize(
    "flags",
    [
        ("gcc", "-O0"),
        ("gcc", "-O2"),
        ("gcc", "-O3", "-funroll-loops"),
        ("gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        ("clang", "-O2", "-funsigned-char"),
    ],
    ids=" ".join,
)
def test_same_bytes_at_every_level(networks: Path, tmp_path: Path, flags: Sequence[str]) -> None:
    """Optimization changes no bit; sanitizers find no address, no shift and no overflow that C forbids."""
    for name in ("ds_cnn", "resnet8"):
        done = zoo_network(name, networks)
        samples = [noise(graph_of(done), seed) for seed in range(2)]
        program = build_program(need(done.bundle), tmp_path / name, flags[1:], compiler(flags[0]))
        assert infer(program, samples) == [interpreted(graph_of(done), sample) for sample in samples]


def test_float_network_under_sanitizers(networks: Path, tmp_path: Path) -> None:
    done = zoo_network("autoencoder", networks, "float32")
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = build_program(need(done.bundle), tmp_path, flags, compiler("gcc"))
    sample = noise(graph_of(done), 0)
    (got,), expected = infer(program, [sample]), interpreted(graph_of(done), sample)
    np.testing.assert_allclose(
        np.frombuffer(got, np.float32), np.frombuffer(expected, np.float32), rtol=1e-4, atol=1e-5
    )
