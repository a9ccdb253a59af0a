"""Does the emitted C compute what the network means? Layer by layer, wherever it runs, against numpy.

The numpy interpreter is the reference; that it equals TFLite's reference kernels is shown by the tests.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinyml.device.client import Client
from tinyml.emit.bundle import EmittedLayer, EmittedValue, SourceBundle
from tinyml.ir.graph import Graph, Value
from tinyml.ir.interpreter import run as interpret
from tinyml.pipeline import Compilation, need

_PAINT = 0xA5  # what was not written shows
FLOAT_TOLERANCE = 1e-4  # relative to the largest magnitude of the tensor
# Runs one inference and gives, for every step, the bytes of each value that it wrote.
Tracer = Callable[[Sequence[bytes]], Sequence[Mapping[str, bytes]]]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first layer that is wrong.

    Attributes:
        elements: how many of `total` elements differ; position: index of the first of them.
    """

    run: int
    layer: int
    name: str
    op: str
    source: str
    kernel: str
    value: str
    elements: int
    total: int
    largest: float
    position: tuple[int, ...]
    expected: float
    got: float


@dataclass(frozen=True, slots=True)
class Verification:
    """Attributes: where: a place, as `--on` names it; difference: None where all layers of all runs agree."""

    where: str
    runs: int
    layers: int
    bytes_compared: int
    difference: Difference | None


def random_inputs(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    """Inputs that reach every value of an integer type, or a standard normal distribution in float."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for name in graph.inputs:
        value = graph.value(name)
        if value.dtype.is_integer:
            lo, hi = value.dtype.range
            inputs[name] = rng.integers(lo, hi, value.shape, value.dtype.numpy, endpoint=True)
        else:
            inputs[name] = rng.standard_normal(value.shape).astype(value.dtype.numpy)
    return inputs


def verify_layers(
    done: Compilation, where: str, trace: Tracer, samples: Sequence[Mapping[str, np.ndarray]]
) -> Verification:
    """Compares every value that every layer writes; stops at the first layer that differs.

    Integers must be equal; floats may differ by FLOAT_TOLERANCE of the tensor's largest magnitude. State is reset
    before each sample.
    """
    graph, bundle = need(done.schedule).graph, need(done.bundle)
    compared = 0
    for run, sample in enumerate(samples):
        expected = interpret(graph, sample, all_values=True).values
        got = trace([np.ascontiguousarray(sample[name]).tobytes() for name in graph.inputs])
        for layer, written in zip(bundle.layers, got, strict=True):
            computed = {value.name: layer.computed(value) for value in layer.outputs}
            for name, raw in written.items():
                value = graph.value(name)
                compared += round(len(raw) * computed[name].mean())
                found = _compare(value, expected[name], raw, computed[name])
                if found is not None:
                    elements, largest, position, want, have = found
                    difference = Difference(
                        run, layer.index, layer.node, layer.op, layer.source, layer.kernel, name,
                        elements, value.elements, largest, position, want, have,
                    )  # fmt: skip
                    return Verification(where, run + 1, len(bundle.layers), compared, difference)
    return Verification(where, len(samples), len(bundle.layers), compared, None)


def trace_served(client: Client, bundle: SourceBundle, inputs: Sequence[bytes]) -> list[dict[str, bytes]]:
    """A `Tracer` for a board that runs the traced firmware of `bundle`: one run for each value, from reset state.

    Values that live in rings of lines are never there as a whole, and are left out.
    """
    arenas = {arena.name: index for index, arena in enumerate(bundle.plan.arenas)}
    # Sending the inputs is what takes the time.
    lasting = bundle.plan.input_preserved and not bundle.plan.schedule.graph.states

    def prepare() -> None:
        client.paint(_PAINT)
        for index, data in enumerate(inputs):
            client.put(index, data)

    def fetch(layer: EmittedLayer, value: EmittedValue) -> bytes:
        if not lasting:
            prepare()
        last = len(layer.calls) - 1
        return client.tensor(layer.index, last, arenas[value.arena], value.offset, value.rows * value.row_bytes)

    if lasting:
        prepare()
    return [
        {value.name: fetch(layer, value) for value in layer.outputs if value.lines == value.rows}
        for layer in bundle.layers
    ]


def _compare(
    value: Value, expected: np.ndarray, raw: bytes, computed: np.ndarray
) -> tuple[int, float, tuple[int, ...], float, float] | None:
    """Of the rows and columns that were computed: how many differ, by how much, and the first of them."""
    got = np.frombuffer(raw, value.dtype.numpy).reshape(value.shape)
    want, have = expected.astype(np.float64), got.astype(np.float64)
    limit = 0.0 if value.dtype.is_integer else FLOAT_TOLERANCE * max(float(np.abs(want).max(initial=0.0)), 1e-6)
    distance = np.abs(want - have)
    wrong = ~(distance <= limit)  # NaN is wrong, too
    wrong &= np.broadcast_to(computed[:, :, None], (*computed.shape, wrong.size // computed.size)).reshape(wrong.shape)
    if not wrong.any():
        return None
    position = tuple(int(i) for i in np.argwhere(wrong)[0])
    return int(wrong.sum()), float(distance.max()), position, float(want[position]), float(have[position])
