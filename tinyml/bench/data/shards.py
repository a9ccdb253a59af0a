"""Wake Vision as it is published: Parquet shards, read in small batches."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyml.bench.data.sample import GROUPS, PERSON_CLASSES, Sample, column, labelled
from tinyml.errors import TinymlError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_BATCH_ROWS = 32  # pictures that are in memory at once: some megabytes


@dataclass(frozen=True, slots=True)
class _Shard:
    """start: position of its first row in the set; groups: rows of each row group."""

    path: Path
    start: int
    groups: tuple[int, ...]
    names: Mapping[str, str] = field(hash=False)  # published name of a column -> its name in this file


@dataclass(frozen=True, slots=True)
class ParquetDataset:
    """A Dataset of shards with the columns `image` (bytes, or bytes and path), `person`, `filename` and GROUPS."""

    shards: tuple[_Shard, ...]
    fingerprint: str
    columns: tuple[str, ...]
    classes: tuple[str, ...] = PERSON_CLASSES
    notes: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        files = "1 file" if len(self.shards) == 1 else f"{len(self.shards)} files"
        return f"Parquet, {files}: {len(self):,} rows"

    def __len__(self) -> int:
        last = self.shards[-1]
        return last.start + sum(last.groups)

    def read(self, indices: Sequence[int]) -> Iterator[Sample]:
        for shard in self.shards:
            rows = indices[bisect_left(indices, shard.start) : bisect_left(indices, shard.start + sum(shard.groups))]
            if rows:
                yield from _read_shard(shard, [i - shard.start for i in rows])


def open_parquet(files: Sequence[Path]) -> ParquetDataset:
    """Reads what the shards say of themselves; pictures are read when they are asked for.

    Raises:
        TinymlError: pyarrow is not installed; a file is damaged or has no columns `image` and `person`.
    """
    shards: list[_Shard] = []
    digest = hashlib.sha256()
    start = 0
    for path in sorted(files):
        file = _open(path)
        names = {column(name): name for name in file.schema_arrow.names}
        missing = [name for name in ("image", "person") if name not in names]
        if missing:
            raise TinymlError(
                f"{path} has no column {' and no column '.join(missing)}; it has {', '.join(file.schema_arrow.names)}",
                "expected the columns of Wake Vision: image, person, filename, …",
            )
        groups = tuple(file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups))
        shards.append(_Shard(path, start, groups, names))
        start += sum(groups)
        digest.update(f"{path.name} {path.stat().st_size} {groups}\n".encode())
    known = tuple(name for name in GROUPS if any(name in shard.names for shard in shards))
    return ParquetDataset(tuple(shards), digest.hexdigest(), known)


def _open(path: Path) -> "ParquetFile":
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as e:
        raise TinymlError(
            f"{path.name} is a Parquet file, and pyarrow is not installed", "python -m pip install 'tinyml[bench]'"
        ) from e
    try:
        return ParquetFile(path)
    except (ArrowException, OSError) as e:
        raise TinymlError(f"{path} cannot be read as Parquet: {e}", "download this shard again") from e


def _read_shard(shard: _Shard, rows: Sequence[int]) -> Iterator[Sample]:
    """The samples of these rows of a shard, which ascend. Row groups that hold none of them are not read."""
    file = _open(shard.path)
    first = 0
    for group, count in enumerate(shard.groups):
        wanted = rows[bisect_left(rows, first) : bisect_left(rows, first + count)]
        if wanted:
            yield from _read_group(shard, file, group, first, wanted)
        first += count


def _read_group(shard: _Shard, file: "ParquetFile", group: int, first: int, wanted: Sequence[int]) -> Iterator[Sample]:
    from pyarrow import ArrowException

    columns = [name for key, name in shard.names.items() if key in {"image", "person", "filename", *GROUPS}]
    pending = list(wanted)
    try:
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
            here = [row for row in pending if row < first + batch.num_rows]
            for row, cells in zip(here, batch.take([r - first for r in here]).to_pylist(), strict=True):
                yield _sample(shard, row, cells)
            del pending[: len(here)]
            first += batch.num_rows
    except (ArrowException, OSError) as e:
        reason = str(e).splitlines()[0]
        for row in pending:
            problem = f"{shard.path.name} is damaged: {reason}"
            yield Sample(shard.start + row, f"{shard.path.name}#{row + 1}", None, None, problem=problem)


def _sample(shard: _Shard, row: int, cells: Mapping[str, Any]) -> Sample:
    values = {key: cells[name] for key, name in shard.names.items() if name in cells}
    image, name = values["image"], values.get("filename")
    if isinstance(image, Mapping):
        name = name or image.get("path")
        image = image.get("bytes")
    index = shard.start + row
    # A name says nothing about uniqueness, a row of a shard does.
    key = f"{shard.path.name}#{row + 1}" + (f" {name}" if name else "")
    if not isinstance(image, bytes):
        return Sample(index, key, None, None, problem="its row has no picture")
    return labelled(index, key, image, values)
