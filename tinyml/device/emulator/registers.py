"""The peripherals of an emulated board: serial port, cycle counters, and a memory of what was written to all others.

Register names and offsets: nRF51 Series Reference Manual (timer), Arm DDI 0403 (ARMv7-M) sections B3.3 (SysTick) and C1.8
(DWT).
"""

from collections.abc import Callable

from tinyml.device.emulator.meter import NEVER
from tinyml.device.emulator.ports import Memory, serial_port
from tinyml.errors import ToolError
from tinyml.targets.board import Board

PERIPHERALS = (0x4000_0000, 0x2000_0000)  # address, bytes: the device region of ARMv7-M
SYSTEM = (0xE000_0000, 0x10_0000)  # the private peripheral bus

_SYST_CSR, _SYST_RVR, _SYST_CVR = 0xE000_E010, 0xE000_E014, 0xE000_E018
_SYST_MASK = 0xFF_FFFF
_SYST_ENABLE, _SYST_TICKINT = 1 << 0, 1 << 1
_ICSR, _ICSR_PENDSTSET = 0xE000_ED04, 1 << 26
_AIRCR, _AIRCR_RESET = 0xE000_ED0C, 0x05FA_0004  # the key, SYSRESETREQ
_DWT_CTRL, _DWT_CYCCNT = 0xE000_1000, 0xE000_1004
_DEMCR, _DEMCR_TRCENA = 0xE000_EDFC, 1 << 24
_NRF_CLEAR, _NRF_CAPTURE0, _NRF_CC0 = 0x4000_800C, 0x4000_8040, 0x4000_8540  # of TIMER0

# A poll that nothing ends is a register that hardware would change and this file does not know.
_ENDLESS_POLL = 100_000


class Registers:
    """All memory-mapped registers of a board.

    Addresses are the core's; accesses are of 1, 2 or 4 bytes. A register that has no model reads as what was last
    written, with the board file's ready bits set.

    Time is the core's cycles and what `skip` added to them.
    """

    def __init__(
        self,
        board: Board,
        memory: Memory,
        cycles: Callable[[], int],
        on_idle: Callable[[], None],
        on_reset: Callable[[], None],
    ) -> None:
        """`memory` is what DMA reaches; `cycles()` is the time of the emulated core; `on_idle()` is called when the
        firmware waits for input, `on_reset()` when it asks for a reset."""
        self.serial = serial_port(board, memory, cycles, on_idle)
        self._executed = cycles
        self._skipped = 0
        self._on_reset = on_reset
        self._written: dict[int, int] = {}
        self._ready = {ready.address: ready.bits for ready in board.ready_bits}
        self._cyccnt_start = 0
        self._nrf_timer = board.timer == "nrf_timer"
        self._nrf_start = 0
        self._systick_start = 0
        self._tick = NEVER  # when SysTick's interrupt is due
        self._polled = 0
        self._polls = 0

    def read(self, address: int, size: int) -> int:
        word = self._read_word(address & ~3)
        return word >> 8 * (address & 3) & (1 << 8 * size) - 1

    def write(self, address: int, size: int, value: int) -> None:
        self._polls = 0
        word, shift = address & ~3, 8 * (address & 3)
        mask = ((1 << 8 * size) - 1) << shift
        merged = self._written.get(word, 0) & ~mask | value << shift & mask
        self._written[word] = merged
        if self.serial is not None and word in self.serial.extent:
            self.serial.write(word, merged)
        elif word == _AIRCR and merged == _AIRCR_RESET:
            self._on_reset()
        elif word == _DWT_CYCCNT:
            self._cyccnt_start = self._cycles() - merged
        elif word == _NRF_CLEAR and self._nrf_timer:
            self._nrf_start = self._cycles()
        elif word == _NRF_CAPTURE0 and self._nrf_timer:
            self._written[_NRF_CC0] = self._cycles() - self._nrf_start & 0xFFFF_FFFF
        elif word in (_SYST_CSR, _SYST_RVR, _SYST_CVR):
            self._systick_start = self._cycles()
            ticks = _SYST_ENABLE | _SYST_TICKINT
            enabled = self._written.get(_SYST_CSR, 0) & ticks == ticks
            self._tick = self._systick_start + self._period if enabled else NEVER

    @property
    def next_tick(self) -> int:
        """When SysTick's interrupt is due, in cycles of the core."""
        return NEVER if self._tick == NEVER else max(self._tick - self._skipped, 0)

    def reset(self) -> None:
        """All registers as after reset."""
        self._written.clear()
        self._tick = NEVER
        if self.serial is not None:
            self.serial.reset()

    def take_tick(self) -> None:
        """The core takes SysTick's interrupt."""
        self._tick += self._period

    def skip(self, cycles: int) -> None:
        """Let time go by without the core. Counters of the firmware see it all if it is less than one wrap of theirs."""
        self._skipped += cycles

    def _cycles(self) -> int:
        return self._executed() + self._skipped

    def _read_word(self, address: int) -> int:
        self._polls = self._polls + 1 if address == self._polled else 0
        self._polled = address
        if self.serial is not None and address in self.serial.extent:
            value = self.serial.read(address)
            if value is not None:
                return value
        elif address == _DWT_CYCCNT and self._counting:
            return self._cycles() - self._cyccnt_start & 0xFFFF_FFFF
        elif address in (_SYST_CVR, _SYST_CSR):
            return self._systick(address)
        elif address == _ICSR:
            return _ICSR_PENDSTSET if self._cycles() >= self._tick else 0
        if self._polls > _ENDLESS_POLL:
            raise ToolError(
                f"the firmware polls the register at {address:#010x}, which the emulator has no model of",
                "name the bits that it waits for as ready_bits in the board file",
            )
        return self._written.get(address, 0) | self._ready.get(address, 0)

    @property
    def _period(self) -> int:
        return (self._written.get(_SYST_RVR, 0) & _SYST_MASK) + 1

    @property
    def _counting(self) -> bool:
        return bool(self._written.get(_DEMCR, 0) & _DEMCR_TRCENA and self._written.get(_DWT_CTRL, 0) & 1)

    def _systick(self, address: int) -> int:
        control = self._written.get(_SYST_CSR, 0)
        if not control & _SYST_ENABLE:
            return control if address == _SYST_CSR else 0
        period = self._period
        elapsed = self._cycles() - self._systick_start
        if address == _SYST_CVR:
            return (period - elapsed % period) % period
        wrapped = elapsed >= period
        if wrapped:  # reading clears COUNTFLAG
            self._systick_start += elapsed - elapsed % period
        return control | wrapped << 16
