"""The interpreter: what it checks, keeps and hands on."""

import numpy as np
import pytest

from tinyml.errors import UsageError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.ir.interpreter import run
from tinyml.ir.ops import RELU, BinaryAttrs, FullyConnectedAttrs, Op, SvdfAttrs
from tinyml.ir.quant import QuantParams


def two_layers() -> Graph:
    b = GraphBuilder("net")
    x = b.input("x", (1, 2), DType.FLOAT32)
    w = b.constant("w", np.array([[1, 2], [3, -4]], np.float32))
    h = b.node(Op.FULLY_CONNECTED, [x, w, None], FullyConnectedAttrs(RELU), name="h")
    return b.build([b.node(Op.ADD, [h, x], BinaryAttrs(), name="y")])


def test_by_hand() -> None:
    """[1, 1] -> relu [3, -1] = [3, 0] -> [4, 1]"""
    result = run(two_layers(), {"x": np.ones((1, 2), np.float32)})
    assert list(result.outputs) == ["y"]
    assert result.outputs["y"].tolist() == [[4, 1]]
    assert list(result.values) == ["y"]


def test_all_values_and_observer_see_every_activation_in_order() -> None:
    seen: list[tuple[str, list[list[float]]]] = []

    def observe(value: Value, array: np.ndarray) -> None:
        seen.append((value.name, array.tolist()))

    result = run(two_layers(), {"x": np.ones((1, 2), np.float32)}, all_values=True, observe=observe)
    assert seen == [("x", [[1, 1]]), ("h", [[3, 0]]), ("y", [[4, 1]])]
    assert {name: a.tolist() for name, a in result.values.items()} == dict(seen)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"input x is missing; expected float32\[1, 2\]"),
        ({"x": np.ones((2, 1), np.float32)}, r"input x is float32\[2, 1\], expected float32\[1, 2\]"),
        ({"x": np.ones((1, 2))}, r"input x is float64\[1, 2\], expected float32\[1, 2\]"),
    ],
)
def test_wrong_inputs(inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(two_layers(), inputs)


def test_states_go_from_run_to_run() -> None:
    """A memory of two steps, summed: 3, then 3 + 5, then 5 + 7."""
    b = GraphBuilder("net")
    unit = QuantParams.per_tensor(1.0, 0)
    x = b.input("x", (1, 1), DType.INT8, unit)
    feature = b.constant("f", np.ones((1, 1), np.int8), unit)
    time = b.constant("t", np.ones((1, 2), np.int8), unit)
    shifted = QuantParams.per_tensor(1.0, -7)
    state = b.state("s", (1, 2), DType.INT8, shifted)
    y, written = b.nodes(Op.SVDF, [x, feature, time, None, state], SvdfAttrs(1), name="y", quants=[unit, shifted])
    b.update_state(state, written)
    graph = b.build([y])

    states = None
    sums = []
    for step in (3, 5, 7):
        result = run(graph, {"x": np.array([[step]], np.int8)}, states=states)
        states = result.states
        sums.append(int(result.outputs["y"][0, 0]))
    assert sums == [3, 8, 12]
    assert states is not None and states["s"].tolist() == [[5 - 7, 7 - 7]]  # real 5 and 7, stored with zero point -7
