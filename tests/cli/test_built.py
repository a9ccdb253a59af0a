"""A build's folder, read back."""

import json
import shutil
from pathlib import Path

import pytest

from tinyml import zoo
from tinyml.cli.main import main
from tinyml.errors import TinymlError, UsageError
from tinyml.report.built import open_build
from tinyml.targets import list_boards, load_board, with_limits
from tinyml.targets.stored import board_document, board_from_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    model = zoo.save("autoencoder", root / "ad.onnx")
    assert main(["build", str(model), "-o", str(root / "ad"), "--sram", "64K", "-q"]) == 0
    return root / "ad"


def test_what_was_built_is_read_back(folder: Path) -> None:
    built = open_build(folder)
    assert built.board == with_limits(load_board("stm32h7"), 64 << 10, None)
    assert built.elf.read_bytes()[:4] == b"\x7fELF" and built.bin.is_file() and built.hex.is_file()
    (name,) = built.interface.inputs
    given = built.interface.value(name)
    assert (given.elements, given.bytes) == (640, 640) and given.quant is not None
    assert [built.interface.value(n).elements for n in built.interface.outputs] == [640]


def test_every_board_survives_json() -> None:
    for board in list_boards():
        assert board_from_json(json.dumps(board_document(board)), "here") == board


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda f: shutil.rmtree(f), "no such folder"),
        (lambda f: (f / "report.json").unlink(), r"has no report\.json"),
        (lambda f: (f / "report.json").write_text("{"), r"report\.json cannot be read"),
        (lambda f: (f / "report.json").write_text("{}"), r"report\.json cannot be read"),
        (lambda f: (f / "board.json").write_text('{"core": "z80"}'), r"board\.json: is no board"),
        (lambda f: (f / "board.json").write_text("[]"), r"board\.json: is no board"),
        (lambda f: (f / "firmware.elf").unlink(), "holds no firmware"),
    ],
)
def test_what_is_no_build_is_said(folder: Path, tmp_path: Path, harm: object, says: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    harm(copy)  # type: ignore[operator]
    with pytest.raises(TinymlError, match=says):
        open_build(copy)


def test_a_model_file_is_no_build(folder: Path) -> None:
    with pytest.raises(UsageError, match="is a file"):
        open_build(folder.parent / "ad.onnx")
