"""One picture with its labels, a set of them, and which of a set are taken."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tinyml.errors import UsageError

PERSON_CLASSES = ("no_person", "person")
EXCLUDED = -1  # label of a person too small or outside the crop: no test counts it but that of far persons

# Columns of Wake Vision besides `filename`, `image` and `person`, as they are published.
GROUPS = (
    "predominantly_female",
    "predominantly_male",
    "gender_unknown",
    "young",
    "middle_age",
    "older",
    "age_unknown",
    "far",
    "medium_distance",
    "near",
    "dark",
    "normal_lighting",
    "bright",
    "person_depiction",
    "non-person_depiction",
    "non-person_non-depiction",
    "depiction",
    "body_part",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture, not yet decoded.

    Attributes:
        index: position in its set.
        key: what the user knows it by; unique in its set.
        label: index of its class, EXCLUDED, or None where it has no label.
        groups: those of GROUPS that it is in; unknown: those for which its row says nothing.
        picture: the encoded file, or where it is.
        problem: why it cannot be used, in words. Then the rest may be missing.
    """

    index: int
    key: str
    label: int | None
    picture: Path | bytes | None
    groups: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    problem: str | None = None


class Dataset(Protocol):
    """A set of samples in an order that is always the same.

    Attributes:
        description: its form and size, for people.
        fingerprint: two sets that differ have different ones; a run that is resumed checks it.
        classes: names of the classes, by label.
        columns: those of GROUPS that the set knows about.
        notes: what the user should know about it.
    """

    @property
    def description(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int]) -> Iterator[Sample]:
        """The samples of these positions, which ascend, one after another."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which samples of a set are taken.

    Attributes:
        limit: so many, drawn at random by `seed`; None takes all.
        shard: (i, n): of these, every n-th from the i-th on, counted from 1. The n shards are disjoint and complete.
    """

    limit: int | None = None
    seed: int = 0
    shard: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit}: expected 1 or more")
        part, parts = self.shard
        if not 1 <= part <= parts:
            raise UsageError(f"--shard {part}/{parts}: expected 1/{parts} to {parts}/{parts}")

    def indices(self, count: int) -> list[int]:
        """Ascending positions of what is taken from a set of `count`."""
        if self.limit is None or self.limit >= count:
            drawn: Sequence[int] = range(count)
        else:
            drawn = sorted(random.Random(self.seed).sample(range(count), self.limit))
        part, parts = self.shard
        return list(drawn[part - 1 :: parts])


_SPELLINGS = {name.replace("-", "_"): name for name in GROUPS}
_TRUE, _FALSE = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no"}
_EXCLUDED, _NULL = {"-1", "-1.0"}, {"", "null", "none", "nan", "na"}


def flag(value: object) -> int | None:
    """A cell of a label column: 1, 0, EXCLUDED, or None where it is empty.

    Raises:
        ValueError: it is anything else.
    """
    if value is None:
        return None
    text = str(value).strip().lower()
    for texts, meaning in ((_TRUE, 1), (_FALSE, 0), (_EXCLUDED, EXCLUDED), (_NULL, None)):
        if text in texts:
            return meaning
    raise ValueError(f"{text[:40]!r} where 1, 0, -1 or nothing is expected")


def labelled(index: int, key: str, picture: Path | bytes | None, row: Mapping[str, object]) -> Sample:
    """A sample from a row of a table whose columns are `person` and any of GROUPS."""
    try:
        label = flag(row.get("person"))
        flags = {name: flag(row[name]) for name in GROUPS if name in row}
    except ValueError as e:
        return Sample(index, key, None, None, problem=f"its row has {e}")
    groups = tuple(name for name, value in flags.items() if value == 1)
    unknown = tuple(name for name, value in flags.items() if value is None)
    return Sample(index, key, label, picture, groups, unknown)


def column(name: str) -> str:
    """The published name of a column: `Predominantly Female` and `predominantly_female` are the same."""
    plain = name.strip().lower().replace(" ", "_")
    return _SPELLINGS.get(plain.replace("-", "_"), plain)
