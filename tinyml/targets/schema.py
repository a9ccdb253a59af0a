"""The schema of board and profile files. Unknown keys are refused; every key that has a unit names it."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from tinyml.errors import BoardError
from tinyml.targets.board import UNTESTED

_T = TypeVar("_T")
_NO_EXTRA_KEYS = ConfigDict(extra="forbid")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Word = Annotated[int, Field(ge=0, le=0xFFFF_FFFF, strict=True)]
Count = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[int, Field(gt=0, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
UsbId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
Sentence = Annotated[str, Field(min_length=1)]

NOT_STATED = "not stated"  # the source of an address, in a file that somebody keeps for themselves


@with_config(_NO_EXTRA_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTable:
    name: Name
    kind: Literal["flash", "ram"]
    address: Word
    size_kib: Positive
    source: Sentence = NOT_STATED
    wait_cycles: Count = 0
    dma: Flag = True
    execute: Flag = False


@with_config(_NO_EXTRA_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTable:
    code: Name
    arena: Name
    stack: Name
    data: Name
    stack_kib: Positive


@with_config(_NO_EXTRA_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class UartTable:
    driver: Name
    address: Word
    baud: Positive = 115200
    source: Sentence = NOT_STATED
    options: dict[Name, Word] = field(default_factory=dict)


@with_config(_NO_EXTRA_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyBitsTable:
    address: Word
    bits: Word
    source: Sentence


@with_config(_NO_EXTRA_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class FlashToolsTable:
    source: Sentence
    openocd: tuple[Sentence, ...] = ()
    pyocd: Sentence | None = None
    stm32_programmer: Flag = False
    uf2_family: Word | None = None
    uf2_volume: Sentence | None = None
    picotool: Flag = False
    bossac_offset: Word | None = None
    usb: tuple[UsbId, ...] = ()


@with_config(_NO_EXTRA_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTable:
    line_bytes: Literal[4, 8, 16, 32, 64, 128]
    line_cycles: Count
    source: Sentence
    code_bytes: Count = 0
    data_bytes: Count = 0
    prefetch: Flag = False
    also: tuple[Name, ...] = ()
    external: Flag = False


@with_config(_NO_EXTRA_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFile:
    schema_version: Literal[1]
    id: Name
    core: str
    region: Annotated[tuple[RegionTable, ...], Field(min_length=1)]
    title: Sentence | None = None
    silicon: Sentence = UNTESTED
    link: LinkTable | None = None
    aliases: tuple[Name, ...] = ()
    clock_hz: Positive | None = None
    safe_clock_hz: Positive | None = None
    timer: Name = "dwt"
    startup: Name = "none"
    boot: Name | None = None
    clock_options: dict[Name, Word] = field(default_factory=dict)
    uart: UartTable | None = None
    ready_bits: tuple[ReadyBitsTable, ...] = ()
    cache: CacheTable | None = None
    qemu_machine: str | None = None
    qemu_clock_hz: Positive | None = None
    qemu_serial: Count = 0
    emulators: tuple[Literal["qemu", "unicorn", "rp2040js"], ...] = ()
    flash_tools: FlashToolsTable | None = None
    notes: tuple[Sentence, ...] = ()


@with_config(_NO_EXTRA_KEYS)
@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFile:
    schema_version: Literal[1]
    id: Name
    title: Sentence
    objective: Literal["latency", "sram", "flash", "balanced"]
    precision: Literal["int8", "w4a8", "mixed", "w8a16", "float32"]
    reserve_sram_bytes: Count = 0


_BOARD: TypeAdapter[BoardFile] = TypeAdapter(BoardFile)
_PROFILE: TypeAdapter[ProfileFile] = TypeAdapter(ProfileFile)


def read_board_file(path: Path) -> BoardFile:
    """The checked contents of a board file.

    Raises:
        BoardError: unreadable, no TOML, or against the schema: names file, key, value and what was expected.
    """
    return _check(_BOARD, path)


def read_profile_file(path: Path) -> ProfileFile:
    """The checked contents of a profile file; BoardError as `read_board_file`."""
    return _check(_PROFILE, path)


def _check(adapter: TypeAdapter[_T], path: Path) -> _T:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BoardError(f"{path}: cannot be read as TOML: {error}") from error
    try:
        return adapter.validate_python(table)
    except ValidationError as error:
        raise BoardError(f"{path}: " + f"\n{path}: ".join(_sentence(e) for e in error.errors())) from error


def _sentence(error: Any) -> str:
    """One problem: key, value and what was expected."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{key}: unknown key"
    if error["type"] == "missing":
        return f"{key}: missing key"
    value = repr(error["input"])
    shown = value if len(value) <= 60 else value[:57] + "..."
    return f"{key} = {shown}: expected: {error['msg']}"
