"""What range of real numbers a value takes, seen over calibration samples.

An observer watches one value. `calibrate` (tinyml.quantize.calibrate) gives every value its own.
"""

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

_HALF_BINS = 2048  # of a histogram, on either side of zero
_LEVELS = 255  # steps of an int8 range


class Observer(Protocol):
    """Sees arrays, then says what range to quantize."""

    def observe(self, x: np.ndarray) -> None:
        """Takes in one sample of the value: finite floats of any shape, not empty."""

    def range(self) -> tuple[float, float]:
        """(lo, hi), lo <= hi, of all that was seen; (0, 0) before anything was."""


ObserverFactory = Callable[[], Observer]


class MinMax:
    """The smallest and the largest number seen. Nothing that was seen saturates."""

    def __init__(self) -> None:
        self._lo = math.inf
        self._hi = -math.inf

    def observe(self, x: np.ndarray) -> None:
        self._lo = min(self._lo, float(x.min()))
        self._hi = max(self._hi, float(x.max()))

    def range(self) -> tuple[float, float]:
        return (self._lo, self._hi) if self._lo <= self._hi else (0.0, 0.0)


class Histogram:
    """Counts over [-limit, limit), limit a power of two that doubles when a larger number comes.

    Bin borders are binary fractions of the limit, so two neighbours merge exactly into one when it doubles and
    the result does not depend on the order of the samples.
    """

    def __init__(self) -> None:
        self.limit = 0.0
        self.counts = np.zeros(2 * _HALF_BINS, np.int64)
        self.extremes = MinMax()

    def observe(self, x: np.ndarray) -> None:
        self.extremes.observe(x)
        self._cover(max(map(abs, self.extremes.range())))
        if self.limit == 0.0:
            self.counts[_HALF_BINS] += x.size
            return
        bins = np.floor(x.ravel().astype(np.float64) * (_HALF_BINS / self.limit)).astype(np.int64) + _HALF_BINS
        self.counts += np.bincount(np.clip(bins, 0, 2 * _HALF_BINS - 1), minlength=2 * _HALF_BINS)

    @property
    def centres(self) -> np.ndarray:
        """The number that each bin stands for."""
        borders: np.ndarray = np.arange(-_HALF_BINS, _HALF_BINS) + 0.5
        return borders * (self.limit / _HALF_BINS)

    def _cover(self, magnitude: float) -> None:
        if magnitude == 0.0:
            return
        needed = 2.0 ** math.frexp(magnitude)[1]  # frexp: magnitude < 2 ** exponent
        if self.limit == 0.0:
            self.limit = needed
        while self.limit < needed:
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.pad(merged, _HALF_BINS // 2)
            self.limit *= 2.0


class Percentile:
    """Leaves out the rarest numbers: the given share of all that was seen lies inside, the rest saturates.

    Args:
        share: in percent, above 50; what is left out is split evenly between both ends.
    """

    def __init__(self, share: float = 99.99) -> None:
        if not 50.0 < share <= 100.0:
            raise ValueError(f"a share of {share} percent; expected more than 50 and at most 100")
        self._tail = (100.0 - share) / 200.0
        self._seen = Histogram()

    def observe(self, x: np.ndarray) -> None:
        self._seen.observe(x)

    def range(self) -> tuple[float, float]:
        lo, hi = self._seen.extremes.range()
        total = int(self._seen.counts.sum())
        if total == 0 or self._seen.limit == 0.0:
            return lo, hi
        below = np.cumsum(self._seen.counts)
        width = self._seen.limit / _HALF_BINS
        first = int(np.searchsorted(below, self._tail * total, side="right"))
        last = int(np.searchsorted(below, (1.0 - self._tail) * total, side="left"))
        centres = self._seen.centres
        return max(lo, float(centres[first]) - width / 2), min(hi, float(centres[last]) + width / 2)


class MeanSquaredError:
    """Of the ranges [max(lo, -t), min(hi, t)], the one whose quantization error is smallest in the mean square.

    The error of a number inside is that of rounding to the range's steps, outside that of saturating.
    """

    _THRESHOLDS = np.linspace(0.2, 1.0, 81)

    def __init__(self) -> None:
        self._seen = Histogram()

    def observe(self, x: np.ndarray) -> None:
        self._seen.observe(x)

    def range(self) -> tuple[float, float]:
        lo, hi = self._seen.extremes.range()
        if self._seen.limit == 0.0:
            return lo, hi
        kept = self._seen.counts > 0
        x, weight = self._seen.centres[kept], self._seen.counts[kept]
        magnitude = max(-lo, hi)
        candidates = [(max(lo, -t), min(hi, t)) for t in self._THRESHOLDS * magnitude]
        errors = [float(np.dot(weight, rounding_error(x, *c) ** 2)) for c in candidates]
        # The last of equals: where clipping gains nothing, nothing is clipped.
        best = len(errors) - 1 - int(np.argmin(errors[::-1]))
        return candidates[best]


class Entropy:
    """Of the ranges that MeanSquaredError chooses from, the one whose 255 levels keep most of the distribution.

    What is compared by Kullback-Leibler divergence is the histogram with what saturates moved into its end bins, and the
    same numbers spread evenly over the occupied bins of each level, as TensorRT calibrates (Migacz, "8-bit Inference
    with TensorRT", GTC 2017).
    """

    _THRESHOLDS = np.linspace(0.05, 1.0, 96)

    def __init__(self) -> None:
        self._seen = Histogram()

    def observe(self, x: np.ndarray) -> None:
        self._seen.observe(x)

    def range(self) -> tuple[float, float]:
        lo, hi = self._seen.extremes.range()
        if self._seen.limit == 0.0:
            return lo, hi
        candidates = [(max(lo, -t), min(hi, t)) for t in self._THRESHOLDS * max(-lo, hi)]
        losses = [self._divergence(*c) for c in candidates]
        best = len(losses) - 1 - int(np.argmin(losses[::-1]))
        return candidates[best]

    def _divergence(self, lo: float, hi: float) -> float:
        centres, counts = self._seen.centres, self._seen.counts.astype(np.float64)
        counts[_HALF_BINS] = 0.0  # zeros, which a relu makes many of, are exact whatever the range
        inside = np.flatnonzero((centres >= lo) & (centres <= hi))
        if len(inside) < _LEVELS:
            return np.inf  # bins coarser than levels tell nothing
        kept = counts[inside]
        clipped = kept.copy()
        clipped[0] += counts[: inside[0]].sum()
        clipped[-1] += counts[inside[-1] + 1 :].sum()
        if not clipped.any():
            return 0.0
        levels = np.minimum((np.arange(len(kept)) * _LEVELS) // len(kept), _LEVELS - 1)
        occupied = (clipped > 0).astype(np.float64)
        share = np.bincount(levels, kept, _LEVELS) / np.maximum(np.bincount(levels, occupied, _LEVELS), 1.0)
        spread = share[levels] * occupied
        p, q = clipped / clipped.sum(), spread / max(spread.sum(), 1.0)
        mask = p > 0
        # An end bin that holds nothing but what saturates has no counterpart: it costs as if it held one number.
        return float(np.sum(p[mask] * np.log(p[mask] / np.maximum(q[mask], 1.0 / clipped.sum()))))


OBSERVERS: Mapping[str, ObserverFactory] = {
    "mse": MeanSquaredError,
    "minmax": MinMax,
    "percentile": Percentile,
    "entropy": Entropy,
}


def rounding_error(x: np.ndarray, lo: float, hi: float) -> np.ndarray:
    """What int8 quantization of the range [lo, hi] (widened to hold 0) changes in each number."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    step = (hi - lo) / _LEVELS
    if step == 0.0:
        return -x
    zero = np.rint(-lo / step)
    error: np.ndarray = (np.clip(np.rint(x / step) + zero, 0, _LEVELS) - zero) * step - x
    return error
