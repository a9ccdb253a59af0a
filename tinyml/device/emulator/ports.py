"""Models of the serial ports that firmware/uart/ has drivers for.

Register names and offsets: RM0433 (STM32H7) chapter 52, RM0432 (STM32L4+) chapter 49, RM0090 (STM32F4) chapter 30,
Arm DDI 0479 (CMSDK, AN386 and AN500) section 4.3, Arm DDI 0183 (PL011) chapter 3, nRF51 Series Reference Manual (UART),
nRF52840 Product Specification (UARTE).
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tinyml.errors import ToolError
from tinyml.targets.board import Board, Uart

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


_PL011 = _UartLayout(
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
)

_LAYOUTS = {
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
    "pl011": _PL011,
    "rp2_uart": _PL011,
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


class Memory(Protocol):
    """The board's memory, as a DMA controller sees it."""

    def read_memory(self, address: int, size: int) -> bytes: ...

    def write_memory(self, address: int, data: bytes) -> None: ...


class SerialPort:
    """The far end of the board's serial line.

    Attributes:
        inbox: bytes on their way to the firmware.
        outbox: bytes that the firmware sent.
        extent: addresses of the registers.
    """

    def __init__(
        self, board: Board, uart: Uart, size: int, cycles: Callable[[], int], on_idle: Callable[[], None]
    ) -> None:
        self.inbox: deque[int] = deque()
        self.outbox = bytearray()
        self.extent = range(uart.base, uart.base + size)
        self._uart = uart
        self._clock_hz = _kernel_clock(board, uart)
        self._on_idle = on_idle
        self._idle_polls = 0
        self._cycles = cycles
        self._polled = 0
        self._written: dict[int, int] = {}

    def read(self, address: int) -> int | None:
        """None: a register that only remembers what was written."""
        raise NotImplementedError

    def write(self, address: int, value: int) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        """The peripheral as after reset. What it sent before stays sent."""
        self._written.clear()
        self.inbox.clear()
        self._idle_polls = 0

    def stay_awake(self) -> None:
        """Count polls of an empty receiver from zero."""
        self._idle_polls = 0

    def _baud(self, clock_hz: int) -> float:
        """What was set up."""
        raise NotImplementedError

    def _polled_in_vain(self) -> None:
        now = self._cycles()
        self._idle_polls = self._idle_polls + 1 if now - self._polled <= _IDLE_GAP else 1
        self._polled = now
        if self._idle_polls >= _IDLE_POLLS:
            self._on_idle()

    def _send(self, data: bytes) -> None:
        if not self.outbox:
            self._check_baud()
        self._idle_polls = 0
        self.outbox += data

    def _check_baud(self) -> None:
        if self._clock_hz is None:
            return
        baud = self._baud(self._clock_hz)
        if abs(baud - self._uart.baud) > _BAUD_TOLERANCE * self._uart.baud:
            raise ToolError(
                f"the firmware sends at {baud:.0f} baud (from a clock of {self._clock_hz} Hz); "
                f"the board file says {self._uart.baud}"
            )


class RegisterPort(SerialPort):
    """A port of data and status registers."""

    def __init__(
        self, board: Board, uart: Uart, layout: _UartLayout, cycles: Callable[[], int], on_idle: Callable[[], None]
    ) -> None:
        super().__init__(board, uart, layout.bytes, cycles, on_idle)
        self._layout = layout

    def read(self, address: int) -> int | None:
        layout, offset = self._layout, address - self._uart.base
        if offset == layout.status:
            if self.inbox and self._enabled(layout.receive_enable):
                return layout.ready | layout.received
            self._polled_in_vain()
            return layout.ready | layout.empty
        if offset == layout.receive:
            self._idle_polls = 0
            return self.inbox.popleft() if self.inbox else 0
        return None

    def write(self, address: int, value: int) -> None:
        layout, offset = self._layout, address - self._uart.base
        self._written[offset] = value
        if offset == layout.transmit and self._enabled(layout.transmit_enable):
            self._send(bytes([value & 0xFF]))

    def _enabled(self, bits: int) -> bool:
        return self._written.get(self._layout.control, 0) & bits == bits

    def _baud(self, clock_hz: int) -> float:
        return self._layout.baud(clock_hz, self._written)


class Uarte(SerialPort):
    """The UARTE of the nRF52: bytes go through memory, in buffers whose address and size are registers."""

    _START_RX, _START_TX, _END_RX, _END_TX = 0x000, 0x008, 0x110, 0x120
    _RX_STARTED = 0x14C
    _SHORTS, _END_RX_STARTS_RX = 0x200, 1 << 5
    _ENABLE, _ENABLED, _BAUDRATE = 0x500, 8, 0x524
    _RX_POINTER, _TX_POINTER = 0x534, 0x544  # the size stands behind, and then the number of bytes that came or went
    _EXTENT = 0x600

    def __init__(
        self, board: Board, uart: Uart, memory: Memory, cycles: Callable[[], int], on_idle: Callable[[], None]
    ) -> None:
        super().__init__(board, uart, self._EXTENT, cycles, on_idle)
        self._board = board
        self._memory = memory
        self._filling: tuple[int, int] | None = None  # address and size of the buffer that is being filled

    def read(self, address: int) -> int | None:
        offset = address - self._uart.base
        if offset == self._END_RX:
            if not self._written.get(offset) and not self._receive():
                self._polled_in_vain()
            return self._written.get(offset, 0)
        if offset in (self._END_TX, self._RX_STARTED, self._RX_POINTER + 8):
            return self._written.get(offset, 0)
        return None

    def write(self, address: int, value: int) -> None:
        offset = address - self._uart.base
        self._written[offset] = value
        if self._written.get(self._ENABLE) != self._ENABLED or not value:
            return
        if offset == self._START_RX:
            self._filling = self._buffer(self._RX_POINTER)
            self._written[self._RX_STARTED] = 1
        elif offset == self._START_TX:
            self._send(self._memory.read_memory(*self._buffer(self._TX_POINTER)))
            self._written[self._END_TX] = 1

    def reset(self) -> None:
        super().reset()
        self._filling = None

    def _receive(self) -> bool:
        """Fills the buffer, if enough bytes came."""
        if self._filling is None or len(self.inbox) < self._filling[1]:
            return False
        address, size = self._filling
        self._memory.write_memory(address, bytes(self.inbox.popleft() for _ in range(size)))
        self._idle_polls = 0
        self._written[self._RX_POINTER + 8] = size
        self._written[self._END_RX] = 1
        again = self._written.get(self._SHORTS, 0) & self._END_RX_STARTS_RX
        self._filling = self._buffer(self._RX_POINTER) if again else None
        return True

    def _buffer(self, register: int) -> tuple[int, int]:
        address, size = self._written.get(register, 0), self._written.get(register + 4, 0)
        reached = (r for r in self._board.regions if r.kind == "ram" and r.dma)
        if not size or not any(r.address <= address and address + size <= r.end for r in reached):
            raise ToolError(f"the serial port's DMA is given {size} bytes at {address:#010x}, which it does not reach")
        return address, size

    def _baud(self, clock_hz: int) -> float:
        # The register is in 2^-32 of the clock; hardware divides by a whole number (the "actual rates" of the manual).
        rate = self._written.get(self._BAUDRATE, 0)
        return clock_hz / ((1 << 32) // rate) if rate else 0.0


def serial_port(
    board: Board, memory: Memory, cycles: Callable[[], int], on_idle: Callable[[], None]
) -> SerialPort | None:
    """The model of the board's port; None where it has none.

    Raises:
        ToolError: there is no model of it.
    """
    uart = board.uart
    if uart is None:
        return None
    if uart.driver == "nrf_uarte":
        return Uarte(board, uart, memory, cycles, on_idle)
    if uart.driver not in _LAYOUTS:
        known = sorted([*_LAYOUTS, "nrf_uarte"])
        raise ToolError(f"the emulator has no model of the serial port {uart.driver!r}; it has {known}")
    return RegisterPort(board, uart, _LAYOUTS[uart.driver], cycles, on_idle)
