"""STM32_Programmer_CLI of ST's STM32CubeProgrammer, by SWD."""

from pathlib import Path

from tinyml.device.flash.job import Action, Job, command_action, find_program
from tinyml.targets.board import Board

NAME = "STM32_Programmer_CLI"

# Where ST's installer puts it; it changes no PATH.
_FOLDERS = (
    Path("/usr/local/STMicroelectronics/STM32Cube/STM32CubeProgrammer/bin"),
    Path.home() / "STMicroelectronics/STM32Cube/STM32CubeProgrammer/bin",
    Path("/Applications/STMicroelectronics/STM32Cube/STM32CubeProgrammer/STM32CubeProgrammer.app/Contents/MacOs/bin"),
    Path("C:/Program Files/STMicroelectronics/STM32Cube/STM32CubeProgrammer/bin"),
)


def fits(board: Board) -> bool:
    return board.flash_tools.stm32_programmer


def find(job: Job) -> str | None:
    return find_program(NAME, folders=_FOLDERS)


def missing(job: Job) -> str:
    return "install STM32CubeProgrammer from st.com"


def action(job: Job, found: str | None) -> Action:
    return command_action([found or NAME, "-c", "port=SWD", "-w", "firmware.hex", "-v", "-rst"], job.folder)
