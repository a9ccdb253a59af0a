"""Builds tests/device/workload.c for a board, with the compiler that is always installed."""

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinyml.build.firmware import render_firmware
from tinyml.resources import resource_dir
from tinyml.targets.board import Board
from tinyml.targets.load import load_board

_HERE = Path(__file__).resolve().parent


def _link_script(board: Board) -> str:
    code, data = board.region(board.link.code), board.region(board.link.data)
    # The other meter maps no RAM but what stands at 0x20000000.
    start = data.address if data.address >= 0x2000_0000 else 0x2000_0000
    return f"""ENTRY(start)
SECTIONS {{
    /DISCARD/ : {{ *(.ARM.exidx*) *(.ARM.extab*) *(.comment) *(.debug*) }}
    . = {code.address:#x};
    .vectors : {{ KEEP(*(.vectors)) }}
    .text : {{ *(.text*) }}
    .rodata : {{ *(.rodata*) }}
    . = {start:#x};
    .bss (NOLOAD) : {{ *(.data*) *(.bss*) *(COMMON) }}
    image_stack_top = {start + 0x10000:#x};
}}
"""


def _zig(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "ziglang", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def build_workload(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Board]]:
    """build_workload(board id) -> the ELF and the board."""

    @functools.cache
    def build(board_id: str) -> tuple[Path, Board]:
        board = load_board(board_id)
        assert board.uart is not None
        folder = tmp_path_factory.mktemp(board_id)
        (folder / "board_config.h").write_text(render_firmware("board_config.h.j2", board=board))
        (folder / "link.ld").write_text(_link_script(board))
        firmware = resource_dir("firmware")
        sources = [
            _HERE / "workload.c",
            firmware / "uart" / f"{board.uart.driver}.c",
            firmware / "timer" / f"{board.timer}.c",
            firmware / "clock" / f"{board.startup}.c",
        ]
        objects = []
        for source in sources:
            objects.append(folder / f"{source.stem}.o")
            _zig(
                "cc", "-target", board.core.zig_target, f"-mcpu={board.core.zig_cpu}", "-O2", "-std=gnu99",
                "-ffreestanding", "-fno-unwind-tables",
                "-fno-asynchronous-unwind-tables", "-ffunction-sections", f"-I{folder}",
                f"-I{firmware / 'include'}", "-c", source, "-o", objects[-1],
            )  # fmt: skip
        _zig("ld.lld", "-T", folder / "link.ld", *objects, "-o", folder / "workload.elf")
        return folder / "workload.elf", board

    return build
