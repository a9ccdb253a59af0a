"""The emitted C as a static library for a system that runs programs, and a benchmark of it."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tinyml.build.files import write_file, write_tree
from tinyml.build.firmware import header_folders, model_units, render_adapter
from tinyml.build.objects import Unit, compile_units
from tinyml.build.toolchain import ZIG, Toolchain, find_host_toolchain, find_toolchain, run_tool
from tinyml.emit.bundle import SourceBundle
from tinyml.errors import ToolError
from tinyml.resources import resource_dir
from tinyml.targets.board import Board
from tinyml.targets.core import CORES, Core

BENCHMARK = "_benchmark"  # the end of its name

# Android's own C library comes with its NDK only. Its kernel is Linux, which runs a program that brings all it needs.
_PROGRAM_CORES = {"aarch64-android": CORES["aarch64-linux"]}
_STATIC = ("-static", "-s", "-Wl,--build-id=none", "-Wl,-z,max-page-size=16384")  # Android has pages of 4 or 16 KiB


@dataclass(frozen=True, slots=True)
class Library:
    """Attributes: archive: lib<name>.a; benchmark: a program that runs it (firmware/hosted/benchmark.c)."""

    archive: Path
    benchmark: Path


def build_library(bundle: SourceBundle, board: Board, out_dir: Path) -> Library:
    """Writes src/ (the emitted C), the static library and the benchmark into out_dir.

    The library needs nothing but memcpy, memmove and memset of what it is linked with. The same inputs give the same bytes.

    Raises:
        ToolError: no system runs on the board; no compiler, or it fails.
    """
    core = board.core
    if not core.hosted:
        raise ToolError(f"no system runs on {board.id}: it takes no library that is compiled", "emit C, or firmware")
    toolchain = hosted_toolchain(core)
    firmware = resource_dir("firmware")
    write_tree(out_dir / "src", bundle.files)
    write_tree(out_dir / "adapter", {"model_adapter.c": render_adapter(bundle)})
    own = (firmware / "libc",) if core.name in _PROGRAM_CORES else ()
    objects = compile_units(toolchain, core, model_units(bundle, out_dir, (), own))
    program_core = _PROGRAM_CORES.get(core.name, core)
    headers = (*header_folders(bundle, out_dir), firmware / "include")
    program = compile_units(
        toolchain,
        program_core,
        [
            Unit(out_dir / "adapter", "model_adapter.c", headers),
            Unit(firmware, "hosted/benchmark.c", (firmware / "include",)),
        ],
    )
    library = Library(out_dir / f"lib{bundle.name}.a", out_dir / f"{bundle.name}{BENCHMARK}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        members = [f"{Path(path).stem}.o" for path in bundle.sources]
        for compiled, member in zip(objects, members, strict=True):
            shutil.copyfile(compiled, folder / member)
        archiver = find_toolchain(ZIG)
        run_tool([*archiver.command, "ar", "rcsD", "library.a", *members], folder)
        run_tool(_link_command(toolchain, program_core, program), folder)
        write_file(library.archive, (folder / "library.a").read_bytes())
        write_file(library.benchmark, (folder / "benchmark").read_bytes())
    library.benchmark.chmod(0o755)
    return library


def hosted_toolchain(core: Core) -> Toolchain:
    """What compiles for a system: this machine's compiler for this machine, Zig for others.

    Raises:
        ToolError: it is not installed.
    """
    return find_host_toolchain() if core.name == "host" else find_toolchain(ZIG)


def _link_command(toolchain: Toolchain, core: Core, objects: list[Path]) -> list[str]:
    driver = ("cc",) if toolchain.is_zig else ()
    static = () if core.name == "host" else ("-target", core.zig_target, *_STATIC)
    return [*toolchain.command, *driver, *static, "-o", "benchmark", *map(str, objects), "library.a"]
