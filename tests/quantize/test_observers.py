"""Observers against the numbers themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyml.quantize.observers import Entropy, Histogram, MeanSquaredError, MinMax, Observer, Percentile, rounding_error

arrays = st.lists(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20).map(lambda x: np.array(x, np.float32)),
    min_size=1,
    max_size=5,
)


def after(observer: Observer, *samples: np.ndarray) -> tuple[float, float]:
    for x in samples:
        observer.observe(x)
    return observer.range()


@given(arrays)
def test_min_max_is_the_extremes(samples: list[np.ndarray]) -> None:
    everything = np.concatenate(samples)
    assert after(MinMax(), *samples) == (everything.min(), everything.max())


@pytest.mark.parametrize("observer", [MinMax, Percentile, MeanSquaredError, Entropy])
def test_nothing_seen_is_a_range_without_width(observer: type[Observer]) -> None:
    assert observer().range() == (0.0, 0.0)


@pytest.mark.parametrize("observer", [MinMax, Percentile, MeanSquaredError, Entropy])
@pytest.mark.parametrize("constant", [0.0, 1e-30, 3.0, -2.5, 1e30])
def test_constant_values(observer: type[Observer], constant: float) -> None:
    lo, hi = after(observer(), np.full(10, constant, np.float32), np.full(3, constant, np.float32))
    assert lo <= np.float32(constant) <= hi


@given(arrays)
@settings(max_examples=50)
def test_a_histogram_does_not_depend_on_the_order(samples: list[np.ndarray]) -> None:
    forward, backward = Histogram(), Histogram()
    for x in samples:
        forward.observe(x)
    for x in reversed(samples):
        backward.observe(x)
    assert forward.limit == backward.limit
    # Zeros that came before anything else sit in the bin that begins at 0, where they belong later too.
    np.testing.assert_array_equal(forward.counts, backward.counts)
    assert forward.counts.sum() == sum(x.size for x in samples)


@given(arrays)
def test_a_histogram_holds_each_number_in_its_bin(samples: list[np.ndarray]) -> None:
    histogram = Histogram()
    for x in samples:
        histogram.observe(x)
    everything = np.sort(np.concatenate(samples).astype(np.float64))
    spread = np.repeat(histogram.centres, histogram.counts)
    half_bin = histogram.limit / (len(histogram.counts) // 2) / 2
    np.testing.assert_allclose(spread, everything, rtol=0, atol=half_bin * (1 + 1e-9))


def test_percentile_against_numpy() -> None:
    x = np.random.default_rng(1).normal(size=200_000).astype(np.float32)
    lo, hi = after(Percentile(99.0), *np.split(x, 10))
    np.testing.assert_allclose((lo, hi), np.percentile(x, [0.5, 99.5]), atol=0.01)


def test_percentile_of_everything_is_min_max() -> None:
    x = np.random.default_rng(2).normal(size=1000).astype(np.float32)
    assert after(Percentile(100.0), x) == (x.min(), x.max())


def test_percentile_refuses_shares_that_leave_nothing() -> None:
    with pytest.raises(ValueError, match="a share of 50"):
        Percentile(50.0)


@pytest.mark.parametrize("kind", ["normal", "laplace", "relu", "outlier", "uniform"])
def test_mean_squared_error_against_brute_force(kind: str) -> None:
    """The chosen range is as good, on the numbers themselves, as the best of a fine search over all of them."""
    rng = np.random.default_rng(3)
    x = {
        "normal": rng.normal(size=20_000),
        "laplace": rng.laplace(size=20_000),
        "relu": np.maximum(rng.normal(size=20_000), 0),
        "outlier": np.append(rng.normal(size=20_000), 60.0),
        "uniform": rng.uniform(-1, 2, size=20_000),
    }[kind].astype(np.float32)
    lo, hi = after(MeanSquaredError(), *np.array_split(x, 7))
    magnitude = np.abs(x).max()
    candidates = [(max(x.min(), -t), min(x.max(), t)) for t in np.linspace(0.1, 1.0, 500) * magnitude]
    best = min(float(np.mean(rounding_error(x, *c) ** 2)) for c in candidates)
    assert float(np.mean(rounding_error(x, lo, hi) ** 2)) <= 1.02 * best


def test_mean_squared_error_clips_an_outlier_and_keeps_a_uniform_range() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=100_000).astype(np.float32)
    # By hand: (20 - t)^2 + 1e5 * ((t - lo) / 255)^2 / 12 is least where 2 (20 - t) = 1e5 / 6 * (t - lo) / 255^2.
    k = 1e5 / 6 / 255**2
    lo = float(noise.min())
    assert after(MeanSquaredError(), np.append(noise, np.float32(20)))[1] == pytest.approx(
        (40 + k * lo) / (2 + k), abs=0.5
    )
    uniform = rng.uniform(-1, 1, size=10_000).astype(np.float32)
    assert after(MeanSquaredError(), uniform) == pytest.approx((uniform.min(), uniform.max()), abs=0.02)


def test_entropy_against_a_plain_loop() -> None:
    """The divergence of each candidate, bin by bin, as the paper has it."""
    rng = np.random.default_rng(7)
    x = np.append(np.abs(rng.normal(size=20_000)), [30.0, 28.0]).astype(np.float32)
    observer = Entropy()
    observer.observe(x)
    width = 32.0 / 2048
    counts = np.bincount((x / width).astype(int), minlength=2048).astype(float)
    counts[0] = 0.0
    losses = []
    for fraction in np.linspace(0.05, 1.0, 96):
        limit = fraction * 30.0
        n = sum((i + 0.5) * width <= limit for i in range(2048))
        if n < 255:
            losses.append(np.inf)
            continue
        p = counts[:n].copy()
        p[-1] += counts[n:].sum()
        q = np.zeros(n)
        for level in range(255):
            bins = [i for i in range(n) if i * 255 // n == level]
            occupied = [i for i in bins if p[i] > 0]
            for i in occupied:
                q[i] = counts[:n][bins].sum() / len(occupied)
        total = p.sum()
        q /= q.sum()
        losses.append(sum(p[i] / total * np.log(p[i] / total / max(q[i], 1 / total)) for i in range(n) if p[i] > 0))
    best = max(i for i, loss in enumerate(losses) if loss == min(losses))
    assert observer.range()[1] == pytest.approx(np.linspace(0.05, 1.0, 96)[best] * 30.0, abs=1e-5)
    assert observer.range()[1] < 30
