"""Scores of a classifier, and how sure they are.

All intervals are 95 % percentile bootstrap intervals. Answers are right or wrong, so drawing pictures with replacement
from each class is drawing a binomial count for it: that is done, from a fixed seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_DRAWS = 10_000
_SEED = 20241205
_MOST_THRESHOLDS = 100


@dataclass(frozen=True, slots=True)
class Score:
    """A share from 0 to 1 with its interval. All None where it is not defined: a class has no picture."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Pictures of one kind: how many, and how many of them were answered right."""

    count: int
    right: int

    @property
    def rate(self) -> float:
        return self.right / self.count


def part(right: Sequence[bool] | np.ndarray) -> Part:
    return Part(len(right), int(np.count_nonzero(right)))


def accuracy(parts: Sequence[Part]) -> Score:
    """Right answers of all."""
    counts = np.array([p.count for p in parts])
    return _score(parts, lambda rates: rates @ counts / counts.sum(), any_empty=not counts.sum())


def rate_f1(positive: Part, negative: Part) -> Score:
    """F1 from rates, so that the sizes of the two parts do not matter: 2 TPR / (2 TPR + FPR + FNR), 0 where TPR is 0.

    TPR = right / count of `positive`, FNR = 1 - TPR, FPR = 1 - right / count of `negative`.
    Source: Wake Vision's benchmark suite, arXiv 2405.00892.
    """

    def f1(rates: np.ndarray) -> np.ndarray:
        tpr, fpr = rates[:, 0], 1.0 - rates[:, 1]
        result: np.ndarray = 2.0 * tpr / (2.0 * tpr + fpr + (1.0 - tpr))
        return result

    return _score((positive, negative), f1)


def count_f1(positive: Part, negative: Part) -> Score:
    """The usual F1, from counts: 2 TP / (2 TP + FP + FN)."""

    def f1(rates: np.ndarray) -> np.ndarray:
        tp, fp = rates[:, 0] * positive.count, (1.0 - rates[:, 1]) * negative.count
        fn = positive.count - tp
        result: np.ndarray = 2.0 * tp / (2.0 * tp + fp + fn)
        return result

    return _score((positive, negative), f1)


def rate(of: Part) -> Score:
    """Right answers of one part: recall of a class."""
    return _score((of,), lambda rates: rates[:, 0])


def _score(parts: Sequence[Part], formula: Callable[[np.ndarray], np.ndarray], any_empty: bool | None = None) -> Score:
    """`formula` takes rates as [draws, parts]."""
    if any_empty if any_empty is not None else not all(p.count for p in parts):
        return Score(None)
    random = np.random.default_rng(_SEED)
    rates = np.array([[p.rate if p.count else 0.0 for p in parts]])
    drawn = np.stack(
        [random.binomial(p.count, p.rate, _DRAWS) / p.count if p.count else np.zeros(_DRAWS) for p in parts], 1
    )
    low, high = np.percentile(formula(drawn), (2.5, 97.5))
    return Score(float(formula(rates)[0]), float(low), float(high))


# --- thresholds -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Threshold:
    """What comes of answering 1 from this score on."""

    threshold: float
    accuracy: float
    f1: float
    true_positive_rate: float
    false_positive_rate: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """Attributes:
    points: by ascending threshold, at most some hundred; each lies between two scores that occurred.
    area_under_curve: probability that a picture of class 1 scores higher than one of class 0, ties half.
    """

    points: tuple[Threshold, ...]
    best_accuracy: Threshold
    best_f1: Threshold
    area_under_curve: float


def sweep(scores: np.ndarray, labels: np.ndarray) -> Sweep | None:
    """None where one of the classes 0 and 1 has no picture. F1 is from counts."""
    positive, negative = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    if not len(positive) or not len(negative):
        return None
    distinct = np.unique(scores)
    cuts = (distinct[1:] + distinct[:-1]) / 2.0
    spread = 1.0 if len(distinct) < 2 else float(distinct[-1] - distinct[0])
    cuts = np.concatenate([[distinct[0] - spread / 100], cuts, [distinct[-1] + spread / 100]])
    points = [_threshold(float(cut), positive, negative) for cut in cuts]
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    step = max(1, -(-len(points) // _MOST_THRESHOLDS))
    return Sweep(
        tuple(points[i] for i in sorted({*range(0, len(points), step), len(points) - 1})),
        max(points, key=lambda p: p.accuracy),
        max(points, key=lambda p: p.f1),
        float(below.sum() / (2.0 * len(positive) * len(negative))),
    )


def _threshold(cut: float, positive: np.ndarray, negative: np.ndarray) -> Threshold:
    tp = len(positive) - int(np.searchsorted(positive, cut, "left"))
    fp = len(negative) - int(np.searchsorted(negative, cut, "left"))
    fn, tn = len(positive) - tp, len(negative) - fp
    return Threshold(
        threshold=cut,
        accuracy=(tp + tn) / (len(positive) + len(negative)),
        f1=2.0 * tp / (2.0 * tp + fp + fn),
        true_positive_rate=tp / len(positive),
        false_positive_rate=fp / len(negative),
    )


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> tuple[tuple[int, ...], ...]:
    """Counts by label, then by prediction."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return tuple(tuple(int(n) for n in row) for row in counts)
