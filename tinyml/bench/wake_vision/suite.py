"""The suite's 16 fine-grained scores: which pictures count in each, and how.

Source: github.com/harvard-edge/Wake_Vision and arXiv 2405.00892. Which pictures a set has is taken from the published
columns; computing it anew from boxes gives other sets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinyml.bench.data.sample import EXCLUDED
from tinyml.bench.metrics import Part, Score, rate_f1


@dataclass(frozen=True, slots=True)
class Answer:
    """What the network said of one picture. label: 1 for a person, 0, or EXCLUDED."""

    label: int
    groups: tuple[str, ...]
    person: bool


_Counts = Callable[[Answer], bool]


@dataclass(frozen=True, slots=True)
class FineScore:
    """One of the 16.

    Attributes:
        suite: the test that it belongs to; group: the published column.
        f1: from the rates on `positive` and `negative`, see `rate_f1`.
    """

    suite: str
    group: str
    title: str
    positive: Part
    negative: Part
    f1: Score


def _person(answer: Answer) -> bool:
    return answer.label == 1


def _no_person(answer: Answer) -> bool:
    return answer.label == 0


# Suite -> its published columns and their titles.
SUITES: dict[str, dict[str, str]] = {
    "perceived gender": {
        "predominantly_female": "female", "predominantly_male": "male", "gender_unknown": "unknown",
    },
    "perceived age": {
        "young": "young", "middle_age": "middle age", "older": "older", "age_unknown": "unknown",
    },
    "distance": {"near": "near", "medium_distance": "medium", "far": "far"},
    "lighting": {"bright": "bright", "normal_lighting": "normal", "dark": "dark"},
    "depictions": {
        "person_depiction": "of persons",
        "non-person_depiction": "of other things",
        "non-person_non-depiction": "none",
    },
}  # fmt: skip


def fine_scores(answers: Sequence[Answer], columns: Sequence[str]) -> list[FineScore]:
    """The scores of those groups that the data knows about."""
    return [
        _fine_score(answers, suite, group, title)
        for suite, groups in SUITES.items()
        for group, title in groups.items()
        if group in columns
    ]


def _fine_score(answers: Sequence[Answer], suite: str, group: str, title: str) -> FineScore:
    def within(answer: Answer) -> bool:
        return group in answer.groups

    positive: _Counts
    negative: _Counts
    if suite == "depictions":
        # Pictures without a person are what is to be recognized here; persons are the other side.
        positive, negative = (lambda a: _no_person(a) and within(a)), _person
    elif suite == "lighting":
        positive, negative = (lambda a: _person(a) and within(a)), (lambda a: _no_person(a) and within(a))
    elif group == "far":
        # Persons so small that no other test counts them.
        positive, negative = (lambda a: a.label in (1, EXCLUDED) and within(a)), _no_person
    else:
        positive, negative = (lambda a: _person(a) and within(a)), _no_person
    hit = _part([a for a in answers if positive(a)])
    other = _part([a for a in answers if negative(a)])
    return FineScore(suite, group, title, hit, other, rate_f1(hit, other))


def _part(answers: Sequence[Answer]) -> Part:
    return Part(len(answers), sum(a.person == (a.label != 0) for a in answers))
