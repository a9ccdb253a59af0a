"""Compiles meter.c for the machine that we run on, once, and loads it."""

import ctypes
import functools
import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

_SOURCE = Path(__file__).with_name("meter.c")
_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Where compiled helpers are kept: $TINYML_CACHE, or the platform's cache folder of the user."""
    return Path(os.environ.get("TINYML_CACHE") or platformdirs.user_cache_dir("tinyml"))


def _compilers() -> Iterator[list[str]]:
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            yield [path]
    if importlib.util.find_spec("ziglang") is not None:
        yield [sys.executable, "-m", "ziglang", "cc"]


def _compile(target: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        fresh = Path(folder) / target.name
        for compiler in _compilers():
            flags = ["-O2", "-shared"] + ([] if sys.platform == "win32" else ["-fPIC"])
            command = [*compiler, *flags, str(_SOURCE), "-o", str(fresh)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                _log.debug("%s: %s", compiler, error)
                continue
            if done.returncode == 0 and fresh.exists():
                fresh.replace(target)  # at once, so that a process beside us never loads half a file
                return True
            _log.debug("%s: %s", compiler, done.stderr)
    return False


@functools.cache
def library() -> ctypes.CDLL | None:
    """meter.c as a shared library, or None where no compiler works: then blocks are counted in Python."""
    source = _SOURCE.read_bytes()
    identity = hashlib.sha256(source + sysconfig.get_platform().encode()).hexdigest()[:16]
    try:
        folder = cache_dir() / "native"
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"meter-{identity}{_SUFFIX}"
        if target.exists() or _compile(target):
            return ctypes.CDLL(str(target))
    except OSError as error:
        _log.debug("no native meter: %s", error)
    _log.warning("no C compiler works here; the emulator meters in Python, some 25 times slower")
    return None
