"""Ranges of activations over samples."""

import numpy as np
import pytest

from tinyml.errors import TinymlError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import BinaryAttrs, FullyConnectedAttrs, Op, ReshapeAttrs
from tinyml.quantize.observers import Percentile
from tinyml.quantize.ranges import calibrate, plausible_ranges


def doubled() -> Graph:
    b = GraphBuilder("double")
    x = b.input("x", (1, 3), DType.FLOAT32)
    d = b.node(Op.ADD, [x, x], BinaryAttrs(), output="d")
    return b.build([b.node(Op.RELU, [d], output="y")])


def sample(*x: float) -> dict[str, np.ndarray]:
    return {"x": np.array([x], np.float32)}


def test_ranges_of_inputs_and_results() -> None:
    done: list[int] = []
    found = calibrate(doubled(), [sample(1, -3, 0), sample(2, 0.5, -1)], progress=done.append)
    assert found == {"x": (-3, 2), "d": (-6, 4), "y": (0, 4)}
    assert done == [1, 2]


def test_known_bounds_replace_what_was_seen() -> None:
    found = calibrate(doubled(), [sample(1, -3, 0)], bounds={"x": (-5.0, 5.0)})
    assert found["x"] == (-5.0, 5.0) and found["d"] == (-6, 2)


def test_another_observer() -> None:
    rng = np.random.default_rng(0)
    b = GraphBuilder("net")
    graph = b.build([b.node(Op.RESHAPE, [b.input("x", (1, 1000), DType.FLOAT32)], ReshapeAttrs((1000, 1)))])
    samples = [{"x": rng.normal(size=(1, 1000)).astype(np.float32)} for _ in range(20)]
    lo, hi = calibrate(graph, samples, observer=lambda: Percentile(99.0))["x"]
    assert (lo, hi) == pytest.approx((-2.58, 2.58), abs=0.1)  # the normal distribution's 0.5 % quantiles


def test_no_samples() -> None:
    with pytest.raises(TinymlError, match="there are no samples"):
        calibrate(doubled(), [])


@pytest.mark.filterwarnings("ignore:overflow")
def test_overflow_names_the_layer_and_the_sample() -> None:
    with pytest.raises(TinymlError, match=r"the result of add \(add\) is NaN or infinite for sample 1"):
        calibrate(doubled(), [sample(1, 1, 1), sample(3e38, 0, 0)])


def test_plausible_ranges_are_the_same_each_time_and_cover_everything() -> None:
    b = GraphBuilder("net")
    x = b.input("x", (1, 8), DType.FLOAT32)
    w = b.constant("w", np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32))
    y = b.node(Op.FULLY_CONNECTED, [x, w], FullyConnectedAttrs(), output="y")
    graph = b.build([y])
    first = plausible_ranges(graph)
    assert first == plausible_ranges(graph)
    assert first.keys() == {"x", "y"}
    assert all(lo < hi for lo, hi in first.values())
