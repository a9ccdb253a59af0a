"""Finished builds: written whole or not at all, and kept by the content that they were made from."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

from tinyml import __version__
from tinyml.build.files import cache_dir, write_file
from tinyml.errors import UsageError
from tinyml.frontends import model_files
from tinyml.pipeline import Options
from tinyml.resources import resource_dir

_PACKAGE = Path(__file__).resolve().parent
REPORT = "report.json"
BOARD = "board.json"  # the board of a firmware build, with the limits that it had


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
    chosen = {f.name: getattr(options, f.name) for f in fields(options) if f.name != "work_dir"}
    digest = hashlib.sha256()
    weights = [hashlib.sha256(file.read_bytes()).digest() for file in model_files(options.model)]
    for part in (compiler_digest().encode(), toolchain.encode(), *weights, *_content(chosen)):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _content(value: object) -> Iterator[bytes]:
    """What a value holds, in an order that is the same in every process (that of sets is not).

    A path counts with its last name and what it holds: a file's bytes, or those of all files of a folder.
    """
    match value:
        case Path():
            yield value.name.encode()
            for file in sorted(p for p in value.rglob("*") if p.is_file()) if value.is_dir() else [value]:
                yield hashlib.sha256(file.read_bytes()).digest() if file.is_file() else b"absent"
        case Mapping():
            for key in sorted(value):
                yield str(key).encode()
                yield from _content(value[key])
        case frozenset():
            yield from sorted(repr(item).encode() for item in value)
        case tuple():
            yield str(len(value)).encode()
            for item in value:
                yield from _content(item)
        case _ if is_dataclass(value):
            yield from _content({f.name: getattr(value, f.name) for f in fields(value)})
        case _:
            yield repr(value).encode()


def cached_build(key: str) -> Path | None:
    """The folder of a finished build of that key, or None where there is none, or a damaged one."""
    folder, digest = _entry(key)
    if not digest.is_file() or digest.read_text(encoding="ascii", errors="replace") != _digest(folder):
        return None
    return folder


def keep_build(key: str, folder: Path) -> None:
    """Puts a copy of a finished build into the cache."""
    target, digest = _entry(key)
    publish(folder, target)
    write_file(digest, _digest(folder).encode())


def _entry(key: str) -> tuple[Path, Path]:
    """Where a build is kept, and what its content was when it was put there."""
    builds = cache_dir() / "builds"
    return builds / key, builds / f"{key}.sha256"


def _digest(folder: Path) -> str:
    """Hash of the names and the content of all files of a folder; of nothing where there is no folder."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


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


def refuse_foreign(out_dir: Path) -> None:
    """An output folder that we did not make is never replaced.

    Raises:
        UsageError: it exists, has something in it, and is no build.
    """
    if out_dir.exists() and not (out_dir.is_dir() and ((out_dir / REPORT).is_file() or not any(out_dir.iterdir()))):
        raise UsageError(
            f"--out {out_dir}: exists and is not a build of tinyml (it has no {REPORT})",
            "name an empty or a new folder",
        )


def write_report(folder: Path, document: dict[str, object]) -> None:
    (folder / REPORT).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8", newline="\n")


def read_report(folder: Path) -> object:
    return json.loads((folder / REPORT).read_text(encoding="utf-8"))
