"""Pictures as inputs: which files there are, what class each is of, and how one becomes numbers."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from tinyml.errors import TinymlError

Fit = Literal["squash", "crop"]
FITS: tuple[Fit, ...] = ("squash", "crop")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a picture's bytes become what the network was trained on: real = pixel * scale + offset.

    Attributes:
        scale, offset: one number for all channels, or one each. The default maps 0..255 to 0..1.
        fit: "squash" resizes height and width, each by its own factor; "crop" takes the largest part from the middle
            that has the input's aspect ratio.
    """

    scale: tuple[float, ...] = (1.0 / 255.0,)
    offset: tuple[float, ...] = (0.0,)
    fit: Fit = "squash"

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.offset) or len(self.scale) not in (1, 3):
            raise ValueError(f"{len(self.scale)} scales and {len(self.offset)} offsets; expected 1 or 3 of each")
        if not np.isfinite((*self.scale, *self.offset)).all() or 0.0 in self.scale:
            raise ValueError(f"scale {self.scale} and offset {self.offset} must be finite, the scale not 0")
        if self.fit not in FITS:
            raise ValueError(f"fit {self.fit!r}; expected one of {', '.join(FITS)}")

    @staticmethod
    def to_range(lo: float, hi: float, fit: Fit = "squash") -> "Preprocess":
        """Maps pixel 0 to lo and 255 to hi."""
        return Preprocess(((hi - lo) / 255.0,), (lo,), fit)

    @staticmethod
    def mean_std(mean: tuple[float, ...], std: tuple[float, ...], fit: Fit = "squash") -> "Preprocess":
        """(pixel / 255 - mean) / std, as torchvision's Normalize after ToTensor."""
        if 0.0 in std:
            raise ValueError(f"a standard deviation of 0 in {std}")
        scale = tuple(1.0 / (255.0 * s) for s in std)
        return Preprocess(scale, tuple(-m / s for m, s in zip(mean, std, strict=True)), fit)

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest number that a pixel can become, over all channels."""
        ends = [p * s + o for s, o in zip(self.scale, self.offset, strict=True) for p in (0.0, 255.0)]
        return min(ends), max(ends)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [..., C] to float32."""
        scale, offset = np.asarray(self.scale, np.float32), np.asarray(self.offset, np.float32)
        real: np.ndarray = pixels.astype(np.float32) * scale + offset
        return real


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Attributes:
    labels: index into `classes` of each file; None where nothing says what they show.
    others: files beside them that are no pictures.
    """

    files: tuple[Path, ...]
    labels: tuple[int, ...] | None = None
    classes: tuple[str, ...] = ()
    others: int = 0


def find_pictures(path: Path, split: str) -> PictureSet:
    """Of a folder, recursively, in the order of names; or of a table (.csv) that names files and labels.

    Args:
        split: of a table with a column of that name, the rows to take; all where none is called so.

    Folders directly below `path` that hold all of the pictures are classes, by their names.

    Raises:
        TinymlError: there are none, a class is empty, or a table is malformed or names files that are not there.
    """
    return _from_table(path, split) if path.suffix.lower() == ".csv" else _from_folder(path)


def centre(width: int, height: int, to_width: int, to_height: int) -> tuple[int, int, int, int]:
    """(x, y, width, height) of the largest part from the middle with the aspect ratio of to_width : to_height, in whole
    pixels. The emitted C computes the same."""
    part_width = min(width, max(1, height * to_width // to_height))
    part_height = min(height, max(1, width * to_height // to_width))
    return (width - part_width) // 2, (height - part_height) // 2, part_width, part_height


def decode(file: Path, height: int, width: int, channels: int, fit: Fit) -> np.ndarray:
    """uint8 [height, width, channels], resized by Pillow's bilinear filter, which averages when it shrinks.

    Raises:
        TinymlError: it is no picture, or damaged.
    """
    mode = "RGB" if channels == 3 else "L"
    try:
        with Image.open(file) as picture:
            gray_16_bit = picture.mode.startswith("I;16")
            # Pillow's own conversion of 16-bit gray to 8 bits saturates instead of scaling.
            opened = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)) if gray_16_bit else picture
            converted = opened.convert(mode)
    except Exception as e:  # decoders of malformed files raise almost anything
        raise TinymlError(f"{file} cannot be read as a picture: {e}", "mend or remove the file") from e
    if fit == "crop":
        x, y, w, h = centre(*converted.size, width, height)
        converted = converted.crop((x, y, x + w, y + h))
    # Rows first, then columns, whatever the version of Pillow would choose: the emitted C does the same.
    along = converted.resize((width, converted.height), Image.Resampling.BILINEAR)
    resized = along.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(height, width, channels)


def _from_folder(folder: Path) -> PictureSet:
    suffixes = Image.registered_extensions()
    files, others = [], 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in suffixes:
                files.append(Path(parent, name))
            else:
                others += 1
    if not files:
        raise TinymlError(
            f"calibration data: no picture in {folder} or below"
            + (f" ({others} other files are there)" if others else ""),
            "pictures are recognized by their names: .jpg, .png, .bmp, .webp and whatever else Pillow reads",
        )
    files.sort(key=lambda f: f.relative_to(folder).as_posix())
    tops = [f.relative_to(folder).parts[0] if f.parent != folder else "" for f in files]
    below = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if "" in tops or len(below) < 2:
        return PictureSet(tuple(files), others=others)
    if empty := [name for name in below if name not in tops]:
        raise TinymlError(
            f"{folder}: class {empty[0]} has no picture, {len(set(tops))} other classes have some",
            f"put pictures into {folder / empty[0]}, or remove it",
        )
    return PictureSet(tuple(files), tuple(below.index(t) for t in tops), tuple(below), others)


_FILE_COLUMNS, _LABEL_COLUMNS = ("filename", "file", "path", "image"), ("label", "class", "category")


def _from_table(table: Path, split: str) -> PictureSet:
    """Columns: the file, relative to the table; its label, a number or a name (`label`, `class`, or the second column)."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as e:
        raise TinymlError(
            f"{table} cannot be read as a table: {e}", "expected UTF-8 with a line of column names"
        ) from e
    names = [name.strip().lower() for name in header]
    at = next((i for i, name in enumerate(names) if name in _FILE_COLUMNS), None)
    if at is None:
        raise TinymlError(f"{table} has the columns {', '.join(names)}; expected one called filename")
    label_at = next(
        (i for i, name in enumerate(names) if name in _LABEL_COLUMNS), 1 if at == 0 < len(names) - 1 else None
    )
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise TinymlError(f"{table}, line {number}: {len(row)} cells; expected {len(names)}")
    numbered = list(enumerate(rows, 2))
    if "split" in names and any(row[names.index("split")] == split for row in rows):
        numbered = [(number, row) for number, row in numbered if row[names.index("split")] == split]
    files, texts = [], []
    for number, row in numbered:
        found = table.parent / row[at]
        if not found.is_file() or not found.resolve().is_relative_to(table.parent.resolve()):
            raise TinymlError(f"{table}, line {number}: there is no file {row[at]} beside it")
        files.append(found)
        texts.append("" if label_at is None else row[label_at].strip())
    if not files:
        raise TinymlError(f"{table} names no picture")
    if label_at is None:
        return PictureSet(tuple(files))
    if all(text.isdecimal() for text in texts):
        labels = tuple(int(text) for text in texts)
        return PictureSet(tuple(files), labels, tuple(str(i) for i in range(max(labels) + 1)))
    classes = sorted(set(texts))
    return PictureSet(tuple(files), tuple(classes.index(text) for text in texts), tuple(classes))
