"""UF2: a file that is copied to the volume that a bootloader shows.

Source of the format and of family ids: microsoft/uf2, README.md and utils/uf2families.json.
"""

import os
import string
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tinyml.device.emulator.elf import load_program
from tinyml.device.flash.job import Action, Job
from tinyml.errors import ToolError
from tinyml.targets.board import Board

NAME = "uf2"
INFO = "INFO_UF2.TXT"

_MAGIC = (0x0A32_4655, 0x9E5D_5157, 0x0AB1_6F30)  # two at the start of a block, one at its end
_FAMILY_ID_PRESENT = 0x2000
_PAYLOAD = 256
_DATA_FIELD = 476


def fits(board: Board) -> bool:
    return board.flash_tools.uf2_family is not None


def find(job: Job) -> str | None:
    wanted = job.board.flash_tools.uf2_volume
    for volume in _volumes():
        try:
            info = (volume / INFO).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        # The board's name, which Windows does not show as the name of the volume.
        names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("Board-ID:")]
        if wanted is None or wanted in (volume.name, *names):
            return str(volume)
    return None


def missing(job: Job) -> str:
    volume = job.board.flash_tools.uf2_volume or "its bootloader's volume"
    return f"hold the board's BOOTSEL button (or press reset twice) as you plug it in, until {volume} is mounted"


def action(job: Job, found: str | None) -> Action:
    target = Path(found or f"/media/{job.board.flash_tools.uf2_volume}") / "firmware.uf2"
    return Action(f"write {target}", lambda: _copy(to_uf2(job.folder / "firmware.elf", job.board), target))


def to_uf2(elf: Path, board: Board) -> bytes:
    """What the ELF loads into flash, in whole pages of 256 bytes; what lies between segments in a page is 0xFF.

    Raises:
        ToolError: the ELF cannot be read, or the board takes no UF2.
    """
    family = board.flash_tools.uf2_family
    if family is None:
        raise ToolError(f"{board.id} takes no UF2")
    pages = _pages(load_program(elf).segments)
    blocks = [
        struct.pack(
            f"<8I{_PAYLOAD}s{_DATA_FIELD - _PAYLOAD}xI",
            *_MAGIC[:2], _FAMILY_ID_PRESENT, address, _PAYLOAD, number, len(pages), family, bytes(pages[address]), _MAGIC[2],
        )
        for number, address in enumerate(sorted(pages))
    ]  # fmt: skip
    return b"".join(blocks)


def _pages(segments: Iterable[tuple[int, bytes]]) -> dict[int, bytearray]:
    pages: dict[int, bytearray] = {}
    for address, data in segments:
        for index, byte in enumerate(data):
            page, offset = divmod(address + index, _PAYLOAD)
            pages.setdefault(page * _PAYLOAD, bytearray(b"\xff" * _PAYLOAD))[offset] = byte
    return pages


def _copy(data: bytes, target: Path) -> None:
    try:
        with target.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ToolError(
            f"{target} cannot be written: {error.strerror}", "is the bootloader's volume mounted?"
        ) from None


def _volumes() -> Iterator[Path]:
    """Mounted volumes, where each system shows them."""
    if sys.platform == "win32":
        yield from (Path(f"{letter}:/") for letter in string.ascii_uppercase[2:])
        return
    for root in ("/Volumes", "/media", "/run/media", "/mnt"):
        for depth in ("*", "*/*"):
            try:
                yield from sorted(Path(root).glob(depth))
            except OSError:
                continue
