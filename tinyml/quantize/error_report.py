"""Signal to quantization noise, layer by layer: where a quantized network loses accuracy."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Op, spec
from tinyml.quantize.calibration import Sample


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far a node's result is from the float network's.

    Attributes:
        source: the node in the model file.
        sqnr_db: 10 log10(signal power / noise power) over all samples; infinite where nothing differs.
        own_sqnr_db: the same for this node alone, given exactly what its inputs' quantization can hold: what the
            rounding of its weights and of its result, or its saturation, adds to the error.
    """

    node: str
    op: Op
    source: str
    sqnr_db: float
    own_sqnr_db: float


def layer_sqnr(float_graph: Graph, quant_graph: Graph, samples: Iterable[Sample]) -> list[LayerError]:
    """One entry for each node of the quantized graph that the float graph has too (by name), in order of execution.

    Args:
        samples: inputs of the float graph; the quantized graph gets them in its own types.
    """
    originals = {n.name: n for n in float_graph.nodes}
    compared = [n for n in quant_graph.nodes if n.name in originals]
    total = {n.name: _Power() for n in compared}
    own = {n.name: _Power() for n in compared}
    for sample in samples:
        exact = run(float_graph, sample, all_values=True).values
        stored = run(quant_graph, stored_inputs(quant_graph, sample), all_values=True).values
        for node in compared:
            original = originals[node.name]
            reference = exact[original.outputs[0]]
            result = quant_graph.value(node.outputs[0])
            total[node.name].add(reference, _real(result, stored[result.name]))
            inputs = _operands(original, node, quant_graph, exact)
            alone = _run_alone(node, quant_graph, {i: _stored(v, x) for i, (v, x) in inputs.items()})
            rounded = {i: _real(v, _stored(v, x)) for i, (v, x) in inputs.items()}
            own[node.name].add(_run_alone(original, float_graph, rounded), _real(result, alone))
    return [LayerError(n.name, n.op, n.source, total[n.name].db, own[n.name].db) for n in compared]


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
