"""What flash tools share: what is to be written, and what a tool would do about it."""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tinyml.errors import ToolError
from tinyml.targets.board import Board

_PATIENCE = 180.0  # seconds


@dataclass(frozen=True, slots=True)
class Job:
    """Attributes:
    folder: has firmware.elf, .bin and .hex.
    port: serial port of the board, where the tool writes by way of it; None where it is not known.
    gdb: HOST:PORT of a GDB server that holds the board; None where there is none.
    """

    board: Board
    folder: Path
    port: str | None = None
    gdb: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """Attributes:
    text: what will be done, as `--dry-run` prints it: a command line for a shell, or a sentence.
    run: does it. Raises ToolError.
    """

    text: str
    run: Callable[[], None]


class FlashTool(Protocol):
    """One way to put firmware on a board. A module of this package each."""

    NAME: str

    def fits(self, board: Board) -> bool:
        """The board file says that the tool is for it."""

    def find(self, job: Job) -> str | None:
        """What does it: the path of a program, a volume, a server. None where that is not there."""

    def missing(self, job: Job) -> str:
        """What to do where `find` found nothing."""

    def action(self, job: Job, found: str | None) -> Action:
        """With what `find` found, or, to print it only, without."""


def find_program(*names: str, folders: Sequence[Path] = ()) -> str | None:
    """The first of these programs that is on the PATH, or in one of the folders."""
    for name in names:
        found = shutil.which(name) or next((f for folder in folders if (f := shutil.which(name, path=folder))), None)
        if found is not None:
            return found
    return None


def command_action(argv: Sequence[str], folder: Path) -> Action:
    """A command that runs in the build's folder, so that no path needs the quoting of a tool's own language."""

    def run() -> None:
        try:
            done = subprocess.run(
                list(argv), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PATIENCE
            )
        except OSError as error:
            raise ToolError(f"{argv[0]} cannot be started: {error}") from None
        except subprocess.TimeoutExpired:
            raise ToolError(f"{argv[0]} did not end within {_PATIENCE:.0f} s", "is the board connected?") from None
        if done.returncode != 0:
            said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
            raise ToolError(
                f"{argv[0]} failed (exit {done.returncode}):\n" + "\n".join(said[-12:]),
                "is the board connected, and no other program at its probe? see `tinyml doctor`",
            )

    return Action(shlex.join(argv), run)
