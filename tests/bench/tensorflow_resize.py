"""What TensorFlow's own resize makes of drawn pictures, by the two conventions of Wake Vision's suite.

Run it where TensorFlow is installed to write tensorflow_resize.npz anew: `python tests/bench/tensorflow_resize.py`.
"""

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_suffix(".npz")

# (height, width, channels): smaller and larger than what they become, odd, and of extreme proportions.
SOURCES = ((64, 85, 3), (97, 61, 3), (13, 11, 3), (120, 24, 1), (24, 24, 3), (41, 41, 1))
SIZES = (17,)
STEPS = 256  # golden arrays hold levels in steps of 1 / STEPS


def picture(height: int, width: int, channels: int) -> np.ndarray:
    """A smooth gradient in one half and noise in the other."""
    rng = np.random.default_rng(height * 1000 + width)
    y, x, c = np.mgrid[:height, :width, :channels]
    smooth = 127.5 + 127.5 * np.sin(y / 7.0 + c) * np.cos(x / 5.0 - c)
    pixels = np.where(x < width // 2, smooth, rng.integers(0, 256, smooth.shape))
    return pixels.astype(np.uint8)


def cases() -> Iterator[tuple[str, np.ndarray, str, str, int]]:
    """Name, picture, fit, filter and size of each golden array."""
    for source, fit, method, size in product(SOURCES, ("squash", "crop"), ("bilinear", "area"), SIZES):
        name = f"{'x'.join(map(str, source))}-{fit}-{method}-{size}"
        yield name, picture(*source), fit, method, size


def tensorflow_resize(pixels: np.ndarray, fit: str, method: str, size: int) -> np.ndarray:
    """float32 [size, size, channels], as the suite's loader resizes: the whole picture, or its shorter side and then the
    centre."""
    import tensorflow as tf

    height, width = pixels.shape[:2]
    if fit == "squash":
        whole = tf.image.resize(pixels, (size, size), method=method)
        return np.asarray(whole)
    ratio = size / tf.cast(tf.minimum(height, width), tf.float32)
    down, across = int(tf.round(height * ratio)), int(tf.round(width * ratio))
    whole = np.asarray(tf.image.resize(pixels, (down, across), method=method))
    top, left = (down - size) // 2, (across - size) // 2
    return whole[top : top + size, left : left + size]


def main() -> None:
    import tensorflow as tf

    arrays = {name: np.rint(tensorflow_resize(*rest) * STEPS).astype(np.uint16) for name, *rest in cases()}
    np.savez_compressed(GOLDEN, version=np.array(tf.__version__), **arrays)
    print(f"wrote {GOLDEN.name} with TensorFlow {tf.__version__}: {GOLDEN.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
