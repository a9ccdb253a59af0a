"""What one inference of a firmware costs on the emulated board, layer by layer, and what each layer leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.build.image import FirmwareImage
from tinyml.device.client import Client
from tinyml.device.emulator import Cost, EmulatedBoard, has_cycle_model
from tinyml.emit.collect import Collector
from tinyml.profile.measurement import Firmware, Inference, LayerProfile, Measurement, firmware_of, noise
from tinyml.profile.served import observe_memory, paint
from tinyml.targets.board import Board

_FILL = 0xA5


@dataclass(frozen=True, slots=True)
class Profile:
    """One inference.

    Attributes:
        instructions: counted, from the call of the model's run function to its return.
        cycles: modelled, of the same; None for a core without a model.
        clock_hz: of the board file; None where it has no clock.
        ms: modelled: cycles / clock_hz. None where either is missing.
        layers: in order. What the run function and the loops of streams do between them is in the
            totals only.
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
    layers: for each layer of the bundle, value name -> the bytes that the layer computed of it.
    outputs: bytes of every output of the network, as the protocol reports them.
    """

    layers: tuple[Mapping[str, bytes], ...]
    outputs: tuple[bytes, ...]


def profile_emulated(image: FirmwareImage, inputs: Sequence[bytes] | None = None) -> Profile:
    """Boot the firmware, run one inference by way of its serial protocol, and count.

    Args:
        inputs: bytes of every input of the network; None for noise, always the same.

    Raises:
        ToolError: as `measure_emulated`.
    """
    firmware = firmware_of(image)
    done = measure_emulated(firmware, [noise(firmware.interface) if inputs is None else inputs])
    inference = done.median
    assert inference.instructions is not None
    return Profile(
        instructions=inference.instructions,
        cycles=inference.cycles,
        clock_hz=done.clock_hz,
        ms=done.ms(inference.cycles),
        layers=inference.layers,
        stack_bytes=done.memory.stack_bytes,
        arena_bytes=done.memory.arena_bytes,
        outputs=done.outputs,
    )


def measure_emulated(firmware: Firmware, samples: Sequence[Sequence[bytes]], warm_up: int = 0) -> Measurement:
    """Boot the firmware, run inferences by way of its serial protocol, and watch it from outside: the firmware is the
    plain one, and nothing of it is slower for being watched.

    Args:
        samples: the inputs of each inference; the first serves the warm-up, too.
        warm_up: inferences that run before and do not count.

    Raises:
        ToolError: the emulator cannot run the board, or the firmware goes astray: what, where in its code.
    """
    board = firmware.board
    emulated = EmulatedBoard(firmware.elf, board, watch=(firmware.run, *firmware.layers), fill=_FILL)
    client = Client(emulated)
    client.connect()
    stack = paint(client)
    for _ in range(warm_up):
        client.infer(samples[0])
    spent: list[Mapping[str, Cost]] = []
    outputs: tuple[bytes, ...] = ()
    for inputs in samples:
        emulated.clear_costs()
        outputs = client.infer(inputs)
        spent.append(emulated.costs())
    memory = observe_memory(client, samples[-1], stack)
    waits = _waits(emulated, client, samples[-1])
    return Measurement(
        inferences=tuple(_inference(costs, waits, firmware) for costs in spent),
        clock_hz=clock_of(board),
        memory=memory,
        outputs=outputs,
    )


def clock_of(board: Board) -> int | None:
    """What modelled cycles are divided by for seconds. None, too, where the price of flash is anybody's guess."""
    return None if board.cache is not None and board.cache.external else board.clock_hz


def _waits(emulated: EmulatedBoard, client: Client, inputs: Sequence[bytes]) -> Mapping[str, int] | None:
    """Cycles in which the core waits for memory, by function: of one more inference, which takes its time. They are those
    of all: which addresses are accessed depends on the input next to never. None where nothing is priced."""
    if not emulated.watch_memory():
        return None
    emulated.clear_costs()
    client.infer(inputs)
    return {name: cost.waits for name, cost in emulated.costs().items()}


def _inference(costs: Mapping[str, Cost], waits: Mapping[str, int] | None, firmware: Firmware) -> Inference:
    modelled = has_cycle_model(firmware.board.core)

    def profile(name: str) -> LayerProfile:
        wait = None if waits is None else waits[name]
        cycles = costs[name].cycles + (wait or 0) if modelled else None
        return LayerProfile(name, costs[name].instructions, cycles, wait)

    between, *layers = (profile(name) for name in (firmware.run, *firmware.layers))
    parts = (between, *layers)
    return Inference(
        instructions=sum(part.instructions or 0 for part in parts),
        cycles=sum(part.cycles or 0 for part in parts) if modelled else None,
        layers=tuple(layers),
        waits=None if waits is None else sum(part.waits or 0 for part in parts),
    )


def trace_emulated(image: FirmwareImage, inputs: Sequence[bytes], *, fill: int = _FILL) -> Trace:
    """Boot the firmware, run one inference by way of its serial protocol, and keep what every layer leaves.

    Args:
        fill: the byte that all RAM is full of before: what is read before it was written shows as another result.

    Raises:
        ToolError: as `profile_emulated`.
    """
    bundle = image.bundle
    index_of = {layer.function: layer.index for layer in bundle.layers}
    arenas = {arena.name: index for index, arena in enumerate(bundle.plan.arenas)}

    def read(arena: str, offset: int, size: int) -> bytes:
        return emulated.read_memory(_arena_address(emulated, arenas[arena]) + offset, size)

    collector = Collector(bundle.layers, read)
    emulated = EmulatedBoard(
        image.elf,
        image.board,
        watch=tuple(index_of),
        on_leave=lambda function: collector.after(index_of[function]),
        fill=fill,
    )
    client = Client(emulated)
    client.connect()
    outputs = client.infer(inputs)
    return Trace(collector.layers(), outputs)


def _arena_address(emulated: EmulatedBoard, index: int) -> int:
    """The firmware's arenas are called so by model_adapter.c.j2."""
    return emulated.program.symbol(f"arena_{index}").address
