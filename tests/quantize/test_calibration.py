"""Reading calibration data: what comes out, and what is refused with the file's name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyml.errors import TinymlError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.ir.ops import Op
from tinyml.quantize.calibration import CalibrationData, Preprocess, open_calibration


def network(*shapes: tuple[int, ...], layout: tuple[int, ...] | None = None) -> Graph:
    b = GraphBuilder("net")
    names = [b.input(f"in{i}", shape, DType.FLOAT32) for i, shape in enumerate(shapes)]
    graph = b.build([b.node(Op.RELU, [name]) for name in names])
    values = dict(graph.values)
    for name in graph.inputs:
        v = values[name]
        values[name] = Value(v.name, v.shape, v.dtype, layout=layout)
    return graph.with_(values=values)


def picture(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def only(data: CalibrationData) -> np.ndarray:
    (sample,) = data
    (array,) = sample.values()
    return array


# --- preprocessing ----------------------------------------------------------------------------------------------------


def test_default_maps_bytes_to_zero_to_one() -> None:
    assert Preprocess().apply(np.array([[0], [51], [255]], np.uint8)).ravel() == pytest.approx([0.0, 0.2, 1.0])
    assert Preprocess().bounds == pytest.approx((0.0, 1.0))


def test_to_range_and_mean_std() -> None:
    assert Preprocess.to_range(-1, 1).apply(np.array([[0], [255]], np.uint8)).ravel() == pytest.approx([-1.0, 1.0])
    p = Preprocess.mean_std((0.5, 0.25, 0.0), (0.5, 0.25, 2.0))
    assert p.apply(np.array([255, 0, 255], np.uint8)) == pytest.approx([1.0, -1.0, 0.5])
    assert p.bounds == pytest.approx((-1.0, 3.0))


@pytest.mark.parametrize("scale, offset", [((1.0,), (0.0, 1.0)), ((0.0,), (0.0,)), ((float("nan"),), (0.0,)), ((), ())])
def test_impossible_preprocessing(scale: tuple[float, ...], offset: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"scale"):
        Preprocess(scale, offset)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_come_sorted_and_from_subfolders(tmp_path: Path) -> None:
    for i, name in enumerate(["b/1.png", "a/2.bmp", "c.png", "a/10.png"]):
        picture(tmp_path / name, np.full((5, 7), 10 * i))
    (tmp_path / "labels.csv").write_text("x")
    (tmp_path / ".hidden.png").write_bytes(b"no picture")
    data = open_calibration(tmp_path, network((1, 4, 4, 1)))
    seen = [round(float(s["in0"].max()) * 255) for s in data]
    assert seen == [30, 10, 0, 20]  # a/10, a/2, b/1, c
    assert len(data) == 4
    assert data.notes == (f"1 files in {tmp_path} are not pictures and were left out",)
    assert [s["in0"].tobytes() for s in data] == [s["in0"].tobytes() for s in data]


def test_channels_follow_the_input(tmp_path: Path) -> None:
    colour = np.zeros((4, 4, 3))
    colour[..., 0] = 200
    picture(tmp_path / "red.png", colour)
    rgb = only(open_calibration(tmp_path, network((1, 4, 4, 3))))
    assert rgb.shape == (1, 4, 4, 3) and rgb.dtype == np.float32
    assert rgb[0, 0, 0] == pytest.approx([200 / 255, 0, 0])
    gray = only(open_calibration(tmp_path, network((1, 4, 4, 1))))
    assert gray[0, 0, 0, 0] * 255 == pytest.approx(0.299 * 200, abs=1)  # ITU-R 601 luma


def test_gray_alpha_palette_and_16_bit_pictures(tmp_path: Path) -> None:
    Image.new("LA", (4, 4), (100, 7)).save(tmp_path / "1.png")
    Image.new("P", (4, 4), 0).save(tmp_path / "2.png")
    Image.fromarray(np.full((4, 4), 100 * 256, np.uint16)).save(tmp_path / "3.png")
    Image.new("1", (4, 4), 1).save(tmp_path / "4.png")
    graph = network((1, 4, 4, 3))
    seen = [np.unique(np.rint(s["in0"] * 255)).tolist() for s in open_calibration(tmp_path, graph)]
    assert seen == [[100], [0], [100], [255]]


def test_pictures_are_squashed_bilinear(tmp_path: Path) -> None:
    picture(tmp_path / "ramp.png", np.tile(np.arange(0, 160, 10), (3, 1)))
    out = only(open_calibration(tmp_path, network((1, 6, 8, 1)))) * 255
    assert out.shape == (1, 6, 8, 1)
    # Halving: Pillow's triangle filter spans two source pixels on either side; inside a ramp it is the pair's mean.
    np.testing.assert_allclose(out[0, 0, 1:-1, 0], [25, 45, 65, 85, 105, 125], atol=1)


def test_bounds_are_those_of_the_preprocessing(tmp_path: Path) -> None:
    picture(tmp_path / "dark.png", np.full((4, 4), 3))
    data = open_calibration(tmp_path, network((1, 4, 4, 1)), Preprocess.to_range(-1, 1))
    assert data.bounds == {"in0": pytest.approx((-1.0, 1.0))}
    assert data.preprocess == Preprocess.to_range(-1, 1)


def test_at_most_spreads(tmp_path: Path) -> None:
    for i in range(10):
        picture(tmp_path / f"{i}.png", np.full((2, 2), i))
    data = open_calibration(tmp_path, network((1, 2, 2, 1))).at_most(3)
    assert [round(float(s["in0"].max()) * 255) for s in data] == [0, 3, 6]
    assert data.notes == ("3 of 10 samples are used",)
    assert data.at_most(7) is data


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40], ids=["empty", "text", "header only"]
)
def test_a_corrupt_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(TinymlError, match=r"bad\.png cannot be read as a picture"):
        list(open_calibration(tmp_path, network((1, 4, 4, 3))))


def test_a_truncated_picture_is_named(tmp_path: Path) -> None:
    whole = picture(tmp_path / "cut.png", np.random.default_rng(0).integers(0, 256, (64, 64)))
    whole.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(TinymlError, match=r"cut\.png cannot be read as a picture"):
        list(open_calibration(tmp_path, network((1, 4, 4, 3))))


def test_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(TinymlError, match="no picture in"):
        open_calibration(tmp_path, network((1, 4, 4, 3)))
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(TinymlError, match=r"\(1 other files are there\)"):
        open_calibration(tmp_path, network((1, 4, 4, 3)))


@pytest.mark.parametrize("shapes", [[(1, 4, 4, 2)], [(1, 16)], [(1, 4, 4, 3), (1, 4, 4, 3)]])
def test_pictures_need_a_picture_input(tmp_path: Path, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(TinymlError, match="not one picture of 1 or 3 channels"):
        open_calibration(tmp_path, network(*shapes))


def test_colour_preprocessing_of_a_gray_input(tmp_path: Path) -> None:
    with pytest.raises(TinymlError, match="preprocessing for 3 channels, but input in0 of the network has 1"):
        open_calibration(tmp_path, network((1, 4, 4, 1)), Preprocess.mean_std((0.5,) * 3, (0.5,) * 3))


# --- arrays -----------------------------------------------------------------------------------------------------------


def test_arrays_come_in_the_model_files_layout(tmp_path: Path) -> None:
    nchw = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    np.savez(tmp_path / "x.npz", in0=nchw, out0=np.zeros(3))
    graph = network((1, 4, 5, 3), layout=(0, 2, 3, 1))
    data = open_calibration(tmp_path / "x.npz", graph)
    for sample, source in zip(data, nchw, strict=True):
        np.testing.assert_array_equal(sample["in0"][0], source.transpose(1, 2, 0))


@pytest.mark.parametrize("shape", [(6, 4), (6, 1, 4)], ids=["without batch axis", "with batch axis"])
def test_one_array_serves_one_input(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.arange(24).reshape(shape)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", anything=x)
    for file in ("x.npy", "x.npz"):
        samples = [s["in0"] for s in open_calibration(tmp_path / file, network((1, 4)))]
        np.testing.assert_array_equal(np.concatenate(samples), x.reshape(6, 4))
        assert samples[0].dtype == np.float32


def test_several_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", in0=np.zeros((2, 4)), in1=np.ones((2, 3)))
    samples = list(open_calibration(tmp_path / "x.npz", network((1, 4), (1, 3))))
    assert [{k: v.shape for k, v in s.items()} for s in samples] == [{"in0": (1, 4), "in1": (1, 3)}] * 2


def _refused(path: Path, graph: Graph, message: str) -> None:
    with pytest.raises(TinymlError, match=message) as caught:
        list(open_calibration(path, graph))
    assert str(path) in caught.value.what


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    graph = network((1, 4, 5, 3), layout=(0, 2, 3, 1))
    np.savez(file, in0=np.zeros((2, 4, 5, 3)))
    _refused(file, graph, r"shape \[2, 4, 5, 3\]; expected \[samples, 3, 4, 5\]")
    np.savez(file, other=np.zeros((2, 3, 4, 5)), more=np.zeros(3))
    _refused(file, graph, "no array for input in0; it holds other, more")
    np.savez(file, in0=np.zeros((0, 3, 4, 5)))
    _refused(file, graph, "0 in in0 samples")
    np.savez(file, in0=np.zeros((2, 4)), in1=np.zeros((3, 3)))
    _refused(file, network((1, 4), (1, 3)), "2 in in0, 3 in in1 samples")
    np.savez(file, in0=np.zeros((2, 4), complex))
    _refused(file, network((1, 4)), "holds complex128; expected real numbers")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_in_float32(tmp_path: Path, bad: float) -> None:
    x = np.zeros((3, 4))
    x[2, 1] = bad
    np.save(tmp_path / "x.npy", x)
    _refused(tmp_path / "x.npy", network((1, 4)), "NaN or infinity in sample 2")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([print], dtype=object), allow_pickle=True)
    _refused(tmp_path / "x.npy", network((1, 4)), "cannot be read")


def test_damaged_archives(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez_compressed(file, in0=np.random.default_rng(0).normal(size=(8, 4)))
    whole = file.read_bytes()
    rng = np.random.default_rng(5)
    for i in range(60):
        damaged = bytearray(whole[: rng.integers(len(whole))] if i % 2 else whole)
        if damaged and i % 2 == 0:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        file.write_bytes(bytes(damaged))
        try:
            list(open_calibration(file, network((1, 4))))
        except TinymlError as e:
            assert str(file) in e.what


def test_paths_that_are_no_data(tmp_path: Path) -> None:
    _refused(tmp_path / "nothing", network((1, 4)), "does not exist")
    (tmp_path / "x.dat").write_text("1,2")
    _refused(tmp_path / "x.dat", network((1, 4)), "neither a folder of pictures nor")
