"""A folder of stimuli as MLPerf Tiny's runner has them: y_labels.csv, and a binary file for each of its lines.

A line is: file, number of classes, class; for ad01 also the bytes of a window and of the step to the next one.
Source: mlcommons/tiny, benchmark/evaluation/datasets/README.md.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyml.errors import TinymlError, UsageError

TRUTH = "y_labels.csv"


@dataclass(frozen=True, slots=True)
class Stimulus:
    """A line of y_labels.csv. window and stride: bytes; 0 where the file is one input."""

    path: Path
    classes: int
    truth: int
    window: int = 0
    stride: int = 0


@dataclass(frozen=True, slots=True)
class DataSet:
    """Attributes: input_bytes: of one input as the runner sends it."""

    stimuli: Sequence[Stimulus]
    input_bytes: int

    def inputs(self, stimulus: Stimulus) -> Iterator[bytes]:
        """The inputs in a file: one, or all windows.

        Raises:
            TinymlError: the file is missing or of another size.
        """
        try:
            data = stimulus.path.read_bytes()
        except OSError as error:
            raise TinymlError(f"{stimulus.path}: {error.strerror}", f"{TRUTH} names it") from None
        if not stimulus.window:
            if len(data) != self.input_bytes:
                raise TinymlError(
                    f"{stimulus.path} has {len(data)} bytes; this benchmark's inputs have {self.input_bytes}"
                )
            yield data
            return
        if len(data) < stimulus.window:
            raise TinymlError(f"{stimulus.path} has {len(data)} bytes, less than one window of {stimulus.window}")
        for start in range(0, len(data) - stimulus.window + 1, stimulus.stride):
            yield data[start : start + stimulus.window]


def open_dataset(folder: Path, input_bytes: int) -> DataSet:
    """Reads y_labels.csv.

    Args:
        input_bytes: of one input as the runner sends it.

    Raises:
        UsageError: there is none.
        TinymlError: a line is malformed, or names a file elsewhere.
    """
    table = folder / TRUTH
    if not table.is_file():
        raise UsageError(
            f"--data {folder}: has no {TRUTH}",
            "expected a folder of the runner's: its y_labels.csv from mlcommons/tiny, benchmark/evaluation/datasets, and "
            "the files that it names",
        )
    try:
        rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TinymlError(f"{table}: cannot be read: {error}") from None
    stimuli = [_stimulus(folder, f"{table}:{number}", row, input_bytes) for number, row in enumerate(rows, 1) if row]
    if not stimuli:
        raise TinymlError(f"{table}: names no file")
    return DataSet(stimuli, input_bytes)


def _stimulus(folder: Path, where: str, row: list[str], input_bytes: int) -> Stimulus:
    cells = [cell.strip() for cell in row]
    numbers = cells[1:5]
    if len(numbers) not in (2, 4) or not all(cell.isascii() and cell.isdecimal() for cell in numbers):
        raise TinymlError(
            f"{where}: {','.join(row)!r}: expected file,classes,class or file,classes,class,window,stride"
        )
    classes, truth, window, stride = (*map(int, numbers), 0, 0)[:4]
    if truth >= classes:
        raise TinymlError(f"{where}: class {truth} of {classes}")
    if len(numbers) == 4 and (window != input_bytes or not stride):
        raise TinymlError(
            f"{where}: window {window}, stride {stride}: expected {input_bytes} bytes, and a stride above 0"
        )
    path = folder / cells[0]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TinymlError(f"{where}: {cells[0]} is not in {folder}")
    return Stimulus(path, classes, truth, window, stride)
