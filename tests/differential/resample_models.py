"""Seeded random models of one operator that changes the size of a map."""

from collections.abc import Iterator

import numpy as np
from litert_batch import Case
from op_models import Make, activation, constant, single
from tflite_model import TensorSpec

# Doubling, tripling, fractions up and down, one row, sizes whose scale LiteRT rounds to 1/1024 up and down.
_SIZES = (
    ((3, 4), (6, 8)),
    ((5, 2), (15, 6)),
    ((4, 7), (9, 10)),
    ((9, 8), (4, 5)),
    ((1, 3), (4, 1)),
    ((7, 3), (31, 13)),
    ((30, 2), (49, 3)),
)


def resize(op: str) -> Make:
    def make(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
        kind = {"RESIZE_BILINEAR": "ResizeBilinearOptions"}.get(op, "ResizeNearestNeighborOptions")
        for given, size in _SIZES:
            for corners, half in ((False, False), (False, True), (True, False)):
                x = activation(rng, "x", (1, *given, 3), dtype)
                y = TensorSpec("y", (1, *size, 3), dtype, x.quant)
                name = f"{given} to {size} align_corners {corners} half_pixel {half}"
                wanted = constant("size", np.array(size, np.int32))
                yield single(name, rng, op, [x, wanted], y, kind, AlignCorners=corners, HalfPixelCenters=half)

    return make


def depth_to_space(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for block in (1, 2, 3):
        x = activation(rng, "x", (1, 3, 4, 2 * block**2), dtype)
        y = TensorSpec("y", (1, 3 * block, 4 * block, 2), dtype, x.quant)
        yield single(f"block {block}", rng, "DEPTH_TO_SPACE", [x], y, "DepthToSpaceOptions", BlockSize=block)


def space_to_depth(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for block in (1, 2, 3):
        x = activation(rng, "x", (1, 3 * block, 4 * block, 2), dtype)
        y = TensorSpec("y", (1, 3, 4, 2 * block**2), dtype, x.quant)
        yield single(f"block {block}", rng, "SPACE_TO_DEPTH", [x], y, "SpaceToDepthOptions", BlockSize=block)
