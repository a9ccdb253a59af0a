"""Which form a folder of data has."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tinyml.bench.data.listed import ListedDataset, open_coco, open_csv, open_folders, person_folders, read_table
from tinyml.bench.data.sample import PERSON_CLASSES, Dataset
from tinyml.bench.data.shards import open_parquet
from tinyml.errors import TinymlError, UsageError

_EXPECTED = (
    "expected Parquet shards (*.parquet, or data/*.parquet), COCO annotations (annotations/*.json), "
    "a .csv file with the columns filename and person, or folders person and no_person"
)


def open_wake_vision(folder: Path, split: str | None = None, *, default: str = "test") -> Dataset:
    """Opens what there is, in this order: Parquet, COCO, person folders (below `split`, too), CSV.

    Args:
        split: part of the set, by the names of files or folders or a column `split`. None takes `default` where there is
            one, else all, where there are no parts.

    Raises:
        TinymlError: nothing is there that we know, or it is damaged.
        UsageError: there is no such split, or one must be chosen.
    """
    _need_folder(folder)
    shards = sorted(folder.glob("*.parquet")) or sorted((folder / "data").glob("*.parquet"))
    if shards:
        return _not_empty(open_parquet(_of_split(shards, split, default, folder)), folder)
    annotations = sorted((folder / "annotations").glob("*.json"))
    if annotations:
        chosen = _of_split(annotations, split, default, folder)
        if len(chosen) > 1:
            raise UsageError(
                f"{folder}: there are several files of annotations", _choose(path.stem for path in annotations)
            )
        return _not_empty(open_coco(chosen[0], folder), folder)
    below = _split_folder(folder, split, default)
    found = person_folders(below)
    if len(set(found.values())) == 2:
        table = next((t for t in (below / "labels.csv", folder / "labels.csv") if t.is_file()), None)
        return _not_empty(open_folders(below, found, PERSON_CLASSES, table), folder)
    tables = [path for path in sorted(folder.glob("*.csv")) if {"filename", "person"} <= set(read_table(path)[0])]
    if tables:
        return _not_empty(_open_table(tables, split, default, folder), folder)
    raise TinymlError(f"{folder}: there are no labelled pictures in it", _EXPECTED)


def open_classes(folder: Path, names: Sequence[str] = (), split: str | None = None) -> Dataset:
    """One folder a class.

    Args:
        names: of the classes in the order of the network's outputs; by default those of the folders, sorted.

    Raises:
        TinymlError: there are less than two folders, or others than `names`.
    """
    _need_folder(folder)
    below = folder / split if split is not None else folder
    if not below.is_dir():
        raise UsageError(f"--split {split}: {below} does not exist")
    found = sorted(p.name for p in below.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(found) < 2:
        raise TinymlError(f"{below} has {len(found)} folders; expected one a class, two at least")
    classes = tuple(names) or tuple(found)
    unknown = [name for name in found if name not in classes]
    if unknown:
        raise TinymlError(
            f"{below} has folders that are no class: {', '.join(unknown)}", f"the classes are {', '.join(classes)}"
        )
    labels = {name: classes.index(name) for name in found}
    return _not_empty(open_folders(below, labels, classes), below)


def _need_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise TinymlError(f"--data {folder}: {'is a file' if folder.exists() else 'does not exist'}", _EXPECTED)


def _not_empty(dataset: Dataset, folder: Path) -> Dataset:
    if len(dataset) == 0:
        raise TinymlError(f"{folder}: {dataset.description}")
    return dataset


def _split_folder(folder: Path, split: str | None, default: str) -> Path:
    """The folder with the person folders: `folder/split`, or `folder` itself where no split is asked for."""
    if split is not None and (folder / split).is_dir():
        return folder / split
    if split is None and not person_folders(folder):
        parts = [p.name for p in sorted(folder.iterdir()) if p.is_dir() and person_folders(p)]
        if default in parts:
            return folder / default
        if parts:
            raise UsageError(f"{folder}: there are several splits", _choose(parts))
    return folder


def _of_split(files: Sequence[Path], split: str | None, default: str, folder: Path) -> list[Path]:
    """Those files whose names have the split as a word."""
    wanted = split or default
    chosen = [file for file in files if wanted in _words(file)]
    if chosen:
        return chosen
    if split is not None:
        raise UsageError(f"--split {split}: {folder} has no such part", _choose(_parts(files)))
    if len(_parts(files)) > 1:
        raise UsageError(f"{folder}: there are several splits", _choose(_parts(files)))
    return list(files)


def _open_table(tables: Sequence[Path], split: str | None, default: str, folder: Path) -> ListedDataset:
    header, rows = read_table(tables[0])
    if len(tables) == 1 and "split" in header:
        parts = sorted({row["split"] or "" for row in rows})
        wanted = split or (default if default in parts else None)
        if wanted not in (None, *parts):
            raise UsageError(f"--split {split}: {tables[0].name} has no such split", _choose(parts))
        return open_csv(tables[0], folder, wanted)
    chosen = _of_split(tables, split, default, folder)
    if len(chosen) > 1:
        raise UsageError(f"{folder}: there are several .csv files", _choose(_parts(tables)))
    return open_csv(chosen[0], folder, None)


def _words(file: Path) -> list[str]:
    return file.stem.replace("-", "_").split("_")


def _parts(files: Sequence[Path]) -> list[str]:
    """Names that tell the files apart: `train` of `train-00000-of-00002`, `val2014` of `instances_val2014`."""
    words = [[w for w in _words(file) if not w.isdecimal() and w != "of"] for file in files]
    common = set.intersection(*map(set, words)) if len(files) > 1 else set()
    return sorted({"_".join(w for w in each if w not in common) for each in words} - {""})


def _choose(parts: Iterable[str]) -> str:
    return f"choose one with --split: {', '.join(parts)}"
