"""Sets whose labels fit into memory, with one file a picture: CSV, COCO, folders."""

import csv
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from tinyml.bench.data.sample import GROUPS, PERSON_CLASSES, Sample, column, labelled
from tinyml.errors import TinymlError

# A person counts in Visual Wake Words if its area is more than this share of the picture's.
# Chowdhery et al., https://arxiv.org/abs/1906.05721
VWW_AREA = 0.005

_PERSON_FOLDERS = {"person": 1, "no_person": 0, "non_person": 0, "not_person": 0, "nonperson": 0, "background": 0}


@dataclass(frozen=True, slots=True)
class ListedDataset:
    """A Dataset whose samples are all known."""

    description: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for sample in self.samples:
            size = sample.picture.stat().st_size if isinstance(sample.picture, Path) and sample.picture.is_file() else 0
            facts = (sample.key, sample.label, sample.groups, sample.unknown, sample.problem, size)
            digest.update(repr(facts).encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, indices: Sequence[int]) -> Iterator[Sample]:
        return (self.samples[i] for i in indices)


# --- CSV --------------------------------------------------------------------------------------------------------------


def read_table(path: Path) -> tuple[tuple[str, ...], list[dict[str, str | None]]]:
    """Columns by their published names, and rows. A row that is too short has None in the last columns.

    Raises:
        TinymlError: it is no CSV file in UTF-8 with a header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = tuple(column(name) for name in next(reader, []))
            rows = [dict(zip(header, [*cells, *[None] * len(header)], strict=False)) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise TinymlError(f"{path} cannot be read as CSV: {e}", "expected UTF-8 with a line of column names") from e
    if len(set(header)) != len(header):
        raise TinymlError(f"{path}: two columns have the same name: {', '.join(header)}")
    return header, rows


def open_csv(path: Path, root: Path, split: str | None) -> ListedDataset:
    """Wake Vision's labels as CSV, beside pictures that are anywhere below `root`.

    Args:
        split: with a column `split`, only rows of that name.
    """
    header, rows = read_table(path)
    if split is not None and "split" in header:
        rows = [row for row in rows if row["split"] == split]
    finder = _Finder(root, path.parent)
    samples: list[Sample] = []
    taken: set[str] = set()
    for row in rows:
        name = row["filename"] or ""
        index = len(samples)
        key = name if name and name not in taken else f"{name or 'row'}#{index + 1}"
        taken.add(key)
        if None in row.values():
            cells = sum(cell is not None for cell in row.values())
            problem = f"its row in {path.name} has {cells} of {len(header)} cells"
            samples.append(Sample(index, key, None, None, problem=problem))
        else:
            samples.append(_with_file(labelled(index, key, None, row), name, finder))
    return ListedDataset(
        f"{path.name}: {len(samples):,} rows",
        PERSON_CLASSES,
        tuple(name for name in GROUPS if name in header),
        tuple(samples),
    )


def _with_file(sample: Sample, name: str, finder: "_Finder") -> Sample:
    if sample.problem is not None:
        return sample
    if not name:
        return replace(sample, problem="its row names no file")
    found = finder.find(name)
    return replace(sample, problem=found) if isinstance(found, str) else replace(sample, picture=found)


class _Finder:
    """Finds pictures by the names that a table has for them."""

    def __init__(self, root: Path, beside: Path) -> None:
        self._folders = (beside, root)
        self._root = root
        self._by_name: dict[str, Path] | None = None

    def find(self, name: str) -> Path | str:
        """Where it is, or what is wrong with it in words."""
        if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
            return "its name leaves the folder of the data"
        for folder in self._folders:
            if (folder / name).is_file():
                return folder / name
        if self._by_name is None:
            self._by_name = {path.name: path for path in files_below(self._root)}
        return self._by_name.get(Path(name).name, "there is no such file")


def files_below(folder: Path) -> list[Path]:
    """All files, hidden ones apart, in the order of their relative names."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        found.extend(Path(parent, name) for name in names if not name.startswith("."))
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


# --- COCO -------------------------------------------------------------------------------------------------------------


def open_coco(path: Path, root: Path) -> ListedDataset:
    """Visual Wake Words: a file of COCO annotations, and pictures anywhere below `root`.

    The label is 1 where an object of category `person` takes more than VWW_AREA of the picture.
    """
    try:
        document = json.loads(path.read_bytes())
        people = {c["id"] for c in document["categories"] if c["name"] == "person"}
        areas: dict[object, float] = {}
        for object_ in document["annotations"]:
            if object_["category_id"] in people:
                image = object_["image_id"]
                areas[image] = max(areas.get(image, 0.0), float(object_["area"]))
        images = [(i["id"], str(i["file_name"]), i.get("height"), i.get("width")) for i in document["images"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as e:
        what = f"no {e}" if isinstance(e, KeyError) else str(e)
        raise TinymlError(f"{path} is not a file of COCO annotations: {what}") from e
    if not people:
        raise TinymlError(f"{path} has no category `person`")
    finder = _Finder(root, path.parent)
    samples = []
    for index, (image, name, height, width) in enumerate(images):
        if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
            label = int(areas.get(image, 0.0) > VWW_AREA * height * width)
            samples.append(_with_file(Sample(index, name, label, None), name, finder))
        else:
            problem = f"{path.name} says that it is {width} by {height} pixels"
            samples.append(Sample(index, name, None, None, problem=problem))
    return ListedDataset(f"COCO, {path.name}: {len(samples):,} pictures", PERSON_CLASSES, (), tuple(samples))


# --- folders ----------------------------------------------------------------------------------------------------------


def person_folders(folder: Path) -> dict[str, int]:
    """Names of the folders in it that hold persons or none -> label."""
    if not folder.is_dir():
        return {}
    named = {path.name: path.name.lower().replace("-", "_") for path in folder.iterdir() if path.is_dir()}
    return {name: _PERSON_FOLDERS[plain] for name, plain in sorted(named.items()) if plain in _PERSON_FOLDERS}


def open_folders(
    folder: Path, labels: Mapping[str, int], classes: tuple[str, ...], table: Path | None = None
) -> ListedDataset:
    """One folder a class.

    Args:
        labels: folder name -> label.
        table: a labels.csv with more columns, its file names relative to its own folder. A `person` in it counts more
            than the folder. A file that it names and that is not there is a sample that cannot be used.
    """
    suffixes = Image.registered_extensions()
    header, rows = ((), []) if table is None else read_table(table)
    base = folder if table is None else table.parent
    named = {row["filename"]: row for row in rows if row.get("filename")}
    samples: list[Sample] = []
    others = 0
    for name, label in labels.items():
        for path in files_below(folder / name):
            if path.suffix.lower() not in suffixes:
                others += 1
                continue
            key = path.relative_to(folder).as_posix()
            if table is None:
                samples.append(Sample(len(samples), key, label, path))
                continue
            row = named.pop(path.relative_to(base).as_posix(), None)
            facts: dict[str, object] = dict.fromkeys(c for c in header if c in GROUPS) if row is None else {**row}
            if facts.get("person") is None:
                facts["person"] = label
            samples.append(labelled(len(samples), key, path, facts))
    prefix = "" if base == folder else f"{folder.relative_to(base).as_posix()}/"
    missing = [name for name in named if name is not None and name.startswith(prefix)]
    for name in missing:
        problem = f"{table.name if table else ''} names it and there is no such file"
        samples.append(Sample(len(samples), name.removeprefix(prefix), None, None, problem=problem))
    notes = (f"{others} files in {folder} are not pictures and were left out",) if others else ()
    columns = tuple(name for name in GROUPS if name in header)
    counted = f"folders {', '.join(labels)}: {len(samples):,} pictures"
    return ListedDataset(counted, classes, columns, tuple(samples), notes)
