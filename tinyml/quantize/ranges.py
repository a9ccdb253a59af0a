"""The range of every activation of a float graph, from calibration samples or from noise."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from tinyml.errors import TinymlError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.ir.interpreter import run
from tinyml.quantize.calibration import Sample
from tinyml.quantize.observers import MinMax, Observer, ObserverFactory
from tinyml.quantize.params import Range

Progress = Callable[[int], None]
"""Called with the number of samples that are done."""


def calibrate(
    graph: Graph,
    samples: Iterable[Sample],
    *,
    bounds: Mapping[str, Range] | None = None,
    observer: ObserverFactory = MinMax,
    progress: Progress = lambda done: None,
) -> dict[str, Range]:
    """Runs the float graph on every sample: value name -> (lo, hi) of every float32 activation.

    Args:
        bounds: ranges that are known without looking: they replace what was seen.

    Raises:
        TinymlError: there are no samples, or a value overflows to infinity or NaN (named, with its node).
    """
    observers: dict[str, Observer] = {}
    done = 0

    def see(value: Value, array: np.ndarray) -> None:
        if value.dtype is not DType.FLOAT32:
            return
        if not np.isfinite(array).all():
            raise _not_finite(graph, value.name, done)
        if value.name not in observers:
            observers[value.name] = observer()
        observers[value.name].observe(array)

    for sample in samples:
        run(graph, sample, observe=see)
        done += 1
        progress(done)
    if not done:
        raise TinymlError("calibration data: there are no samples; expected at least one")
    return {name: o.range() for name, o in observers.items()} | dict(bounds or {})


def plausible_ranges(graph: Graph) -> dict[str, Range]:
    """Ranges that normal noise (seeded) produces. The network then runs, and takes the time and memory that it takes;
    its outputs mean nothing."""
    rng = np.random.default_rng(0)
    sample = {}
    for name in graph.inputs:
        value = graph.value(name)
        sample[name] = rng.standard_normal(value.shape).astype(value.dtype.numpy)
    return calibrate(graph, [sample])


def _not_finite(graph: Graph, name: str, index: int) -> TinymlError:
    node = graph.producer().get(name)
    where = f"input {name}" if node is None else f"the result of {node.source} ({node.op.value})"
    return TinymlError(
        f"calibration: {where} is NaN or infinite for sample {index}",
        "look for a division by zero or an overflow in the model, or preprocess the samples as in training",
    )
