"""OpenOCD: most probes, most chips."""

from tinyml.device.flash.job import Action, Job, command_action, find_program
from tinyml.targets.board import Board

NAME = "openocd"


def fits(board: Board) -> bool:
    return bool(board.flash_tools.openocd)


def find(job: Job) -> str | None:
    return find_program("openocd")


def missing(job: Job) -> str:
    return "Debian, Ubuntu: apt install openocd; macOS: brew install openocd; Windows: the xPack build"


def action(job: Job, found: str | None) -> Action:
    files = [argument for file in job.board.flash_tools.openocd for argument in ("-f", file)]
    return command_action([found or NAME, *files, "-c", "program firmware.elf verify reset exit"], job.folder)
