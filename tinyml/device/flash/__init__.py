"""Ways to put firmware on a board: one small module a tool."""

from types import ModuleType
from typing import cast

from tinyml.device.flash import bossac, gdb, openocd, picotool, pyocd, stm32_programmer, uf2
from tinyml.device.flash.job import Action, FlashTool, Job
from tinyml.errors import ToolError, UsageError

__all__ = ["TOOLS", "Action", "Job", "choose"]

_MODULES: tuple[ModuleType, ...] = (gdb, uf2, stm32_programmer, openocd, pyocd, picotool, bossac)
# In the order in which they are taken: what the user has made ready first.
TOOLS: dict[str, FlashTool] = {module.NAME: cast(FlashTool, module) for module in _MODULES}


def choose(job: Job, name: str | None, *, dry_run: bool) -> tuple[str, Action]:
    """The tool that will be used, and what it will do.

    Args:
        name: a key of TOOLS; None for the first that fits the board and is there.
        dry_run: take one that fits, though it is not there.

    Raises:
        UsageError: the named tool is not for this board.
        ToolError: none is there; says what to do about each that fits.
    """
    board = job.board
    if name is not None and not TOOLS[name].fits(board):
        raise UsageError(f"{name} is not for {board.id}", f"its tools: {', '.join(_fitting(job))}")
    names = [name] if name is not None else _fitting(job)
    for candidate in names:
        found = TOOLS[candidate].find(job)
        if found is not None:
            return candidate, TOOLS[candidate].action(job, found)
    # A GDB server fits every board: one that is not named comes last.
    names = sorted(names, key=lambda candidate: candidate == gdb.NAME)
    if dry_run:
        return names[0], TOOLS[names[0]].action(job, None)
    lines = "\n".join(f"  {candidate}: {TOOLS[candidate].missing(job)}" for candidate in names)
    raise ToolError(f"no tool that can flash {board.title} is there. One of these would do:\n{lines}")


def _fitting(job: Job) -> list[str]:
    return [name for name, tool in TOOLS.items() if tool.fits(job.board)]
