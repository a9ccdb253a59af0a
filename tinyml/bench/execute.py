"""Runs samples: in this process, in several, or on a board. Every executor gives each sample's record once."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for_sentinel
from typing import Protocol

from tinyml.bench.data import Sample
from tinyml.bench.engines import Engine, Inference, Run
from tinyml.bench.inputs import Encoding
from tinyml.bench.pictures import PictureError, Preparation
from tinyml.bench.results import Record
from tinyml.device.client import Client
from tinyml.errors import ToolError

_CHUNK = 8  # samples that travel to a process together
_AHEAD = 3  # chunks that wait for each process
_DECODED_AHEAD = 4  # pictures that wait for a board
_ATTEMPTS = 4
_PAUSE_SECONDS = 1.0  # before the first new attempt; doubled for each further one


class Runner(Protocol):
    """What gives the records of samples, in any order."""

    def run(self, samples: Iterable[Sample]) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class Job:
    """All that another process needs to answer samples. Equal jobs share a loaded network in each process."""

    preparation: Preparation
    encoding: Encoding
    engine: Engine


def prepared(sample: Sample, preparation: Preparation, encoding: Encoding) -> bytes | Record:
    """The bytes of the network's input; or the record, where there is nothing to run."""
    if sample.problem is not None or sample.label is None or sample.picture is None:
        return Record.of(sample)
    try:
        return encoding(preparation(sample.picture))
    except PictureError as e:
        return Record.of(sample, e.what)


def answered(sample: Sample, inference: Inference) -> Record:
    return Record(
        sample.index, sample.key, sample.label, sample.groups, sample.unknown, inference.output, None,
        inference.microseconds,
    )  # fmt: skip


def answer_all(job: Job, samples: Sequence[Sample]) -> list[Record]:
    """What a worker process runs."""
    return list(Inline(job).run(samples))


@lru_cache(maxsize=4)
def _loaded(engine: Engine) -> Run:
    return engine.load()


@dataclass(frozen=True, slots=True)
class Inline:
    """In this process, one after another."""

    job: Job

    def run(self, samples: Iterable[Sample]) -> Iterator[Record]:
        run = _loaded(self.job.engine)
        for sample in samples:
            given = prepared(sample, self.job.preparation, self.job.encoding)
            yield given if isinstance(given, Record) else answered(sample, run(given))


@dataclass(frozen=True, slots=True)
class Pooled:
    """In the workers of any `concurrent.futures.Executor`: `local_processes`, or that of a cluster, whose machines must see
    the files that the job and the samples name.

    Attributes:
        workers: of the pool; so much more work is handed out that none of them waits.
    """

    job: Job
    pool: Executor
    workers: int

    def run(self, samples: Iterable[Sample]) -> Iterator[Record]:
        source = iter(samples)
        running: set[Future[list[Record]]] = set()
        try:
            while True:
                while len(running) < self.workers * _AHEAD and (chunk := tuple(islice(source, _CHUNK))):
                    running.add(self.pool.submit(answer_all, self.job, chunk))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        finally:
            for future in running:
                future.cancel()


def local_processes(workers: int) -> ProcessPoolExecutor:
    """Processes of this machine. They leave Ctrl-C to the first process, and end when it ends, however it does."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin_worker)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        wait_for_sentinel([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


class OnBoard:
    """On a board behind a serial line. Pictures are decoded in a thread while the board receives and computes.

    A board that stops answering, or whose cable was pulled, is reset and connected anew, and the picture is sent again.

    Attributes:
        resets: how often that was needed.
    """

    def __init__(
        self,
        preparation: Preparation,
        encoding: Encoding,
        connect: Callable[[], AbstractContextManager[Client]],
        *,
        reset: Callable[[], None],
        timeout: float,
    ) -> None:
        """
        Args:
            connect: gives the board ready for commands, or raises ToolError.
            reset: resets the board as far as that is possible from here, or raises ToolError.
            timeout: seconds within which an inference must have ended.
        """
        self.resets = 0
        self._preparation = preparation
        self._encoding = encoding
        self._connect = connect
        self._reset = reset
        self._timeout = timeout
        self._line = ExitStack()
        self._client: Client | None = None

    def run(self, samples: Iterable[Sample]) -> Iterator[Record]:
        """Raises ToolError where the board does not come back."""
        source = iter(samples)
        with ThreadPoolExecutor(1) as decoder, self._line:
            waiting: deque[tuple[Sample, Future[bytes | Record]]] = deque()
            while True:
                for sample in islice(source, _DECODED_AHEAD - len(waiting)):
                    waiting.append((sample, decoder.submit(prepared, sample, self._preparation, self._encoding)))
                if not waiting:
                    return
                sample, future = waiting.popleft()
                given = future.result()
                yield given if isinstance(given, Record) else answered(sample, self._infer(given))

    def _infer(self, data: bytes) -> Inference:
        for attempt in range(_ATTEMPTS):
            try:
                if self._client is None:
                    self._client = self._line.enter_context(self._connect())
                self._client.put(0, data)
                time_ = self._client.run(timeout=self._timeout)
                return Inference(self._client.get(0), time_.microseconds)
            except ToolError:
                self._client = None
                with suppress(ToolError):
                    self._line.close()
                if attempt == _ATTEMPTS - 1:
                    raise
                self.resets += 1
                time.sleep(_PAUSE_SECONDS * 2**attempt)
                with suppress(ToolError):
                    self._reset()
        raise AssertionError("unreachable")
