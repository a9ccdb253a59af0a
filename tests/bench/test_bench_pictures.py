"""Pixels as TensorFlow would have them, and pictures of every kind."""

import importlib.util
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bench_sets import drawn, encoded
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tensorflow_resize import GOLDEN, STEPS, cases, tensorflow_resize

from tinyml.bench.pictures import Filter, Fit, PictureError, Preparation, decode, resized

AGREEING = 0.999  # share of pixels that are within one level


def worst(reference: Callable[[str, np.ndarray, str, str, int], np.ndarray]) -> float:
    """The smallest share of agreeing pixels over fits and filters."""
    close: dict[tuple[str, str], list[np.ndarray]] = {}
    for name, pixels, fit, method, size in cases():
        to = Preparation(size, size, pixels.shape[2], Fit(fit), Filter(method))
        ours = resized(Image.fromarray(pixels.squeeze()), to).astype(np.float64)
        theirs = reference(name, pixels, fit, method, size)
        assert ours.shape == theirs.shape
        # A cast of 7.999 to a byte is 7, of 8.001 is 8: rounding errors of TensorFlow's floats move it, too.
        levels = np.floor(theirs) if method == "bilinear" else np.rint(theirs)
        close.setdefault((fit, method), []).append((np.abs(ours - levels) <= 1).ravel())
        assert np.abs(ours - theirs).mean() < 0.6, name  # and not one level off everywhere
    return min(float(np.concatenate(parts).mean()) for parts in close.values())


def test_agrees_with_arrays_that_tensorflow_made() -> None:
    with np.load(GOLDEN) as golden:
        assert len(golden.files) == 1 + len(list(cases()))
        assert worst(lambda name, *_: golden[name] / STEPS) >= AGREEING


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_agrees_with_tensorflow() -> None:
    assert worst(lambda name, *rest: tensorflow_resize(*rest)) >= AGREEING


def test_area_by_hand() -> None:
    """Columns 0 to 5 to four: each covers 1.5 columns. (0 + 0.5 * 60) / 1.5 = 20, (0.5 * 60 + 120) / 1.5 = 100, …"""
    row = np.array([[0, 60, 120, 180, 240, 30]], np.uint8)
    to = Preparation(1, 4, 1, Fit.SQUASH, Filter.AREA)
    assert resized(Image.fromarray(row), to).ravel().tolist() == [20, 100, 200, 100]


def test_crop_takes_the_centre() -> None:
    """160 x 80 with a red left, a green middle and a blue right: only green is left."""
    pixels = np.zeros((80, 160, 3), np.uint8)
    pixels[:, :40, 0], pixels[:, 40:120, 1], pixels[:, 120:, 2] = 255, 255, 255
    for method in Filter:
        cropped = resized(Image.fromarray(pixels), Preparation(20, 20, 3, Fit.CROP, method))
        assert (cropped == [0, 255, 0]).all(), method
        squashed = resized(Image.fromarray(pixels), Preparation(20, 20, 3, Fit.SQUASH, method))
        assert (squashed[:, 0] == [255, 0, 0]).all() and (squashed[:, -1] == [0, 0, 255]).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "CMYK", "1", "I;16"])
def test_every_mode_becomes_color_or_gray(mode: str) -> None:
    if mode == "I;16":
        gray = np.asarray(drawn(True, 1, mode="L")).astype(np.uint16) << 8
        data = encoded(Image.fromarray(gray))
    else:
        data = encoded(drawn(True, 1).convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    color, gray_ = Preparation(8, 9, 3)(data), Preparation(8, 9, 1)(data)
    assert color.shape == (8, 9, 3) and gray_.shape == (8, 9, 1) and color.dtype == gray_.dtype == np.uint8
    if mode in ("L", "LA", "I;16"):
        assert (color == gray_).all()
        assert (gray_ == Preparation(8, 9, 1)(encoded(drawn(True, 1, mode="L")))).all()


def test_transparency_is_dropped_and_not_blended() -> None:
    pixels = np.full((10, 10, 4), (200, 100, 50, 0), np.uint8)
    assert (Preparation(4, 4, 3)(encoded(Image.fromarray(pixels))) == [200, 100, 50]).all()


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["PNG", "JPEG", "GIF", "BMP"]))
def test_damaged_pictures_are_refused_or_decoded(junk: bytes, at: int, format: str) -> None:
    data = bytearray(encoded(drawn(False, 2, (24, 20)), format))
    data[at : at + len(junk)] = junk
    try:
        assert Preparation(5, 6, 3)(bytes(data)).shape == (5, 6, 3)
    except PictureError as e:
        assert "0x" not in str(e)  # an address in memory: no two runs say the same


def test_what_cannot_be_decoded(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="cannot be decoded: its format is not known"):
        decode(b"hello", 3)
    with pytest.raises(PictureError, match="cannot be decoded"):
        decode(tmp_path / "gone.jpg", 3)
    whole = encoded(drawn(True, 1), "JPEG")
    with pytest.raises(PictureError, match="truncated"):
        decode(whole[: len(whole) // 2], 3)
    # A few bytes that claim to be a gigapixel.
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    with pytest.raises(PictureError, match="1600000000 pixels"):
        decode(bomb + encoded(drawn(True, 1))[33:], 3)
