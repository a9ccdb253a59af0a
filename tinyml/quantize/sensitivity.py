"""How much a layer minds weights of four bits, from calibration data alone.

Three measures, of which the search uses the first:

- `output_errors`: the layer alone gets 4-bit weights; what that changes in the network's output is the error.
- `hessian_errors`: trace of the Gauss-Newton matrix of the output's squared error, by Hutchinson's method with finite
  differences, a weight, times the squared change of the weights (HAWQ-V2, Dong et al., arXiv:1911.03852).
- `orthogonality`: how unlike other layers' a layer's results are (OMPQ, Ma et al., arXiv:2109.07865); it looks at no
  weights and no output. Redundant layers bear fewer bits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.quantize.assign import Assignment
from tinyml.quantize.calibration import Sample
from tinyml.quantize.reconstruct import Rounded, round_weights, statistics
from tinyml.quantize.rounding import affordable, layer_scales, reconstructible
from tinyml.quantize.simulate import Walk, decisive, downstream, simulate


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What a layer's weights become in either type."""

    int8: Rounded
    int4: Rounded


def candidates(
    graph: Graph, assignment: Assignment, samples: Sequence[Sample], *, exact: bool = False
) -> dict[str, Candidates]:
    """Node name -> weights rounded by their effect, given that all layers before have int8 weights; and, if `exact`, that
    activations are not rounded."""
    found: dict[str, Candidates] = {}
    layers = {node.name for node in reconstructible(graph, assignment)}
    walk = Walk(graph, {} if exact else assignment.params, affordable(graph, samples))
    real: dict[str, np.ndarray] = {}
    for i, node in enumerate(graph.nodes):
        bias = None
        if node.name in layers:
            x, w, b = (*node.inputs, None)[:3]
            assert x is not None and w is not None
            seen = statistics(graph, node, walk.exact[x], walk.rounded[x])
            given = graph.value(w).constant, None if b is None else graph.value(b).constant, seen
            least = layer_scales(graph, node, assignment)
            pair = Candidates(*(round_weights(*given, dtype, least) for dtype in (DType.INT8, DType.INT4)))
            found[node.name], bias = pair, pair.int8.bias
            real[w] = pair.int8.real
        walk.step(i, real, bias)
    return found


def output_errors(
    graph: Graph,
    assignment: Assignment,
    weights: Mapping[str, Candidates],
    samples: Iterable[Sample],
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[float, dict[str, float]]:
    """Noise power over signal power at the network's outputs: of the network with 8-bit weights against float, and,
    node name -> what is added if that layer alone has 4-bit weights."""
    nodes = {node.name: node for node in graph.nodes}
    base = {str(nodes[name].inputs[1]): c.int8.real for name, c in weights.items()}
    biases = {name: c.int8.bias for name, c in weights.items()}
    targets = decisive(graph)
    later = {name: downstream(graph, nodes[name]) for name in weights}
    noise = dict.fromkeys(weights, 0.0)
    signal = base_noise = 0.0
    for done, sample in enumerate(samples):
        exact = run(graph, sample, all_values=True).values
        live = simulate(graph, assignment.params, base, biases, sample)
        signal += power(exact[t] for t in targets)
        base_noise += power(live[t] - exact[t] for t in targets)
        for name, pair in weights.items():
            changed = {**base, str(nodes[name].inputs[1]): pair.int4.real}
            after = simulate(
                graph, assignment.params, changed, {**biases, name: pair.int4.bias}, live, only=later[name]
            )
            noise[name] += power(after[t] - live[t] for t in targets)
        progress(done + 1)
    signal = max(signal, 1e-30)
    return base_noise / signal, {name: n / signal for name, n in noise.items()}


def hessian_errors(graph: Graph, weights: Mapping[str, Candidates], samples: Iterable[Sample]) -> dict[str, float]:
    """Node name -> mean trace of J'J a weight, times the squared norm of what 4 bits change in the weights."""
    rng = np.random.default_rng(0)
    nodes = {node.name: node for node in graph.nodes}
    targets = decisive(graph)
    later = {name: downstream(graph, nodes[name]) for name in weights}
    trace = dict.fromkeys(weights, 0.0)
    for sample in samples:
        live = simulate(graph, {}, {}, {}, sample)
        for name in weights:
            w = graph.value(nodes[name].inputs[1])
            step = max(1e-3 * float(w.constant.std()), 1e-12)
            probe = rng.choice(np.array([-step, step], np.float32), w.shape)
            after = simulate(graph, {}, {w.name: w.constant + probe}, {}, live, only=later[name])
            trace[name] += power(after[t] - live[t] for t in targets) / step**2
    return {
        name: trace[name]
        / pair.int4.stored.size
        * float(np.sum((pair.int4.real - graph.value(nodes[name].inputs[1]).constant) ** 2))
        for name, pair in weights.items()
    }


def orthogonality(graph: Graph, names: Iterable[str], samples: Sequence[Sample]) -> dict[str, float]:
    """Node name -> exp(-sum over other layers of their linear similarity): large where no other layer is alike."""
    outputs = {node.output: node.name for node in graph.nodes if node.name in set(names)}
    rows: dict[str, list[np.ndarray]] = {name: [] for name in outputs.values()}
    for sample in samples:
        run(
            graph,
            sample,
            observe=lambda v, x: rows[outputs[v.name]].append(x.ravel()) if v.name in outputs else None,
        )
    kernels = {}
    for name, vectors in rows.items():
        f = np.stack(vectors).astype(np.float64)
        f -= f.mean(axis=0)
        kernel = f @ f.T
        kernels[name] = kernel / max(float(np.linalg.norm(kernel)), 1e-30)
    alike = {a: sum(float(np.sum(ka * kernels[b])) for b in kernels if b != a) for a, ka in kernels.items()}
    return {name: float(np.exp(-total / max(len(kernels) - 1, 1))) for name, total in alike.items()}


def power(arrays: Iterable[np.ndarray]) -> float:
    """Of all together: the sum of squares."""
    return sum(float(np.sum(x.astype(np.float64) ** 2)) for x in arrays)
