"""Resizing, blocks of pixels and transposed convolutions against onnxruntime."""

import numpy as np
import pytest

from tests.frontends.onnx_models import assert_agrees, load_bytes, single
from tinyml.errors import ModelError
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Op
from tinyml.ir.verify import verify
from tinyml.passes import canonicalize, lower

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
def test_blocks(mode: str) -> None:
    graph = assert_agrees(single("DepthToSpace", (1, 18, 2, 5), blocksize=3, mode=mode))
    assert Op.DEPTH_TO_SPACE in {node.op for node in graph.nodes}
    assert_agrees(single("SpaceToDepth", (1, 3, 6, 9), blocksize=3))


def transposed(
    shape: tuple[int, ...],
    outputs: int,
    kernel: tuple[int, ...],
    bias: bool = True,
    group: int = 1,
    **attributes: object,
) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(shape[1], outputs // group, *kernel)).astype(np.float32)
    constants = {"w": weights, **({"b": random.normal(size=outputs).astype(np.float32)} if bias else {})}
    graph = assert_agrees(single("ConvTranspose", shape, constants, group=group, **attributes))
    after = lower(canonicalize(graph))
    verify(after)
    x = random.normal(size=shape).astype(np.float32)
    (wanted,), (result,) = (run(g, {"x": moved(g, "x", x)}).outputs.values() for g in (graph, after))
    np.testing.assert_allclose(moved(after, "y", wanted), result, rtol=0, atol=1e-5)


def moved(graph: Graph, name: str, array: np.ndarray) -> np.ndarray:
    layout = graph.value(name).layout
    return array if layout is None else array.transpose(layout)


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (4, 3), (5, 2)])
@pytest.mark.parametrize("strides", [[1, 1], [2, 2], [3, 2]])
def test_transposed_convolution(kernel: tuple[int, int], strides: list[int]) -> None:
    transposed((1, 3, 4, 5), 2, kernel, strides=strides)
    pads = [kernel[0] - 1, 0, kernel[0] // 2, kernel[1] - 1]
    transposed((1, 3, 4, 5), 2, kernel, bias=False, strides=strides, pads=pads)


def test_sizes_of_transposed_convolution() -> None:
    transposed((1, 3, 4, 5), 2, (3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    transposed((1, 3, 4, 5), 2, (3, 3), strides=[2, 2], output_padding=[1, 0])
    transposed((1, 3, 4, 5), 2, (3, 3), strides=[2, 2], output_shape=[8, 9])
    transposed((1, 3, 4, 5), 2, (3, 3), strides=[2, 2], auto_pad="SAME_UPPER")
    transposed((1, 3, 4, 5), 2, (4, 3), strides=[2, 2], auto_pad="SAME_LOWER", output_shape=[8, 9])


def test_transposed_convolution_in_groups_and_over_time() -> None:
    transposed((1, 4, 3, 3), 4, (3, 3), group=4, strides=[2, 2], pads=[1, 1, 1, 1])
    transposed((1, 4, 3, 3), 6, (3, 3), group=2, strides=[2, 2])
    transposed((1, 4, 7), 3, (5,), strides=[3], pads=[1, 2])


def test_transposed_convolution_with_holes_is_refused() -> None:
    with pytest.raises(ModelError, match=r"dilations are \[2, 2\]"):
        transposed((1, 3, 4, 5), 2, (3, 3), dilations=[2, 2])
