"""Pages in a real browser: what its console says, and how wide they are."""

import html
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Shown:
    """console: what the browser said; needs: pixels that the page needs; has: that it has."""

    console: list[str]
    needs: int
    has: int


def show(page: str, width: int, folder: Path) -> Shown:
    """The page in a frame of that width. Skips the test where there is no browser."""
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser is installed: none of {', '.join(_NAMES)}")
    frame = folder / "frame.html"
    frame.write_text(_framed(page, width), encoding="utf-8")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [browser, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom", frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = done.stdout.partition('id="told">')[2].partition("<")[0].split()
    assert told[0] == "widths", done.stdout[-500:]
    return Shown([line for line in done.stderr.splitlines() if "CONSOLE" in line], int(told[1]), int(told[2]))


def _framed(page: str, width: int) -> str:
    """The page in a frame of that width, and below it a paragraph that tells its own width and what it was given."""
    script = (
        "const d = f.contentDocument.documentElement; told.textContent = `widths ${d.scrollWidth} ${d.clientWidth}`"
    )
    frame = f'<iframe id="f" style="border: 0" width="{width}" height="9000" srcdoc="{html.escape(page)}"></iframe>'
    return f'<meta charset="utf-8"><p id="told">nothing</p>{frame}<script>f.onload = () => {{ {script} }}</script>'
