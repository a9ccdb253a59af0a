"""picotool: RP2040 and RP2350 in their boot ROM."""

from tinyml.device.flash.job import Action, Job, command_action, find_program
from tinyml.targets.board import Board

NAME = "picotool"


def fits(board: Board) -> bool:
    return board.flash_tools.picotool


def find(job: Job) -> str | None:
    return find_program("picotool")


def missing(job: Job) -> str:
    return "macOS: brew install picotool; else build it from raspberrypi/picotool, or copy UF2: --tool uf2"


def action(job: Job, found: str | None) -> Action:
    return command_action([found or NAME, "load", "--verify", "--execute", "firmware.elf"], job.folder)
