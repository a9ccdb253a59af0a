"""What `<name>_pixels.h` and `.c` say: how a camera's frame becomes the network's input."""

import math
from dataclasses import dataclass

import numpy as np

from tinyml.emit.c.text import array_body, c_float
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Value
from tinyml.quantize.pictures import Preprocess


@dataclass(frozen=True, slots=True)
class Format:
    """How a frame holds its pixels.

    Attributes:
        bytes: of a pixel.
        columns: a frame has a multiple of so many.
        body: the C that reads pixel x of a row.
    """

    name: str
    bytes: int
    columns: int
    body: str


def _formats(name: str) -> tuple[Format, ...]:
    pair = "const uint8_t *pair = row + 4 * (x / 2);"
    return (
        Format("rgb565", 2, 1, f"return {name}_of_565((uint32_t)row[2 * x + 1] << 8 | row[2 * x]);"),
        Format("rgb565_swapped", 2, 1, f"return {name}_of_565((uint32_t)row[2 * x] << 8 | row[2 * x + 1]);"),
        Format("rgb888", 3, 1, f"return {name}_of_rgb(row[3 * x], row[3 * x + 1], row[3 * x + 2]);"),
        Format("gray", 1, 1, f"return {name}_of_gray(row[x]);"),
        Format("yuyv", 2, 2, f"{pair}\n    return {name}_of_yuv(row[2 * x], pair[1], pair[3]);"),
        Format("uyvy", 2, 2, f"{pair}\n    return {name}_of_yuv(row[2 * x + 1], pair[0], pair[2]);"),
    )


def takes_pictures(value: Value) -> bool:
    """One picture of 1 or 3 channels, stored in 8 bits."""
    return (
        value.quant is not None
        and value.dtype in (DType.INT8, DType.UINT8)
        and len(value.shape) == 4
        and value.shape[0] == 1
        and value.shape[3] in (1, 3)
    )


def pixels_context(name: str, value: Value, preprocess: Preprocess) -> dict[str, object]:
    """For both templates. `shift` is set where the stored number is the pixel's byte less a constant, and no table is
    needed; a table for each channel that has one of its own otherwise.

    Args:
        name: the model's, in C.
        value: the network's input, for which `takes_pictures` holds.
    """
    assert value.quant is not None
    _, height, width, channels = value.shape
    pixels = np.arange(256, dtype=np.uint8)[:, np.newaxis].repeat(len(preprocess.scale), axis=1)
    tables = value.quant.quantize(preprocess.apply(pixels)).T
    shift = None
    for constant in (0, 128):
        if np.all(tables == np.arange(256) - constant):
            shift = constant
    if np.all(tables == tables[0]):
        tables = tables[:1]
    return {
        "type": "int8_t" if value.dtype is DType.INT8 else "uint8_t",
        "gray": channels == 1,
        "crop": preprocess.fit == "crop",
        "scales": [c_float(s) for s in preprocess.scale],
        "offsets": [c_float(o) for o in preprocess.offset],
        "shift": shift,
        "tables": [array_body(table) for table in tables],
        "formats": _formats(name),
        "most_width": _most(width),
        "most_height": _most(height),
    }


def _most(size: int) -> int:
    """Pixels that may become `size` without a sum of weights times 255 that leaves 32 bits: weights of n pixels for one
    of `size` add up to about 2 n^2 / size, and to less than 2 (n + size)^2 / size."""
    return min(1 << 14, math.isqrt((1 << 32) // 255 * size // 2) - size)
