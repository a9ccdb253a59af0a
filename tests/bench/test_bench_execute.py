"""Executors give each sample's record once, whatever the network, the pool and the board do."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from bench_sets import drawn, encoded

from tinyml.bench.data import Sample
from tinyml.bench.engines import Inference, Run
from tinyml.bench.execute import Inline, Job, OnBoard, Pooled, local_processes
from tinyml.bench.inputs import Encoding
from tinyml.bench.pictures import Preparation
from tinyml.bench.results import Record
from tinyml.device.client import Client, RunTime
from tinyml.errors import ToolError

PREPARATION = Preparation(4, 4, 1)
IDENTITY = Encoding("|u1", bytes(range(256)), 1)


@dataclass(frozen=True)
class Echo:
    """An engine whose answer is the first byte of its input."""

    name: str = "echo"

    def load(self) -> Run:
        return lambda data: Inference(data[:1], 7)


def samples(count: int) -> list[Sample]:
    """Of three kinds in turn: a gray picture of level i, one that is damaged, one without label."""
    from PIL import Image

    made = []
    for i in range(count):
        sample = Sample(i, f"{i}.png", i % 2, encoded(Image.new("L", (9, 7), i % 256)), ("near",) if i % 5 == 0 else ())
        kinds = (sample, replace(sample, picture=b"junk"), replace(sample, label=None))
        made.append(kinds[i % 3])
    return made


def expected(given: Sequence[Sample]) -> list[Record]:
    out = []
    for sample in given:
        record = Record.of(sample)
        if sample.label is not None and sample.picture == b"junk":
            record = replace(record, problem="cannot be decoded: its format is not known")
        elif sample.label is not None:
            record = replace(record, output=bytes([sample.index % 256]), microseconds=7)
        out.append(record)
    return out


def by_index(records: Iterator[Record]) -> list[Record]:
    return sorted(records, key=lambda r: r.index)


JOB = Job(PREPARATION, IDENTITY, Echo())


@pytest.mark.parametrize("count", [0, 1, 8, 100])
def test_in_this_process_and_in_any_pool(count: int) -> None:
    given = samples(count)
    assert list(Inline(JOB).run(iter(given))) == expected(given)
    with ThreadPoolExecutor(3) as pool:
        assert by_index(Pooled(JOB, pool, 3).run(iter(given))) == expected(given)


def test_in_processes() -> None:
    given = samples(40)
    with local_processes(2) as pool:
        assert by_index(Pooled(JOB, pool, 2).run(iter(given))) == expected(given)


def test_a_pool_is_fed_as_it_works() -> None:
    """A set of millions is never in memory: no more samples are taken than the pool can have under way."""
    taken = 0

    def source() -> Iterator[Sample]:
        nonlocal taken
        for sample in samples(400):
            taken += 1
            yield sample

    with ThreadPoolExecutor(2) as pool:
        records = Pooled(JOB, pool, 2).run(source())
        next(records)
        assert taken < 100
        assert 1 + len(list(records)) == 400


class Board:
    """A board that answers like Echo, and at some inferences fails in one of the ways in which boards fail."""

    def __init__(self, failing: dict[int, str]) -> None:
        self.failing = failing
        self.inferences = self.connections = 0
        self.dead = False
        self.data = b""

    @contextmanager
    def connect(self) -> Iterator[Client]:
        self.connections += 1
        if self.dead:
            raise ToolError("nobody answers")
        yield cast(Client, self)

    def reset(self) -> None:
        self.dead = False

    def put(self, index: int, data: bytes) -> None:
        self.data = data

    def run(self, times: int = 1, *, timeout: float) -> RunTime:
        self.inferences += 1
        failure = self.failing.pop(self.inferences, None)
        if failure is not None:
            self.dead = failure == "hangs"
            raise ToolError(f"the board {failure}")
        return RunTime(7, 70)

    def get(self, index: int) -> bytes:
        return self.data[:1]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyml.bench.execute._PAUSE_SECONDS", 0.001)


def on_board(board: Board) -> OnBoard:
    return OnBoard(PREPARATION, IDENTITY, board.connect, reset=board.reset, timeout=1.0)


def test_a_board_that_fails_now_and_then() -> None:
    given = samples(90)
    board = Board({3: "loses a byte", 10: "hangs", 11: "hangs", 30: "loses a byte"})
    runner = on_board(board)
    assert list(runner.run(iter(given))) == expected(given)
    assert runner.resets == 4 and board.connections == 5
    assert board.inferences == 30 + 4


def test_a_board_that_never_comes_back() -> None:
    board = Board(dict.fromkeys(range(5, 50), "is gone"))
    got: list[Record] = []
    with pytest.raises(ToolError, match="is gone"):
        got.extend(on_board(board).run(iter(samples(90))))
    # What was answered before is there, and the picture was tried more than once.
    assert board.inferences > 6


def test_decoding_overlaps_with_the_board() -> None:
    """Each inference waits until the next picture has been decoded: one after the other, it would wait in vain."""
    given = [s for s in samples(30) if s.index % 3 == 0]
    decoded = threading.Semaphore(0)

    class Waiting(Board):
        def run(self, times: int = 1, *, timeout: float) -> RunTime:
            assert self.inferences == len(given) - 1 or decoded.acquire(timeout=30)
            return super().run(times, timeout=timeout)

    class Telling:
        first = True

        def __call__(self, picture: Path | bytes) -> object:
            if not self.first:
                decoded.release()
            self.first = False
            return PREPARATION(picture)

    board = Waiting({})
    runner = OnBoard(cast(Preparation, Telling()), IDENTITY, board.connect, reset=board.reset, timeout=1.0)
    assert list(runner.run(iter(given))) == expected(given)


def test_encoding_of_color_tables() -> None:
    import numpy as np

    table = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 9)], 1).astype(np.uint8)
    pixels = np.asarray(drawn(True, 1, (50, 40)))
    encoding = Encoding("|u1", table.tobytes(), 3)
    want = np.stack([pixels[..., 0], 255 - pixels[..., 1], np.full_like(pixels[..., 2], 9)], 2)
    assert encoding(pixels) == want.tobytes()
    assert replace(encoding, planar=True)(pixels) == want.transpose(2, 0, 1).tobytes()
