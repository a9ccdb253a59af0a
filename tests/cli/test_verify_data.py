"""`tinyml verify MODEL --data`: float, reference and emitted C on pictures."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyml import zoo
from tinyml.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of two classes and twelve pictures in two folders."""
    path = tmp_path_factory.mktemp("data")
    zoo.save("mobilenet_v1", path / "net.onnx", resolution=32)
    rng = np.random.default_rng(0)
    for i in range(12):
        file = path / "pictures" / ("cat" if i % 2 else "dog") / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((40, 40)).save(file)
    return path


def test_the_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, pictures, html = folder / "net.onnx", folder / "pictures", folder / "report.html"
    flags = [str(model), "--calibration", str(pictures), "--data", str(pictures)]
    assert main(["verify", *flags, "--html", str(html)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "12 samples" in said and "the emitted C gives the reference's bytes" in said
    assert re.search(r"against float: \d+ answers flip", said) and "95 % interval" in said
    page = html.read_text(encoding="utf-8")
    assert page.count("<svg") == 2 * page.count('class="blame"') > 0
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert main(["verify", *flags, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["samples"] == 12 and document["c_differs"] == 0
    assert document["paired"]["top1"]["low"] <= document["paired"]["top1"]["difference"]
    assert {"blame", "saturated", "channels", "sqnr_db"} <= document["layers"][0].keys()


def test_effort_does_not_spoil_the_figures_of_layers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equalized layers hold other numbers than the file's: they are compared with what they round."""
    model, pictures = folder / "net.onnx", folder / "pictures"
    main(["verify", str(model), "--calibration", str(pictures), "--data", str(pictures), "--effort", "high", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert min(layer["own_sqnr_db"] or 99 for layer in document["layers"]) > 15


def test_the_front_of_precisions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["analyze", str(folder / "net.onnx"), "--calibration", str(folder / "pictures"), "--board", "stm32h7"]
    assert main([*flags, "--precision", "mixed", "--json"]) == 0
    front = json.loads(capsys.readouterr().out)["precision_front"]
    assert [p["weight_bytes"] for p in front] == sorted(p["weight_bytes"] for p in front)
    assert [p["sqnr_db"] for p in front] == sorted(p["sqnr_db"] for p in front)
    assert [p["taken"] for p in front] == [False] * (len(front) - 1) + [True]  # the most accurate fits
    assert front[-1]["share"] > 0.99 and front[0]["share"] == pytest.approx(0.5, abs=0.01)
    flash = 72 * 1024 + front[0]["weight_bytes"]
    assert main([*flags, "--precision", "mixed", "--flash", str(flash), "--min-sqnr", "1"]) == 0
    assert "<- this one" in capsys.readouterr().out
    assert main([*flags, "--precision", "mixed", "--flash", "40K"]) == 3
    assert "weights take at least" in capsys.readouterr().err


def test_classes_that_do_not_fit(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abcdefgh":
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "x.png")
    flags = [str(folder / "net.onnx"), "--calibration", str(tmp_path), "--data", str(tmp_path)]
    assert main(["verify", *flags]) == 1
    assert "has 8 classes, the network has 2 outputs" in capsys.readouterr().err
    assert main(["verify", str(folder / "net.onnx"), "--html", "x.html"]) == 2


@pytest.mark.emulated
def test_a_budget_of_cycles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cycles of layers are those of two builds, even where flash has no room for the larger one."""
    flags = ["analyze", str(folder / "net.onnx"), "--calibration", str(folder / "pictures"), "--board", "stm32h7"]
    flags += ["--precision", "mixed", "--flash", "200K"]
    assert main([*flags, "--cycles", "100000000", "--json"]) == 0
    front = json.loads(capsys.readouterr().out)["precision_front"]
    taken = next(p for p in front if p["taken"])
    assert all(p["cycles"] > 100_000 for p in front) and taken["weight_bytes"] < 200 * 1024 - 32 * 1024
    assert main([*flags, "--cycles", "1000"]) == 3
    assert "every choice of layers takes" in capsys.readouterr().err
