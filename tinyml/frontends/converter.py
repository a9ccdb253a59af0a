"""Runs somebody else's converter in a process of its own: these print, and some end their process where they fail."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tinyml.errors import ModelError

_SECONDS = 600


def run_converter(tool: str, command: Sequence[str], model: Path, folder: Path) -> None:
    """Runs a command in `folder`.

    Raises:
        ModelError: it fails, or takes longer than ten minutes; the last line of its complaint is quoted.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, cwd=folder)
    except subprocess.TimeoutExpired as e:
        raise ModelError(f"model {model}: {tool} did not convert it within {_SECONDS} seconds") from e
    if done.returncode != 0:
        raise ModelError(
            f"model {model}: {tool} cannot convert it: {_last_line(done.stderr) or _last_line(done.stdout)}"
        )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
