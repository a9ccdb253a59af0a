"""Signal to quantization noise, layer by layer: where a quantized network loses accuracy."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Op, spec
from tinyml.quantize.calibration import Sample
from tinyml.quantize.simulate import decisive, downstream, simulate

WORST = 3


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far a node's result is from the float network's.

    Attributes:
        source: the node in the model file.
        sqnr_db: 10 log10(signal power / noise power) over all samples; infinite where nothing differs.
        own_sqnr_db: the same for this node alone, given exactly what its inputs' quantization can hold: what the
            rounding of its weights and of its result, or its saturation, adds to the error.
        blame: noise power that this alone makes at the network's output (before a last softmax or sigmoid), over the
            signal's there: layers add up to about the whole.
        saturated: share of the numbers that lie outside of what the result's parameters can hold.
        channels: (index, own signal to noise in dB) of the worst channels, worst first.
    """

    node: str
    op: Op
    source: str
    sqnr_db: float
    own_sqnr_db: float
    blame: float
    saturated: float
    channels: tuple[tuple[int, float], ...]


def layer_sqnr(
    float_graph: Graph,
    quant_graph: Graph,
    samples: Iterable[Sample],
    progress: Callable[[int], None] = lambda done: None,
) -> list[LayerError]:
    """One entry for each node of the quantized graph that the float graph has too (by name), in order of execution.

    Args:
        samples: inputs of the float graph; the quantized graph gets them in its own types.
    """
    originals = {n.name: n for n in float_graph.nodes}
    compared = [n for n in quant_graph.nodes if n.name in originals]
    seen = {n.name: _Seen() for n in compared}
    later = {n.name: downstream(float_graph, originals[n.name]) - {n.name} for n in compared}
    targets = decisive(float_graph)
    signal = 0.0
    for done, sample in enumerate(samples):
        exact = run(float_graph, sample, all_values=True).values
        stored = run(quant_graph, stored_inputs(quant_graph, sample), all_values=True).values
        signal += sum(_power(exact[t]) for t in targets)
        for node in compared:
            original, found = originals[node.name], seen[node.name]
            reference = exact[original.outputs[0]]
            result = quant_graph.value(node.outputs[0])
            found.total.add(reference, _real(result, stored[result.name]))
            inputs = _operands(original, node, quant_graph, exact)
            alone = _real(result, _run_alone(node, quant_graph, {i: _stored(v, x) for i, (v, x) in inputs.items()}))
            rounded = {i: _real(v, _stored(v, x)) for i, (v, x) in inputs.items()}
            expected = _run_alone(original, float_graph, rounded)
            found.add_own(expected, alone)
            found.outside += _outside(result, reference)
            found.count += reference.size
            # The network in float, but for what this layer adds.
            given = {**exact, original.outputs[0]: (reference + alone - expected).astype(reference.dtype)}
            after = simulate(float_graph, {}, {}, {}, given, only=later[node.name])
            found.blame += sum(_power(after[t] - exact[t]) for t in targets)
        progress(done + 1)
    return [
        LayerError(
            n.name,
            n.op,
            n.source,
            seen[n.name].total.db,
            seen[n.name].own.db,
            seen[n.name].blame / max(signal, 1e-30),
            seen[n.name].outside / max(seen[n.name].count, 1),
            seen[n.name].worst_channels(),
        )
        for n in compared
    ]


def output_sqnr(float_graph: Graph, quant_graph: Graph, samples: Iterable[Sample]) -> dict[str, float]:
    """Output name -> signal to quantization noise in dB over all samples."""
    power = {name: _Power() for name in float_graph.outputs}
    for sample in samples:
        exact = run(float_graph, sample).outputs
        stored = run(quant_graph, stored_inputs(quant_graph, sample)).outputs
        for name, p in power.items():
            p.add(exact[name], _real(quant_graph.value(name), stored[name]))
    return {name: p.db for name, p in power.items()}


def stored_inputs(graph: Graph, sample: Sample) -> dict[str, np.ndarray]:
    """Real inputs as the graph stores them."""
    return {name: _stored(graph.value(name), sample[name]) for name in graph.inputs}


@dataclass(slots=True)
class _Seen:
    """Sums over all samples for one layer."""

    total: "_Power" = field(default_factory=lambda: _Power())
    own: "_Power" = field(default_factory=lambda: _Power())
    signal: np.ndarray | None = None  # of each channel
    noise: np.ndarray | None = None
    blame: float = 0.0
    outside: int = 0
    count: int = 0

    def add_own(self, exact: np.ndarray, alone: np.ndarray) -> None:
        self.own.add(exact, alone)
        rows = exact.reshape(-1, exact.shape[-1] if exact.ndim else 1).astype(np.float64)
        signal = (rows**2).sum(axis=0)
        noise = ((alone.reshape(rows.shape) - rows) ** 2).sum(axis=0)
        self.signal = signal if self.signal is None else self.signal + signal
        self.noise = noise if self.noise is None else self.noise + noise

    def worst_channels(self) -> tuple[tuple[int, float], ...]:
        """Channels without any signal are left out: they are dead."""
        if self.signal is None or self.noise is None:
            return ()
        alive = np.flatnonzero((self.signal > 0) & (self.noise > 0))
        figures = 10.0 * np.log10(self.signal[alive] / self.noise[alive])
        return tuple((int(alive[i]), float(figures[i])) for i in np.argsort(figures, kind="stable")[:WORST])


@dataclass(slots=True)
class _Power:
    signal: float = 0.0
    noise: float = 0.0

    def add(self, exact: np.ndarray, approximate: np.ndarray) -> None:
        reference = exact.astype(np.float64)
        self.signal += float(np.sum(reference**2))
        self.noise += float(np.sum((approximate.astype(np.float64) - reference) ** 2))

    @property
    def db(self) -> float:
        if self.noise == 0.0:
            return math.inf
        return -math.inf if self.signal == 0.0 else 10.0 * math.log10(self.signal / self.noise)


def _power(x: np.ndarray) -> float:
    return float(np.sum(x.astype(np.float64) ** 2))


def _outside(value: Value, real: np.ndarray) -> int:
    """How many numbers the value's parameters cannot hold, but for rounding."""
    if value.quant is None:
        return 0
    lo, hi = value.quant.dequantize(np.array(value.dtype.range, value.dtype.numpy))
    slack = value.quant.scale[0] / 2
    return int(np.count_nonzero((real < lo - slack) | (real > hi + slack)))


def _operands(
    original: Node, node: Node, quant_graph: Graph, exact: Mapping[str, np.ndarray]
) -> dict[int, tuple[Value, np.ndarray]]:
    """Position -> the quantized graph's value and the float graph's array, of every input that is an activation."""
    pairs = enumerate(zip(original.inputs, node.inputs, strict=False))
    return {i: (quant_graph.value(q), exact[f]) for i, (f, q) in pairs if f is not None and f in exact}


def _run_alone(node: Node, graph: Graph, activations: Mapping[int, np.ndarray]) -> np.ndarray:
    """The first result of a node; constants are the graph's."""
    values = [None if name is None else graph.value(name) for name in node.inputs]
    arrays = [v.data if v is not None and v.data is not None else activations.get(i) for i, v in enumerate(values)]
    return spec(node.op).reference(node.attrs, values, arrays, [graph.value(o) for o in node.outputs])[0]


def _stored(value: Value, real: np.ndarray) -> np.ndarray:
    return real if value.quant is None else value.quant.quantize(real)


def _real(value: Value, stored: np.ndarray) -> np.ndarray:
    return stored if value.quant is None else value.quant.dequantize(stored)
