"""The page in a real browser: no errors on its console, and nothing wider than a phone."""

import html
import shutil
import subprocess
from pathlib import Path

import pytest
from bench_sets import parquet, rows

from tinyml import zoo
from tinyml.cli.main import main

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def framed(page: str, width: int) -> str:
    """The page in a frame of that width, and below it a paragraph that tells its own width and what it was given."""
    script = (
        "const d = f.contentDocument.documentElement; told.textContent = `widths ${d.scrollWidth} ${d.clientWidth}`"
    )
    frame = f'<iframe id="f" style="border: 0" width="{width}" height="9000" srcdoc="{html.escape(page)}"></iframe>'
    return f'<p id="told">nothing</p>{frame}<script>f.onload = () => {{ {script} }}</script>'


@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_in_chromium(tmp_path: Path, width: int) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    model = zoo.save("mobilenet_v1", tmp_path / "net.onnx", resolution=32)
    parquet(tmp_path / "test.parquet", rows())
    arguments = ["bench", "wake-vision", str(model), "--data", str(tmp_path), "-o", str(tmp_path / "out"), "-q"]
    assert main([*arguments, "--precision", "float32", "--board", "host", "--jobs", "1"]) == 0
    frame = tmp_path / "frame.html"
    frame.write_text(framed((tmp_path / "out" / "report.html").read_text(), width))
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [browser, *flags, profile, "--dump-dom", frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
    told = done.stdout.partition('id="told">')[2].partition("<")[0].split()
    assert told[0] == "widths", done.stdout[-500:]
    assert int(told[1]) <= int(told[2]) == width
