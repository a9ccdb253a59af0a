"""Compiles C files to objects, in parallel, and never the same one twice.

The cache is content-addressed: the key of an object covers the compiler, its flags, the source and every header that
the source can reach, so an entry is either right or not there.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tinyml.build.files import cache_dir, write_file
from tinyml.build.toolchain import Toolchain, run_tool
from tinyml.targets.core import Core

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Unit:
    """A C file to compile.

    Attributes:
        root, path: the file is root / path. The compiler runs in root and is given path, so that no object knows where
            the tree stands.
        includes: folders searched for headers, in order.
        definitions: `NAME=VALUE`.
        small: made for size instead of speed.
    """

    root: Path
    path: str
    includes: tuple[Path, ...] = ()
    definitions: tuple[str, ...] = ()
    small: bool = False


def compile_units(toolchain: Toolchain, core: Core, units: Sequence[Unit]) -> list[Path]:
    """Objects of the units, in order, in the cache.

    Raises:
        ToolError: the compiler is missing or refuses a file; with its message.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        futures = [pool.submit(_compile, toolchain, core, unit) for unit in units]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def runtime_library(toolchain: Toolchain, core: Core) -> Path | None:
    """What the compiler calls where the core lacks an instruction (64-bit division, float without FPU), built by Zig
    for the core and cached; None for gcc, which brings libgcc.

    Raises:
        ToolError: it cannot be built.
    """
    if not toolchain.is_zig:
        return None
    machine = ("-target", core.zig_target, f"-mcpu={core.zig_cpu}", "-O", "ReleaseSmall")
    library = _entry([b"compiler-rt", toolchain.version.encode(), *(flag.encode() for flag in machine)], ".a")
    if not library.is_file():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "empty.zig").touch()
            output = ("--name", "rt", "-femit-bin=rt.a")
            run_tool([*toolchain.command, "build-lib", "-fcompiler-rt", *machine, "empty.zig", *output], folder)
            write_file(library, (folder / "rt.a").read_bytes())
    return library


def _compile(toolchain: Toolchain, core: Core, unit: Unit) -> Path:
    flags = [f"-D{definition}" for definition in unit.definitions]
    if unit.small:
        flags.append("-Os")  # the last of several such flags counts
    parts = [toolchain.name, toolchain.version, *toolchain.cflags(core), *flags, unit.path]
    entry = _entry([*(part.encode() for part in parts), *_contents(unit)], ".o")
    if not entry.is_file():
        search = [f"-I{folder.resolve()}" for folder in unit.includes]
        with tempfile.TemporaryDirectory() as temporary:
            output = Path(temporary) / "unit.o"
            arguments = [*flags, *search, "-c", unit.path, "-o", str(output)]
            run_tool(toolchain.compile_command(core, arguments), unit.root)
            write_file(entry, output.read_bytes())
    return entry


def _contents(unit: Unit) -> Iterable[bytes]:
    """The source, and the headers that it includes by any path through its conditions. Headers of the compiler are
    covered by its version."""
    pending = [unit.root / unit.path]
    seen: set[Path] = set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        text = path.read_bytes()
        yield text
        for name in _INCLUDE.findall(text):
            candidates = (folder / os.fsdecode(name) for folder in (path.parent, *unit.includes))
            pending.extend(next(([c] for c in candidates if c.is_file()), []))


def _entry(parts: Iterable[bytes], suffix: str) -> Path:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    key = digest.hexdigest()
    return cache_dir() / "objects" / key[:2] / f"{key[2:]}{suffix}"
