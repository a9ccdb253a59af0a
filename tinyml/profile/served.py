"""What inferences cost on a board that answers over its serial line, by the board's own clock and its painted memory."""

from collections.abc import Sequence

from tinyml.device.client import Client
from tinyml.profile.measurement import Firmware, Inference, LayerProfile, Measurement, ObservedMemory

_PAINT, _OTHER_PAINT = 0xA5, 0x5A


def measure_served(
    client: Client, firmware: Firmware, samples: Sequence[Sequence[bytes]], warm_up: int, *, has_clock: bool
) -> Measurement:
    """Run inferences on a board that is connected. Firmware that was built with trace tells of each layer, too.

    Args:
        samples: the inputs of each inference; the first serves the warm-up, too.
        warm_up: inferences that run before and do not count.
        has_clock: the board's cycles mean something (those of QEMU do not).

    Raises:
        ToolError: the board does not answer, or answers with an error.
    """
    found = client.model()
    traced = found.traced_layers == len(firmware.layers)
    stack = paint(client)
    inferences = []
    outputs: tuple[bytes, ...] = ()
    for inputs in [samples[0]] * warm_up + list(samples):
        _put(client, inputs)
        inferences.append(_inference(client, firmware, traced, has_clock))
        outputs = tuple(client.get(index) for index in range(len(firmware.interface.outputs)))
    return Measurement(
        inferences=tuple(inferences[warm_up:]),
        clock_hz=found.clock_hz if has_clock else None,
        memory=observe_memory(client, samples[-1], stack),
        outputs=outputs,
    )


def paint(client: Client) -> int:
    """Fill the memory that inferences will use; the bytes of stack that were used until then."""
    stack = client.memory().stack_bytes
    client.paint(_PAINT)
    return stack


def observe_memory(client: Client, inputs: Sequence[bytes], stack: int) -> ObservedMemory:
    """Of a board that has run inferences since `paint`, which returned `stack`.

    What the network wrote may happen to look like the paint. So where an arena does not seem full, the network runs once
    more on one that is painted otherwise.
    """
    seen = client.memory()
    used, stack = seen.arena_used, max(stack, seen.stack_bytes)
    if sum(used) < seen.arena_bytes:
        client.paint(_OTHER_PAINT)
        _put(client, inputs)
        client.run()
        seen = client.memory()
        used, stack = tuple(map(max, used, seen.arena_used)), max(stack, seen.stack_bytes)
    return ObservedMemory(stack, sum(used))


def _inference(client: Client, firmware: Firmware, traced: bool, has_clock: bool) -> Inference:
    if not traced:
        return Inference(None, client.run().cycles if has_clock else None, ())
    spent = client.layers()
    if not has_clock:
        return Inference(None, None, ())
    layers = (LayerProfile(name, None, cycles) for name, cycles in zip(firmware.layers, spent.layers, strict=True))
    return Inference(None, spent.cycles, tuple(layers))


def _put(client: Client, inputs: Sequence[bytes]) -> None:
    for index, data in enumerate(inputs):
        client.put(index, data)
