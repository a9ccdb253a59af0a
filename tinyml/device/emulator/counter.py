"""Counts executed basic blocks: a native hook, and a slower one in Python that gives the same numbers.

Both stop the core only between blocks, and tell a listener when control reaches a watched address before the block
there is counted; so what ran can be attributed exactly, and no block is counted twice.
"""

import ctypes
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from tinyml.device.emulator import native
from tinyml.errors import ToolError

Block = tuple[int, int]  # address, bytes
Listener = Callable[[int], None]

NOWHERE = 1  # no Thumb instruction has an odd address


class BlockCounter(Protocol):
    """Attributes:
    return_to: the listener is told of this address, too.
    fuel: bytes of code that may still be executed before the core stops.
    """

    return_to: int
    fuel: int

    def stop(self) -> None:
        """Stop the core before the next block."""

    def resume(self) -> None:
        """Take back `stop`."""

    def drain(self) -> dict[Block, int]:
        """Executions of every block since the last call."""


class PythonCounter:
    """The fallback where no C compiler works."""

    def __init__(self, uc: unicorn.Uc, watched: Sequence[int], listener: Listener) -> None:
        self.return_to = NOWHERE
        self.fuel = 0
        self._stop = False
        self._watched = frozenset(watched)
        self._listener = listener
        self._counts: Counter[Block] = Counter()
        uc.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block)

    def _on_block(self, uc: unicorn.Uc, address: int, size: int, _: object) -> None:
        if self._stop or self.fuel < 0:
            uc.emu_stop()
            return
        if address in self._watched or address == self.return_to:
            self._listener(address)
        self.fuel -= size
        self._counts[address, size] += 1

    def stop(self) -> None:
        self._stop = True

    def resume(self) -> None:
        self._stop = False

    def drain(self) -> dict[Block, int]:
        counts, self._counts = dict(self._counts), Counter()
        return counts


_BLOCK = np.dtype([("count", "<u8"), ("address", "<u4"), ("bytes", "<u4"), ("watched", "<u4"), ("unused", "<u4")])
_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_uint32)


class _Shared(ctypes.Structure):
    """counter_t of blocks.c."""

    _fields_ = (
        ("slots", ctypes.c_void_p),
        ("watched", ctypes.c_void_p),
        ("listener", ctypes.c_void_p),
        ("emu_stop", ctypes.c_void_p),
        ("fuel", ctypes.c_int64),
        ("mask", ctypes.c_uint32),
        ("used", ctypes.c_uint32),
        ("watched_count", ctypes.c_uint32),
        ("return_to", ctypes.c_uint32),
        ("stop", ctypes.c_uint32),
        ("full", ctypes.c_uint32),
    )


def _slots_for(code_bytes: int) -> int:
    """A power of two. A block has four bytes or more on average, so half of the slots stay free."""
    return 1 << min(max(code_bytes // 2, 1 << 12), 1 << 20).bit_length()


class NativeCounter:
    """blocks.c at work."""

    def __init__(
        self, uc: unicorn.Uc, library: ctypes.CDLL, code_bytes: int, watched: Sequence[int], listener: Listener
    ) -> None:
        slots = _slots_for(code_bytes)
        # Unicorn and blocks.c keep pointers to all of these for as long as `uc` lives.
        self._slots = np.zeros(slots, _BLOCK)
        self._watched = np.array(watched, np.uint32)
        self._listener = _LISTENER(listener)
        self._shared = _Shared(
            slots=self._slots.ctypes.data,
            watched=self._watched.ctypes.data,
            listener=ctypes.cast(self._listener, ctypes.c_void_p),
            emu_stop=ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p),
            mask=slots - 1,
            watched_count=len(self._watched),
            return_to=NOWHERE,
        )
        handle = ctypes.c_size_t()
        error = uclib.uc_hook_add(
            uc._uch,
            ctypes.byref(handle),
            ctypes.c_int(unicorn.UC_HOOK_BLOCK),
            ctypes.cast(library.tinyml_on_block, ctypes.c_void_p),
            ctypes.byref(self._shared),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if error != unicorn.UC_ERR_OK:
            raise unicorn.UcError(error)

    @property
    def return_to(self) -> int:
        return int(self._shared.return_to)

    @return_to.setter
    def return_to(self, address: int) -> None:
        self._shared.return_to = address

    @property
    def fuel(self) -> int:
        return int(self._shared.fuel)

    @fuel.setter
    def fuel(self, code_bytes: int) -> None:
        self._shared.fuel = code_bytes

    def stop(self) -> None:
        self._shared.stop = 1

    def resume(self) -> None:
        self._shared.stop = 0

    def drain(self) -> dict[Block, int]:
        if self._shared.full:
            raise ToolError(f"the firmware ran more than {self._shared.used} different blocks of code")
        ran = np.flatnonzero(self._slots["count"])
        blocks = self._slots[ran]
        self._slots["count"][ran] = 0
        keys = zip(blocks["address"].tolist(), blocks["bytes"].tolist(), strict=True)
        return dict(zip(keys, blocks["count"].tolist(), strict=True))


def attach(uc: Any, code_bytes: int, watched: Sequence[int], listener: Listener, use_native: bool) -> BlockCounter:
    """Count blocks of `uc` from now on.

    Args:
        code_bytes: size of the program's code, for the size of tables.
        watched: addresses of blocks that `listener` is told of. The listener must not raise.
        use_native: False for the hook in Python even where the native one is at hand.
    """
    library = native.library() if use_native else None
    if library is None:
        return PythonCounter(uc, watched, listener)
    return NativeCounter(uc, library, code_bytes, watched, listener)
