"""Finds boards and profiles by name and turns their files into frozen dataclasses."""

import difflib
import re
from dataclasses import asdict
from functools import cache
from itertools import pairwise
from pathlib import Path

from tinyml.errors import BoardError, UsageError
from tinyml.resources import resource_dir
from tinyml.targets.board import Board, Cache, FlashTools, Link, MemoryRegion, ReadyBits, Uart
from tinyml.targets.core import CORES, Core
from tinyml.targets.profile import Profile
from tinyml.targets.schema import BoardFile, read_board_file, read_profile_file


def load_board(name: str) -> Board:
    """The board with that id or alias (in any case), or the one that a path ending in .toml describes.

    Raises:
        BoardError: no such board (suggests the nearest), or a malformed file.
    """
    if name.lower().endswith(".toml"):
        return _board_of(Path(name))
    known = {key: board for board in list_boards() for key in (board.id, *board.aliases)}
    board = known.get(name.lower().replace("-", "_"))
    if board is None:
        raise BoardError(f"unknown board {name!r}", _nearest(name, known))
    return board


def list_boards() -> tuple[Board, ...]:
    """All boards that tinyml brings, by id."""
    return _boards(resource_dir("boards"))


def load_profile(name: str) -> Profile:
    """The profile with that id, or the one that a path ending in .toml describes. Raises BoardError as `load_board`."""
    if name.lower().endswith(".toml"):
        return _profile_of(Path(name))
    known = {profile.id: profile for profile in list_profiles()}
    if name.lower() not in known:
        raise BoardError(f"unknown profile {name!r}", _nearest(name, known))
    return known[name.lower()]


def list_profiles() -> tuple[Profile, ...]:
    """All profiles that tinyml brings, by id."""
    return tuple(_profile_of(path) for path in sorted(resource_dir("profiles").glob("*.toml")))


def generic_target(core_name: str, sram_bytes: int, flash_bytes: int) -> Board:
    """A microcontroller that only the emulator knows: flash at 0, RAM at 0x20000000, a CMSDK UART at 0x40004000 and a
    cycle counter at the address of the DWT whatever the core. It has no clock, therefore no milliseconds.

    Args:
        core_name: `cortex-m4`, or `m4`.

    Raises:
        UsageError: no such core, or a size that cannot be.
    """
    cores = {name: core for name, core in CORES.items() if core.takes_firmware}
    wanted = core_name.lower()
    core = cores.get(wanted) or cores.get(f"cortex-{wanted}")
    if core is None:
        raise UsageError(f"unknown core {core_name!r}", f"one of: {', '.join(cores)}")
    # Kernels and firmware need some 600 bytes; what a build really used is measured and checked.
    stack_bytes = max(512, min(1024, sram_bytes // 8 // 8 * 8))
    for what, size, limit in (("SRAM", sram_bytes, 0x1000_0000), ("flash", flash_bytes, 0x1000_0000)):
        if not 1024 <= size <= limit:
            raise UsageError(f"{size} bytes of {what}: expected 1K to {limit >> 20}M")
    source = "chosen by --sram and --flash"
    return Board(
        id=f"generic_{core.name.replace('-', '_').replace('+', 'plus')}",
        title=f"a generic {core.name}",
        core=core,
        clock_hz=None,
        regions=(
            MemoryRegion("flash", "flash", 0x0000_0000, flash_bytes, source, execute=True),
            MemoryRegion("sram", "ram", 0x2000_0000, sram_bytes, source, execute=True),
            MemoryRegion("spare", "spare", 0x3000_0000, 4 << 20, "the emulator only"),
        ),
        link=Link("flash", "sram", "sram", "sram", stack_bytes),
        uart=Uart("cmsdk_uart", 0x4000_4000, 115200, "as MPS2", {"kernel_clock_hz": 25_000_000}),
        timer="dwt",
        startup="none",
        silicon="not a board: runs in the emulator only",
    )


def parse_size(text: str) -> int:
    """Bytes of `192K`, `1M`, `1.5M`, `196608`, `192KiB`. K is 1024.

    Raises:
        UsageError: anything else, or no whole number of bytes.
    """
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([KMG]?)(?:i?B)?\s*", text, re.IGNORECASE | re.ASCII)
    if match is None:
        raise UsageError(f"size {text!r}: expected bytes, as in 196608, 192K or 1M")
    size = float(match[1]) * {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}[match[2].upper()]
    if not size.is_integer():
        raise UsageError(f"size {text!r} is no whole number of bytes")
    return int(size)


@cache
def _boards(folder: Path) -> tuple[Board, ...]:
    boards = tuple(_board_of(path) for path in sorted(folder.glob("*.toml")))
    owner: dict[str, str] = {}
    for board in boards:
        for key in (board.id, *board.aliases):
            if key in owner:
                raise BoardError(f"{folder}: {key!r} names both {owner[key]} and {board.id}")
            owner[key] = board.id
    return boards


def _board_of(path: Path) -> Board:
    file = read_board_file(path)
    board = Board(
        id=file.id,
        title=file.title or file.id,
        core=_core(path, file),
        clock_hz=file.clock_hz,
        regions=tuple(
            MemoryRegion(r.name, r.kind, r.address, r.size_kib * 1024, r.source, r.wait_cycles, r.dma, r.execute)
            for r in file.region
        ),
        link=_link(path, file),
        uart=_uart(file),
        timer=file.timer,
        startup=file.startup,
        aliases=file.aliases,
        safe_clock_hz=file.safe_clock_hz,
        boot=file.boot,
        clock_options=file.clock_options,
        qemu_machine=file.qemu_machine,
        qemu_clock_hz=file.qemu_clock_hz,
        qemu_serial=file.qemu_serial,
        emulators=file.emulators,
        ready_bits=tuple(ReadyBits(b.address, b.bits, b.source) for b in file.ready_bits),
        cache=None if file.cache is None else Cache(**asdict(file.cache)),
        flash_tools=FlashTools() if file.flash_tools is None else FlashTools(**asdict(file.flash_tools)),
        silicon=file.silicon,
        notes=file.notes,
    )
    _check_regions(path, board)
    _check_firmware_files(path, board)
    _check_emulators(path, board)
    return board


def _core(path: Path, file: BoardFile) -> Core:
    if file.core not in CORES:
        raise BoardError(f"{path}: core = {file.core!r}: expected one of {', '.join(CORES)}")
    return CORES[file.core]


def _link(path: Path, file: BoardFile) -> Link:
    """As the file says; left out, the largest memories, with 4 KiB of stack or an eighth of it all."""
    link = file.link
    if link is not None:
        return Link(link.code, link.arena, link.stack, link.data, link.stack_kib * 1024)
    largest = {region.kind: region for region in sorted(file.region, key=lambda r: r.size_kib)}
    for kind in ("flash", "ram"):
        if kind not in largest:
            raise BoardError(f"{path}: region: expected one of kind {kind}")
    ram = largest["ram"]
    return Link(largest["flash"].name, ram.name, ram.name, ram.name, min(4096, ram.size_kib * 128))


def _uart(file: BoardFile) -> Uart | None:
    uart = file.uart
    return None if uart is None else Uart(uart.driver, uart.address, uart.baud, uart.source, uart.options)


def _check_regions(path: Path, board: Board) -> None:
    names = [r.name for r in board.regions]
    if len(set(names)) != len(names):
        raise BoardError(f"{path}: region: two regions have the same name among {', '.join(names)}")
    for low, high in pairwise(sorted(board.regions, key=lambda r: r.address)):
        if low.end > high.address:
            raise BoardError(f"{path}: region: {low.name} ends at {low.end:#x}, in {high.name} at {high.address:#x}")
    for region in board.regions:
        if region.end > 1 << 32:
            raise BoardError(f"{path}: region: {region.name} ends at {region.end:#x}, past 32 bits")
    for key, kind in (("code", "flash"), ("arena", "ram"), ("stack", "ram"), ("data", "ram")):
        name = getattr(board.link, key)
        if name not in names or board.region(name).kind != kind:
            fit = ", ".join(r.name for r in board.regions if r.kind == kind)
            raise BoardError(
                f"{path}: link.{key} = {name!r}: expected a region of kind {kind}: {fit or 'there is none'}"
            )
    for name in () if board.cache is None else board.cache.also:
        if name not in names:
            raise BoardError(f"{path}: cache.also = {name!r}: expected a region: {', '.join(names)}")
    if board.link.stack_bytes > board.region(board.link.stack).bytes:
        raise BoardError(f"{path}: link.stack_kib: {board.link.stack_bytes} bytes do not fit in {board.link.stack}")


def _check_firmware_files(path: Path, board: Board) -> None:
    """Driver, timer and clock set-up exist."""
    if board.uart is None:
        return
    if not board.core.takes_firmware:
        raise BoardError(f"{path}: uart: there is no firmware for {board.core.name}: leave the table out")
    if board.clock_hz is None:
        raise BoardError(f"{path}: clock_hz: missing key: a board with a uart runs firmware, which counts microseconds")
    choices = [("uart.driver", board.uart.driver, "uart"), ("timer", board.timer, "timer")]
    choices.append(("startup", board.startup, "clock"))
    if board.boot is not None:
        choices.append(("boot", board.boot, "boot"))
    for key, name, folder in choices:
        files = {p.stem for p in (resource_dir("firmware") / folder).glob("*.c")}
        if name not in files:
            raise BoardError(f"{path}: {key} = {name!r}: expected one of {', '.join(sorted(files))}")


def _check_emulators(path: Path, board: Board) -> None:
    """Those named can run it."""
    possible = {
        "qemu": board.qemu_machine is not None,
        "unicorn": board.core.unicorn_model is not None,
        "rp2040js": board.boot == "rp2040",
    }
    for name in board.emulators:
        if board.uart is None or not possible[name]:
            raise BoardError(f"{path}: emulators: {name} cannot run it: expected a machine or a core that {name} has")


def _profile_of(path: Path) -> Profile:
    file = read_profile_file(path)
    return Profile(file.id, file.title, file.objective, file.precision, file.reserve_sram_bytes)


def _nearest(name: str, known: dict[str, Board] | dict[str, Profile]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.3)
    listing = f"there are: {', '.join(known)}"
    return f"did you mean {close[0]}? {listing}" if close else listing
