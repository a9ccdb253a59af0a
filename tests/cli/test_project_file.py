"""`tinyml.toml` beside a model."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyml import zoo
from tinyml.cli.main import main
from tinyml.cli.project import flags_beside, preset_flags
from tinyml.resources import resource_dir
from tinyml.targets import list_profiles, load_board


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"")
    return path


def beside(model: Path, text: str, *given: str) -> list[str]:
    (model.parent / "tinyml.toml").write_text(text)
    return flags_beside(model, ["build", str(model), *given])


def test_no_file_says_nothing(model: Path) -> None:
    assert flags_beside(model, []) == []
    assert flags_beside(model.parent / "absent.onnx", []) == []


WHOLE = """
board = "stm32l4r5"
precision = "mixed"
flash = "300K"
sram = 65536
cycles = 5000000
keep_input = true
labels = "labels.txt"
[calibration]
data = "pictures"
observer = "minmax"
[preprocess]
range = [-1, 1]
fit = "crop"
"""


def test_every_key_is_a_flag(model: Path) -> None:
    here = model.parent
    assert beside(model, WHOLE) == [
        "--board=stm32l4r5",
        "--sram=65536",
        "--flash=300K",
        "--cycles=5000000",
        "--precision=mixed",
        f"--labels={here / 'labels.txt'}",
        "--keep-input",
        f"--calibration={here / 'pictures'}",
        "--observer=minmax",
        "--input-range=-1.0,1.0",
        "--fit=crop",
    ]


def test_what_excludes_each_other_comes_from_one_place(model: Path) -> None:
    flags = beside(model, WHOLE, "--target", "cortex-m4", "--mean=0.5")
    assert not [flag for flag in flags if flag.startswith(("--board", "--input-range"))]
    assert "--fit=crop" in flags


@pytest.mark.parametrize(
    "text, said",
    [
        ("bord = 'x'", "bord = 'x': Extra inputs are not permitted"),
        ("board = 3", "board = 3"),
        ("[preprocess]\nfit = 'stretch'", r"preprocess.fit = 'stretch': Input should be 'squash' or 'crop'"),
        ("board =", "tinyml.toml: Invalid value"),
    ],
)
def test_mistakes_are_named(model: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    (model.parent / "tinyml.toml").write_text(text)
    assert main(["analyze", str(model)]) == 2
    assert said in capsys.readouterr().err


def test_a_build_uses_it_and_flags_override_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoo.save("ds_cnn", tmp_path / "net.onnx")
    np.save(tmp_path / "data.npy", np.random.default_rng(0).normal(size=(4, 1, 49, 10)).astype(np.float32))
    Image.new("RGB", (2, 2)).save(tmp_path / "unused.png")
    (tmp_path / "tinyml.toml").write_text('board = "stm32l4r5"\n[calibration]\ndata = "data.npy"\n')
    assert main(["analyze", str(tmp_path / "net.onnx"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["calibrated"] and [board["board"] for board in document["boards"]] == [load_board("stm32l4r5").id]
    assert main(["analyze", str(tmp_path / "net.onnx"), "--json", "--board", "stm32h7"]) == 0
    assert [b["board"] for b in json.loads(capsys.readouterr().out)["boards"]] != [load_board("stm32l4r5").id]


def test_profiles_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """The table in docs/quantization.md and the help name every profile."""
    text = (Path(__file__).parents[2] / "docs/quantization.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    shown = capsys.readouterr().out.rpartition("--profile NAME")[2].partition("--precision {")[0]
    for profile in list_profiles():
        title = profile.title[0].lower() + profile.title[1:]
        assert f"| `{profile.id}` | {profile.objective} | {profile.precision} | {title} |" in text
        assert profile.id in shown


def test_a_profile_goes_before_the_file_and_the_file_before_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preset_flags("flash") == ["--objective=flash", "--precision=w4a8", "--reserve-sram=0"]
    model = zoo.save("ds_cnn", tmp_path / "net.onnx")

    def scheme(*flags: str) -> str:
        assert main(["analyze", str(model), "--json", *flags]) == 0
        return str(json.loads(capsys.readouterr().out)["scheme"])

    assert scheme("--profile", "flash") != scheme("--profile", "sram") == scheme()
    assert scheme("--profile", "flash", "--precision", "int8") == scheme()
    mine = (resource_dir("profiles") / "sram.toml").read_text().replace('"int8"', '"float32"')
    (tmp_path / "mine.toml").write_text(mine)
    (tmp_path / "tinyml.toml").write_text('profile = "mine.toml"')
    assert scheme() == scheme("--precision", "float32")
    (tmp_path / "tinyml.toml").write_text('profile = "mine.toml"\nprecision = "int8"')
    assert "int8" in scheme()


def test_no_such_profile(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(model), "--profile", "latent"]) == 1
    assert "did you mean latency?" in capsys.readouterr().err
