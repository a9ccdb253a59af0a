"""Runs somebody else's converter in a process of its own: these print, and some end their process where they fail."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tinyml.errors import ModelError

_SECONDS = 600
_EXCEPTION = re.compile(r"[\w.]*(Error|Exception): .*")
_QUOTED = 400  # characters of a complaint: some hold whole arrays


def run_converter(tool: str, command: Sequence[str], model: Path, folder: Path) -> None:
    """Runs a command in `folder`. It finds the programs that were installed beside our interpreter.

    Raises:
        ModelError: it fails, or takes longer than ten minutes; its last exception is quoted, or its last line.
    """
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            cwd=folder,
            env={**os.environ, "PATH": path},
        )
    except subprocess.TimeoutExpired as e:
        raise ModelError(f"model {model}: {tool} did not convert it within {_SECONDS} seconds") from e
    if done.returncode != 0:
        raise ModelError(f"model {model}: {tool} cannot convert it: {_complaint(done.stderr, done.stdout)}")


def _complaint(*texts: str) -> str:
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    exceptions = [line for line in lines if _EXCEPTION.fullmatch(line)]
    last = next((text.strip().splitlines()[-1] for text in texts if text.strip()), "")
    return (exceptions[-1] if exceptions else last)[:_QUOTED]
