"""Answers, appended to a file as they come, so that a run goes on where it was ended."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tinyml.bench.data import Sample
from tinyml.errors import TinymlError, UsageError


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one sample.

    Attributes:
        output: bytes of the network's output; None where there is none.
        problem: why there is no output, in words; None also for a sample without label, which is not run.
        microseconds: of the inference, by the device's own clock.
    """

    index: int
    key: str
    label: int | None
    groups: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    output: bytes | None = None
    problem: str | None = None
    microseconds: int | None = None

    @staticmethod
    def of(sample: Sample, problem: str | None = None) -> "Record":
        """Of a sample that was not run."""
        return Record(
            sample.index, sample.key, sample.label, sample.groups, sample.unknown, problem=problem or sample.problem
        )

    def to_json(self) -> dict[str, Any]:
        """Without what is absent."""
        output = None if self.output is None else self.output.hex()
        facts = {
            "i": self.index, "key": self.key, "label": self.label, "groups": self.groups, "unknown": self.unknown,
            "output": output, "problem": self.problem, "us": self.microseconds,
        }  # fmt: skip
        return {name: fact for name, fact in facts.items() if fact not in (None, ())}

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> "Record":
        """Raises KeyError, TypeError or ValueError where `to_json` has not written it."""
        output = facts.get("output")
        return Record(
            index=int(facts["i"]),
            key=str(facts["key"]),
            label=facts.get("label"),
            groups=tuple(facts.get("groups", ())),
            unknown=tuple(facts.get("unknown", ())),
            output=None if output is None else bytes.fromhex(output),
            problem=facts.get("problem"),
            microseconds=facts.get("us"),
        )


class ResultLog:
    """A file of one JSON line a record, below a line that says what run they belong to.

    A process that is killed leaves at most its last line unfinished; that line is dropped when the file is opened again.

    Attributes:
        records: by index.
    """

    def __init__(self, path: Path, identity: Mapping[str, object], *, resume: bool) -> None:
        """
        Args:
            identity: everything that decides what the answers are.
            resume: go on with the file that is there, if one is.

        Raises:
            UsageError: there is a file and `resume` is not asked for, or it is of another run.
            TinymlError: it is damaged elsewhere than at its end.
        """
        self.records: dict[int, Record] = {}
        self._path = path
        plain = json.loads(json.dumps(identity))
        if path.exists() and not resume:
            raise UsageError(
                f"{path} holds the results of an earlier run", "go on with it: --resume; or name another folder: --out"
            )
        whole = self._read(plain) if path.exists() else 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._file.truncate(whole)
        if whole == 0:
            self._write(plain)
        os.fsync(self._file.fileno())

    def append(self, record: Record) -> None:
        """Keeps the record; from then on only a loss of power can lose it.

        Raises:
            ValueError: there is one of this index.
        """
        if record.index in self.records:
            raise ValueError(f"sample {record.index} was counted before")
        self._write(record.to_json())
        self.records[record.index] = record

    def close(self) -> None:
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _write(self, document: Mapping[str, Any]) -> None:
        # One write a line: a kill leaves a beginning of it, never a gap.
        self._file.write(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        self._file.flush()

    def _read(self, identity: Mapping[str, Any]) -> int:
        """Takes the records that are there. Returns how many bytes are whole lines."""
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                document = json.loads(line)
                if number == 1:
                    self._check(document, identity)
                    continue
                record = Record.from_json(document)
            except (ValueError, KeyError, TypeError, AttributeError) as e:
                raise TinymlError(
                    f"{self._path}, line {number}: not a result ({e})", "remove the file to begin anew"
                ) from e
            self.records.setdefault(record.index, record)
        return whole

    def _check(self, found: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
        for key in identity:
            if found.get(key) != identity[key]:
                raise UsageError(
                    f"{self._path} is of a run with another {key}: {found.get(key)!r}, now {identity[key]!r}",
                    "give the flags of that run, or another folder: --out",
                )
