"""The runner's two scripts, on a board that runs benchmark firmware.

Source of commands, counts and limits: mlcommons/tiny, benchmark/runner (script.py, device_under_test.py,
tests_performance.yaml, tests_accuracy.yaml) and the rules' minimum quality (evaluation/datasets/README.md).
"""

import math
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from tinyml.bench.mlperf_tiny.dataset import DataSet
from tinyml.bench.mlperf_tiny.scores import Quality, quality
from tinyml.device.client import Client
from tinyml.errors import ToolError

WINDOWS = 5
WINDOW_SECONDS = 10.0  # what a submission's windows must last at least
_LONGEST_SECONDS = 30.0  # what the runner waits for a line of `infer`
_BYTES_A_COMMAND = 31

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Script:
    """One benchmark.

    Attributes:
        benchmark: as firmware and runner call it.
        title: what it does.
        inferences, warmups: of a window of the performance script, as the runner has them.
        least_accuracy, least_area: the closed division's minimum quality; one of them.
    """

    benchmark: str
    title: str
    inferences: int
    warmups: int
    least_accuracy: float | None = None
    least_area: float | None = None


SCRIPTS: Mapping[str, Script] = {
    "vww": Script("vww01", "visual wake words", 20, 5, least_accuracy=0.80),
    "ic": Script("ic01", "image classification", 20, 5, least_accuracy=0.85),
    "kws": Script("kws01", "keyword spotting", 70, 10, least_accuracy=0.90),
    "ad": Script("ad01", "anomaly detection", 1500, 10, least_area=0.85),
}


@dataclass(frozen=True, slots=True)
class Window:
    """One `infer` of the performance script."""

    inferences: int
    microseconds: int

    @property
    def throughput(self) -> float:
        """Inferences a second, by the device's clock."""
        return self.inferences / (self.microseconds * 1e-6)


@dataclass(frozen=True, slots=True)
class Performance:
    windows: tuple[Window, ...]

    @property
    def throughput(self) -> float:
        """The median, which is the benchmark's score."""
        return statistics.median(window.throughput for window in self.windows)

    @property
    def latency_ms(self) -> float:
        return 1e3 / self.throughput

    @property
    def long_enough(self) -> bool:
        """Whether windows last as long as a submission's must."""
        return all(window.microseconds >= WINDOW_SECONDS * 1e6 for window in self.windows)


def check_board(client: Client, script: Script) -> None:
    """Raises ToolError where the board does not run firmware for this benchmark."""
    models = [found[1] for line in client.lines("profile") if (found := re.match(r"^m-model-\[([^]]+)]$", line))]
    if models != [script.benchmark]:
        raise ToolError(
            f"the board runs firmware for {', '.join(models) or 'no model'}, not for {script.benchmark}",
            f"build with --benchmark {script.benchmark}, and flash that",
        )


def measure_performance(
    client: Client, script: Script, inputs: Sequence[bytes], inferences: int | None, progress: Progress
) -> Performance:
    """Five windows, each on its own input.

    Args:
        inputs: at least one; the windows take them in turn.
        inferences: of a window; None for as many as take ten seconds of the device's time.
    """
    if inferences is None:
        _load(client, inputs[0])
        single, _ = _infer(client, 1, 1)
        each = max(single, 1) * 1e-6
        inferences = max(script.inferences, math.ceil(1.02 * WINDOW_SECONDS / each))
        if inferences * each > _LONGEST_SECONDS:
            inferences = max(1, int(_LONGEST_SECONDS / each))
    windows = []
    for number, data in enumerate(islice(cycle(inputs), WINDOWS), 1):
        progress(f"performance, window {number} of {WINDOWS}")
        _load(client, data)
        microseconds, _ = _infer(client, inferences, script.warmups)
        windows.append(Window(inferences, max(microseconds, 1)))
    return Performance(tuple(windows))


def measure_accuracy(client: Client, data: DataSet, limit: int | None, progress: Progress) -> Quality:
    """All files, or `limit` of them, evenly spread over the list.

    Raises:
        TinymlError: a file is missing or malformed.
    """
    count = len(data.stimuli)
    chosen = range(count) if limit is None or limit >= count else [i * count // limit for i in range(limit)]
    results, truth = [], []
    for done, index in enumerate(chosen):
        stimulus = data.stimuli[index]
        progress(f"accuracy, file {done + 1} of {len(chosen)}")
        results.append([_answer(client, given) for given in data.inputs(stimulus)])
        truth.append(stimulus.truth)
    return quality(results, truth)


def _answer(client: Client, data: bytes) -> list[float]:
    _load(client, data)
    return _infer(client, 1, 0)[1]


def _load(client: Client, data: bytes) -> None:
    client.lines(f"db load {len(data)}")
    lines: list[str] = []
    for piece in _pieces(data):
        lines = client.lines(f"db {piece.hex()}")
    if lines != ["m-load-done"]:
        raise ToolError(f"the board did not take an input of {len(data)} bytes: it said {lines}")


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _BYTES_A_COMMAND] for start in range(0, len(data), _BYTES_A_COMMAND))


def _infer(client: Client, count: int, warmups: int) -> tuple[int, list[float]]:
    """Microseconds of `count` inferences, and the results of the last."""
    lines = client.lines(f"infer {count} {warmups}", timeout=600.0)
    laps = [int(found[1]) for line in lines if (found := re.match(r"^m-lap-us-([0-9]{1,20})$", line))]
    results = [found[1] for line in lines if (found := re.match(r"^m-results-\[([^]]+)\]$", line))]
    try:
        (begin, end), (numbers,) = laps, results
        return end - begin, [float(number) for number in numbers.split(",") if number.strip()]
    except ValueError:
        raise ToolError(f"the board answered infer with {lines}") from None
