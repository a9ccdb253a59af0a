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
    configuration = job.board.flash_tools.openocd
    files = [argument for file in configuration for argument in ("-f", file)]
    # A board's file says how fast its probe may be; a bare interface would run at 100 kHz.
    bare = any(file.startswith("interface/") for file in configuration)
    speed = ["-c", "adapter speed 5000"] if bare else []
    return command_action([found or NAME, *files, *speed, "-c", "program firmware.elf verify reset exit"], job.folder)
