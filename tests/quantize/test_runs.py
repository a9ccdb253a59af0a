"""Runs of layers that get activations of 16 bits where 8 are too few."""

from dataclasses import replace

import pytest
from test_rounding import data, network, samples

from tinyml.errors import DoesNotFitError
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op
from tinyml.ir.verify import verify
from tinyml.quantize import Budget, prepare
from tinyml.quantize.allocate import Allocation
from tinyml.quantize.error_report import output_sqnr
from tinyml.quantize.mixed import LayerChoice, Search, best_within, predicted_db, widened
from tinyml.quantize.model import Quantizer
from tinyml.quantize.runs import Run, inside


def test_inside() -> None:
    """What is read outside has 8 bits, and so has what the network gives."""
    graph = network()
    made = {node.name: node.output for node in graph.nodes}
    assert inside(graph, ["first"]) == set()
    assert inside(graph, ["first", "depthwise", "pointwise"]) == {made["first"], made["depthwise"]}
    names = [node.name for node in graph.nodes]
    assert inside(graph, names) == {made[name] for name in names[:-1]}


def _search() -> Search:
    """Two layers with a noise of 0.01 together; 4 bits in one of them add as much. 16 bits in the second, or in both, leave
    0.004 and 0.001."""
    layers = (LayerChoice("a", "a", 100, 0.01, (10, 9)), LayerChoice("b", "b", 100, 0.5, (10, 9)))
    front = (
        Allocation({"a": "w4a8", "b": "w8a8"}, 150, 19, 0.01),
        Allocation({"a": "w8a8", "b": "w8a8"}, 200, 20, 0.0),
    )
    return Search(layers, 0.01, front, (Run(("b",), 5, 0.004, 7), Run(("a", "b"), 50, 0.001, 14)))


def test_the_cheapest_run_that_reaches_the_goal() -> None:
    found = _search()
    assert [best_within(found, Budget(sqnr_db=db)).precision for db in (16, 19.9, 23.9, 29.9)] == [
        {"a": "w4a8", "b": "w8a8"},
        {"a": "w8a8", "b": "w8a8"},
        {"b": "w8a16", "a": "w8a8"},
        {"a": "w8a16", "b": "w8a16"},
    ]
    assert [(a.bytes, a.cycles) for a in widened(found, found.runs[0])] == [(150, 26), (200, 27)]
    assert predicted_db(found, widened(found, found.runs[0])[0]) == pytest.approx(18.54, abs=0.01)  # 0.014
    with pytest.raises(DoesNotFitError, match=r"reaches 31 dB at the output; the best 30\.0"):
        best_within(found, Budget(sqnr_db=31))


def test_runs_keep_the_budgets() -> None:
    found = _search()
    assert best_within(found, Budget(sqnr_db=23.9, cycles=27)).cycles == 27
    for budget in (Budget(cycles=26), Budget(weight_bytes=199), Budget(fits=lambda precision: False)):
        with pytest.raises(DoesNotFitError, match=r"reaches 23\.9 dB"):
            best_within(found, replace(budget, sqnr_db=23.9))
    only_all = Budget(sqnr_db=23.9, fits=lambda precision: precision["a"] == "w8a16")
    assert set(best_within(found, only_all).precision.values()) == {"w8a16"}


def test_mixed_reaches_what_int8_does_not() -> None:
    graph, seen = network(), samples()
    found = Quantizer(graph, data(seen)).search(Budget(sqnr_db=99.0))
    macs, errors = [run.macs for run in found.runs], [run.error for run in found.runs]
    assert macs == sorted(macs) and errors == sorted(errors, reverse=True) and errors[0] < found.base_error
    goal = (predicted_db(found, found.front[-1]) + predicted_db(found, widened(found, found.runs[-1])[-1])) / 2
    mixed = prepare(graph, calibration=data(seen), precision="mixed", budget=Budget(sqnr_db=goal), io="float32")
    verify(mixed.graph, quantized=True)
    assert mixed.choice is not None and "w8a16" in mixed.choice.taken.precision.values()
    types = {mixed.graph.value(node.output).dtype for node in mixed.graph.nodes if node.op is Op.CONV2D}
    assert DType.INT16 in types
    int8 = prepare(graph, calibration=data(seen), effort="high", io="float32")
    fresh = samples(seed=6)
    assert output_sqnr(graph, mixed.graph, fresh)["y"] > output_sqnr(graph, int8.graph, fresh)["y"] + 1
