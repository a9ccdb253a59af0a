"""The emitted sources."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from tinyml.memory.plan import MemoryPlan


@dataclass(frozen=True, slots=True)
class EmittedLayer:
    """One step of the emitted C.

    Attributes:
        function: the C function that runs it; a symbol of its own in every build (never inlined).
        outputs: (value name, arena name, offset, bytes) of what it leaves in the arena.
    """

    index: int
    function: str
    node: str
    op: str
    source: str
    kernel: str
    shape: tuple[int, ...]
    macs: int
    outputs: tuple[tuple[str, str, int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class SourceBundle:
    """Files by their path relative to src/, in order.

    Attributes:
        name: C identifier of the model; prefix of everything that it defines.
        weights_bytes: bytes of the arrays with role "weights"; parameters_bytes: the others.
    """

    name: str
    files: Mapping[str, str]
    layers: tuple[EmittedLayer, ...]
    plan: MemoryPlan
    weights_bytes: int
    parameters_bytes: int

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(path for path in self.files if path.endswith(".c"))

    @property
    def sha256(self) -> str:
        """Of all files with their paths: names this network, schedule and memory plan. Hexadecimal."""
        digest = hashlib.sha256()
        for part in (part.encode() for item in sorted(self.files.items()) for part in item):
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()
