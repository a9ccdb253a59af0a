"""`tinyml bench wake-vision` and `bench folder` as users meet them."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from bench_sets import drawn, flags, parquet, person_folder, rows

from tinyml import zoo
from tinyml.cli.main import main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seeded weights: its answers mean nothing, and are always the same."""
    return zoo.save("mobilenet_v1", tmp_path_factory.mktemp("model") / "net.onnx", resolution=32)


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return person_folder(tmp_path_factory.mktemp("calibration"), 2)


def bench(which: str, model: Path, data: Path, out: Path, *flags_: str) -> int:
    where = () if {"--board", "--on"} & set(flags_) else ("--board", "host")  # no firmware where none is looked at
    return main(["bench", which, str(model), "--data", str(data), "-o", str(out), "--jobs", "1", "-q", *where, *flags_])


def report_of(out: Path) -> Any:
    return json.loads((out / "report.json").read_text())


def test_every_sample_is_accounted_for(model: Path, calibration: Path, tmp_path: Path) -> None:
    parquet(tmp_path / "data" / "test-00000-of-00001.parquet", rows())
    out = tmp_path / "out"
    assert bench("wake-vision", model, tmp_path, out, "--calibration", str(calibration), "--board", "stm32h7") == 0
    report = report_of(out)
    assert report["counts"] == {"selected": 12, "scored": 6, "excluded": 1, "unlabelled": 1, "unusable": 4}
    assert [key.split()[0] for key, _ in report["problems"]] == [
        f"test-00000-of-00001.parquet#{row}" for row in (9, 10, 11, 12)
    ]
    assert sum(map(sum, report["confusion"])) == 6
    assert report["person"]["unknown"] == {"far": 1, "near": 1}
    by_group = {score["group"]: score for score in report["person"]["fine"]}
    assert len(by_group) == 16
    assert by_group["near"]["positive"]["count"] == 1 and by_group["near"]["negative"]["count"] == 3
    assert by_group["far"]["positive"]["count"] == 1  # the person that nothing else counts
    assert by_group["dark"]["positive"]["count"] == 0 and by_group["dark"]["f1"]["value"] is None
    assert by_group["dark"]["negative"]["count"] == 2
    assert by_group["person_depiction"]["positive"]["count"] == 1
    assert report["cost"]["peak_sram_bytes"] > 4000 and report["cost"]["latency_kind"] == "modelled"


def test_int8_against_float_tells_what_is_lost(model: Path, calibration: Path, tmp_path: Path) -> None:
    data = person_folder(tmp_path / "data", 15)
    out = tmp_path / "out"
    flags_ = ("--calibration", str(calibration), "--against", "float")
    assert bench("wake-vision", model, data, out, *flags_) == 0
    other = report_of(out)["comparison"]
    assert other["on"] == "float" and other["compared"] == 30 and other["identical"] is None
    assert 30 - other["same_answers"] == len(other["lost"]) + len(other["won"])
    accuracy = report_of(out)["accuracy"]["value"]
    assert round(30 * (other["accuracy"]["value"] - accuracy)) == len(other["lost"]) - len(other["won"])


def test_float_on_the_host_is_what_onnxruntime_says(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    data = person_folder(tmp_path / "data", 10)
    out = tmp_path / "out"
    assert bench("wake-vision", model, data, out, "--precision", "float32", "--against", "onnxruntime") == 0
    other = report_of(out)["comparison"]
    assert other["on"] == "onnxruntime" and other["same_answers"] == other["compared"] == 20


@pytest.mark.emulated
def test_the_emulator_answers_as_the_host(model: Path, calibration: Path, tmp_path: Path) -> None:
    data = person_folder(tmp_path / "data", 3)
    out = tmp_path / "out"
    flags_ = ("--calibration", str(calibration), "--on", "emulator", "--against", "host")
    assert bench("wake-vision", model, data, out, *flags_) == 0
    report = report_of(out)
    assert report["comparison"]["identical"] == report["comparison"]["compared"] == 6
    assert report["latency"]["kind"] == "modelled" and report["latency"]["count"] == 6
    without_waits = report["cost"]["latency_ms"] - report["cost"]["waits_ms"]
    assert report["latency"]["median_ms"] == pytest.approx(without_waits, rel=0.05)


def test_results_are_gone_on_with(model: Path, tmp_path: Path) -> None:
    data, out = person_folder(tmp_path / "data", 8), tmp_path / "out"
    common = ("--precision", "float32")
    assert bench("wake-vision", model, data, out, *common) == 0
    whole = [(out / name).read_bytes() for name in ("report.json", "report.html", "results.jsonl")]
    assert bench("wake-vision", model, data, out, *common) == 2  # an earlier run's results are there
    lines = whole[2].splitlines(keepends=True)
    (out / "results.jsonl").write_bytes(b"".join(lines[:6]) + lines[6][:9])
    assert bench("wake-vision", model, data, out, *common, "--resume") == 0
    assert [(out / name).read_bytes() for name in ("report.json", "report.html", "results.jsonl")] == whole
    assert bench("wake-vision", model, data, out, *common, "--resume", "--limit", "3") == 2


def test_limit_seed_and_shards(model: Path, tmp_path: Path) -> None:
    data = person_folder(tmp_path / "data", 10)
    seen: list[set[str]] = []
    for shard in ("1/2", "2/2"):
        out = tmp_path / shard.replace("/", "-")
        flags_ = ("--precision", "float32", "--limit", "9", "--seed", "4", "--shard", shard)
        assert bench("wake-vision", model, data, out, *flags_) == 0
        lines = (out / "results.jsonl").read_text().splitlines()[1:]
        seen.append({json.loads(line)["key"] for line in lines})
    assert [len(keys) for keys in seen] == [5, 4] and not seen[0] & seen[1]


def test_any_classifier_on_any_folder(tmp_path: Path) -> None:
    model = zoo.save("mobilenet_v1", tmp_path / "net.onnx", resolution=32, classes=3)
    for name in ("bee", "ant", "cat"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(4):
            drawn(name == "ant", i).save(tmp_path / "data" / name / f"{i}.png")
    out = tmp_path / "out"
    assert bench("folder", model, tmp_path / "data", out, "--precision", "float32") == 0
    report = report_of(out)
    assert report["classes"] == ["ant", "bee", "cat"] and report["person"] is None
    assert [sum(row) for row in report["confusion"]] == [4, 4, 4]
    (tmp_path / "data" / "dog").mkdir()
    assert bench("folder", model, tmp_path / "data", tmp_path / "out2", "--precision", "float32") == 1


def test_the_page_stands_alone_and_escapes_names(model: Path, tmp_path: Path) -> None:
    data = person_folder(tmp_path / "data", 3)
    (data / "person" / "<script>alert(1)<!--.png").write_bytes(b"damaged & more")
    with (data / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        columns = flags("near")
        writer.writerow(["filename", *columns])
        writer.writerow(["person/0000.jpg", *columns.values()])
    out = tmp_path / "out"
    assert bench("wake-vision", model, data, out, "--precision", "float32") == 0
    page = (out / "report.html").read_text()
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page
    assert not re.search(r'(src|href)="(?!data:)', page) and "url(" not in page and "@import" not in page
    assert page.count("data:image/jpeg;base64,") == len(report_of(out)["worst"])


@pytest.mark.parametrize(
    ("flags_", "code", "says"),
    [
        (["--data", "gone"], 1, "gone: does not exist"),
        (["--data", "empty"], 1, "no labelled pictures"),
        (["--limit", "0"], 2, "--limit 0"),
        (["--shard", "3/2"], 2, "--shard 3/2"),
        (["--shard", "x"], 2, "is not of the form 1/4"),
        (["--jobs", "0"], 2, "--jobs 0"),
        ([], 2, "--calibration"),
        (["--precision", "float32", "--on", "litert"], 1, "LiteRT cannot run net.onnx"),
        (["--precision", "float32", "--on", "emulator", "--sram", "8K"], 3, "does not fit"),
        (["--precision", "float32", "--on", "/dev/no-such-port"], 1, "there is no port /dev/no-such-port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes(
    model: Path,
    tmp_path: Path,
    flags_: Sequence[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    person_folder(tmp_path / "data", 1)
    (tmp_path / "empty").mkdir()
    data = [] if "--data" in flags_ else ["--data", "data"]
    monkeypatch.setattr("tinyml.bench.execute._PAUSE_SECONDS", 0.0)
    try:
        got = main(["bench", "wake-vision", str(model), *data, "-q", "--jobs", "1", *flags_])
    except SystemExit as e:  # argparse's own
        got = int(e.code or 0)
    printed = capsys.readouterr()
    assert got == code, printed.err
    assert says in printed.err and "Traceback" not in printed.err and not printed.out
