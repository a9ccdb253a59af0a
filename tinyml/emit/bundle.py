"""The emitted sources."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinyml.memory.plan import MemoryPlan
from tinyml.schedule.patch import Part


@dataclass(frozen=True, slots=True)
class EmittedValue:
    """What a layer leaves in an arena: row y of the value lies where row y modulo `lines` does.

    Attributes:
        pixel_bytes: of all channels at one place.
        rows: of the whole value.
        lines: 0 where a patch computes it part by part: the last part that was computed lies there.
        pitch: bytes from one row to the next, where it lies.
    """

    name: str
    arena: str
    offset: int
    row_bytes: int
    pixel_bytes: int
    rows: int
    lines: int
    pitch: int


@dataclass(frozen=True, slots=True)
class EmittedLayer:
    """The computation of one node.

    Attributes:
        function: the C function that computes some rows of it; a symbol of its own in every build (never inlined).
        stage: index of its stage.
        calls: the part of its outputs that each call of a run leaves, in order. A layer that completes its output with
            its last call leaves none before.
    """

    index: int
    function: str
    node: str
    op: str
    source: str
    kernel: str
    shape: tuple[int, ...]
    macs: int
    stage: int
    calls: tuple[Part, ...]
    outputs: tuple[EmittedValue, ...]

    def computed(self, value: EmittedValue) -> np.ndarray:
        """Which rows and columns of an output a run computes: a patch leaves out those that nobody reads. bool."""
        done = np.zeros((value.rows, value.row_bytes // value.pixel_bytes), bool)
        for part in self.calls:
            done[part.row : part.end, part.col : part.end_col] = True
        return done


@dataclass(frozen=True, slots=True, eq=False)
class SourceBundle:
    """Files by their path relative to src/, in order.

    Attributes:
        name: C identifier of the model; prefix of everything that it defines.
        layers: in the order of their nodes; every stage is a run of them.
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
    def headers(self) -> tuple[str, ...]:
        """What an application includes; these need no other header of the bundle."""
        return tuple(path for path in (f"{self.name}.h", f"{self.name}_pixels.h") if path in self.files)

    @property
    def run_function(self) -> str:
        """The C function that computes: in one call or, where the input is streamed, in one a row."""
        return f"{self.name}_feed_row" if self.plan.schedule.stream_input else f"{self.name}_run"

    @property
    def sha256(self) -> str:
        """Of all files with their paths: names this network, schedule and memory plan. Hexadecimal."""
        digest = hashlib.sha256()
        for part in (part.encode() for item in sorted(self.files.items()) for part in item):
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()
