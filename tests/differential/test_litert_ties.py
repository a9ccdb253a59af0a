"""Sums on ties and next to them, where rounding rules and the precision of factors differ. Random scales never get there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from litert_batch import Case, assert_equal
from op_models import constant, single
from tflite_model import Quant, TensorSpec


def fully_connected(
    name: str, sums: np.ndarray, of_x: float, of_w: float, of_y: float, *, per_channel: bool = False
) -> Case:
    """Outputs are the sums, which the bias holds, times of_x * of_w / of_y."""
    n = sums.size
    scales = [of_w] * (n if per_channel else 1)
    x = TensorSpec("x", (1, 1), "int8", Quant([of_x], [0]))
    w = constant("w", np.zeros((n, 1), np.int8), Quant(scales, [0] * len(scales)))
    b = constant("b", sums.astype(np.int32), Quant([of_x * s for s in scales], [0] * len(scales)))
    y = TensorSpec("y", (1, n), "int8", Quant([of_y], [0]))
    rng = np.random.default_rng(0)
    return single(name, rng, "FULLY_CONNECTED", [x, w, b], y, "FullyConnectedOptions", runs=1)


@pytest.mark.parametrize("per_channel", [False, True])
def test_fully_connected_on_ties(per_channel: bool, tmp_path: Path) -> None:
    """A quarter of the sum: every other even one is a tie, on both sides of 0."""
    assert_equal([fully_connected("tie", np.arange(-60, 60), 0.5, 0.5, 1.0, per_channel=per_channel)], tmp_path)


def near_tie(rng: np.random.Generator) -> tuple[int, float, float, float]:
    """A sum and scales: their product in double lies on the other side of a tie than with a multiplier of 31 bits."""
    while True:
        total = int(rng.integers(1 << 22, 1 << 24))
        tie = (int(rng.integers(60, 126)) + 0.5) / total
        x, w = rng.uniform(1e-3, 1e-1, (2, 100_000)).astype(np.float32)
        y = (x.astype(np.float64) * w / tie).astype(np.float32)
        exact = x.astype(np.float64) * w / y
        mantissa, exponent = np.frexp(exact)
        short = np.rint(mantissa * 2**31) / 2**31 * 2.0**exponent
        found = np.flatnonzero((exact >= tie) != (short >= tie))
        if found.size:
            i = found[0]
            return total, float(x[i]), float(w[i]), float(y[i])


@pytest.mark.parametrize("per_channel", [False, True])
def test_fully_connected_next_to_a_tie(per_channel: bool, tmp_path: Path) -> None:
    """A factor of 31 bits is too short."""
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(10):
        total, *scales = near_tie(rng)
        sums = np.array([total, -total])
        cases.append(fully_connected(f"{total}", sums, *scales, per_channel=per_channel))
    assert_equal(cases, tmp_path)


def test_svdf_divides_scales_in_single_precision(tmp_path: Path) -> None:
    """The sum n in the bias times of_state * of_time / of_y is a tie in one precision and just off it in the other."""
    rng = np.random.default_rng(2)
    cases = []
    for _ in range(10):
        n, of_state, of_time, of_y = _between_precisions(rng)
        x = TensorSpec("x", (1, 1), "int8", Quant([0.1], [0]))
        feature = constant("f", np.zeros((1, 1), np.int8), Quant([0.1], [0]))
        time = constant("t", np.zeros((1, 1), np.int16), Quant([of_time], [0]))
        bias = constant("b", np.array([n], np.int32), Quant([of_state * of_time], [0]))
        state = TensorSpec("s", (1, 1), "int16", Quant([of_state], [0]), None, variable=True)
        y = TensorSpec("y", (1, 1), "int8", Quant([of_y], [0]))
        options = {"Rank": 1, "FusedActivationFunction": 1}
        case = single(f"{n}", rng, "SVDF", [x, feature, time, bias, state], y, "SVDFOptions", runs=1, **options)
        cases.append(replace(case, states=(4,)))
    assert_equal(cases, tmp_path)


def _between_precisions(rng: np.random.Generator) -> tuple[int, float, float, float]:
    while True:
        n = int(rng.integers(60, 127))
        tie = (int(rng.integers(n // 2 + 1, n - 1)) + 0.5) / n  # a ratio from 1/2 to 1 leaves only one rounding
        a, b = rng.uniform(0.01, 0.1, (2, 50_000)).astype(np.float32)
        c = (a.astype(np.float64) * b / tie).astype(np.float32)
        double, single_precision = a.astype(np.float64) * b / c, (a * b / c).astype(np.float64)
        found = np.flatnonzero((double >= tie + 1e-9) & (single_precision < tie - 1e-9))
        if found.size:
            i = found[0]
            return n, float(a[i]), float(b[i]), float(c[i])
