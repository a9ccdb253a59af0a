"""The file that answers are appended to: whatever a kill leaves of it, a run goes on, and counts nothing twice."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyml.bench.results import Record, ResultLog
from tinyml.errors import TinymlError, UsageError

IDENTITY = {"model": "a", "on": "host", "limit": None}
RECORDS = [
    Record(0, "a.jpg", 1, ("near", "dark"), ("far",), b"\x00\xff", None, 1234),
    Record(1, "bé.jpg", 0, output=b"\x01\x02"),
    Record(2, "c.jpg", None),
    Record(3, "d.jpg", 1, problem="cannot be decoded: truncated"),
    Record(4, "e.jpg", -1, ("far",), output=b"\x09\x08"),
]


def write(path: Path, records: list[Record]) -> None:
    with ResultLog(path, IDENTITY, resume=False) as log:
        for record in records:
            log.append(record)


def test_records_come_back(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", RECORDS)
    with ResultLog(tmp_path / "r.jsonl", IDENTITY, resume=True) as log:
        assert list(log.records.values()) == RECORDS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10_000))
def test_a_file_that_ends_anywhere(tmp_path: Path, cut: int) -> None:
    """At most the last record is lost, and the file that is gone on with is as if nothing had happened."""
    path = tmp_path / "r.jsonl"
    path.unlink(missing_ok=True)
    write(path, RECORDS)
    whole = path.read_bytes()
    cut %= len(whole) + 1
    path.write_bytes(whole[:cut])
    complete = max(0, whole[:cut].count(b"\n") - 1)
    with ResultLog(path, IDENTITY, resume=True) as log:
        assert list(log.records.values()) == RECORDS[:complete]
        for record in RECORDS[complete:]:
            log.append(record)
    assert path.read_bytes() == whole


def test_nothing_is_counted_twice(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", RECORDS)
    with (
        ResultLog(tmp_path / "r.jsonl", IDENTITY, resume=True) as log,
        pytest.raises(ValueError, match="counted before"),
    ):
        log.append(RECORDS[1])


def test_results_of_another_run_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", RECORDS)
    with pytest.raises(UsageError, match=r"earlier run(.|\n)*--resume"):
        ResultLog(tmp_path / "r.jsonl", IDENTITY, resume=False)
    with pytest.raises(UsageError, match="of a run with another limit: None, now 5"):
        ResultLog(tmp_path / "r.jsonl", {**IDENTITY, "limit": 5}, resume=True)


@pytest.mark.parametrize(
    "line", ["[]", "nonsense", '{"key": "x"}', '{"i": "x", "key": 1}', '{"i": 1, "key": "x", "output": "zz"}']
)
def test_damage_in_the_middle_is_told(tmp_path: Path, line: str) -> None:
    write(tmp_path / "r.jsonl", RECORDS[:1])
    with (tmp_path / "r.jsonl").open("a") as file:
        file.write(line + "\n" + json.dumps(RECORDS[1].to_json()) + "\n")
    with pytest.raises(TinymlError, match=r"r\.jsonl, line 3: not a result"):
        ResultLog(tmp_path / "r.jsonl", IDENTITY, resume=True)
