"""A run over a folder of persons that a test kills: `killable.py LIBRARY DATA OUT JOBS`. The library takes color pictures of
32 pixels as int8, and has two outputs. Writes OUT/report.json at the end, as the command line does."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tinyml.bench.data import open_wake_vision
from tinyml.bench.document import WAKE_VISION, Decision, Setup, make_report
from tinyml.bench.engines import HostEngine
from tinyml.bench.execute import Inline, Job, Pooled, local_processes
from tinyml.bench.inputs import Encoding, Output
from tinyml.bench.pictures import Preparation
from tinyml.bench.results import ResultLog
from tinyml.build.files import write_file

TABLE = np.repeat((np.arange(256) - 128).astype(np.int8), 3).tobytes()


def main(library: Path, data: Path, out: Path, jobs: int) -> None:
    dataset = open_wake_vision(data)
    setup = Setup(WAKE_VISION, "m", "0", "int8", dataset.description, None, None, 0, "1/1", "squash", "int8", "host")
    job = Job(Preparation(32, 32, 3), Encoding("|i1", TABLE, 3), HostEngine(library))
    with ExitStack() as stack:
        runner = Inline(job) if jobs == 1 else Pooled(job, stack.enter_context(local_processes(jobs)), jobs)
        log = stack.enter_context(ResultLog(out / "results.jsonl", {"data": dataset.fingerprint}, resume=True))
        for record in runner.run(dataset.read([i for i in range(len(dataset)) if i not in log.records])):
            log.append(record)
        report = make_report(setup, log.records, Decision(Output("|i1", 2, 1 / 256, -128), 2), dataset.classes)
    write_file(out / "report.json", json.dumps(report.to_json(), indent=2).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
