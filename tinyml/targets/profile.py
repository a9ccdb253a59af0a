"""Build profiles: named presets of what a build strives for, one TOML file each below profiles/."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Profile:
    """A preset. Flags of the command line override its parts.

    Attributes:
        objective: what decides among schedules that fit.
        reserve_sram_bytes: RAM in the arena's region that the application keeps for itself.
    """

    id: str
    title: str
    objective: Literal["latency", "sram", "flash", "balanced"]
    precision: Literal["int8", "w4a8", "mixed", "w8a16", "float32"]
    reserve_sram_bytes: int = 0
