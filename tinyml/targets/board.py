"""Boards: what a TOML file below boards/ says, as frozen dataclasses. Units are in the names of the keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyml.targets.core import Core

UNTESTED = "boots on silicon: untested"


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """A run of addresses.

    Attributes:
        name: as datasheets call it (`dtcm`, `axi_sram`, `flash`).
        kind: "flash", "ram", or "spare": RAM that a limit keeps from the build. The network gets none of it; what stands for
            a camera does.
        wait_cycles: extra core cycles of an access that no cache serves.
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

    @property
    def takes_arena(self) -> bool:
        """RAM, and not at address 0, which C takes for no address at all."""
        return self.kind == "ram" and self.address != 0


@dataclass(frozen=True, slots=True)
class Cache:
    """What stands between the core and the flash that code and weights are in: caches of the core or a flash accelerator.

    Attributes:
        line_bytes: what one access to the flash brings; a power of two.
        line_cycles: extra cycles of the core until such a line is there.
        code_bytes, data_bytes: what is kept at hand; 0: the line used last.
        prefetch: lines of code that follow one another are fetched in advance.
        also: regions of RAM that take room in the cache for data, too.
        external: the flash is another chip, whose price depends on its make: cycles are stated, milliseconds are not.
    """

    line_bytes: int
    line_cycles: int
    code_bytes: int
    data_bytes: int
    source: str
    prefetch: bool = False
    also: tuple[str, ...] = ()
    external: bool = False


@dataclass(frozen=True, slots=True)
class Uart:
    """The serial port that the host talks to.

    Attributes:
        driver: names a file below firmware/uart/ and the emulator's model of the peripheral.
        base: address of its first register.
        options: what the driver needs besides (pins, clock bits); each becomes a macro TINYML_UART_<NAME>.
    """

    driver: str
    base: int
    baud: int
    source: str
    options: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadyBits:
    """Bits of a register that hardware sets once something is ready and that the firmware waits for.

    An emulator without a model of the peripheral reads the register as what was last written to it, with these bits
    set: then the firmware takes the same path as on silicon.
    """

    address: int
    bits: int
    source: str


@dataclass(frozen=True, slots=True)
class FlashTools:
    """What the tools that write firmware need to know of a board. None, empty or False: the tool is not for it.

    Attributes:
        openocd: configuration files, of those that OpenOCD brings.
        pyocd: name of the target.
        stm32_programmer: STM32_Programmer_CLI reaches it by SWD.
        uf2_family: family id of its UF2 bootloader.
        uf2_volume: label of the volume that the bootloader shows.
        picotool: it has a bootloader that picotool speaks to.
        bossac_offset: where bossac's bootloader keeps the program, in bytes from the start of flash.
        usb: "vid:pid" of probes and bootloaders by which the board, and its serial port, are found.
    """

    openocd: tuple[str, ...] = ()
    pyocd: str | None = None
    stm32_programmer: bool = False
    uf2_family: int | None = None
    uf2_volume: str | None = None
    picotool: bool = False
    bossac_offset: int | None = None
    usb: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Names of the regions that hold the parts of a program."""

    code: str  # vector table, code, constants and weights
    arena: str
    stack: str
    data: str  # .data and .bss
    stack_bytes: int = 8192


@dataclass(frozen=True, slots=True)
class Board:
    """A board.

    Attributes:
        clock_hz: the core clock that the firmware sets up and milliseconds are computed with. None where there is no
            such clock (the host, generic targets): then no milliseconds are stated.
        safe_clock_hz: the clock of an internal oscillator, without PLL and wait states: what the firmware falls back to
            where the full clock does not start. None where there is but one clock.
        full_speed: the firmware sets up the full clock. False: it stays at the safe one, and clock_hz is that.
        uart: None for the host, which takes a library instead of firmware.
        timer: names a file below firmware/timer/: "dwt" or "systick".
        startup: names a clock set-up file below firmware/clock/; "none" keeps the clock of reset.
        boot: names a file below firmware/boot/: what the chip's own boot loader wants to find. None: nothing.
        clock_options: what that file needs besides (crystals); each becomes a macro TINYML_CLOCK_<NAME>.
        cache: what fetching from flash costs; None where that is not modelled.
        qemu_machine: argument of `qemu-system-arm -M`, or None.
        qemu_clock_hz: the clock that the firmware reaches there, where the machine has no clock control; its timers count
            something else then.
        qemu_serial: which of the machine's serial ports, in QEMU's order, is the one of `uart`.
        emulators: where the firmware is known to boot and to answer with the host's bytes: "qemu", "unicorn", "rp2040js".
            The tests run what is named here.
        silicon: what is known of real hardware ("boots on silicon: untested").
    """

    id: str
    title: str
    core: Core
    clock_hz: int | None
    regions: tuple[MemoryRegion, ...]
    link: Link
    uart: Uart | None
    timer: str
    startup: str
    aliases: tuple[str, ...] = ()
    safe_clock_hz: int | None = None
    full_speed: bool = True
    boot: str | None = None
    clock_options: Mapping[str, int] = field(default_factory=dict)
    qemu_machine: str | None = None
    qemu_clock_hz: int | None = None
    qemu_serial: int = 0
    emulators: tuple[str, ...] = ()
    ready_bits: tuple[ReadyBits, ...] = ()
    cache: Cache | None = None
    flash_tools: FlashTools = FlashTools()
    silicon: str = UNTESTED
    notes: tuple[str, ...] = ()

    def region(self, name: str) -> MemoryRegion:
        return next(r for r in self.regions if r.name == name)

    @property
    def has_firmware(self) -> bool:
        """A program can be linked for it. False for the host."""
        return self.uart is not None

    @property
    def short_name(self) -> str:
        """What people call it: the first alias, or the id."""
        return self.aliases[0] if self.aliases else self.id

    @property
    def flash_bytes(self) -> int:
        """Room for code, constants and weights."""
        return self.region(self.link.code).bytes

    @property
    def sram_bytes(self) -> int:
        """All RAM, of which an arena can have `arena_bytes` at most."""
        return sum(r.bytes for r in self.regions if r.kind == "ram")

    @property
    def arena_bytes(self) -> int:
        """Room in the region of the arena, without the stack where both share it. (The firmware's few hundred bytes of
        .data and .bss count only once linked: the linker has the last word.)"""
        room = self.region(self.link.arena).bytes
        return room - self.link.stack_bytes if self.link.stack == self.link.arena else room
