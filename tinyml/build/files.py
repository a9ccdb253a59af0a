"""Files that are either whole or absent: written beside their place, then renamed."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Where compiled objects are kept: the user's cache folder, or what TINYML_CACHE says."""
    override = os.environ.get("TINYML_CACHE")
    return Path(override) if override else Path(platformdirs.user_cache_dir("tinyml"))


def write_file(path: Path, data: bytes) -> None:
    """Writes a file, or on any failure leaves what was there. A file that has these bytes already is not touched."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tinyml-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)  # mkstemp makes it private
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_tree(folder: Path, files: Mapping[str, str]) -> None:
    """Makes `folder` hold exactly these text files, by their path in it; others below it are removed."""
    wanted = {folder / name: text for name, text in files.items()}
    for path, text in wanted.items():
        write_file(path, text.encode())
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()
