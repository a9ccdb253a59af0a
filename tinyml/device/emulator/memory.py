"""What accesses to slow memory cost: lines that are fetched, times the board's price of one.

Two caches, or what stands for them in front of a flash: one for code, one for data; of four ways each, and the line that was
used longest ago gives way. What the model leaves out: lines that are written back, two masters at one memory, a line
fetched while the core goes on, and the random replacement of the Cortex-M7.
"""

from dataclasses import dataclass

from tinyml.targets.board import Board

MOST_REGIONS = 8  # as in meter.c
_WAYS = 4


@dataclass(frozen=True, slots=True)
class SlowMemory:
    """Attributes:
    regions: (first address, address behind the last, cycles that the core waits for a line).
    """

    line_bytes: int
    code_bytes: int
    data_bytes: int
    prefetch: bool
    regions: tuple[tuple[int, int, int], ...]

    def geometry(self, size: int) -> tuple[int, int]:
        """Sets, a power of two, and ways of a cache of so many bytes. Without any there is still the line used last."""
        lines = max(1, size // self.line_bytes)
        ways = min(_WAYS, lines)
        return 1 << (lines // ways).bit_length() - 1, ways

    def cycles_of(self, address: int) -> int | None:
        """The price of a line there; None where memory is fast."""
        return next((cycles for start, end, cycles in self.regions if start <= address < end), None)


def slow_memory(board: Board) -> SlowMemory | None:
    """None where the board file prices nothing, or a chip whose make it does not know."""
    cache = board.cache
    if cache is None or cache.external:
        return None
    code = board.region(board.link.code)
    # Other memory behind the cache costs nothing here, but takes room in it.
    others = (board.region(name) for name in cache.also)
    regions = ((code.address, code.end, cache.line_cycles), *((r.address, r.end, 0) for r in others))
    return SlowMemory(cache.line_bytes, cache.code_bytes, cache.data_bytes, cache.prefetch, regions)
