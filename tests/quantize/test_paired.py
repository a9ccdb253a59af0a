"""Paired comparison of two networks' answers."""

import math

import numpy as np
import pytest

from tinyml.quantize.paired import compare, top1


def test_flips_and_errors_by_hand() -> None:
    exact = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]])
    other = np.array([[0.8, 0.2], [0.55, 0.45], [0.5, 0.5]])
    found = compare(exact, other, [0, 1, 1])
    assert (found.samples, found.flips, found.which) == (3, 1, (1,))
    assert found.mean_error == pytest.approx((0.1 + 0.15) / 3) and found.largest_error == pytest.approx(0.15)
    signal = 0.81 + 0.01 + 0.16 + 0.36 + 0.5
    assert found.sqnr_db == pytest.approx(10 * math.log10(signal / (0.02 + 0.045)))
    assert found.top1 is not None
    assert (found.top1.exact, found.top1.other) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert (found.top1.better, found.top1.worse) == (0, 1)


def test_one_output_is_a_probability() -> None:
    assert compare(np.array([[0.6], [0.4]]), np.array([[0.4], [0.3]])).flips == 1


def test_what_agrees_has_no_noise() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    found = compare(x, x)
    assert found.flips == 0 and found.sqnr_db == math.inf and found.top1 is None


def test_the_interval_is_bonett_and_prices() -> None:
    """By hand for 100 pairs, 12 better and 4 worse: p12 = 13/102, p21 = 5/102."""
    exact = np.array([False] * 12 + [True] * 4 + [True] * 60 + [False] * 24)
    other = np.array([True] * 12 + [False] * 4 + [True] * 60 + [False] * 24)
    found = top1(exact, other)
    centre, spread = 8 / 102, 1.959964 * math.sqrt((18 / 102 - (8 / 102) ** 2) / 102)
    assert found.difference == pytest.approx(0.08)
    assert (found.low, found.high) == (pytest.approx(centre - spread), pytest.approx(centre + spread))
    assert found.low < 0 < found.high or found.low > -0.01


def test_the_interval_covers_the_truth() -> None:
    """95 of 100 of its kind hold the true difference; of 400 draws at least 370 do."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        kind = rng.choice(4, 60, p=[0.1, 0.05, 0.6, 0.25])
        found = top1(np.isin(kind, (1, 2)), np.isin(kind, (0, 2)))
        covered += found.low <= 0.05 <= found.high
    assert covered >= 370
