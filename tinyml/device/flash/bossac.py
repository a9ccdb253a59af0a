"""bossac: boards with a SAM-BA bootloader on USB, Arduino's among them. The board must be in its bootloader: press reset
twice. nRF52840 boards need Arduino's bossac, 1.9.1-arduino2; the IDE installs it."""

from pathlib import Path, PurePath

from tinyml.device.flash.job import Action, Job, command_action, find_program
from tinyml.errors import ToolError
from tinyml.targets.board import Board

NAME = "bossac"


def fits(board: Board) -> bool:
    return board.flash_tools.bossac_offset is not None


def find(job: Job) -> str | None:
    packages = Path.home() / ".arduino15/packages/arduino/tools/bossac"
    arduino = sorted(packages.iterdir(), reverse=True) if packages.is_dir() else []
    return find_program("bossac", folders=arduino)


def missing(job: Job) -> str:
    return "install the board's package in the Arduino IDE, which brings it; or apt install bossa-cli"


def action(job: Job, found: str | None) -> Action:
    if job.port is None and found is not None:
        raise ToolError("bossac needs the serial port of the board's bootloader", "--port PORT; see `tinyml doctor`")
    offset = job.board.flash_tools.bossac_offset
    argv = [
        found or NAME,
        f"--port={PurePath(job.port or 'PORT').name}",  # bossac takes names without /dev/
        "--usb-port",
        "--info",
        "--erase",
        "--write",
        *([f"--offset={offset:#x}"] if offset else []),
        "firmware.bin",
        "--reset",
    ]
    return command_action(argv, job.folder)
