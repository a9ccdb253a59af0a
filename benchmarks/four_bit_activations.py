"""What activations of 4 bits would do to the answers of MLPerf Tiny's VWW network: docs/decisions/0003.

The float network, its weights exact, with every activation but the network's input and output rounded to 2^bits - 1 steps.
Ranges have the least mean squared error on the calibration pictures; what is judged are others.
"""

import sys
from collections.abc import Iterator, Mapping

import numpy as np
from common import Row, shared_folder, show

from tinyml.frontends import load_model
from tinyml.ir.graph import Graph, Value
from tinyml.ir.interpreter import run
from tinyml.ir.ops import spec
from tinyml.passes import canonicalize
from tinyml.quantize import open_calibration

CALIBRATION, JUDGED = 32, 348
BITS = (8, 6, 5, 4)

Range = tuple[float, float]


def rounded(x: np.ndarray, lo: float, hi: float, bits: int) -> np.ndarray:
    """To the nearest of 2^bits numbers from lo to hi, of which 0 is one."""
    step = (hi - lo) / (2**bits - 1) or 1.0
    low = np.rint(lo / step)
    return np.asarray(np.clip(np.rint(x / step), low, low + 2**bits - 1) * step, np.float32)


def best_range(x: np.ndarray, bits: int) -> Range:
    lo, hi = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    most = max(-lo, hi)
    ranges = [(max(lo, -t), min(hi, t)) for t in np.linspace(0.1, 1.0, 46) * most]
    errors = [float(np.square(rounded(x, *r, bits) - x).mean()) for r in ranges]
    return ranges[int(np.argmin(errors))]


def seen(graph: Graph, samples: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Of every activation, numbers from all samples."""
    parts: dict[str, list[np.ndarray]] = {}

    def keep(value: Value, x: np.ndarray) -> None:
        parts.setdefault(value.name, []).append(x.ravel()[:: max(1, x.size // 4000)])

    for sample in samples:
        run(graph, sample, observe=keep)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def answer(graph: Graph, sample: Mapping[str, np.ndarray], ranges: Mapping[str, Range], bits: int) -> np.ndarray:
    live = dict(sample)
    for node in graph.nodes:
        values = [None if name is None else graph.value(name) for name in node.inputs]
        arrays = [None if v is None else v.data if v.data is not None else live[v.name] for v in values]
        outs = [graph.value(name) for name in node.outputs]
        for value, x in zip(outs, spec(node.op).reference(node.attrs, values, arrays, outs), strict=True):
            final = value.name in graph.outputs or node is graph.nodes[-1]
            live[value.name] = x if final else rounded(x, *ranges[value.name], bits)
    return live[graph.outputs[0]].ravel()


def rows() -> Iterator[Row]:
    shared = shared_folder()
    graph = canonicalize(load_model(shared / "models" / "mlperf_tiny" / "vww_96_float.tflite"))
    calibration = list(open_calibration(shared / "images" / "calibration", graph).at_most(CALIBRATION))
    judged = list(open_calibration(shared / "images" / "test", graph).at_most(JUDGED))
    numbers = seen(graph, calibration)
    exact = [run(graph, sample).outputs[graph.outputs[0]].ravel() for sample in judged]
    for bits in BITS:
        ranges = {name: best_range(x, bits) for name, x in numbers.items()}
        answers = [answer(graph, sample, ranges, bits) for sample in judged]
        flips = sum(int(a.argmax() != e.argmax()) for a, e in zip(answers, exact, strict=True))
        change = float(np.mean([abs(a[0] - e[0]) for a, e in zip(answers, exact, strict=True)]))
        yield (f"{bits} bits", f"{flips} of {len(judged)}", f"{change:.3f}"), None


if __name__ == "__main__":
    sys.exit(show("Activations of few bits, VWW", ("activations", "flips", "mean change of the probability"), rows()))
