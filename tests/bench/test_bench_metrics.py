"""Scores against arithmetic done by hand."""

import numpy as np
import pytest

from tinyml.bench.data import EXCLUDED
from tinyml.bench.metrics import Part, accuracy, confusion, count_f1, part, rate, rate_f1, sweep
from tinyml.bench.wake_vision.suite import SUITES, Answer, FineScore, fine_scores

ALL = tuple(group for groups in SUITES.values() for group in groups)


def test_f1_from_rates() -> None:
    """TPR 3/4, FPR 1/5, FNR 1/4: 1.5 / (1.5 + 0.2 + 0.25) = 10/13. The counts would give 6 / (6 + 2 + 1) = 2/3."""
    positive, negative = Part(4, 3), Part(10, 8)
    assert rate_f1(positive, negative).value == pytest.approx(10 / 13)
    assert count_f1(positive, negative).value == pytest.approx(2 / 3)
    assert accuracy([positive, negative]).value == pytest.approx(11 / 14)
    assert rate(positive).value == 0.75


def test_f1_does_not_see_the_sizes_of_the_parts() -> None:
    assert rate_f1(Part(4, 3), Part(10, 8)).value == rate_f1(Part(400, 300), Part(5, 4)).value


def test_scores_at_the_ends() -> None:
    assert rate_f1(Part(5, 5), Part(7, 7)).value == 1.0
    assert rate_f1(Part(5, 0), Part(7, 7)).value == 0.0
    assert rate_f1(Part(5, 0), Part(7, 0)).value == 0.0
    assert rate_f1(Part(0, 0), Part(7, 7)).value is None
    assert rate_f1(Part(5, 5), Part(0, 0)).value is None
    assert accuracy([Part(0, 0), Part(0, 0)]).value is None
    assert accuracy([Part(0, 0), Part(4, 3)]).value == 0.75
    assert part([True, False, True]) == Part(3, 2)


def test_the_interval_is_that_of_the_binomial_distribution() -> None:
    """For 800 of 1000: 0.8 +- 1.96 * sqrt(0.8 * 0.2 / 1000) = 0.8 +- 0.0248."""
    score = accuracy([Part(1000, 800)])
    assert score.low == pytest.approx(0.8 - 0.0248, abs=0.002)
    assert score.high == pytest.approx(0.8 + 0.0248, abs=0.002)
    assert score == accuracy([Part(1000, 800)])


def test_the_interval_of_f1_is_that_of_resampled_pictures() -> None:
    """Against a bootstrap that does draw pictures."""
    random = np.random.default_rng(1)
    positive, negative = np.arange(60) < 45, np.arange(90) < 80
    drawn = []
    for _ in range(4000):
        tpr = random.choice(positive, 60).mean()
        fpr = 1 - random.choice(negative, 90).mean()
        drawn.append(2 * tpr / (2 * tpr + fpr + 1 - tpr))
    score = rate_f1(part(positive), part(negative))
    assert (score.low, score.high) == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))), abs=0.012)


def test_sweep() -> None:
    """Persons score 2, 3, 5, others 1, 2, 4. Of the 9 pairs the person is ahead in 6 and level in 1: 6.5 / 9."""
    result = sweep(np.array([2.0, 3, 5, 1, 2, 4]), np.array([1, 1, 1, 0, 0, 0]))
    assert result is not None
    assert result.area_under_curve == pytest.approx(6.5 / 9)
    assert [p.threshold for p in result.points] == pytest.approx([0.96, 1.5, 2.5, 3.5, 4.5, 5.04])
    by_cut = {round(p.threshold, 2): p for p in result.points}
    # From 2.5 on: 3 and 5 are persons, 4 is not.
    assert by_cut[2.5].true_positive_rate == pytest.approx(2 / 3)
    assert by_cut[2.5].false_positive_rate == pytest.approx(1 / 3)
    assert by_cut[2.5].accuracy == pytest.approx(4 / 6) and by_cut[2.5].f1 == pytest.approx(2 / 3)
    # From 1.5 on: all persons, and two others: accuracy 4/6, F1 6 / (6 + 2).
    assert by_cut[1.5].accuracy == pytest.approx(4 / 6) and result.best_f1.f1 == pytest.approx(0.75)
    assert by_cut[0.96].false_positive_rate == by_cut[0.96].true_positive_rate == 1.0
    assert by_cut[5.04].false_positive_rate == by_cut[5.04].true_positive_rate == 0.0


def test_sweep_without_a_class_or_with_one_score() -> None:
    assert sweep(np.array([1.0, 2.0]), np.array([1, 1])) is None
    level = sweep(np.array([1.0, 1.0]), np.array([0, 1]))
    assert level is not None and level.area_under_curve == 0.5 and len(level.points) == 2


def test_confusion() -> None:
    assert confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]), 3) == ((1, 0, 1), (0, 1, 0), (0, 1, 0))


def by_group(answers: list[Answer]) -> dict[str, FineScore]:
    return {score.group: score for score in fine_scores(answers, ALL)}


def test_there_are_sixteen() -> None:
    assert len(ALL) == 16
    assert len(fine_scores([], ALL)) == 16
    assert [s.group for s in fine_scores([], ("near", "dark"))] == ["near", "dark"]


def test_gender_age_and_distance_are_set_against_all_pictures_without_persons() -> None:
    answers = [
        Answer(1, ("predominantly_female", "young", "near"), True),
        Answer(1, ("predominantly_female", "older", "far"), False),
        Answer(1, ("predominantly_male",), True),
        *[Answer(0, ("dark",), False)] * 3,
        Answer(0, ("bright",), True),
        Answer(EXCLUDED, ("predominantly_female", "young"), True),  # counts nowhere
    ]
    scores = by_group(answers)
    # TPR 1/2, FPR 1/4: 1 / (1 + 1/4 + 1/2) = 4/7
    assert scores["predominantly_female"].positive == Part(2, 1)
    assert scores["predominantly_female"].negative == Part(4, 3)
    assert scores["predominantly_female"].f1.value == pytest.approx(4 / 7)
    # TPR 1, FPR 1/4: 2 / (2 + 1/4)
    for group in ("predominantly_male", "young", "near"):
        assert scores[group].f1.value == pytest.approx(8 / 9), group
    assert scores["older"].f1.value == 0.0
    assert scores["middle_age"].f1.value is None


def test_far_counts_persons_that_nothing_else_counts() -> None:
    answers = [
        Answer(1, ("far",), True),
        Answer(EXCLUDED, ("far",), False),
        Answer(EXCLUDED, (), True),
        *[Answer(0, (), False)] * 2,
    ]
    far = by_group(answers)["far"]
    assert far.positive == Part(2, 1) and far.negative == Part(2, 2)
    # TPR 1/2, FPR 0: 1 / (1 + 1/2)
    assert far.f1.value == pytest.approx(2 / 3)
    assert by_group(answers)["near"].positive == Part(0, 0)


def test_lighting_restricts_both_sides() -> None:
    answers = [
        Answer(1, ("dark",), True),
        Answer(1, ("bright",), False),
        Answer(0, ("dark",), True),
        Answer(0, ("dark",), False),
        *[Answer(0, ("bright",), False)] * 5,
    ]
    dark = by_group(answers)["dark"]
    assert dark.positive == Part(1, 1) and dark.negative == Part(2, 1)
    # TPR 1, FPR 1/2: 2 / 2.5
    assert dark.f1.value == pytest.approx(0.8)
    assert by_group(answers)["bright"].f1.value == 0.0


def test_depictions_ask_whether_no_person_is_seen() -> None:
    answers = [
        *[Answer(0, ("person_depiction", "depiction"), False)] * 3,
        Answer(0, ("person_depiction", "depiction"), True),
        Answer(0, ("non-person_non-depiction",), False),
        *[Answer(1, (), True)] * 4,
        Answer(1, ("person_depiction",), False),
    ]
    score = by_group(answers)["person_depiction"]
    # TPR = 3 of 4 depictions are not taken for persons; FPR = 1 of 5 persons is not seen.
    assert score.positive == Part(4, 3) and score.negative == Part(5, 4)
    assert score.f1.value == pytest.approx(1.5 / (1.5 + 0.2 + 0.25))
    # TPR 1, FPR 1/5
    assert by_group(answers)["non-person_non-depiction"].f1.value == pytest.approx(2 / 2.2)
