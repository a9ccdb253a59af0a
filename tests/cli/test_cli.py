"""The command line as users meet it: what it prints, where, and its exit codes."""

import argparse
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinyml.cli.common import progress
from tinyml.cli.main import VERBS, main

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small reference network as ONNX, float, weights seeded."""
    path = tmp_path_factory.mktemp("zoo") / "kws.onnx"
    assert main(["zoo", "ds_cnn", "-o", str(path), "-q"]) == 0
    return path


def tinyml(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own, as from a shell."""
    return subprocess.run(
        [sys.executable, "-m", "tinyml.cli.main", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=300, env={**_environment(), "NO_COLOR": "1"},
    )  # fmt: skip


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is counted; and all of it is wiped at the end."""
    shown = _Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    with progress(argparse.Namespace(json=False, quiet=False)) as say:
        say("quantize")
        time.sleep(0.2)
        say("calibrating, 12 of 131 samples")
        time.sleep(0.2)
    text = shown.getvalue()
    assert "quantize" in text and "calibrating" in text and "12/131" in text and "━" in text
    assert text.endswith("\x1b[2K") or "\x1b[2K" in text[-12:]
    with progress(argparse.Namespace(json=True, quiet=False)) as say:
        say("calibrating, 13 of 131 samples")
    assert shown.getvalue() == text


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0 and capsys.readouterr().out.startswith(f"usage: tinyml {verb}")


def test_build_writes_firmware_and_report(model: Path, tmp_path: Path) -> None:
    done = tinyml("build", "--board", "stm32h7", str(model), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("UNCALIBRATED: sizes and timing valid, outputs meaningless\n")
    folder = tmp_path / "build" / "kws-stm32h7"
    for name in (
        "firmware.elf",
        "firmware.bin",
        "firmware.hex",
        "report.json",
        "src/kws.h",
        "src/kws.c",
        "src/kws_weights.c",
    ):
        assert (folder / name).stat().st_size > 0, name
    report = json.loads((folder / "report.json").read_text())
    memory, flash = report["memory"], report["flash"]
    assert report["schema_version"] == 1 and not report["quantization"]["calibrated"]
    assert memory["peak_sram_bytes"] == memory["arena_bytes"] + memory["stack_bytes"] + memory["static_bytes"]
    assert flash["total_bytes"] == flash["code_bytes"] + flash["weights_bytes"]
    assert flash["code_bytes"] == flash["model_code_bytes"] + flash["firmware_code_bytes"]
    # The kernels of a convolutional network take kilobytes, and so does a serial protocol.
    assert min(flash["model_code_bytes"], flash["firmware_code_bytes"]) > 4096
    assert (folder / "firmware.bin").stat().st_size >= flash["total_bytes"]
    assert sum(layer["instructions"] for layer in report["layers"]) <= report["latency"]["instructions"]
    assert "#warning" in (folder / "src" / "kws.h").read_text()


def test_second_build_is_the_same_and_comes_from_the_cache(model: Path, tmp_path: Path) -> None:
    first = tinyml("build", "--json", "-o", "a", str(model), cwd=tmp_path)
    second = tinyml("build", "--json", "-o", "b", str(model), cwd=tmp_path)
    fresh = tinyml("build", "--json", "-o", "c", "--no-cache", str(model), cwd=tmp_path)
    assert first.returncode == second.returncode == fresh.returncode == 0, first.stderr + second.stderr + fresh.stderr
    assert json.loads(first.stdout) == json.loads(second.stdout) == json.loads(fresh.stdout)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "c" / name).read_bytes(), name


@pytest.mark.parametrize("target", [["--target", "cortex-m4"], ["--target", "m55"], ["--board", "host"]], ids=" ".join)
def test_emit_c_without_a_board(model: Path, tmp_path: Path, target: list[str]) -> None:
    """The C library, and a report with what could be found out: no emulator runs Helium, the host takes no firmware."""
    limits = ["--sram", "192K", "--flash", "512K"] if "--target" in target else []
    done = tinyml("build", *target, *limits, "--emit", "c", "-o", "lib", "--json", str(model), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "lib").iterdir()) == ["memory.html", "report.json", "src"]
    report = json.loads(done.stdout)
    assert (report["latency"]["instructions"] is not None) == ("cortex-m4" in target)
    assert (report["flash"]["code_bytes"] is None) == ("host" in target)
    # Two feature maps of 25 * 5 * 64 bytes where the limit of SRAM lets the fastest schedule be; less where balanced.
    assert (report["memory"]["arena_bytes"] >= 16_000) == ("--target" in target)


def test_analyze_shows_what_can_be_traded(model: Path, tmp_path: Path) -> None:
    done = tinyml("analyze", "--schedule", "--json", "--board", "stm32h7", str(model), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    schedules = json.loads(done.stdout)["schedules"]
    sizes, cycles = [s["arena_bytes"] for s in schedules], [s["cycles"] for s in schedules]
    assert sizes == sorted(set(sizes)) and cycles == sorted(cycles, reverse=True)
    # One stream: the input, three rows for each depthwise convolution and one for each pointwise one, of 5 x 64 bytes.
    assert sizes[0] < 2 * 25 * 5 * 64 / 2 <= sizes[-1]
    taken = {name: s for s in schedules for name in s["objectives"]}
    assert taken["latency"]["cycles"] == min(cycles)
    assert taken["sram"]["cycles"] <= 1.05 * min(cycles)
    text = tinyml("analyze", "--schedule", "--board", "stm32h7", str(model), cwd=tmp_path).stdout
    assert f"{sizes[0]:,}" in text and "latency" in text


def test_analyze_prints_json_and_nothing_else(model: Path, tmp_path: Path) -> None:
    done = tinyml("analyze", "--json", str(model), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    # MLPerf Tiny's DS-CNN: first convolution 25*5*64*10*4, four blocks of 25*5*(64*9 + 64*64), the classifier 64*12.
    assert document["macs"] == 25 * 5 * 64 * 40 + 4 * 25 * 5 * (64 * 9 + 64 * 64) + 64 * 12
    assert {fit["board"] for fit in document["boards"] if fit["fits"]} >= {"st_nucleo_h743zi", "st_nucleo_l4r5zi"}


def test_stop_after_and_dump(model: Path, tmp_path: Path) -> None:
    done = tinyml("build", "--stop-after", "memory", "--dump-dir", "stages", str(model), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = sorted(p.name for p in (tmp_path / "stages").iterdir())
    assert names == ["1-frontends.txt", "2-passes.txt", "3-quantize.txt", "4-schedule.json", "5-memory.json"]


def test_verify_agrees(model: Path, tmp_path: Path) -> None:
    done = tinyml("verify", "--allow-uncalibrated", "--runs", "2", str(model), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "host: " in done.stdout and "emulator: " in done.stdout and "agree" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["build", "--board", "stm32h8", "MODEL"], 1, "stm32h7"),
        (["build", "absent.onnx"], 1, "absent.onnx: no such file"),
        (["build", "--input-shape", "1x3xno", "MODEL"], 2, "--input-shape"),
        (["build", "--stop-after", "lunch", "MODEL"], 2, "lunch"),
        (["build", "--sram", "4K", "MODEL"], 3, "does not fit"),
        (["build", "--sram", "much", "MODEL"], 2, "much"),
        (["build", "--toolchain", "turbo-c", "MODEL"], 1, "turbo-c"),
        (["build", "--calibration", "nowhere", "MODEL"], 1, "nowhere"),
        (["build", "-o", "taken", "MODEL"], 2, "not a build"),
        (["run", "MODEL"], 2, "--allow-uncalibrated"),
        (["verify", "MODEL"], 2, "--allow-uncalibrated"),
        (["zoo", "mobilnet_v1"], 2, "did you mean mobilenet_v1?"),
        (["frobnicate"], 2, "frobnicate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes(model: Path, tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    """A mistake is explained on stderr, without a traceback, and leaves the folder as it was."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    done = tinyml(*(str(model) if a == "MODEL" else a for a in arguments), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [p.name for p in tmp_path.rglob("*")] in (["taken", "thesis.txt"], ["thesis.txt", "taken"])


def test_a_model_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "junk.tflite").write_bytes(b"\x00" * 100)
    (tmp_path / "junk.onnx").write_bytes(b"hello")
    (tmp_path / "junk.txt").write_bytes(b"hello")
    for name in ("junk.tflite", "junk.onnx", "junk.txt"):
        done = tinyml("analyze", name, cwd=tmp_path)
        assert done.returncode == 1 and name in done.stderr and "Traceback" not in done.stderr
