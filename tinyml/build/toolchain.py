"""C compilers: which one there is, and what it must be told for a core."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tinyml.build.files import cache_dir
from tinyml.errors import ToolError
from tinyml.targets.core import Core

ARM_GCC = "arm-none-eabi-gcc"
ZIG = "ziglang"

_COMMON_FLAGS = (
    "-O2",
    "-std=c99",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    # The same results of float arithmetic everywhere: no fused multiply-add that one target has and another has not.
    "-ffp-contract=off",
    # Nothing of this machine, and nothing that a debugger would need, in the object.
    "-g0",
)
_LEAN_FLAGS = (
    "-fomit-frame-pointer",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector",
)
# Hosted as far as the four functions of <string.h> go: copies of a few bytes become single instructions.
_BARE_FLAGS = ("-fhosted", *_LEAN_FLAGS)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler that was found.

    Attributes:
        name: "arm-none-eabi-gcc" or "ziglang"; for the host "gcc", "clang" or "ziglang".
        command: program and first arguments.
    """

    name: str
    version: str
    command: tuple[str, ...]

    @property
    def is_zig(self) -> bool:
        return self.name == ZIG

    def cflags(self, core: Core) -> tuple[str, ...]:
        """What a C file is compiled with, apart from include paths and definitions."""
        if core.name == "host":
            pic = () if sys.platform == "win32" else ("-fPIC",)
            return (*_COMMON_FLAGS, "-O3", *pic, *_host_features(self.command))
        if core.hosted:
            return ("-target", core.zig_target, f"-mcpu={core.zig_cpu}", *_COMMON_FLAGS, "-O3", "-fPIC", *_LEAN_FLAGS)
        if self.is_zig:
            machine: tuple[str, ...] = ("-target", core.zig_target, f"-mcpu={core.zig_cpu}")
        else:
            machine = ("-mthumb", *core.gcc_flags)
        return (*machine, *_COMMON_FLAGS, *_BARE_FLAGS)

    def compile_command(self, core: Core, arguments: Sequence[str]) -> list[str]:
        driver = ("cc",) if self.is_zig else ()
        return [*self.command, *driver, *self.cflags(core), *arguments]


@cache
def _host_features(command: tuple[str, ...]) -> tuple[str, ...]:
    """What the kernels for hosts use and this machine has, as the compiler says. Zig asks the machine by itself."""
    try:
        arguments = [*command, "-march=native", "-dM", "-E", "-x", "c", "-"]
        done = subprocess.run(arguments, input=b"", capture_output=True, check=False)
    except OSError:
        return ()
    return ("-mavx2",) if b"#define __AVX2__" in done.stdout else ()


def find_toolchain(preferred: str | None = None) -> Toolchain:
    """The compiler for microcontrollers: the preferred one ("arm-none-eabi-gcc" or "gcc", "ziglang" or "zig"), else
    arm-none-eabi-gcc where it is on the PATH, else ziglang.

    Raises:
        ToolError: it is not installed; says what to install.
    """
    match preferred:
        case None:
            found = _arm_gcc() or _zig()
            missing = "no C compiler for Arm: neither arm-none-eabi-gcc on the PATH nor the Python package ziglang"
        case "arm-none-eabi-gcc" | "gcc":
            found = _arm_gcc()
            missing = "arm-none-eabi-gcc is not on the PATH"
        case "ziglang" | "zig":
            found = _zig()
            missing = "the Python package ziglang is not installed"
        case _:
            raise ToolError(f"unknown toolchain {preferred!r}", f"one of: {ARM_GCC}, {ZIG}")
    if found is None:
        raise ToolError(missing, f"python -m pip install ziglang, or install {ARM_GCC} (Debian: gcc-arm-none-eabi)")
    return found


def find_host_toolchain() -> Toolchain:
    """The compiler for this machine: gcc or clang where they are on the PATH, else ziglang.

    Raises:
        ToolError: there is none.
    """
    for name in ("gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            return Toolchain(name, _gcc_version(path), (path,))
    found = _zig()
    if found is None:
        missing = "no C compiler for this machine: neither gcc nor clang on the PATH, nor the Python package ziglang"
        raise ToolError(missing, "python -m pip install ziglang")
    return found


def run_tool(command: Sequence[str], cwd: Path) -> None:
    """Runs a compiler or linker.

    Raises:
        ToolError: it cannot be started, or fails; with what it said.
    """
    # Zig keeps intermediate results; together with ours, so that clearing one folder clears all.
    zig_cache = str(cache_dir() / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": zig_cache, "ZIG_LOCAL_CACHE_DIR": zig_cache, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be started: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ToolError(f"{Path(command[0]).name} failed (exit {done.returncode}):\n{said}")


def _arm_gcc() -> Toolchain | None:
    path = shutil.which(ARM_GCC)
    return None if path is None else Toolchain(ARM_GCC, _gcc_version(path), (path,))


def _zig() -> Toolchain | None:
    if importlib.util.find_spec("ziglang") is None:
        return None
    return Toolchain(ZIG, importlib.metadata.version("ziglang"), (sys.executable, "-m", "ziglang"))


def _gcc_version(path: str) -> str:
    try:
        # clang says the version of the gcc that it imitates for -dumpfullversion.
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolError(f"{path} --version failed: {error}") from error
    return done.stdout.partition("\n")[0].removeprefix(Path(path).name).strip()
