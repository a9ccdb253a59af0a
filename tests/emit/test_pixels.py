"""Camera frames as inputs: the emitted converters against the host's preprocessing, which is Pillow."""

import ctypes
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from emitted_c import STRICT, emitted, host_compilers, write
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinyml.emit.bundle import SourceBundle
from tinyml.emit.c.pixels import pixels_context
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op, Pool2dAttrs
from tinyml.ir.quant import QuantParams
from tinyml.passes import lower
from tinyml.quantize import Preprocess
from tinyml.quantize.calibration import pixels_as_stored
from tinyml.quantize.pictures import decode

HEIGHT, WIDTH = 24, 32
UNIT = Preprocess()
TORCH = Preprocess.mean_std((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "crop")
PARAMS = {UNIT: QuantParams.per_tensor(1 / 255, -128), TORCH: QuantParams.per_tensor(0.0187, -14)}


def network(channels: int, params: QuantParams) -> Graph:
    b = GraphBuilder("net")
    x = b.input("x", (1, HEIGHT, WIDTH, channels), params.dtype, params)
    return b.build([b.node(Op.MAX_POOL2D, [x], Pool2dAttrs((2, 2), (2, 2)), quant=params)])


def bundle(channels: int, preprocess: Preprocess) -> SourceBundle:
    return emitted(lower(network(channels, PARAMS[preprocess])), "eye", preprocess=preprocess)


class Frame(ctypes.Structure):
    _fields_ = (
        ("pixels", ctypes.c_char_p),
        *((name, ctypes.c_int32) for name in ("width", "height", "stride", "x", "y", "part_width", "part_height")),
    )


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, Preprocess], ctypes.CDLL]:
    @cache
    def build(channels: int, preprocess: Preprocess) -> ctypes.CDLL:
        folder = write(bundle(channels, preprocess), tmp_path_factory.mktemp("eye"))
        for command in host_compilers().values():  # the first one's is loaded
            library = folder / f"{Path(command[-1]).name}.so"
            flags = [*STRICT, "-O2", "-fPIC", "-shared"]
            subprocess.run([*command, *flags, "eye_pixels.c", "-o", str(library)], cwd=folder, check=True)
            if command[0] in ("gcc", "clang"):
                break
        return ctypes.CDLL(str(library))

    return build


def convert(library: ctypes.CDLL, form: str, frame: np.ndarray, channels: int, step: int = HEIGHT) -> np.ndarray:
    """frame: uint8 [height, width, bytes a pixel]; `step` rows of the input at a time."""
    height, width, size = frame.shape
    padded = np.zeros((height, width * size + 5), np.uint8)  # rows with something between them
    padded[:, : width * size] = frame.reshape(height, -1)
    data = padded.tobytes()
    described = Frame(data, width, height, padded.shape[1], 0, 0, 0, 0)
    library.eye_fit(ctypes.byref(described))
    out = np.zeros((HEIGHT, WIDTH, channels), np.int8)
    for first in range(0, HEIGHT, step):
        count = min(step, HEIGHT - first)
        rows = out[first : first + count].ctypes.data_as(ctypes.c_void_p)
        assert library[f"eye_from_{form}"](ctypes.byref(described), first, count, rows) == count
    return out


def on_host(picture: Image.Image, channels: int, preprocess: Preprocess, folder: Path) -> np.ndarray:
    file = folder / "frame.png"
    picture.save(file)
    pixels = decode(file, HEIGHT, WIDTH, channels, preprocess.fit)
    stored: np.ndarray = PARAMS[preprocess].quantize(preprocess.apply(pixels))
    return stored


def scene(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Blobs of colour with some noise, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), np.uint8))
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    noisy: np.ndarray = np.clip(smooth + rng.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
    return noisy


def agree(got: np.ndarray, expected: np.ndarray) -> None:
    """Pillow rounds its weights to 22 bits, so that a tie may fall to the other side."""
    distance = np.abs(got.astype(int) - expected.astype(int))
    assert distance.max() <= 1
    assert np.mean(distance > 0) <= 0.02


SIZES = [(64, 48), (160, 120), (97, 61), (20, 15), (32, 24), (33, 200), (640, 41)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("preprocess", [UNIT, TORCH], ids=["squash", "crop, a table a channel"])
def test_rgb888(
    libraries: Callable[[int, Preprocess], ctypes.CDLL], preprocess: Preprocess, size: tuple[int, int], tmp_path: Path
) -> None:
    pixels = scene(*size)
    expected = on_host(Image.fromarray(pixels), 3, preprocess, tmp_path)
    agree(convert(libraries(3, preprocess), "rgb888", pixels, 3), expected)


def test_gray_networks_take_every_format(libraries: Callable[[int, Preprocess], ctypes.CDLL], tmp_path: Path) -> None:
    library, pixels = libraries(1, UNIT), scene(80, 60)
    agree(convert(library, "rgb888", pixels, 1), on_host(Image.fromarray(pixels), 1, UNIT, tmp_path))
    gray = np.asarray(Image.fromarray(pixels).convert("L"))
    expected = on_host(Image.fromarray(gray), 1, UNIT, tmp_path)
    agree(convert(library, "gray", gray[:, :, np.newaxis], 1), expected)
    yuyv = np.stack([gray, np.full_like(gray, 77)], axis=2)
    agree(convert(library, "yuyv", yuyv, 1), expected)
    agree(convert(library, "uyvy", yuyv[:, :, ::-1], 1), expected)


def test_gray_frames_of_colour_networks(libraries: Callable[[int, Preprocess], ctypes.CDLL], tmp_path: Path) -> None:
    gray = np.asarray(Image.fromarray(scene(80, 60)).convert("L"))
    expected = on_host(Image.fromarray(gray).convert("RGB"), 3, UNIT, tmp_path)
    agree(convert(libraries(3, UNIT), "gray", gray[:, :, np.newaxis], 3), expected)


@pytest.mark.parametrize("form", ["rgb565", "rgb565_swapped"])
def test_rgb565(libraries: Callable[[int, Preprocess], ctypes.CDLL], form: str, tmp_path: Path) -> None:
    """The host sees the same picture with 5 and 6 bits spread over 8, the high bits repeated below."""
    r, g, b = (scene(100, 70)[:, :, c].astype(np.uint16) for c in range(3))
    words = (r >> 3) << 11 | (g >> 2) << 5 | b >> 3
    frame = words.astype("<u2" if form == "rgb565" else ">u2").view(np.uint8).reshape(70, 100, 2)
    seen = np.stack([(r >> 3) << 3 | r >> 5, (g >> 2) << 2 | g >> 6, (b >> 3) << 3 | b >> 5], axis=2)
    expected = on_host(Image.fromarray(seen.astype(np.uint8)), 3, UNIT, tmp_path)
    agree(convert(libraries(3, UNIT), form, frame, 3), expected)


@pytest.mark.parametrize("form", ["yuyv", "uyvy"])
def test_yuv422(libraries: Callable[[int, Preprocess], ctypes.CDLL], form: str, tmp_path: Path) -> None:
    """Colours by JFIF's formula in real numbers. (Pillow's own conversion computes with 6 bits of fraction.)"""
    y, u, v = np.moveaxis(np.asarray(Image.fromarray(scene(90, 64)).convert("YCbCr")), 2, 0)
    chroma = np.stack([u[:, ::2], v[:, ::2]], axis=2).reshape(64, 90)
    frame = np.stack([y, chroma] if form == "yuyv" else [chroma, y], axis=2)
    luma, blue, red = y.astype(float), u[:, ::2].repeat(2, axis=1) - 128.0, v[:, ::2].repeat(2, axis=1) - 128.0
    colours = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=2)
    seen = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    agree(convert(libraries(3, UNIT), form, frame, 3), on_host(Image.fromarray(seen), 3, UNIT, tmp_path))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, HEIGHT), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_rows_at_a_time_are_the_rows_of_the_whole(
    libraries: Callable[[int, Preprocess], ctypes.CDLL], width: int, height: int, step: int, seed: int
) -> None:
    pixels = scene(width, height, seed)
    library = libraries(3, UNIT)
    np.testing.assert_array_equal(convert(library, "rgb888", pixels, 3, step), convert(library, "rgb888", pixels, 3))


@pytest.mark.parametrize(
    "change",
    [
        {"x": -1},
        {"x": 1},
        {"part_width": 0},
        {"part_height": 61},
        {"stride": 239},
        {"stride": -240},
        {"width": 1 << 20, "part_width": 1 << 20, "stride": 1 << 22},
        {"pixels": None},
    ],
    ids=str,
)
def test_frames_that_make_no_sense(
    libraries: Callable[[int, Preprocess], ctypes.CDLL], change: dict[str, int | None]
) -> None:
    library = libraries(3, UNIT)
    data = bytes(80 * 60 * 3)
    fields = {
        "pixels": data,
        "width": 80,
        "height": 60,
        "stride": 240,
        "x": 0,
        "y": 0,
        "part_width": 80,
        "part_height": 60,
    }
    out = (ctypes.c_int8 * (HEIGHT * WIDTH * 3))()
    assert library.eye_from_rgb888(ctypes.byref(Frame(**fields)), 0, HEIGHT, out) == HEIGHT
    assert library.eye_from_rgb888(ctypes.byref(Frame(**(fields | change))), 0, HEIGHT, out) == 0
    for first, count in ((-1, 1), (0, 0), (HEIGHT, 1), (1, HEIGHT), (2**31 - 1, 2**31 - 1)):
        assert library.eye_from_rgb888(ctypes.byref(Frame(**fields)), first, count, out) == 0


@pytest.mark.parametrize("dtype, shift", [(DType.INT8, 128), (DType.UINT8, 0)])
def test_models_that_came_quantized_get_pixels_as_they_are(dtype: DType, shift: int) -> None:
    params = QuantParams.per_tensor(0.0078, 3 if dtype is DType.INT8 else 140, dtype)
    (value,) = (network(3, params).value("x"),)
    assert pixels_context("eye", value, pixels_as_stored(value))["shift"] == shift


def test_networks_without_a_picture_have_no_converters() -> None:
    assert [path for path in bundle(3, UNIT).files if "pixels" in path] == ["eye_pixels.h", "eye_pixels.c"]
    without = emitted(lower(network(3, PARAMS[UNIT])), "eye")
    assert [path for path in without.files if "pixels" in path] == []
