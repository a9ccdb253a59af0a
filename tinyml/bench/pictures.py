"""From an encoded picture to the pixels that a network sees, as the Wake Vision suite's two conventions have it.

Both resize without antialiasing, as TensorFlow's `tf.image.resize` does by default; a test compares with it.
"""

import enum
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tinyml.errors import TinymlError


class Fit(enum.StrEnum):
    """How a picture gets the network's height and width."""

    SQUASH = "squash"  # each axis by itself: Keras' image_dataset_from_directory, Wake Vision's model zoo
    CROP = "crop"  # the shorter side, then the centre: Wake Vision's training and evaluation


class Filter(enum.StrEnum):
    """How pixels are interpolated."""

    BILINEAR = "bilinear"  # between the four nearest; the fraction is cut off, as a cast to uint8 does
    AREA = "area"  # mean over the area that a pixel covers, rounded


@dataclass(frozen=True, slots=True)
class Preparation:
    """Pixels of a network's input: uint8 [height, width, channels], RGB or gray."""

    height: int
    width: int
    channels: int
    fit: Fit = Fit.SQUASH
    filter: Filter = Filter.BILINEAR

    @property
    def description(self) -> str:
        return f"{self.fit} to {self.width} x {self.height}, {self.filter}, {'RGB' if self.channels == 3 else 'gray'}"

    def __call__(self, picture: Path | bytes) -> np.ndarray:
        """Raises PictureError where it cannot be decoded."""
        return resized(decode(picture, self.channels), self)


class PictureError(TinymlError):
    """A picture that cannot be decoded."""


def decode(picture: Path | bytes, channels: int) -> Image.Image:
    """The first frame, in mode RGB or L. Transparency is dropped, as TensorFlow's decoders do, and so is EXIF's rotation.

    Raises:
        PictureError: the file is missing, damaged, cut short, or so large that it must be an attack.
    """
    mode = "RGB" if channels == 3 else "L"
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as opened:
            if opened.mode.startswith("I;16"):
                # Pillow's own conversion of 16-bit gray to 8 bits saturates instead of scaling.
                return Image.fromarray((np.asarray(opened) >> 8).astype(np.uint8)).convert(mode)
            opened.load()
            return opened if opened.mode == mode else opened.convert(mode)
    except Exception as e:  # decoders of malformed files raise almost anything
        # Pillow names the object in memory, whose address is never the same.
        reason = "its format is not known" if isinstance(e, UnidentifiedImageError) else str(e).partition("\n")[0]
        raise PictureError(f"cannot be decoded: {reason}") from e


def resized(picture: Image.Image, to: Preparation) -> np.ndarray:
    """uint8 [height, width, channels]."""
    (scale_x, left), (scale_y, top) = _geometry(picture.size, to)
    if to.filter is Filter.AREA:
        pixels = np.asarray(picture).reshape(picture.height, picture.width, -1)
        pixels = _area(_area(pixels, scale_y, top, to.height).swapaxes(0, 1), scale_x, left, to.width).swapaxes(0, 1)
        rounded: np.ndarray = np.rint(pixels).astype(np.uint8)
        return rounded
    # Pillow maps the centres of pixels, as TensorFlow's half_pixel_centers, and cuts the fraction off.
    box = (left * scale_x, top * scale_y, (left + to.width) * scale_x, (top + to.height) * scale_y)
    mapped = picture.transform((to.width, to.height), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
    return np.asarray(mapped).reshape(to.height, to.width, to.channels)


def _geometry(size: tuple[int, int], to: Preparation) -> tuple[tuple[float, int], tuple[float, int]]:
    """For x and y: pixels of the picture a pixel of the resized one, and the first of the latter that is wanted."""
    width, height = size
    if to.fit is Fit.SQUASH:
        return (width / to.width, 0), (height / to.height, 0)
    ratio = max(to.width / width, to.height / height)
    across, down = max(round(width * ratio), to.width), max(round(height * ratio), to.height)
    return (width / across, (across - to.width) // 2), (height / down, (down - to.height) // 2)


def _area(pixels: np.ndarray, scale: float, first: int, count: int) -> np.ndarray:
    """Means over [i * scale, (i + 1) * scale) of axis 0, i from first on: differences of the running integral."""
    size = pixels.shape[0]
    bounds = np.minimum((first + np.arange(count + 1)) * scale, size)
    whole = np.minimum(bounds.astype(int), size - 1)
    low, high = whole[0], whole[-1] + 1
    integral = np.zeros((high - low + 1, *pixels.shape[1:]))
    np.cumsum(pixels[low:high], axis=0, dtype=np.float64, out=integral[1:])
    rest = (bounds - whole).reshape(-1, *(1,) * (pixels.ndim - 1))
    at: np.ndarray = integral[whole - low] + rest * pixels[whole]
    return np.diff(at, axis=0) / scale
