"""Resizing, squares of pixels and transposed convolutions against onnxruntime."""

import numpy as np
import pytest

from tests.frontends.onnx_models import assert_agrees, load_bytes, single
from tinyml.errors import ModelError
from tinyml.ir.ops import Op

NONE = np.zeros(0, np.float32)


def resized(
    shape: tuple[int, ...],
    sizes: tuple[int, ...] = (),
    scales: tuple[float, ...] = (),
    opset: int = 17,
    **attributes: str,
) -> None:
    constants = {"roi": NONE, "scales": np.array(scales, np.float32)}
    if sizes:
        constants["sizes"] = np.array((*shape[:2], *sizes), np.int64)
    if scales:
        constants["scales"] = np.array((1, 1, *scales), np.float32)
    assert_agrees(single("Resize", shape, constants, opset=opset, **attributes))


@pytest.mark.parametrize("sizes", [(8, 10), (12, 5), (9, 7), (2, 3), (1, 1)])
@pytest.mark.parametrize("coordinates", ["asymmetric", "half_pixel", "align_corners"])
def test_linear(sizes: tuple[int, int], coordinates: str) -> None:
    resized((1, 3, 4, 5), sizes, mode="linear", coordinate_transformation_mode=coordinates)


def test_linear_as_pytorch_exports_it() -> None:
    resized((1, 3, 4, 5), scales=(2.0, 2.0), mode="linear", coordinate_transformation_mode="pytorch_half_pixel")
    resized((1, 3, 4, 5), (7, 9), mode="linear", coordinate_transformation_mode="pytorch_half_pixel", opset=13)
    resized((1, 3, 8), (20,), mode="linear", coordinate_transformation_mode="align_corners")


@pytest.mark.parametrize("sizes", [(8, 10), (12, 5), (9, 7), (2, 3)])
def test_nearest(sizes: tuple[int, int]) -> None:
    resized((1, 3, 4, 5), sizes, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    resized(
        (1, 3, 4, 5), sizes, mode="nearest", coordinate_transformation_mode="tf_half_pixel_for_nn",
        nearest_mode="floor", opset=11,
    )  # fmt: skip
    resized(
        (1, 3, 4, 5), sizes, mode="nearest", coordinate_transformation_mode="align_corners",
        nearest_mode="round_prefer_ceil",
    )  # fmt: skip


@pytest.mark.parametrize("rounding", ["floor", "round_prefer_floor", "round_prefer_ceil"])
def test_nearest_by_whole_factors(rounding: str) -> None:
    """However it is put, pixels are repeated."""
    resized((1, 3, 4, 5), scales=(3.0, 3.0), mode="nearest", nearest_mode=rounding,
            coordinate_transformation_mode="asymmetric" if rounding == "floor" else "half_pixel")  # fmt: skip
    resized((1, 3, 9), scales=(2.0,), opset=19)


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"mode": "cubic"}, "mode is 'cubic'"),
        (
            {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"},
            "coordinate_transformation_mode is",
        ),
        (
            {"nearest_mode": "ceil", "coordinate_transformation_mode": "asymmetric"},
            "selects what TFLite's modes do not",
        ),
    ],
)
def test_other_modes_are_refused_by_name(attributes: dict[str, str], problem: str) -> None:
    constants = {"roi": NONE, "scales": np.array([1, 1, 1.5, 1.5], np.float32)}
    with pytest.raises(ModelError) as failure:
        load_bytes(single("Resize", (1, 3, 4, 4), constants, **attributes))
    assert problem in failure.value.what and "in coordinates that TFLite has" in failure.value.what


def test_scales_that_fit_no_size() -> None:
    constants = {"roi": NONE, "scales": np.array([1, 1, 1.5, 2], np.float32)}
    with pytest.raises(ModelError, match=r"a scale of 1\.5 makes 7\.5 of 5"):
        load_bytes(single("Resize", (1, 3, 5, 4), constants, mode="linear"))
    constants["scales"] = np.array([1, 2, 2, 2], np.float32)
    with pytest.raises(ModelError, match="batch and channels keep their sizes"):
        load_bytes(single("Resize", (1, 3, 5, 4), constants))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_squares(mode: str) -> None:
    graph = assert_agrees(single("DepthToSpace", (1, 18, 2, 5), blocksize=3, mode=mode))
    assert Op.DEPTH_TO_SPACE in {node.op for node in graph.nodes}
    assert_agrees(single("SpaceToDepth", (1, 3, 6, 9), blocksize=3))
