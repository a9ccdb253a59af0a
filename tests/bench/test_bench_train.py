"""A detector of our own: drawn pictures in, a network out that finds the drawn persons, in float and in int8."""

import importlib.util
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from bench_sets import person_folder

from tinyml.bench.wake_vision.train import Recipe, _augmented, as_input
from tinyml.cli.main import main
from tinyml.errors import UsageError

needs_tensorflow = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("keras", "tensorflow")),
    reason="TensorFlow is not installed",
)


@needs_tensorflow
def test_a_detector_from_pictures_to_int8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    person_folder(data / "train", 120)
    person_folder(data / "test", 20, start=1000)
    person_folder(tmp_path / "calibration", 20, start=500)
    (data / "train" / "person" / "bad.jpg").write_bytes(b"damaged")
    model = tmp_path / "detector.tflite"
    flags = ["--size", "32", "--steps", "120", "--batch", "16", "--validation", "test", "-o", str(model), "--json"]
    assert main(["zoo", "train", "--data", str(data), *flags]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["steps"] == 120 and told["accuracy"] > 0.75
    out = tmp_path / "out"
    common = ["--data", str(data), "--resize", "crop", "--input-range=-1,1", "--board", "host", "--jobs", "1", "-q"]
    calibration = ["--calibration", str(tmp_path / "calibration")]
    assert main(["bench", "wake-vision", str(model), *common, *calibration, "--against", "float", "-o", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["comparison"]["accuracy"]["value"] == pytest.approx(told["accuracy"], abs=0.03)
    assert report["accuracy"]["value"] > 0.7


@needs_tensorflow
def test_a_class_without_pictures(tmp_path: Path) -> None:
    person_folder(tmp_path / "train", 1)
    for path in (tmp_path / "train" / "person").iterdir():
        path.write_bytes(b"damaged")
    assert main(["zoo", "train", "--data", str(tmp_path), "--steps", "1", "--size", "32", "--batch", "2", "-q"]) == 2


def test_without_tensorflow_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    person_folder(tmp_path / "train", 1)
    assert main(["zoo", "train", "--data", str(tmp_path), "-q"]) == 1
    assert "pip install 'tinyml[train]'" in capsys.readouterr().err


def test_crops_are_large_enough_and_some_are_mirrored() -> None:
    """On a ramp from left to right, the range of a crop tells its width, its direction whether it is mirrored."""
    from PIL import Image

    ramp = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (150, 1))).convert("RGB")
    chance = random.Random(0)
    spans = []
    for _ in range(200):
        row = _augmented(ramp, Recipe(size=40, area=0.6), chance)[20, :, 0].astype(int)
        spans.append(row[-1] - row[0])
    widths = np.abs(spans)
    # The smallest crop of 0.6 of 200 x 150 at 3:4 is sqrt(0.6 * 30000 * 3/4) = 116 wide.
    assert widths.min() >= 110 and widths.max() <= 200 and widths.std() > 5
    assert 60 < sum(span < 0 for span in spans) < 140


def test_pixels_become_minus_one_to_one() -> None:
    assert as_input(np.array([0, 255], np.uint8)).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"size": 8}, {"width": 9.0}])
def test_recipes_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="zoo train"):
        Recipe(**wrong)  # type: ignore[arg-type]
