"""A network in LiteRT on this machine, as a phone would run its .tflite file: latency, memory, and what it answers."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from tinyml.bench.engines import LiteRtEngine
from tinyml.errors import ToolError
from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class LiteRtRun:
    """Attributes:
    memory_bytes: by which the process grew from before the model was loaded until after its first inference; None where the
        system does not say.
    outputs: of each input.
    """

    median_ns: int
    least_ns: int
    most_ns: int
    memory_bytes: int | None
    outputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How outputs differ from the reference's.

    Attributes:
        differing: elements that are not equal, of `total`; largest: difference, in steps of an integer type or as numbers.
    """

    differing: int
    total: int
    largest: float


def run_litert(model: Path, *, reference: bool, inputs: Sequence[bytes], runs: int) -> LiteRtRun:
    """Runs a .tflite of one input and one output, one thread, in a process of its own.

    Args:
        reference: with the reference kernels; otherwise with XNNPACK, LiteRT's default.
        inputs: bytes of the input, of several samples; the first is what is timed.

    Raises:
        ToolError: LiteRT is not installed, or crashed. ModelError: it does not take the file.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_run, LiteRtEngine(model, reference), tuple(inputs), runs).result()
        except RuntimeError as error:  # BrokenProcessPool is one
            raise ToolError(f"LiteRT ended with the process that it ran in: {error}") from error


def compare(value: Value, expected: Sequence[bytes], got: Sequence[bytes]) -> Agreement:
    """Args:
    value: the network's output.
    """
    kind = value.dtype.numpy
    distances = [
        np.abs(np.frombuffer(a, kind).astype(np.float64) - np.frombuffer(b, kind).astype(np.float64))
        for a, b in zip(expected, got, strict=True)
    ]
    every = np.concatenate(distances)
    return Agreement(int(np.count_nonzero(every)), every.size, float(every.max(initial=0.0)))


def _run(engine: LiteRtEngine, inputs: Sequence[bytes], runs: int) -> LiteRtRun:
    engine.require()
    before = _resident_bytes()
    run = engine.load()
    outputs = [run(inputs[0]).output]
    after = _resident_bytes()
    times = sorted(_timed(lambda: run(inputs[0])) for _ in range(runs))
    outputs += [run(data).output for data in inputs[1:]]
    memory = None if before is None or after is None else max(0, after - before)
    return LiteRtRun(times[len(times) // 2], times[0], times[-1], memory, tuple(outputs))


def _timed(run: Callable[[], object]) -> int:
    start = time.perf_counter_ns()
    run()
    return time.perf_counter_ns() - start


def _resident_bytes() -> int | None:
    """Of this process, as Linux tells it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), None)
