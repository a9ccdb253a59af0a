"""No network costs more than the table says."""

from dataclasses import replace
from pathlib import Path

import pytest
from budget_table import REAL, ZOO, Budget, installed_compiler, measure, read_table, real_model, zoo_model

pytestmark = pytest.mark.emulated

QUICK_ZOO = ("autoencoder", "ds_cnn", "resnet8")
QUICK = ("mlperf_tiny/ad01_int8", "mlperf_tiny/kws_dscnn_int8", "mlperf_tiny/vww_96_int8", "mlperf_tiny/ic_resnet8_int8",
         "mlperf_tiny/ic_resnet8_int8 --weights-growth 50", "wake_vision/mcunet-vww0",
         "tflite_micro/person_detect")  # fmt: skip


def _check(name: str, model: Path) -> None:
    budget = read_table()[name]
    installed = installed_compiler(name)
    if installed != budget.compiler:
        pytest.skip(f"the figures of {name} are those of {budget.compiler}, installed is {installed}")
    risen = budget.risen(measure(name, model))
    assert not risen, f"{name} costs more:\n  " + "\n  ".join(risen) + "\n  python benchmarks/budgets.py --write"


@pytest.mark.parametrize("name", QUICK_ZOO)
def test_reference_networks(name: str, tmp_path: Path) -> None:
    _check(name, zoo_model(name, tmp_path))


@pytest.mark.parametrize("name", QUICK)
def test_real_networks(name: str, shared: Path) -> None:
    _check(name, real_model(name, shared / "models"))


def test_the_table_is_whole() -> None:
    assert sorted(read_table()) == sorted((*ZOO, *REAL))


def test_a_rise_of_more_than_one_percent_is_told() -> None:
    budget = Budget("a compiler", 10_000, 1000, 500, 600)
    assert budget.risen(replace(budget, instructions=10_100, arena=900)) == []
    assert budget.risen(replace(budget, instructions=10_101, code=506)) == [
        "instructions: 10,101, in the table 10,000 (+1.01 %)",
        "code: 506, in the table 500 (+1.20 %)",
    ]
