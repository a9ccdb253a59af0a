"""What MLPerf Tiny's runner makes of results: accuracy and area under the curve over files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyml.bench.metrics import sweep


@dataclass(frozen=True, slots=True)
class Quality:
    """Attributes:
    files, inputs: how many were run; a file of ad01 has many inputs.
    accuracy: share of files whose class is answered right; None for ad01, where a result is no class.
    area_under_curve: probability that a file of a class scores higher for it than one of another class; mean over
        classes. None where only one class occurs.
    """

    files: int
    inputs: int
    accuracy: float | None
    area_under_curve: float | None


def quality(results: Sequence[Sequence[Sequence[float]]], truth: Sequence[int]) -> Quality:
    """Scores of a run over all files.

    Args:
        results: for each file, for each of its inputs, what the board answered.
        truth: the class of each file.

    As the runner does: answers of several numbers are divided by their sum, and the answers of a file are averaged.
    """
    scores = np.stack([_averaged(file) for file in results])
    labels = np.asarray(truth)
    inputs = sum(len(file) for file in results)
    if scores.shape[1] == 1:  # the more, the less normal: class 1 is the anomaly
        return Quality(len(results), inputs, None, _area(scores[:, 0], labels == 1))
    right = float(np.mean(np.argmax(scores, axis=1) == labels))
    if scores.shape[1] == 2:
        return Quality(len(results), inputs, right, _area(scores[:, 1], labels == 1))
    areas = [_area(scores[:, c], labels == c) for c in range(scores.shape[1])]
    known = [area for area in areas if area is not None]
    return Quality(len(results), inputs, right, float(np.mean(known)) if known else None)


def _averaged(file: Sequence[Sequence[float]]) -> np.ndarray:
    answers = np.asarray(file, np.float64)
    if answers.shape[1] > 1:
        total = answers.sum(axis=1, keepdims=True)
        answers = answers / np.where(total == 0.0, 1.0, total)
    mean: np.ndarray = answers.mean(axis=0)
    return mean


def _area(scores: np.ndarray, positive: np.ndarray) -> float | None:
    found = sweep(scores, positive.astype(np.int64))
    return None if found is None else found.area_under_curve
