"""What quantization changes in a network's answers, sample by sample: the same inputs through both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_Z = 1.959964  # 95 % of a normal distribution lies within so many deviations


@dataclass(frozen=True, slots=True)
class Top1:
    """Share of right answers, and the difference (other - exact) with its 95 % interval.

    better, worse: samples that only the other, only the exact network answers right.
    """

    exact: float
    other: float
    better: int
    worse: int
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Attributes:
    flips: samples whose largest output is another one; which: their positions.
    mean_error: mean over samples of the largest change of an output.
    sqnr_db: of all outputs over all samples.
    top1: None where labels are not known.
    """

    samples: int
    flips: int
    which: tuple[int, ...]
    mean_error: float
    largest_error: float
    sqnr_db: float
    top1: Top1 | None


def compare(exact: np.ndarray, other: np.ndarray, labels: Sequence[int] | None = None) -> Paired:
    """Args: exact, other: [samples, outputs], real numbers."""
    exact, other = exact.astype(np.float64), other.astype(np.float64)
    # One output is a score of class 1 against 0, a probability by convention.
    answers = [(x > 0.5)[:, 0].astype(int) if x.shape[1] == 1 else x.argmax(axis=1) for x in (exact, other)]
    flipped = np.flatnonzero(answers[0] != answers[1])
    change = np.abs(other - exact).max(axis=1)
    noise, signal = float(np.sum((other - exact) ** 2)), float(np.sum(exact**2))
    return Paired(
        samples=len(exact),
        flips=len(flipped),
        which=tuple(int(i) for i in flipped),
        mean_error=float(change.mean()),
        largest_error=float(change.max()),
        sqnr_db=math.inf if noise == 0 else 10 * math.log10(max(signal, 1e-300) / noise),
        top1=None if labels is None else top1(answers[0] == np.asarray(labels), answers[1] == np.asarray(labels)),
    )


def top1(exact: np.ndarray, other: np.ndarray) -> Top1:
    """From which answers are right. The interval is that of Bonett and Price for paired proportions ("Adjusted Wald
    confidence interval for a difference of binomial proportions based on paired data", 2012): it adds one sample to each
    of the two kinds of disagreement, and holds for small counts, too."""
    n = len(exact)
    better, worse = int(np.sum(other & ~exact)), int(np.sum(exact & ~other))
    up, down = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    half = _Z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Top1(
        exact=float(exact.mean()),
        other=float(other.mean()),
        better=better,
        worse=worse,
        difference=(better - worse) / n,
        low=max(-1.0, up - down - half),
        high=min(1.0, up - down + half),
    )
