"""Adds up what executed blocks cost: a native hook, and a slower one in Python that gives the same numbers.

Both stop the core only between blocks, and tell a listener when control reaches a watched address before the block
there is counted; so what ran can be attributed exactly, and no block is counted twice.
"""

import ctypes
from collections.abc import Callable, Collection
from typing import Any, Protocol

import unicorn
from unicorn import arm_const
from unicorn.unicorn_py3.unicorn import uclib

from tinyml.device.emulator import native
from tinyml.device.emulator.memory import MOST_REGIONS, SlowMemory
from tinyml.device.emulator.timing import Cost
from tinyml.errors import ToolError

Price = Callable[[int, int], Cost]  # of one execution of a block, by its address and bytes
Listener = Callable[[int], None]

NOWHERE = 1  # no Thumb instruction has an odd address
NEVER = 1 << 63
_IT_STATE = 0x0600_FC00  # bits of the status register


def _tests(uc: unicorn.Uc, address: int, size: int) -> bool:
    """Whether a block has an IT instruction, or a half of a longer one that looks like it."""
    halves = memoryview(bytes(uc.mem_read(address, size & ~1))).cast("H")
    return any(half & 0xFF00 == 0xBF00 and half & 0xF for half in halves)


class Meter(Protocol):
    """Attributes:
    return_to: the listener is told of this address, too.
    fuel: instructions that may still be executed before the core stops.
    alarm: the core stops, too, once this many cycles have passed.
    """

    return_to: int
    alarm: int
    fuel: int

    @property
    def total(self) -> Cost:
        """All that ran."""

    def stop(self) -> None:
        """Stop the core before the next block."""

    def resume(self) -> None:
        """Take back `stop`."""

    def watch_memory(self, uc: unicorn.Uc, memory: SlowMemory) -> None:
        """From now on count what accesses to slow memory cost; nothing is at hand at first. Once, before anything is
        translated that is to be watched."""


class PythonMeter:
    """The fallback where no C compiler works."""

    def __init__(self, uc: unicorn.Uc, price: Price, watched: Collection[int], listener: Listener) -> None:
        self.return_to = NOWHERE
        self.alarm = NEVER
        self.fuel = 0
        self._stop = False
        self._price = price
        self._watched = frozenset(watched)
        self._listener = listener
        self._known: dict[tuple[int, int], tuple[Cost, bool]] = {}  # what a block costs, whether it tests conditions
        self._instructions = 0
        self._cycles = 0
        self._waits = 0
        self._memory: SlowMemory | None = None
        self._tests = self._tests_before = False  # of this block and of the one before, of the one before alone
        uc.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block)

    def watch_memory(self, uc: unicorn.Uc, memory: SlowMemory) -> None:
        self._memory = memory
        self._code, self._data = (_Lines(*memory.geometry(size)) for size in (memory.code_bytes, memory.data_bytes))
        self._last_line = 0
        uc.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, self._on_access)

    @property
    def total(self) -> Cost:
        return Cost(self._instructions, self._cycles, self._waits)

    def stop(self) -> None:
        self._stop = True

    def resume(self) -> None:
        self._stop = False

    def _on_block(self, uc: unicorn.Uc, address: int, size: int, _: object) -> None:
        if self._stop or self.fuel <= 0 or self._cycles >= self.alarm:
            uc.emu_stop()
            return
        if (address, size) not in self._known:
            self._known[address, size] = self._price(address, size), _tests(uc, address, size)
        cost, tests = self._known[address, size]
        if address in self._watched or address == self.return_to:
            self._listener(address)
        self.fuel -= cost.instructions
        self._instructions += cost.instructions
        self._cycles += cost.cycles
        self._tests, self._tests_before = tests or self._tests_before, tests
        if self._memory is not None:
            self._fetch_code(self._memory, address, size)

    def _fetch_code(self, memory: SlowMemory, address: int, size: int) -> None:
        cycles = memory.cycles_of(address)
        if cycles is None:
            return
        for line in range(address // memory.line_bytes, (address + size - 1) // memory.line_bytes + 1):
            if self._code.misses(line) and not (memory.prefetch and line == self._last_line + 1):
                self._wait(cycles)
            self._last_line = line

    def _on_access(self, uc: unicorn.Uc, access: int, address: int, size: int, value: int, _: object) -> None:
        assert self._memory is not None
        if self._tests:  # see end_condition of meter.c
            uc.reg_write(arm_const.UC_ARM_REG_CPSR, uc.reg_read(arm_const.UC_ARM_REG_CPSR) & ~_IT_STATE)
        cycles = self._memory.cycles_of(address)
        if cycles is not None and self._data.misses(address // self._memory.line_bytes):
            self._wait(cycles)

    def _wait(self, cycles: int) -> None:
        self._waits += cycles
        self._cycles += cycles


class _Lines:
    """cache_t of meter.c."""

    def __init__(self, sets: int, ways: int) -> None:
        self._sets = [[-1] * ways for _ in range(sets)]

    def misses(self, line: int) -> bool:
        """Whether a line was not at hand; now it is."""
        ways = self._sets[line % len(self._sets)]
        missed = line not in ways
        ways.remove(ways[-1] if missed else line)
        ways.insert(0, line)
        return missed


class _Block(ctypes.Structure):
    """block_t of meter.c."""

    _fields_ = (
        ("address", ctypes.c_uint32),
        ("bytes", ctypes.c_uint32),
        ("instructions", ctypes.c_uint32),
        ("cycles", ctypes.c_uint32),
        ("watched", ctypes.c_uint32),
        ("tests", ctypes.c_uint32),
    )


class _Cache(ctypes.Structure):
    """cache_t of meter.c."""

    _fields_ = (("tags", ctypes.POINTER(ctypes.c_uint32)), ("sets", ctypes.c_uint32), ("ways", ctypes.c_uint32))


class _Region(ctypes.Structure):
    """region_t of meter.c."""

    _fields_ = (("start", ctypes.c_uint32), ("end", ctypes.c_uint32), ("cycles", ctypes.c_uint32))


_PRICE = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Block))
_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_uint32)


class _Shared(ctypes.Structure):
    """meter_t of meter.c."""

    _fields_ = (
        ("slots", ctypes.POINTER(_Block)),
        ("price", _PRICE),
        ("listener", _LISTENER),
        ("emu_stop", ctypes.c_void_p),
        ("reg_read", ctypes.c_void_p),
        ("reg_write", ctypes.c_void_p),
        ("instructions", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("alarm", ctypes.c_uint64),
        ("fuel", ctypes.c_int64),
        ("mask", ctypes.c_uint32),
        ("used", ctypes.c_uint32),
        ("return_to", ctypes.c_uint32),
        ("stop", ctypes.c_uint32),
        ("full", ctypes.c_uint32),
        ("waits", ctypes.c_uint64),
        ("code", _Cache),
        ("data", _Cache),
        ("regions", _Region * MOST_REGIONS),
        ("region_count", ctypes.c_uint32),
        ("line_shift", ctypes.c_uint32),
        ("prefetch", ctypes.c_uint32),
        ("last_line", ctypes.c_uint32),
        ("status", ctypes.c_int32),
        ("tests", ctypes.c_uint32),
        ("tests_before", ctypes.c_uint32),
    )


def _slots_for(code_bytes: int) -> int:
    """A power of two. A block has four bytes or more on average, so half of the slots stay free."""
    return 1 << min(max(code_bytes // 2, 1 << 12), 1 << 20).bit_length()


class NativeMeter:
    """meter.c at work."""

    def __init__(
        self,
        uc: unicorn.Uc,
        library: ctypes.CDLL,
        code_bytes: int,
        price: Price,
        watched: Collection[int],
        listener: Listener,
    ) -> None:
        watched = frozenset(watched)

        def price_block(pointer: Any) -> None:
            block = pointer.contents
            cost = price(block.address, block.bytes)
            block.instructions, block.cycles = cost.instructions, cost.cycles
            block.watched = block.address in watched
            block.tests = _tests(uc, block.address, block.bytes)

        slots = _slots_for(code_bytes)
        # Unicorn and meter.c keep pointers to all of these for as long as `uc` lives.
        self._slots = (_Block * slots)()
        self._shared = _Shared(
            slots=self._slots,
            price=_PRICE(price_block),
            listener=_LISTENER(listener),
            emu_stop=ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p),
            reg_read=ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p),
            reg_write=ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p),
            status=arm_const.UC_ARM_REG_CPSR,
            mask=slots - 1,
            return_to=NOWHERE,
            alarm=NEVER,
        )
        self._library = library
        self._hook(uc, unicorn.UC_HOOK_BLOCK, library.tinyml_on_block)

    def _hook(self, uc: unicorn.Uc, kind: int, function: Any) -> None:
        error = uclib.uc_hook_add(
            uc._uch,
            ctypes.byref(ctypes.c_size_t()),
            ctypes.c_int(kind),
            ctypes.cast(function, ctypes.c_void_p),
            ctypes.byref(self._shared),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if error != unicorn.UC_ERR_OK:
            raise unicorn.UcError(error)

    def watch_memory(self, uc: unicorn.Uc, memory: SlowMemory) -> None:
        caches = []
        for size in (memory.code_bytes, memory.data_bytes):
            sets, ways = memory.geometry(size)
            caches.append(_Cache((ctypes.c_uint32 * (sets * ways))(), sets, ways))  # ctypes keeps the array alive
        self._shared.code, self._shared.data = caches
        self._caches = caches
        for i, (start, end, cycles) in enumerate(memory.regions):
            self._shared.regions[i] = _Region(start, end, cycles)
        self._shared.region_count = len(memory.regions)
        self._shared.line_shift = memory.line_bytes.bit_length() - 1
        self._shared.prefetch = memory.prefetch
        self._hook(uc, unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, self._library.tinyml_on_access)

    @property
    def return_to(self) -> int:
        return int(self._shared.return_to)

    @return_to.setter
    def return_to(self, address: int) -> None:
        self._shared.return_to = address

    @property
    def alarm(self) -> int:
        return int(self._shared.alarm)

    @alarm.setter
    def alarm(self, cycles: int) -> None:
        self._shared.alarm = cycles

    @property
    def fuel(self) -> int:
        return int(self._shared.fuel)

    @fuel.setter
    def fuel(self, instructions: int) -> None:
        self._shared.fuel = instructions

    @property
    def total(self) -> Cost:
        if self._shared.full:
            raise ToolError(f"the firmware ran more than {self._shared.used} different blocks of code")
        return Cost(self._shared.instructions, self._shared.cycles, self._shared.waits)

    def stop(self) -> None:
        self._shared.stop = 1

    def resume(self) -> None:
        self._shared.stop = 0


def attach(
    uc: Any,
    code_bytes: int,
    price: Price,
    watched: Collection[int],
    listener: Listener,
    use_native: bool,
) -> Meter:
    """Meter what `uc` runs from now on.

    Args:
        code_bytes: size of the program's code, for the size of tables.
        price: the cost of a block; asked once for each.
        watched: addresses of blocks that `listener` is told of.
        use_native: False for the hook in Python even where the native one is at hand.

    `price` and `listener` are called amid emulation and must not raise.
    """
    library = native.library() if use_native else None
    if library is None:
        return PythonMeter(uc, price, watched, listener)
    return NativeMeter(uc, library, code_bytes, price, watched, listener)
