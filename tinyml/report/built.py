"""A finished build, read back from its folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tinyml.errors import UsageError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.ir.quant import QuantParams
from tinyml.report.document import Report, TensorSection
from tinyml.store import BOARD, REPORT, read_report
from tinyml.targets import Board
from tinyml.targets.stored import board_from_json


@dataclass(frozen=True, slots=True)
class Built:
    """The folder that `tinyml build` wrote.

    Attributes:
        board: with the limits that the build had.
        interface: the network's inputs and outputs as they are stored; no nodes.
    """

    folder: Path
    report: Report
    board: Board
    interface: Graph

    @property
    def elf(self) -> Path:
        return self.folder / "firmware.elf"

    @property
    def bin(self) -> Path:
        return self.folder / "firmware.bin"

    @property
    def hex(self) -> Path:
        return self.folder / "firmware.hex"


def is_build(path: Path) -> bool:
    """Whether `path` is a folder that `tinyml build` wrote."""
    return (path / REPORT).is_file()


def open_build(folder: Path) -> Built:
    """The firmware in a folder that `tinyml build` wrote.

    Raises:
        UsageError: there is no such folder, it is no build, it has no firmware, or another version wrote it.
    """
    if not is_build(folder):
        what = "is a file" if folder.is_file() else f"has no {REPORT}" if folder.is_dir() else "no such folder"
        raise UsageError(f"build {folder}: {what}", "name the folder that `tinyml build --board NAME MODEL` wrote")
    if not (folder / "firmware.elf").is_file() or not (folder / BOARD).is_file():
        raise UsageError(f"build {folder}: holds no firmware", "build for a board: tinyml build --board NAME MODEL")
    try:
        report = Report.from_json(read_report(folder))
    except (ValidationError, json.JSONDecodeError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise UsageError(f"build {folder}: {REPORT} cannot be read: {first}", "build again") from None
    board = board_from_json((folder / BOARD).read_text(encoding="utf-8", errors="replace"), str(folder / BOARD))
    return Built(folder, report, board, _interface(report))


def _interface(report: Report) -> Graph:
    values = {tensor.name: _value(tensor) for tensor in (*report.model.inputs, *report.model.outputs)}
    return Graph(
        report.model.name,
        tuple(tensor.name for tensor in report.model.inputs),
        tuple(tensor.name for tensor in report.model.outputs),
        (),
        values,
    )


def _value(tensor: TensorSection) -> Value:
    dtype = DType(tensor.dtype)
    quant = None if tensor.scale is None else QuantParams((tensor.scale,), (tensor.zero_point or 0,), dtype)
    return Value(tensor.name, tensor.shape, dtype, quant, layout=tensor.layout)
