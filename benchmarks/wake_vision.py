"""Answers of published person detectors on real pictures: host, emulator and a serial port against LiteRT's reference."""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common import ROOT, Row, shared_folder, show, size

from tinyml.cli.main import main as tinyml

BOARD = "qemu_mps2_an500"  # a Cortex-M7 with room for all of them
FEW = 20


def rows(few: int) -> Iterator[Row]:
    shared = shared_folder()
    models = [
        *sorted((shared / "models/wake_vision").glob("*.tflite")),
        shared / "models/mlperf_tiny/vww_96_int8.tflite",
    ]
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            yield from of_model(model, shared / "images", Path(folder), few)


def of_model(model: Path, data: Path, folder: Path, few: int) -> Iterator[Row]:
    yield verdict(model, "host", data, folder, ("--board", "host"))
    some = ("--board", BOARD, "--limit", str(few), "--jobs", "1")
    yield verdict(model, "emulator", data, folder, ("--on", "emulator", *some))
    with served(model, folder) as port:
        yield verdict(model, "serial port (pty)", data, folder, ("--on", port, *some))


def verdict(model: Path, where: str, data: Path, folder: Path, flags: Sequence[str]) -> Row:
    out = folder / where
    arguments = ["bench", "wake-vision", str(model), "--data", str(data), "-o", str(out), "-q"]
    code = tinyml([*arguments, "--against", "litert-reference", *flags])
    if code != 0:
        return (model.stem, where, "", "", f"exit code {code}"), False
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    other, accuracy = report["comparison"], report["accuracy"]["value"]
    same, identical, compared = other["same_answers"], other["identical"], other["compared"]
    passed = same == identical == compared > 0
    return (model.stem, where, size(compared), size(compared - identical), f"{accuracy * 100:.1f} %"), passed


@contextlib.contextmanager
def served(model: Path, folder: Path) -> Iterator[str]:
    """The address of a pseudo-terminal behind which the model's firmware runs."""
    build = folder / "build"
    assert tinyml(["build", str(model), "--board", BOARD, "-o", str(build), "-q"]) == 0
    command = [sys.executable, "-m", "tinyml.cli.main", "emulate", str(build), "--pty"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(word for line in process.stdout for word in line.split() if word.startswith("/dev/"))
        finally:
            process.terminate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=FEW, help=f"pictures in emulator and pty (default: {FEW})")
    columns = ("model", "where", "pictures", "outputs that differ", "accuracy")
    sys.exit(show("Person detectors against LiteRT's reference kernels", columns, rows(parser.parse_args().few)))
