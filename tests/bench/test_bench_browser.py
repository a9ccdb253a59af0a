"""The page in a real browser: no errors on its console, and nothing wider than a phone."""

from pathlib import Path

import pytest
from bench_sets import parquet, rows
from browser import show

from tinyml import zoo
from tinyml.cli.main import main


@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_in_chromium(tmp_path: Path, width: int) -> None:
    model = zoo.save("mobilenet_v1", tmp_path / "net.onnx", resolution=32)
    parquet(tmp_path / "test.parquet", rows())
    arguments = ["bench", "wake-vision", str(model), "--data", str(tmp_path), "-o", str(tmp_path / "out"), "-q"]
    assert main([*arguments, "--precision", "float32", "--board", "host", "--jobs", "1"]) == 0
    shown = show((tmp_path / "out" / "report.html").read_text(), width, tmp_path)
    assert shown.console == []
    assert shown.needs <= shown.has == width
