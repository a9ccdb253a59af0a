"""Which pictures there are, and what class they are of."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinyml.errors import TinymlError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op
from tinyml.quantize import Preprocess, open_calibration, prepare
from tinyml.quantize.calibration import calibration_data
from tinyml.quantize.pictures import centre, find_pictures


def picture(path: Path, value: int = 0, size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(path)


def network() -> Graph:
    b = GraphBuilder("net")
    return b.build([b.node(Op.RELU, [b.input("x", (1, 4, 4, 3), DType.FLOAT32)])])


def test_folders_are_classes(tmp_path: Path) -> None:
    for name in ("dog/1.png", "cat/2.png", "cat/more/3.png"):
        picture(tmp_path / name)
    found = find_pictures(tmp_path, "test")
    assert found.classes == ("cat", "dog") and found.labels == (0, 0, 1)
    picture(tmp_path / "loose.png")
    assert find_pictures(tmp_path, "test").labels is None


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    (tmp_path / "dog").mkdir()
    with pytest.raises(TinymlError, match="class dog has no picture, 1 other classes have some"):
        open_calibration(tmp_path, network())


def table(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text)
    return folder / "labels.csv"


def test_a_table(tmp_path: Path) -> None:
    for i in range(4):
        picture(tmp_path / f"{i}.png", 50 * i)
    path = table(tmp_path, "filename,person,split\n3.png,1,test\n0.png,0,calibration\n1.png,1,calibration\n")
    data = open_calibration(path, network())
    assert [float(s["x"].max()) for s in data] == pytest.approx([0.0, 50 / 255])
    assert data.labels == (0, 1) and data.classes == ("0", "1")
    assert open_calibration(path, network(), split="test").labels == (1,)
    assert len(open_calibration(path, network(), split="train")) == 3
    named = table(tmp_path, "label,file\nzebra,0.png\nant,1.png\n")
    assert open_calibration(named, network()).classes == ("ant", "zebra")


@pytest.mark.parametrize(
    "text, said",
    [
        ("filename,person\nabsent.png,1\n", r"labels\.csv, line 2: there is no file absent\.png"),
        ("filename,person\n../x.png,1\n", r"line 2: there is no file"),
        ("filename,person\na.png\n", r"line 2: 1 cells; expected 2"),
        ("name,person\na.png,1\n", "has the columns name, person; expected one called filename"),
        ("filename,person\n", "names no picture"),
        ("", "cannot be read as a table"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, text: str, said: str) -> None:
    picture(tmp_path.parent / "x.png")
    picture(tmp_path / "a.png")
    with pytest.raises(TinymlError, match=said):
        open_calibration(table(tmp_path, text), network())


@given(*[st.integers(1, 5000)] * 4)
def test_the_middle_is_inside_and_as_large_as_can_be(width: int, height: int, w: int, h: int) -> None:
    x, y, part_width, part_height = centre(width, height, w, h)
    assert x >= 0 and x + part_width <= width and y >= 0 and y + part_height <= height
    assert part_width == width or part_height == height
    if part_width > 1 and part_height > 1:
        ideal_width, ideal_height = min(width, height * w / h), min(height, width * h / w)
        assert abs(part_width - ideal_width) <= 1 and abs(part_height - ideal_height) <= 1


def test_crop_takes_the_middle(tmp_path: Path) -> None:
    pixels = np.zeros((4, 12, 3), np.uint8)
    pixels[:, 4:8] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    (sample,) = open_calibration(tmp_path, network(), Preprocess((1.0,), (0.0,), "crop"))
    assert np.all(sample["x"] == 200)
    (sample,) = open_calibration(tmp_path, network(), Preprocess((1.0,), (0.0,)))
    assert np.any(sample["x"] != 200)


def test_a_function_gives_samples() -> None:
    def mine() -> list[dict[str, np.ndarray]]:
        return [{"x": np.full((4, 4, 3), i, np.float64)} for i in range(3)]

    model = prepare(network(), calibration=mine)
    assert model.calibrated and model.notes == ("calibrated with 3 samples of mine",)
    assert model.graph.value("x").quant is not None
    for bad, said in (
        ([{"y": np.zeros((4, 4, 3))}], "sample 0 of bad_samples has no x"),
        ([{"x": np.zeros((4, 4))}], r"shape \[1, 4, 4\]; expected \[samples, 4, 4, 3\]"),
        ([{"x": np.full((4, 4, 3), np.nan)}], "holds NaN"),
        ([], "gave no sample"),
    ):

        def bad_samples(bad: list[dict[str, np.ndarray]] = bad) -> list[dict[str, np.ndarray]]:
            return bad

        with pytest.raises(TinymlError, match=said):
            calibration_data(bad_samples, network())
