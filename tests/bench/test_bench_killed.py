"""A run that is killed at random points and gone on with gives the report of one that was not, byte for byte."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bench_sets import person_folder
from emitted_c import compiled

from tinyml import zoo
from tinyml.build.host import build_host_library
from tinyml.pipeline import need

PICTURES = 60  # of each class
SCRIPT = Path(__file__).with_name("killable.py")
ROOT = SCRIPT.parent.parent.parent


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    model = zoo.save("mobilenet_v1", folder / "m.onnx", resolution=32)
    np.save(folder / "c.npy", np.random.default_rng(0).random((2, 3, 32, 32), np.float32))
    done = compiled(model, folder, core="cortex-m0", calibration=folder / "c.npy")
    return build_host_library(need(done.bundle), folder / "host", trace=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = person_folder(tmp_path_factory.mktemp("data"), PICTURES, "png")
    (folder / "person" / "0003.png").write_bytes(b"damaged")
    return folder


def start(library: Path, data: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, str(SCRIPT), str(library), str(data), str(out), str(jobs)]
    return subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL)


def alive(pid: int) -> bool:
    """Not even as a zombie."""
    state = Path(f"/proc/{pid}/stat")
    return state.is_file() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.is_file() else []


@pytest.mark.parametrize(("jobs", "kills"), [(1, 15), (2, 5)])
def test_killed_twenty_times(library: Path, data: Path, tmp_path: Path, jobs: int, kills: int) -> None:
    assert start(library, data, tmp_path / "whole", jobs).wait(300) == 0
    results = tmp_path / "whole" / "results.jsonl"
    size = results.stat().st_size
    chance = random.Random(jobs)
    orphans: list[int] = []
    for target in sorted(chance.randrange(size) for _ in range(kills)):
        process = start(library, data, tmp_path / "killed", jobs)
        log = tmp_path / "killed" / "results.jsonl"
        while not log.is_file() or log.stat().st_size < target:
            assert process.poll() is None
            time.sleep(0.0005)
        orphans += children(process.pid)
        process.kill()
        process.wait()
        assert not (tmp_path / "killed" / "report.json").exists()
    assert start(library, data, tmp_path / "killed", jobs).wait(300) == 0

    reports = [(tmp_path / run / "report.json").read_bytes() for run in ("whole", "killed")]
    assert reports[0] == reports[1]
    counts = json.loads(reports[0])["counts"]
    assert counts["selected"] == 2 * PICTURES and counts["unusable"] == 1 and counts["scored"] == 2 * PICTURES - 1
    lines = (tmp_path / "killed" / "results.jsonl").read_bytes().splitlines()
    assert sorted(lines[1:]) == sorted(results.read_bytes().splitlines()[1:])  # none twice, none lost
    deadline = time.monotonic() + 20
    while any(map(alive, orphans)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, orphans)), "workers outlive the process that they work for"
