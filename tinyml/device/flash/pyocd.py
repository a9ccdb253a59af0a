"""pyOCD: CMSIS-DAP, ST-LINK and J-Link probes; installs with pip."""

from tinyml.device.flash.job import Action, Job, command_action, find_program
from tinyml.targets.board import Board

NAME = "pyocd"


def fits(board: Board) -> bool:
    return board.flash_tools.pyocd is not None


def find(job: Job) -> str | None:
    return find_program("pyocd")


def missing(job: Job) -> str:
    return (
        f"pip install pyocd, and, if `pyocd list --targets` lacks it: pyocd pack install {job.board.flash_tools.pyocd}"
    )


def action(job: Job, found: str | None) -> Action:
    target = job.board.flash_tools.pyocd or ""
    return command_action([found or NAME, "load", "--no-wait", "--target", target, "firmware.hex"], job.folder)
