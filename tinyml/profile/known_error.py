"""How far modelled cycles are from silicon, as far as published latencies tell: docs/emulator.md says whose.

The ranges stand here and nowhere else. `python benchmarks/model_error.py` has the cases with their sources, computes the
ranges again, and fails where they are stale.
"""

from dataclasses import dataclass

from tinyml.targets.board import Cache


@dataclass(frozen=True, slots=True)
class KnownError:
    """Silicon takes `least` to `most` times the modelled cycles."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.least:g} to {self.most:g}"


PRICED = KnownError(0.92, 1.26)
"""Where the board file prices what the core waits for its flash."""

NOT_PRICED = KnownError(0.94, 1.4)
"""Where it does not, and the model never waits."""

ANYWHERE = KnownError(min(PRICED.least, NOT_PRICED.least), max(PRICED.most, NOT_PRICED.most))


def known_error(cache: Cache | None) -> KnownError | None:
    """Of a board with that cache; None where the flash is another chip, which is not priced."""
    if cache is None:
        return NOT_PRICED
    return None if cache.external else PRICED
