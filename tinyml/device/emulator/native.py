"""Compiles meter.c for the machine that we run on, once, and loads it."""

import ctypes
import functools
import hashlib
import logging
import sys
import sysconfig
import tempfile
from pathlib import Path

from tinyml.build.files import cache_dir, write_file
from tinyml.build.toolchain import find_host_toolchain, run_tool
from tinyml.errors import ToolError
from tinyml.targets.core import CORES

_SOURCE = Path(__file__).with_name("meter.c")
_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_log = logging.getLogger(__name__)


@functools.cache
def library() -> ctypes.CDLL | None:
    """meter.c as a shared library, or None where no compiler works: then the meter is in Python."""
    source = _SOURCE.read_bytes()
    identity = hashlib.sha256(source + sysconfig.get_platform().encode()).hexdigest()[:16]
    target = cache_dir() / "native" / f"meter-{identity}{_SUFFIX}"
    try:
        if not target.exists():
            write_file(target, _compiled(target.name))
        return ctypes.CDLL(str(target))
    except (OSError, ToolError) as error:
        _log.warning("the emulator counts in Python, some 25 times slower: no native meter: %s", error)
        return None


def _compiled(name: str) -> bytes:
    toolchain = find_host_toolchain()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / name
        # meter.c calls nothing. Without a C library to prepare first, zig takes a third of a second and not twenty.
        alone = ["-nostdlib"] if sys.platform == "linux" else []
        options = [str(_SOURCE), "-shared", *alone, "-o", str(output)]
        run_tool(toolchain.compile_command(CORES["host"], options), Path(folder))
        return output.read_bytes()
