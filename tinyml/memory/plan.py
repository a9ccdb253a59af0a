"""The memory plan: where every byte of an arena belongs at every step."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tinyml.kernels.rows import image_shape
from tinyml.schedule.model import Schedule
from tinyml.schedule.storage import Lifetime


class BufferKind(enum.Enum):
    INPUT = "input"
    OUTPUT = "output"
    ACTIVATION = "activation"
    SCRATCH = "scratch"
    RING = "ring"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Buffer:
    """A run of bytes in an arena: the memory of a value and its views, of a state (what is read and what is written),
    or of one kernel's scratch.

    A kernel that computes in place does not join two buffers into one: the buffer of its output starts at the same
    offset as that of the input, and may be shorter.

    Attributes:
        bytes: size of the largest value that lives in it.
        values: names of the values that live in it; empty for scratch.
        region: name of the board's memory region that it must lie in, or None: the planner decides.
        dma: a DMA controller must reach it.
        over_read: bytes past the end that a kernel may read and ignores. They may belong to other buffers, but must lie
            inside the arena.
    """

    name: str
    kind: BufferKind
    bytes: int
    alignment: int
    lifetime: Lifetime
    values: tuple[str, ...] = ()
    region: str | None = None
    dma: bool = False
    over_read: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    buffer: Buffer
    arena: str
    offset: int

    @property
    def end(self) -> int:
        return self.offset + self.buffer.bytes


@dataclass(frozen=True, slots=True)
class Arena:
    """One block of RAM that the caller provides.

    Attributes:
        region: name of the board's memory region it is meant for; None without a board.
        lower_bound: no plan of the same buffers can be smaller.
        traffic: bytes that a run reads and writes there, roughly; counted where there are several arenas.
    """

    name: str
    bytes: int
    alignment: int
    lower_bound: int
    region: str | None = None
    traffic: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Core cycles that a run waits for RAM where no cache serves it, by the board file's wait_cycles.

    Attributes:
        lower_bound: no way to share the buffers out among the regions waits less.
    """

    cycles: int
    lower_bound: int


@dataclass(frozen=True, slots=True, eq=False)
class MemoryPlan:
    """Offsets of all buffers.

    Attributes:
        placements: buffer name -> where it lies.
        location: value name -> (arena name, byte offset of its first element), views included. Constants have none.
        scratch: node name -> (arena name, byte offset) for nodes whose kernel needs scratch.
        input_preserved: no other buffer overlaps an input's at any step, so a run can be repeated.
        rings: value name -> lines of the ring that it lives in; others are whole.
        parts: value name -> (arena name, byte offset) of those that a patch computes part by part: they have no other
            location.
        waiting: where buffers were shared out among regions by how hot they are.
    """

    schedule: Schedule
    arenas: tuple[Arena, ...]
    placements: Mapping[str, Placement]
    location: Mapping[str, tuple[str, int]]
    scratch: Mapping[str, tuple[str, int]]
    input_preserved: bool
    rings: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    parts: Mapping[str, tuple[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    waiting: Waiting | None = None

    def lines(self, name: str) -> int:
        """Rows of a value that its buffer holds: row y lies where row y modulo this number does."""
        return self.rings.get(name) or image_shape(self.schedule.graph.value(name).shape)[0]

    def region(self, buffer: str) -> str | None:
        """Name of the board's memory region that a buffer lies in; None without a board."""
        return next(a.region for a in self.arenas if a.name == self.placements[buffer].arena)

    @property
    def peak_bytes(self) -> int:
        """Bytes of all arenas."""
        return sum(a.bytes for a in self.arenas)
