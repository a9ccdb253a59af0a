"""Finished builds: written whole or not at all, and kept by the content that they were made from."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

from tinyml import __version__
from tinyml.build.files import cache_dir
from tinyml.pipeline import Options
from tinyml.resources import resource_dir

_PACKAGE = Path(__file__).resolve().parent
REPORT = "report.json"


@cache
def compiler_digest() -> str:
    """Hash of everything that we are made of, so that a change of the compiler makes old builds unfit."""
    digest = hashlib.sha256(__version__.encode())
    roots = [_PACKAGE, *(resource_dir(name) for name in ("codegen", "firmware", "boards", "profiles"))]
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix in {".py", ".c", ".h", ".j2", ".ld", ".toml", ".S"}:
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def build_key(options: Options, toolchain: str) -> str:
    """Hash of all that decides what a build contains."""
    digest = hashlib.sha256(compiler_digest().encode())
    digest.update(toolchain.encode())
    for field in fields(options):
        if field.name != "work_dir":
            value = getattr(options, field.name)
            digest.update(f"\0{field.name}\0".encode())
            for part in _content(value):
                digest.update(part)
    return digest.hexdigest()


def _content(value: object) -> Iterator[bytes]:
    """A path counts with what it holds: a file's bytes, or those of all files of a folder."""
    if isinstance(value, Path):
        files = sorted(p for p in value.rglob("*") if p.is_file()) if value.is_dir() else [value]
        yield value.name.encode()
        for file in files:
            yield hashlib.sha256(file.read_bytes()).digest() if file.is_file() else b"absent"
    else:
        yield repr(value).encode()


def cached_build(key: str) -> Path | None:
    """The folder of a finished build of that key, or None."""
    folder = cache_dir() / "builds" / key
    return folder if (folder / REPORT).is_file() else None


def keep_build(key: str, folder: Path) -> None:
    """Puts a copy of a finished build into the cache."""
    target = cache_dir() / "builds" / key
    if not target.exists():
        publish(folder, target)


def publish(source: Path, target: Path) -> None:
    """Copies a folder so that `target` is at any moment absent, the old one or the new one, whole.

    A crash in between may leave a folder beside it whose name starts with a dot.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name}-", dir=target.parent, ignore_cleanup_errors=True
    ) as beside:
        fresh, old = Path(beside) / "new", Path(beside) / "old"
        shutil.copytree(source, fresh)
        if target.exists():
            target.rename(old)
        try:
            fresh.rename(target)
        except OSError:
            # Another process published the same folder first.
            if not (target / REPORT).is_file():
                raise


def write_report(folder: Path, document: dict[str, object]) -> None:
    (folder / REPORT).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8", newline="\n")


def read_report(folder: Path) -> object:
    return json.loads((folder / REPORT).read_text(encoding="utf-8"))
