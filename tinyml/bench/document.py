"""The result of a benchmark: a function of its records and of nothing that varies, such as the time that it took."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from pydantic import TypeAdapter

from tinyml import __version__
from tinyml.bench.data import EXCLUDED
from tinyml.bench.inputs import Output
from tinyml.bench.metrics import Part, Score, Sweep, accuracy, confusion, count_f1, rate, rate_f1, sweep
from tinyml.bench.results import Record
from tinyml.bench.wake_vision.suite import Answer, FineScore, fine_scores
from tinyml.errors import TinymlError

SCHEMA_VERSION: Literal[1] = 1
WAKE_VISION, FOLDER = "wake-vision", "folder"
_WORST = 12


@dataclass(frozen=True, slots=True)
class Setup:
    """What was run, on what.

    Attributes:
        model, model_sha256: the file; numbers: how it computes ("int8, …", "float32").
        data: form and size of the set; split, limit, seed, shard: what was taken of it.
        preparation: how pictures became pixels; encoding: how pixels became inputs.
        on: where the network ran.
    """

    benchmark: str
    model: str
    model_sha256: str
    numbers: str
    data: str
    split: str | None
    limit: int | None
    seed: int
    shard: str
    preparation: str
    encoding: str
    on: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Of the model on a board. SRAM and flash are exact; latency_kind tells how latency_ms came about.

    Attributes:
        waits_ms: of a modelled latency_ms, the part in which the core waits for flash. The clock of the emulated board
            does not know of it.
        problem: why there is no firmware for this board ("does not fit …"): then sizes are those of what was planned.
    """

    board: str
    title: str
    peak_sram_bytes: int
    arena_bytes: int
    flash_bytes: int
    latency_ms: float | None
    latency_kind: str
    instructions: int | None
    problem: str | None = None
    waits_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Of single inferences by the device's own clock, in milliseconds. kind: "measured" or "modelled"."""

    kind: str
    count: int
    median_ms: float
    p5_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Counts:
    """selected = scored + excluded + unlabelled + unusable. excluded: persons that no score but `far` counts."""

    selected: int
    scored: int
    excluded: int
    unlabelled: int
    unusable: int


@dataclass(frozen=True, slots=True)
class ClassScore:
    """precision is None where the class was never answered."""

    name: str
    count: int
    recall: Score
    precision: float | None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A picture that was answered wrong. margin: by how much the answer's output exceeds the label's."""

    index: int
    key: str
    label: str
    answer: str
    margin: float


@dataclass(frozen=True, slots=True)
class PersonScores:
    """What Wake Vision's suite adds. rate_f1: F1 from rates, as the 16; unknown: pictures whose row says nothing, by
    column."""

    f1: Score
    rate_f1: Score
    fine: tuple[FineScore, ...]
    unknown: dict[str, int]
    sweep: Sweep | None
    decision: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same pictures on something else.

    Attributes:
        identical: outputs equal to the byte, of `compared`; None where the two do not store the same type.
        same_answers: of `compared`.
        lost: answered right there and wrong here; won: the other way round. Keys.
    """

    on: str
    compared: int
    identical: int | None
    same_answers: int
    accuracy: Score
    lost: tuple[str, ...]
    won: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Scores with 95 % bootstrap intervals. problems: key and reason of each sample that is `unusable`."""

    schema_version: Literal[1]
    tinyml_version: str
    setup: Setup
    counts: Counts
    classes: tuple[str, ...]
    accuracy: Score
    class_scores: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    person: PersonScores | None
    comparison: Comparison | None
    latency: Latency | None
    cost: Cost | None
    problems: tuple[tuple[str, str], ...]
    worst: tuple[Wrong, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_json(document: object) -> "BenchReport":
        """Reads what `to_json` wrote. Raises pydantic.ValidationError where it is of another version, or damaged."""
        return TypeAdapter(BenchReport).validate_python(document)


@dataclass(frozen=True, slots=True)
class Decision:
    """How a network's output becomes one of the classes.

    As many outputs as classes: the largest, the first of equals. One output: class 1 from 0.5 on.

    Attributes:
        person: the output that stands for a person, where there are two.
    """

    output: Output
    classes: int
    person: int = 1

    def __post_init__(self) -> None:
        if self.output.elements != self.classes and (self.output.elements, self.classes) != (1, 2):
            raise TinymlError(
                f"the network has {self.output.elements} outputs for {self.classes} classes", "expected one a class"
            )

    @property
    def threshold(self) -> float:
        """The score from which on, or above which, the answer is class 1 of two."""
        return 0.5 if self.output.elements == 1 else 0.0

    def scores(self, output: bytes) -> np.ndarray:
        """A real number a class."""
        real = self.output.real(output)
        if len(real) == 1:
            return np.array([2 * self.threshold - real[0], real[0]])
        return real[::-1] if self.classes == 2 and self.person == 0 else real

    def score(self, output: bytes) -> float:
        """Of class 1 of two: the only output, or by how much the second exceeds the first."""
        scores = self.scores(output)
        return float(scores[1] if self.output.elements == 1 else scores[1] - scores[0])

    def answer(self, output: bytes) -> int:
        scores = self.scores(output)
        if self.output.elements == 1:
            return int(scores[1] >= self.threshold)
        return int(np.argmax(scores))


@dataclass(frozen=True, slots=True)
class Other:
    """Another run over the same pictures, to compare with."""

    on: str
    records: Mapping[int, Record]
    decision: Decision


def make_report(
    setup: Setup,
    records: Mapping[int, Record],
    decision: Decision,
    classes: Sequence[str],
    columns: Sequence[str] = (),
    other: Other | None = None,
    cost: Cost | None = None,
    latency_kind: str = "measured",
    notes: Sequence[str] = (),
) -> BenchReport:
    """Args:
    records: by index, of all samples that were selected.
    columns: of the suite, those that the data knows about.
    """
    ordered = [records[i] for i in sorted(records)]
    run = [r for r in ordered if r.output is not None and r.label is not None]
    scored = [r for r in run if r.label != EXCLUDED]
    labels = np.array([r.label for r in scored], np.int64)
    answers = np.array([decision.answer(_output(r)) for r in scored], np.int64)
    table = confusion(labels, answers, len(classes))
    is_person = setup.benchmark == WAKE_VISION
    return BenchReport(
        schema_version=SCHEMA_VERSION,
        tinyml_version=__version__,
        setup=setup,
        counts=_counts(ordered, len(scored), len(run) - len(scored)),
        classes=tuple(classes),
        accuracy=accuracy(_parts(table)),
        class_scores=_class_scores(classes, table),
        confusion=table,
        person=_person_scores(run, scored, decision, table, columns) if is_person else None,
        comparison=None if other is None else _comparison(scored, decision, other, len(classes)),
        latency=_latency(run, latency_kind),
        cost=cost,
        problems=tuple((r.key, r.problem) for r in ordered if r.problem is not None),
        worst=_worst(scored, answers, decision, classes),
        notes=tuple(notes),
    )


def _output(record: Record) -> bytes:
    assert record.output is not None
    return record.output


def _counts(records: Sequence[Record], scored: int, excluded: int) -> Counts:
    unusable = sum(r.problem is not None for r in records)
    unlabelled = sum(r.problem is None and r.label is None for r in records)
    counts = Counts(len(records), scored, excluded, unlabelled, unusable)
    assert counts.selected == counts.scored + counts.excluded + counts.unlabelled + counts.unusable
    return counts


def _parts(table: Sequence[Sequence[int]]) -> list[Part]:
    return [Part(sum(row), row[label]) for label, row in enumerate(table)]


def _class_scores(classes: Sequence[str], table: Sequence[Sequence[int]]) -> tuple[ClassScore, ...]:
    answered = [sum(row[i] for row in table) for i in range(len(classes))]
    return tuple(
        ClassScore(name, part.count, rate(part), part.right / answered[i] if answered[i] else None)
        for i, (name, part) in enumerate(zip(classes, _parts(table), strict=True))
    )


def _person_scores(
    run: Sequence[Record],
    scored: Sequence[Record],
    decision: Decision,
    table: Sequence[Sequence[int]],
    columns: Sequence[str],
) -> PersonScores:
    negative, positive = _parts(table)
    answers = [Answer(r.label or 0, r.groups, decision.answer(_output(r)) == 1) for r in run]
    scores = np.array([decision.score(_output(r)) for r in scored])
    return PersonScores(
        f1=count_f1(positive, negative),
        rate_f1=rate_f1(positive, negative),
        fine=tuple(fine_scores(answers, columns)),
        unknown={name: n for name in columns if (n := sum(name in r.unknown for r in run))},
        sweep=sweep(scores, np.array([r.label for r in scored])) if scored else None,
        decision=decision.threshold,
    )


def _comparison(scored: Sequence[Record], decision: Decision, other: Other, classes: int) -> Comparison:
    pairs = [(r, other.records[r.index]) for r in scored if other.records[r.index].output is not None]
    same_type = other.decision.output.dtype == decision.output.dtype
    here = [decision.answer(_output(a)) for a, _ in pairs]
    there = [other.decision.answer(_output(b)) for _, b in pairs]
    labels = [a.label for a, _ in pairs]
    table = confusion(np.array(labels, np.int64), np.array(there, np.int64), classes)
    sides = list(zip(pairs, labels, here, there, strict=True))
    return Comparison(
        on=other.on,
        compared=len(pairs),
        identical=sum(a.output == b.output for a, b in pairs) if same_type else None,
        same_answers=sum(h == t for h, t in zip(here, there, strict=True)),
        accuracy=accuracy(_parts(table)),
        lost=tuple(a.key for (a, _), label, h, t in sides if t == label != h),
        won=tuple(a.key for (a, _), label, h, t in sides if h == label != t),
    )


def _latency(run: Sequence[Record], kind: str) -> Latency | None:
    times = [r.microseconds / 1000.0 for r in run if r.microseconds is not None]
    if not times:
        return None
    p5, median, p95 = (float(x) for x in np.percentile(times, (5, 50, 95)))
    return Latency(kind, len(times), median, p5, p95)


def _worst(
    scored: Sequence[Record], answers: np.ndarray, decision: Decision, classes: Sequence[str]
) -> tuple[Wrong, ...]:
    wrong = []
    for record, answer in zip(scored, answers, strict=True):
        if record.label is not None and answer != record.label:
            scores = decision.scores(_output(record))
            margin = float(scores[answer] - scores[record.label])
            wrong.append(Wrong(record.index, record.key, classes[record.label], classes[answer], margin))
    return tuple(sorted(wrong, key=lambda w: (-w.margin, w.index))[:_WORST])
