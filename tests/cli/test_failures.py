"""Failures, too, are one JSON document on stdout where --json asks for it."""

import json
from pathlib import Path

import pytest

from tinyml.cli import boards
from tinyml.cli import main as cli
from tinyml.errors import ToolError


@pytest.mark.parametrize(
    ("command", "code", "kind", "says"),
    [
        (["build", "absent.onnx"], 1, "model", "absent.onnx: no such file"),
        (["build", "--sram", "much", "absent.onnx"], 2, "usage", "much"),
        (["build", "--no-such-flag", "absent.onnx"], 2, "usage", "unrecognized arguments: --no-such-flag"),
        (["build", "--allow-recompute", "much", "x.onnx"], 2, "usage", "'much' is not a number of percent, such as 40"),
        (["build", "--allow-recompute", "1e9", "x.onnx"], 2, "usage", "expected percent, 0 to 1000"),
        (["run", "x.onnx", "--on", "nowhere"], 2, "usage", "expected host, emulator, qemu or a serial port"),
        (["emulate", "nothing"], 2, "usage", "no such folder"),
        (["flash", "nothing"], 2, "usage", "no such folder"),
        (["boards", "show", "stm32h8"], 1, "board", "unknown board"),
        (["bench", "mlperf-tiny", "vww", "x.onnx", "--data", "nothing"], 2, "usage", "y_labels.csv"),
        (["bench"], 2, "usage", "BENCHMARK"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake(
    command: list[str],
    code: int,
    kind: str,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([*command, "--json"]) == code
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert (error["kind"], error["exit_code"]) == (kind, code) and says in error["message"]
    assert says in said.err and "Traceback" not in said.err
    assert cli.main(command) == code
    assert capsys.readouterr() == ("", said.err)


@pytest.mark.parametrize(
    ("raised", "code", "kind"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "out"), 1, "system"),
        (ToolError("the tool broke", "mend it"), 1, "tool"),
        (ValueError("impossible"), 70, "bug"),
    ],
    ids=["interrupt", "system", "tool", "bug"],
)
def test_whatever_happens(
    raised: BaseException, code: int, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(boards, "list_boards", fail)
    assert cli.main(["boards", "--json"]) == code
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert (error["kind"], error["exit_code"]) == (kind, code) and said.err
    assert error["hint"] == "mend it" or kind != "tool"
