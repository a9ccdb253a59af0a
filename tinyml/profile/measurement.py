"""What was observed of a firmware at work, wherever it ran."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

import numpy as np

from tinyml.build.image import FirmwareImage
from tinyml.ir.graph import Graph
from tinyml.targets.board import Board


@dataclass(frozen=True, slots=True, eq=False)
class Firmware:
    """What measuring needs to know of a firmware.

    Attributes:
        run: the function of the emitted C that runs the network, or a row of it.
        layers: functions of the emitted C, in order.
        interface: has the network's inputs and outputs; its nodes do not matter.
    """

    elf: Path
    board: Board
    run: str
    layers: tuple[str, ...]
    interface: Graph


def firmware_of(image: FirmwareImage) -> Firmware:
    """A firmware that was just built."""
    bundle = image.bundle
    functions = tuple(layer.function for layer in bundle.layers)
    return Firmware(image.elf, image.board, bundle.run_function, functions, bundle.plan.schedule.graph)


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """Attributes:
    function: of the emitted C.
    instructions: counted; None where nothing counts them.
    cycles: None where they are neither modelled nor measured.
    waits: of the modelled cycles, those in which the core waits for lines of flash; None where no price is known.
    """

    function: str
    instructions: int | None
    cycles: int | None
    waits: int | None = None


@dataclass(frozen=True, slots=True)
class Inference:
    """One inference, from the call of the model's run function to its return.

    Attributes:
        layers: in order; empty where nobody could see them. What the run function does between them is in the totals only.
    """

    instructions: int | None
    cycles: int | None
    layers: tuple[LayerProfile, ...]
    waits: int | None = None


@dataclass(frozen=True, slots=True)
class ObservedMemory:
    """Bytes of RAM that an inference used, by what it left of the paint.

    Attributes:
        stack_bytes: in use at the deepest point since reset, protocol and start-up included.
        arena_bytes: up to the last byte that was written, over all arenas.
    """

    stack_bytes: int
    arena_bytes: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """Attributes:
    inferences: those that count, in order; the warm-up is not among them.
    clock_hz: what cycles are divided by for seconds; None where there is no such clock.
    outputs: bytes of every output of the network, of the last inference.
    """

    inferences: tuple[Inference, ...]
    clock_hz: int | None
    memory: ObservedMemory
    outputs: tuple[bytes, ...]

    @property
    def median(self) -> Inference:
        """The inference of median cost; of an even number the cheaper of the middle two. So its layers add up."""
        costs = [cost_of(inference) for inference in self.inferences]
        return self.inferences[costs.index(median_low(costs))]

    def ms(self, cycles: int | None) -> float | None:
        return None if cycles is None or self.clock_hz is None else cycles / self.clock_hz * 1e3


def cost_of(inference: Inference) -> int:
    """Cycles, or instructions where there are no cycles."""
    return inference.cycles if inference.cycles is not None else inference.instructions or 0


def noise(interface: Graph, seed: int = 0) -> list[bytes]:
    """Bytes for every input: all values of an integer type; the interval from -1 to 1 in float."""
    generator = np.random.default_rng(seed)
    inputs = []
    for name in interface.inputs:
        value = interface.value(name)
        kind = value.dtype.numpy
        if value.dtype.is_integer:
            low, high = value.dtype.range
            inputs.append(generator.integers(low, high, value.shape, kind, endpoint=True).tobytes())
        else:
            inputs.append(generator.uniform(-1.0, 1.0, value.shape).astype(kind).tobytes())
    return inputs


def samples(interface: Graph, count: int) -> Sequence[Sequence[bytes]]:
    """Inputs for that many inferences, all different and always the same."""
    return [noise(interface, seed) for seed in range(count)]
