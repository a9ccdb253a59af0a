"""Boards: what a TOML file below boards/ says, as frozen dataclasses. Units are in the names of the keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyml.targets.core import Core


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """A run of addresses.

    Attributes:
        name: as datasheets call it (`dtcm`, `axi_sram`, `flash`).
        kind: "flash" or "ram".
        wait_cycles: extra cycles of an access that no cache serves.
        dma: DMA controllers reach it.
        execute: code may run in it.
        source: where address and size were read.
    """

    name: str
    kind: str
    address: int
    bytes: int
    source: str
    wait_cycles: int = 0
    dma: bool = True
    execute: bool = False

    @property
    def end(self) -> int:
        return self.address + self.bytes


@dataclass(frozen=True, slots=True)
class Uart:
    """The serial port that the host talks to. `driver` names a file below firmware/uart/."""

    driver: str
    base: int
    baud: int
    source: str
    options: Mapping[str, int] = field(default_factory=dict)  # what the driver needs besides: pins, clock bits


@dataclass(frozen=True, slots=True)
class Link:
    """Which region holds what."""

    code: str
    arena: str  # also .data and .bss of the model
    stack: str
    data: str  # .data and .bss of the firmware
    stack_bytes: int = 8192


@dataclass(frozen=True, slots=True)
class Board:
    """A board.

    Attributes:
        clock_hz: the clock that milliseconds are computed with (the default that the firmware sets up).
        timer: "dwt" or "systick".
        startup: names a clock set-up file below firmware/clock/, or "none".
        qemu_machine: argument of `qemu-system-arm -M`, or None.
        silicon: what is known of real hardware ("boots on silicon: untested").
    """

    id: str
    title: str
    core: Core
    clock_hz: int
    regions: tuple[MemoryRegion, ...]
    link: Link
    uart: Uart | None
    timer: str
    startup: str
    aliases: tuple[str, ...] = ()
    qemu_machine: str | None = None
    silicon: str = "boots on silicon: untested"
    notes: tuple[str, ...] = ()

    def region(self, name: str) -> MemoryRegion:
        return next(r for r in self.regions if r.name == name)
