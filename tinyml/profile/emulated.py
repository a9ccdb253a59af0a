"""What one inference of a firmware costs on the emulated board, layer by layer, and what each layer leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinyml.build.image import FirmwareImage
from tinyml.device.client import Client
from tinyml.device.emulator import Cost, EmulatedBoard, has_cycle_model
from tinyml.emit.bundle import EmittedLayer
from tinyml.ir.graph import Graph

_FILL = 0xA5


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """Attributes:
    function: of the emitted C.
    instructions: counted.
    cycles: modelled; None for a core without a model.
    """

    function: str
    instructions: int
    cycles: int | None


@dataclass(frozen=True, slots=True)
class Profile:
    """One inference.

    Attributes:
        instructions: counted, from the call of the model's run function to its return.
        cycles: modelled, of the same; None for a core without a model.
        clock_hz: of the board file; None where it has no clock.
        ms: modelled: cycles / clock_hz. None where either is missing.
        layers: in order. What the run function does between them is in the totals only.
        stack_bytes: measured: in use at the deepest point since reset, protocol and start-up included.
        arena_bytes: observed: up to the last byte that was written, over all arenas. At most what the plan says.
        outputs: bytes of every output of the network.
    """

    instructions: int
    cycles: int | None
    clock_hz: int | None
    ms: float | None
    layers: tuple[LayerProfile, ...]
    stack_bytes: int
    arena_bytes: int
    outputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """Attributes:
    layers: for each layer of the bundle, value name -> the bytes that the layer left of it.
    outputs: bytes of every output of the network, as the protocol reports them.
    """

    layers: tuple[Mapping[str, bytes], ...]
    outputs: tuple[bytes, ...]


def profile_emulated(image: FirmwareImage, inputs: Sequence[bytes] | None = None) -> Profile:
    """Boot the firmware, run one inference by way of its serial protocol, and count.

    Args:
        inputs: bytes of every input of the network; None for noise, always the same.

    Raises:
        ToolError: the emulator cannot run the board, or the firmware goes astray: what, where in its code.
    """
    run = f"{image.bundle.name}_run"
    functions = [layer.function for layer in image.bundle.layers]
    if inputs is None:
        inputs = _noise(image.bundle.plan.schedule.graph)
    emulated = EmulatedBoard(image.elf, image.board, watch=(run, *functions), fill=_FILL)
    client = Client(emulated)
    client.connect()
    outputs = client.infer(inputs)

    costs = emulated.costs()
    total = sum((costs[name] for name in (run, *functions)), Cost())
    modelled, clock_hz = has_cycle_model(image.board.core), image.board.clock_hz
    return Profile(
        instructions=total.instructions,
        cycles=total.cycles if modelled else None,
        clock_hz=clock_hz,
        ms=total.cycles / clock_hz * 1e3 if modelled and clock_hz is not None else None,
        layers=tuple(
            LayerProfile(name, costs[name].instructions, costs[name].cycles if modelled else None) for name in functions
        ),
        stack_bytes=client.memory().stack_bytes,
        arena_bytes=sum(_written(emulated, index) for index in range(len(image.bundle.plan.arenas))),
        outputs=outputs,
    )


def trace_emulated(image: FirmwareImage, inputs: Sequence[bytes], *, fill: int = _FILL) -> Trace:
    """Boot the firmware, run one inference by way of its serial protocol, and keep what every layer leaves.

    Args:
        fill: the byte that all RAM is full of before: what is read before it was written shows as another result.

    Raises:
        ToolError: as `profile_emulated`.
    """
    bundle = image.bundle
    by_function = {layer.function: layer for layer in bundle.layers}
    arenas = {arena.name: index for index, arena in enumerate(bundle.plan.arenas)}
    left: dict[str, Mapping[str, bytes]] = {}

    def keep(function: str) -> None:
        left[function] = _outputs_of(emulated, by_function[function], arenas)

    emulated = EmulatedBoard(image.elf, image.board, watch=tuple(by_function), on_leave=keep, fill=fill)
    client = Client(emulated)
    client.connect()
    outputs = client.infer(inputs)
    return Trace(tuple(left[layer.function] for layer in bundle.layers), outputs)


def _outputs_of(emulated: EmulatedBoard, layer: EmittedLayer, arenas: Mapping[str, int]) -> Mapping[str, bytes]:
    return {
        value: emulated.read_memory(_arena_address(emulated, arenas[arena]) + offset, size)
        for value, arena, offset, size in layer.outputs
    }


def _arena_address(emulated: EmulatedBoard, index: int) -> int:
    """The firmware's arenas are called so by model_adapter.c.j2."""
    return emulated.program.symbol(f"arena_{index}").address


def _written(emulated: EmulatedBoard, index: int) -> int:
    """Bytes of an arena up to the last that is not as it was at power-up."""
    symbol = emulated.program.symbol(f"arena_{index}")
    return len(emulated.read_memory(symbol.address, symbol.bytes).rstrip(bytes([_FILL])))


def _noise(graph: Graph) -> list[bytes]:
    """Every value of an integer type; the interval from -1 to 1 in float."""
    generator = np.random.default_rng(0)
    noise = []
    for name in graph.inputs:
        value = graph.value(name)
        kind = value.dtype.numpy
        if value.dtype.is_integer:
            low, high = value.dtype.range
            noise.append(generator.integers(low, high, value.shape, kind, endpoint=True).tobytes())
        else:
            noise.append(generator.uniform(-1.0, 1.0, value.shape).astype(kind).tobytes())
    return noise
