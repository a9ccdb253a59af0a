"""What tests of passes share: before/after text, and the numpy interpreter as judge of what a rewrite means."""

from textwrap import dedent

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.text import parse, to_text
from tinyml.passes import Pass, run_pass


def graph_of(statements: str) -> Graph:
    """A graph from its statements alone."""
    return parse('graph "g" {\n' + dedent(statements) + "\n}")


def statements(graph: Graph) -> list[str]:
    """What a graph says, with the constants, whose order means nothing, sorted."""
    lines = [line.strip() for line in to_text(graph).splitlines()[1:-1]]
    return sorted(line for line in lines if line.startswith("const")) + [
        line for line in lines if not line.startswith("const")
    ]


def assert_rewrites(step: Pass, before: str, after: str) -> None:
    """The pass turns one text into the other, and the interpreter gives the same results for both."""
    old = graph_of(before)
    new = run_pass(old, step)
    assert statements(new) == statements(graph_of(after))
    assert_same_results(old, new)


def assert_keeps(step: Pass, text: str) -> None:
    """The pass finds nothing to do."""
    assert_rewrites(step, text, text)


def random_input(graph: Graph, name: str, rng: np.random.Generator) -> np.ndarray:
    """In the order of the axes of the model file."""
    value = graph.values[name]
    shape = value.shape
    if value.layout is not None:
        shape = tuple(shape[i] for i in np.argsort(value.layout))
    if value.dtype is DType.FLOAT32:
        return rng.uniform(-2, 2, shape).astype(np.float32)
    lo, hi = value.dtype.range
    return rng.integers(lo, hi + 1, shape).astype(value.dtype.numpy)


def results(graph: Graph, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Runs a graph; inputs and outputs have their axes in the order of the model file."""
    laid = {}
    for name, array in inputs.items():
        layout = graph.values[name].layout
        laid[name] = np.ascontiguousarray(array if layout is None else array.transpose(layout))
    outputs = run(graph, laid).outputs
    moved = []
    for name, array in outputs.items():
        layout = graph.values[name].layout
        moved.append(array if layout is None else array.transpose(np.argsort(layout)))
    return moved


def assert_same_results(old: Graph, new: Graph) -> None:
    """Real numbers within 1e-5 of the largest, integers exactly."""
    rng = np.random.default_rng(len(old.nodes))
    inputs = {name: random_input(old, name, rng) for name in old.inputs}
    for a, b in zip(results(old, inputs), results(new, inputs), strict=True):
        assert a.shape == b.shape
        if a.dtype.kind == "f":
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 * max(1.0, float(np.abs(a).max())))
        else:
            np.testing.assert_array_equal(b, a)
