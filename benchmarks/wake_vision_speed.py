"""Pictures a second on the host, from encoded picture to answer, beside LiteRT's reference kernels with one thread.

Both run in turns, several times: other load on the machine then hits both. The bar is for the median of the pairs.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from common import Row, shared_folder, show

from tinyml.bench.data import Sample, open_wake_vision
from tinyml.bench.engines import HostEngine, LiteRtEngine
from tinyml.bench.execute import Inline, Job, Pooled, Runner, local_processes
from tinyml.bench.inputs import interface_of
from tinyml.bench.pictures import Preparation
from tinyml.build.host import build_host_library
from tinyml.pipeline import Options, compile_model, need
from tinyml.targets import load_board

BAR = 4.0
WORKERS = 2


def rows(pairs: int, repeats: int) -> Iterator[Row]:
    shared = shared_folder()
    model = shared / "models/mlperf_tiny/vww_96_int8.tflite"
    dataset = open_wake_vision(shared / "images")
    pictures = list(dataset.read(range(len(dataset))))
    with tempfile.TemporaryDirectory() as folder, local_processes(WORKERS) as pool:
        yield from measure(model, pictures, pairs, repeats, Path(folder), pool)


def measure(
    model: Path, pictures: Sequence[Sample], pairs: int, repeats: int, folder: Path, pool: Executor
) -> Iterator[Row]:
    done = compile_model(
        Options(model=model, board=load_board("host"), work_dir=folder, check_fit=False), stop_after="emit"
    )
    form = interface_of(need(done.schedule).graph, need(done.quantized).preprocess)
    preparation = Preparation(form.height, form.width, form.channels)
    library = HostEngine(build_host_library(need(done.bundle), folder, trace=False))
    ours = Pooled(Job(preparation, form.encoding, library), pool, WORKERS)
    theirs = Inline(Job(preparation, form.encoding, LiteRtEngine(model, reference=True)))
    many = [replace(s, index=i * len(pictures) + s.index) for i in range(repeats) for s in pictures]
    assert outputs(ours, many) == outputs(theirs, many)  # and both are warm

    ratios, rates = [], []
    for _ in range(pairs):
        fast, slow = speed(ours, many), speed(theirs, pictures)
        ratios.append(fast / slow)
        rates.append((fast, slow))
    fast, slow = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.1f} to {max(ratios):.1f}"
    yield ("LiteRT, reference kernels, 1 thread", f"{slow:,.0f}", "", ""), None
    yield (f"tinyml, {WORKERS} processes, {os.cpu_count()} cores", f"{fast:,.0f}", f"{ratio:.2f}", spread), ratio >= BAR


def outputs(runner: Runner, pictures: Sequence[Sample]) -> list[bytes | None]:
    return [r.output for r in sorted(runner.run(pictures), key=lambda r: r.index)]


def speed(runner: Runner, pictures: Sequence[Sample]) -> float:
    begin = time.perf_counter()
    assert sum(1 for _ in runner.run(pictures)) == len(pictures)
    return len(pictures) / (time.perf_counter() - begin)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="turns (default: 7)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="times that tinyml runs all pictures in a turn (default: 3)"
    )
    given = parser.parse_args()
    columns = ("MLPerf Tiny VWW, decoding included", "pictures/s", f"ratio (bar: {BAR:g})", "of the pairs")
    sys.exit(show("Throughput on the host", columns, rows(given.pairs, given.repeats)))
