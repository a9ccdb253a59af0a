"""The peripherals of an emulated board: serial port, cycle counters, and a memory of what was written to all others.

Register names and offsets: RM0433 (STM32H7) chapter 52, RM0432 (STM32L4+) chapter 49, RM0090 (STM32F4) chapter 30,
Arm DDI 0479 (CMSDK, AN386 and AN500) section 4.3, Arm DDI 0183 (PL011) chapter 3, nRF51 Series Reference Manual (UART,
timer), Arm DDI 0403 (ARMv7-M) sections B3.3 (SysTick) and C1.8 (DWT).
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tinyml.device.emulator.meter import NEVER
from tinyml.errors import ToolError
from tinyml.targets.board import Board, Uart

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
# Polls of an empty receiver before the firmware counts as waiting. More than one, because the ports of STM32 have one
# status register for both directions.
_IDLE_POLLS = 32
# Polls further apart, in cycles, are those of a firmware that works and listens meanwhile.
_IDLE_GAP = 10_000
_BAUD_TOLERANCE = 0.03


@dataclass(frozen=True, slots=True)
class _UartLayout:
    """Offsets and bits of a serial port.

    Attributes:
        ready: bits of the status register while the transmitter is free; it always is.
        received: bit of the status register while a byte waits.
        empty: bit of the status register while none waits.
        transmit_enable, receive_enable: bits of the control register, all of which must be set.
        baud: of the kernel clock in Hz and what was written, by offset.
        bytes: extent of the registers.
    """

    status: int
    receive: int
    transmit: int
    control: int
    ready: int
    received: int
    transmit_enable: int
    receive_enable: int
    baud: Callable[[int, Mapping[int, int]], float]
    empty: int = 0
    bytes: int = 0x34


def _divided(clock: int, divisor: float) -> float:
    return clock / divisor if divisor else 0.0


def _stm32(scale: int) -> _UartLayout:
    return _UartLayout(
        status=0x1C,  # ISR
        receive=0x24,  # RDR
        transmit=0x28,  # TDR
        control=0x00,  # CR1
        ready=1 << 22 | 1 << 21 | 1 << 7 | 1 << 6,  # REACK, TEACK, TXE, TC
        received=1 << 5,  # RXNE
        transmit_enable=1 << 3 | 1 << 0,  # TE, UE
        receive_enable=1 << 2 | 1 << 0,  # RE, UE
        baud=lambda clock, written: _divided(clock * scale, written.get(0x0C, 0)),  # BRR
    )


_UARTS = {
    "stm32_usart_v1": _UartLayout(
        status=0x00,  # SR
        receive=0x04,  # DR
        transmit=0x04,
        control=0x0C,  # CR1
        ready=1 << 7 | 1 << 6,  # TXE, TC
        received=1 << 5,  # RXNE
        transmit_enable=1 << 13 | 1 << 3,  # UE, TE
        receive_enable=1 << 13 | 1 << 2,  # UE, RE
        baud=lambda clock, written: _divided(clock, written.get(0x08, 0)),  # BRR
    ),
    "stm32_usart_v2": _stm32(1),
    "stm32_lpuart": _stm32(256),
    "cmsdk_uart": _UartLayout(
        status=0x04,  # STATE
        receive=0x00,  # DATA
        transmit=0x00,
        control=0x08,  # CTRL
        ready=0,
        received=1 << 1,  # receive buffer full
        transmit_enable=1 << 0,
        receive_enable=1 << 1,
        baud=lambda clock, written: _divided(clock, written.get(0x10, 0)),  # BAUDDIV
    ),
    "pl011": _UartLayout(
        status=0x18,  # FR
        receive=0x00,  # DR
        transmit=0x00,
        control=0x30,  # CR
        ready=1 << 7,  # TXFE
        received=0,
        empty=1 << 4,  # RXFE
        transmit_enable=1 << 8 | 1 << 0,  # TXE, UARTEN
        receive_enable=1 << 9 | 1 << 0,  # RXE, UARTEN
        # IBRD, FBRD
        baud=lambda clock, written: _divided(clock, 16 * (written.get(0x24, 0) + written.get(0x28, 0) / 64)),
    ),
    "nrf_uart": _UartLayout(
        status=0x108,  # EVENTS_RXDRDY
        receive=0x518,  # RXD
        transmit=0x51C,  # TXD
        control=0x500,  # ENABLE
        ready=0,
        received=1,
        transmit_enable=4,
        receive_enable=4,
        baud=lambda clock, written: clock * written.get(0x524, 0) / (1 << 32),  # BAUDRATE
        bytes=0x600,
    ),
}


def _kernel_clock(board: Board, uart: Uart) -> int | None:
    """What the port's baud rate is divided from: a clock of its own, or a share of the core's."""
    divider = uart.options.get("core_clock_divider")
    if divider is not None and board.clock_hz is not None:
        return board.clock_hz // divider
    return uart.options.get("kernel_clock_hz")


class SerialPort:
    """The far end of the board's serial line.

    Attributes:
        inbox: bytes on their way to the firmware.
        outbox: bytes that the firmware sent.
        extent: addresses of the registers.
    """

    def __init__(self, board: Board, uart: Uart, cycles: Callable[[], int], on_idle: Callable[[], None]) -> None:
        layout = _UARTS.get(uart.driver)
        if layout is None:
            raise ToolError(f"the emulator has no model of the serial port {uart.driver!r}; it has {sorted(_UARTS)}")
        self.inbox: deque[int] = deque()
        self.outbox = bytearray()
        self.extent = range(uart.base, uart.base + layout.bytes)
        self._layout = layout
        self._uart = uart
        self._clock_hz = _kernel_clock(board, uart)
        self._on_idle = on_idle
        self._idle_polls = 0
        self._cycles = cycles
        self._polled = 0
        self._written: dict[int, int] = {}

    def read(self, address: int) -> int | None:
        """None: a register that only remembers what was written."""
        layout, offset = self._layout, address - self._uart.base
        if offset == layout.status:
            if self.inbox and self._enabled(layout.receive_enable):
                return layout.ready | layout.received
            now = self._cycles()
            self._idle_polls = self._idle_polls + 1 if now - self._polled <= _IDLE_GAP else 1
            self._polled = now
            if self._idle_polls >= _IDLE_POLLS:
                self._on_idle()
            return layout.ready | layout.empty
        if offset == layout.receive:
            self._idle_polls = 0
            return self.inbox.popleft() if self.inbox else 0
        return None

    def write(self, address: int, value: int) -> None:
        layout, offset = self._layout, address - self._uart.base
        self._written[offset] = value
        if offset == layout.transmit and self._enabled(layout.transmit_enable):
            if not self.outbox:
                self._check_baud()
            self._idle_polls = 0
            self.outbox.append(value & 0xFF)

    def reset(self) -> None:
        """The peripheral as after reset. What it sent before stays sent."""
        self._written.clear()
        self.inbox.clear()
        self._idle_polls = 0

    def stay_awake(self) -> None:
        """Count polls of an empty receiver from zero."""
        self._idle_polls = 0

    def _enabled(self, bits: int) -> bool:
        return self._written.get(self._layout.control, 0) & bits == bits

    def _check_baud(self) -> None:
        clock = self._clock_hz
        if clock is None:
            return
        baud = self._layout.baud(clock, self._written)
        if abs(baud - self._uart.baud) > _BAUD_TOLERANCE * self._uart.baud:
            raise ToolError(
                f"the firmware sends at {baud:.0f} baud (from a clock of {clock} Hz); "
                f"the board file says {self._uart.baud}"
            )


class Registers:
    """All memory-mapped registers of a board.

    Addresses are the core's; accesses are of 1, 2 or 4 bytes. A register that has no model reads as what was last
    written, with the board file's ready bits set.

    Time is the core's cycles and what `skip` added to them.
    """

    def __init__(
        self, board: Board, cycles: Callable[[], int], on_idle: Callable[[], None], on_reset: Callable[[], None]
    ) -> None:
        """`cycles()` is the time of the emulated core; `on_idle()` is called when the firmware waits for input,
        `on_reset()` when it asks for a reset."""
        self.serial = None if board.uart is None else SerialPort(board, board.uart, cycles, on_idle)
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
