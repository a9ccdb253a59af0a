"""A board in Unicorn: the very ELF that is flashed, in the board's memory map, with serial port and cycle counter."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import unicorn
from unicorn import arm_const

from tinyml.device.emulator.elf import Program, load_program
from tinyml.device.emulator.memory import slow_memory
from tinyml.device.emulator.meter import NOWHERE, Meter, attach
from tinyml.device.emulator.ports import SerialPort
from tinyml.device.emulator.registers import PERIPHERALS, SYSTEM, Registers
from tinyml.device.emulator.timing import Cost, block_cost, has_cycle_model
from tinyml.errors import BoardError, ToolError
from tinyml.targets.board import Board, MemoryRegion

OUTSIDE = ""  # the name under which `costs` has what ran outside the watched functions

_PAGE = 4096
_CLOCK_HZ = 1_000_000  # of a board without a clock, as firmware/board_config.h.j2 has it
_TRANSLATION_BYTES = 64 << 20  # room for translated code; Unicorn reserves a gigabyte by itself
# Where an interrupt handler returns to: the last page of external memory, which no board fills.
_INTERRUPT_END = 0x9FFF_F000
_INTERRUPT_FRAME = 0x68  # bytes that an exception takes from the stack, floating point included
_SYSTICK_VECTOR = 15
_IT_STATE = 0x0600_FC00  # of xPSR
_CPACR_FULL_ACCESS = 0xF << 20
_FPEXC_ENABLE = 1 << 30

_INVALID = {
    unicorn.UC_MEM_READ_UNMAPPED: "reads",
    unicorn.UC_MEM_WRITE_UNMAPPED: "writes",
    unicorn.UC_MEM_FETCH_UNMAPPED: "executes",
    unicorn.UC_MEM_READ_PROT: "reads",
    unicorn.UC_MEM_WRITE_PROT: "writes",
    unicorn.UC_MEM_FETCH_PROT: "executes",
}

Visit = Callable[[str], None]


class EmulatedBoard:
    """A board with its firmware, from reset on. Deterministic: the same input gives the same bytes and counts.

    What runs is attributed to the innermost of the watched functions, from its first instruction to its return.

    Attributes:
        program: what the ELF holds.
        budget: instructions that one `read` may run before that is an error.
    """

    def __init__(
        self,
        elf: Path,
        board: Board,
        *,
        watch: Sequence[str] = (),
        on_enter: Visit | None = None,
        on_leave: Visit | None = None,
        fill: int = 0xCD,
        native: bool = True,
    ) -> None:
        """
        Args:
            watch: functions of the ELF whose cost is to be known.
            on_enter, on_leave: called with the name of a watched function before its first instruction and after its
                return. They may read and write the board's memory.
            fill: the byte that all RAM is full of at power-up.
            native: meter natively if possible. False: in Python, some 25 times slower.

        Raises:
            ToolError: the ELF cannot be read, lacks a watched function or does not fit into the board's memory;
                Unicorn has no such core.
            BoardError: the board's memory map cannot be emulated.
        """
        if board.core.unicorn_model is None:
            raise ToolError(
                f"the emulator cannot run {board.core.name} ({board.title})",
                "emit C instead, or choose a board with a Cortex-M0, M3, M4, M7 or M33",
            )
        self.board = board
        self.program: Program = load_program(elf)
        self.budget = 4_000_000_000
        self._on_enter = on_enter
        self._on_leave = on_leave
        self._frames: list[tuple[str, int]] = []  # watched functions that have not returned, and where they return to
        self._costs: defaultdict[str, Cost] = defaultdict(Cost)
        self._settled = Cost()  # of the meter's total, what `_costs` has
        self._failure: BaseException | None = None
        self._invalid: str | None = None
        self._reset_due = False
        self._interrupted: tuple[Any, int] | None = None  # registers and pc of what SysTick's handler interrupts
        self._entries = {self.program.symbol(name).address: name for name in watch}

        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        # Unicorn parts blocks at borders of pages, every 1 KiB by default, and the models start each with an empty pipeline.
        self._uc.ctl_set_page_size(_PAGE)
        self._uc.ctl_set_tcg_buffer_size(_TRANSLATION_BYTES)
        self._uc.ctl_set_cpu_model(getattr(arm_const, board.core.unicorn_model))
        self._registers = Registers(board, self, lambda: self._meter.total.cycles, self._stop, self._on_reset)
        self._map_memory(fill)
        self._load()
        if board.core.has_fpu:
            self._uc.reg_write(arm_const.UC_ARM_REG_C1_C0_2, _CPACR_FULL_ACCESS)
            self._uc.reg_write(arm_const.UC_ARM_REG_FPEXC, _FPEXC_ENABLE)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid)
        self._meter: Meter = attach(
            self._uc, self.program.code_bytes, self._price, self._entries, self._on_watched, native
        )
        self._reset()

    # -- the serial line -------------------------------------------------------------------------------------------

    def read(self, timeout: float = 0.0) -> bytes:
        """Run until the firmware waits for input; what it sent. A Transport's `read`, which needs no time limit here.

        Raises:
            ToolError: the firmware accesses memory that the board has not, stops, or runs longer than `budget`.
        """
        serial = self._serial
        if not serial.outbox:
            serial.stay_awake()
            self._run(self.budget)
            if not self._stopped:
                ran = f"ran {self.budget} instructions and still does not answer"
                raise ToolError(f"the firmware {ran}; it is at {self._here()}")
        sent = bytes(serial.outbox)
        serial.outbox.clear()
        return sent

    def advance(self, instructions: int) -> tuple[bytes, bool]:
        """Run so many instructions, or until the firmware waits for input if that is earlier.

        Returns:
            What it sent, and whether it waits.

        Raises:
            ToolError: as `read`, but there is no budget.
        """
        serial = self._serial
        serial.stay_awake()
        self._run(instructions)
        sent = bytes(serial.outbox)
        serial.outbox.clear()
        return sent, self._stopped

    def wait(self, seconds: float) -> None:
        """Let time go by while the firmware waits for input: its clocks go on, nothing is executed."""
        self._registers.skip(round(seconds * (self.board.clock_hz or _CLOCK_HZ)))
        self._meter.alarm = self._registers.next_tick

    def write(self, data: bytes) -> None:
        self._serial.inbox.extend(data)

    def close(self) -> None:
        """Nothing is held that garbage collection would not free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # -- memory and counts -----------------------------------------------------------------------------------------

    def read_memory(self, address: int, size: int) -> bytes:
        """Raises ToolError outside the board's memory."""
        try:
            return bytes(self._uc.mem_read(address, size))
        except unicorn.UcError:
            raise ToolError(f"{self.board.title} has no memory at {address:#010x} to {address + size:#010x}") from None

    def write_memory(self, address: int, data: bytes) -> None:
        """Raises ToolError outside the board's memory."""
        try:
            self._uc.mem_write(address, data)
        except unicorn.UcError:
            end = address + len(data)
            raise ToolError(f"{self.board.title} has no memory at {address:#010x} to {end:#010x}") from None

    @property
    def stack_pointer(self) -> int:
        return int(self._uc.reg_read(arm_const.UC_ARM_REG_SP))

    def costs(self) -> Mapping[str, Cost]:
        """What ran since reset or `clear_costs`, by watched function; the rest as OUTSIDE."""
        self._settle()
        return dict(self._costs)

    def watch_memory(self) -> bool:
        """From now on cycles include those in which the core waits for memory, as far as the board file prices it. Caches
        are empty at first. Everything runs some ten times slower; call it once.

        Returns:
            Whether there is anything to wait for.
        """
        memory = slow_memory(self.board) if has_cycle_model(self.board.core) else None
        if memory is None:
            return False
        self._meter.watch_memory(self._uc, memory)
        self._uc.ctl_flush_tb()  # code that was translated before does not call back
        return True

    def clear_costs(self) -> None:
        """Start `costs` from nothing. The board's own cycle counter goes on."""
        self._settle()
        self._costs.clear()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _map_memory(self, fill: int) -> None:
        for region in self.board.regions:
            rights = unicorn.UC_PROT_READ | (unicorn.UC_PROT_WRITE if region.kind != "flash" else 0)
            rights |= unicorn.UC_PROT_EXEC if region.execute or region.kind == "flash" else 0
            # Unicorn maps whole pages: where a region ends inside one, an access just behind it goes unnoticed.
            size = -(-region.bytes // _PAGE) * _PAGE
            try:
                self._uc.mem_map(region.address, size, rights)
            except unicorn.UcError as error:
                raise BoardError(
                    f"{self.board.id}: region {region.name} at {region.address:#010x} of {region.bytes} bytes "
                    f"cannot be emulated: {error}"
                ) from None
            self._uc.mem_write(region.address, bytes([fill if region.kind != "flash" else 0xFF]) * region.bytes)
        self._uc.mem_map(_INTERRUPT_END, _PAGE, unicorn.UC_PROT_EXEC)
        for base, size in (PERIPHERALS, SYSTEM):
            self._uc.mmio_map(base, size, self._on_register_read, base, self._on_register_write, base)

    def _load(self) -> None:
        for address, data in self.program.segments:
            if not any(r.address <= address and address + len(data) <= r.end for r in self.board.regions):
                raise ToolError(
                    f"{self.program.path}: {len(data)} bytes at {address:#010x} are in no memory region of "
                    f"{self.board.title} ({_describe(self.board.regions)})"
                )
            self._uc.mem_write(address, data)

    def _reset(self) -> None:
        start = self._vector(1)
        if not start & 1:
            raise ToolError(
                f"{self.program.path}: the reset vector is {start:#010x}; "
                f"it must be the address of Thumb code, which is odd"
            )
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, self._vector(0))
        self._uc.reg_write(arm_const.UC_ARM_REG_LR, 0xFFFF_FFFF)
        self._pc = start & ~1

    def _restart(self) -> None:
        """The firmware asked for a reset. RAM keeps what is in it."""
        self._reset_due = False
        self._interrupted = None
        self._settle()
        self._frames.clear()
        self._meter.return_to = NOWHERE
        self._registers.reset()
        self._meter.alarm = self._registers.next_tick
        self._meter.resume()
        self._reset()

    def _vector(self, index: int) -> int:
        table = self.program.symbols.get("vectors")
        vectors = self.board.region(self.board.link.code).address if table is None else table.address
        return int.from_bytes(self.read_memory(vectors + 4 * index, 4), "little")

    @property
    def _serial(self) -> SerialPort:
        if self._registers.serial is None:
            raise ToolError(f"{self.board.title} has no serial port")
        return self._registers.serial

    def _run(self, fuel: int) -> None:
        """Until the firmware waits for input (then `_stopped` is true) or so many instructions were executed."""
        self._meter.resume()
        self._stopped = False
        self._meter.fuel = fuel
        self._step()
        while not self._stopped and self._meter.fuel > 0:
            if self._reset_due:
                self._restart()
            elif self._pc == _INTERRUPT_END:
                self._leave_interrupt()
            elif self._meter.total.cycles >= self._meter.alarm:
                self._enter_interrupt()
            else:
                raise ToolError(f"the firmware halted at {self._here()}")
            self._step()
        self._settle()

    def _step(self) -> None:
        """Until the meter stops the core, a handler returns, or the core halts."""
        error: unicorn.UcError | None = None
        try:
            self._uc.emu_start(self._pc | 1, _INTERRUPT_END)
        except unicorn.UcError as caught:
            error = caught
        self._pc = self._uc.reg_read(arm_const.UC_ARM_REG_PC) & ~1
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if error is not None:
            what = f"stops ({error})" if self._invalid is None else self._invalid
            raise ToolError(f"the firmware {what} at {self._here()}")

    def _enter_interrupt(self) -> None:
        """Calls SysTick's handler, as the core does between two instructions; here it is between two blocks."""
        if self._interrupted is not None or self._uc.reg_read(arm_const.UC_ARM_REG_XPSR) & _IT_STATE:
            self._meter.alarm = self._meter.total.cycles + 1  # not now: after the next block
            return
        self._registers.take_tick()
        self._meter.alarm = self._registers.next_tick
        self._interrupted = (self._uc.context_save(), self._pc)
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, (self.stack_pointer - _INTERRUPT_FRAME) & ~7)
        self._uc.reg_write(arm_const.UC_ARM_REG_LR, _INTERRUPT_END | 1)
        self._pc = self._vector(_SYSTICK_VECTOR) & ~1

    def _leave_interrupt(self) -> None:
        if self._interrupted is None:
            raise ToolError(f"the firmware returns from an interrupt that never was, to {_INTERRUPT_END:#010x}")
        context, self._pc = self._interrupted
        self._interrupted = None
        self._uc.context_restore(context)

    def _here(self) -> str:
        return f"pc {self._pc:#010x} ({self.program.where(self._pc)})"

    def _on_reset(self) -> None:
        self._reset_due = True
        self._meter.stop()

    def _stop(self) -> None:
        self._stopped = True
        self._meter.stop()

    def _settle(self) -> None:
        """Attribute what ran since the last call to the function that control is in."""
        name = self._frames[-1][0] if self._frames else OUTSIDE
        total = self._meter.total
        self._costs[name] += total - self._settled
        self._settled = total

    def _price(self, address: int, size: int) -> Cost:
        try:
            return block_cost(self.board.core.name, self.read_memory(address, size))
        except BaseException as error:  # must not cross the native hook; `_run` raises it
            self._fail(error)
            return Cost()

    def _on_watched(self, address: int) -> None:
        """Control reached a watched function or the place where one returns to."""
        try:
            self._settle()
            while self._frames and self._frames[-1][1] == address:
                name, _ = self._frames.pop()
                if self._on_leave is not None:
                    self._on_leave(name)
            entered = self._entries.get(address)
            if entered is not None:
                self._frames.append((entered, self._uc.reg_read(arm_const.UC_ARM_REG_LR) & ~1))
                if self._on_enter is not None:
                    self._on_enter(entered)
            self._meter.return_to = self._frames[-1][1] if self._frames else NOWHERE
        except BaseException as error:  # as above
            self._fail(error)

    def _on_register_read(self, uc: Any, offset: int, size: int, base: int) -> int:
        try:
            return self._registers.read(base + offset, size)
        except BaseException as error:  # as above
            self._fail(error)
            return 0

    def _on_register_write(self, uc: Any, offset: int, size: int, value: int, base: int) -> None:
        try:
            self._registers.write(base + offset, size, value)
            self._meter.alarm = self._registers.next_tick
        except BaseException as error:  # as above
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._meter.stop()

    def _on_invalid(self, uc: Any, access: int, address: int, size: int, value: int, _: object) -> bool:
        region = next((r.name for r in self.board.regions if r.address <= address < r.end), None)
        where = "which no memory region has" if region is None else f"which {region} does not allow"
        bytes_ = f"{size} byte{'s' if size > 1 else ''} at " if access != unicorn.UC_MEM_FETCH_UNMAPPED else ""
        self._invalid = f"{_INVALID[access]} {bytes_}{address:#010x}, {where},"
        return False


def _describe(regions: Sequence[MemoryRegion]) -> str:
    return ", ".join(f"{r.name} {r.address:#010x} to {r.end:#010x}" for r in regions)
