"""`tinyml boards`: list, show, init."""

import json
from pathlib import Path

import pytest

from tinyml.cli.main import main
from tinyml.targets import list_boards, load_board


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_list(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(["boards", *arguments, "--json"]) == 0
    assert [board["id"] for board in json.loads(capsys.readouterr().out)] == [board.id for board in list_boards()]


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "show", "pico"]) == 0
    shown = capsys.readouterr().out
    for part in ("raspberrypi_pico", "133 MHz (12 with --clock safe)", "untested", "0x10000000", "rp2_uart", "note:"):
        assert part in shown


def test_init_writes_what_only_has_to_be_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["boards", "init", "our_board"]) == 0
    assert "wrote our_board.toml" in capsys.readouterr().out
    assert main(["boards", "show", "our_board.toml"]) == 1
    assert "size_kib = 0" in capsys.readouterr().err
    path = tmp_path / "our_board.toml"
    text = path.read_text().replace('"FILL IN"', '"cortex-m4"')
    path.write_text(text.replace("size_kib = 0", "size_kib = 256"))
    assert main(["boards", "show", "our_board.toml"]) == 0
    assert load_board(str(path)).arena_bytes == 252 << 10


@pytest.mark.parametrize("name", ["Our", "1st", "a-b", "", "a/b"])
def test_init_refuses_what_is_no_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["boards", "init", name]) == 2
    assert not list(tmp_path.iterdir())


def test_init_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("precious")
    assert main(["boards", "init", "mine"]) == 2
    assert (tmp_path / "mine.toml").read_text() == "precious"
    assert main(["boards", "init", "mine", "-o", "no/such/folder.toml"]) == 2
