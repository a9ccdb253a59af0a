"""Operations that change the size of a map."""

import math
from collections.abc import Callable

import numpy as np

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.spatial import from_channels_last, spatial_shape, to_channels_last
from tinyml.frontends.onnx.tensors import Tensor
from tinyml.ir.ops import DepthToSpaceAttrs, Op, ResizeAttrs, SpaceToDepthAttrs
from tinyml.ir.reference.resample import nearest

_ROUND: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda at: np.ceil(at - np.float32(0.5)),
    "round_prefer_ceil": lambda at: np.floor(at + np.float32(0.5)),
}
_LINEAR = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")


@handler(
    "Resize", "1-D and 2-D, mode nearest or linear, sizes or scales that are known, in coordinates that TFLite has"
)
def _resize(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    spatial_shape(node, x)
    mode = node.attr_text("mode", "nearest")
    coordinates = node.attr_text("coordinate_transformation_mode", "half_pixel")
    rounding = node.attr_text("nearest_mode", "round_prefer_floor")
    if node.attr_text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnsupportedError("it keeps the aspect ratio of its input")
    if node.attr_int("antialias", 0):
        raise UnsupportedError("it filters against aliasing")
    for name, default in (("cubic_coeff_a", -0.75), ("extrapolation_value", 0.0)):
        node.attr_float(name, default)  # of modes that are refused
    node.attr_int("exclude_outside", 0)
    sizes, scales = _sizes(node, x)
    if mode == "nearest":
        op, attrs = Op.RESIZE_NEAREST, _nearest(node.shape(x)[2:], sizes, scales, coordinates, rounding)
    elif mode == "linear":
        op, attrs = Op.RESIZE_BILINEAR, _linear(node.shape(x)[2:], sizes, scales, coordinates)
    else:
        raise UnsupportedError(f"mode is {mode!r}")
    return [from_channels_last(node, node.emit(op, [to_channels_last(node, x)], attrs), node.rank(x))]


def _sizes(node: NodeContext, x: Tensor) -> tuple[list[int], list[float]]:
    """Sizes and scales of the spatial axes."""
    shape = node.shape(x)
    rank = len(shape)
    axes = node.attr_ints("axes", tuple(range(rank))) if node.opset >= 18 else tuple(range(rank))
    axes = tuple(node.axis(axis, rank) for axis in axes)
    if node.optional(3) is not None:
        wanted = node.known_ints(3, "the list of sizes")
        given = [size / shape[axis] for axis, size in zip(axes, wanted, strict=False)]
    else:
        given = [float(scale) for scale in node.known(2, "the list of scales").reshape(-1)]
        wanted = tuple(math.floor(shape[axis] * scale) for axis, scale in zip(axes, given, strict=False))
    if len(given) != len(axes) or min(wanted, default=1) < 1:
        raise UnsupportedError(f"sizes {list(wanted)} or scales {given} for axes {list(axes)}")
    sizes, scales = list(shape), [1.0] * rank
    for axis, size, scale in zip(axes, wanted, given, strict=True):
        sizes[axis], scales[axis] = size, scale
    if sizes[:2] != list(shape[:2]):
        raise UnsupportedError(f"it resizes {list(shape)} to {sizes}; batch and channels keep their sizes")
    return sizes[2:], scales[2:]


def _linear(shape: tuple[int, ...], sizes: list[int], scales: list[float], coordinates: str) -> ResizeAttrs:
    if coordinates not in _LINEAR:
        raise UnsupportedError(f"coordinate_transformation_mode is {coordinates!r}")
    for length, size, scale in zip(shape, sizes, scales, strict=True):
        if abs(length * scale - size) > 1e-4 * size:
            raise UnsupportedError(f"a scale of {scale:g} makes {length * scale:g} of {length}, which is no size")
        if coordinates == "pytorch_half_pixel" and size == 1 < length:
            raise UnsupportedError(f"{coordinates} takes the first of {length} for a size of 1")
    return ResizeAttrs(_pair(sizes), coordinates == "align_corners", coordinates.endswith("half_pixel"))


def _nearest(
    shape: tuple[int, ...], sizes: list[int], scales: list[float], coordinates: str, rounding: str
) -> ResizeAttrs:
    """The coordinates of TFLite that select the same rows and columns."""
    if rounding not in _ROUND:
        raise UnsupportedError(f"nearest_mode is {rounding!r}")
    selected = []
    for length, size, scale in zip(shape, sizes, scales, strict=True):
        at = _ROUND[rounding](_coordinates(coordinates, length, size, scale))
        selected.append(np.clip(at.astype(np.int64), 0, length - 1))
    for align_corners, half_pixel in ((False, False), (False, True), (True, False)):
        attrs = ResizeAttrs(_pair(sizes), align_corners, half_pixel)
        if all(
            np.array_equal(nearest(attrs, i, n), rows) for i, (n, rows) in enumerate(zip(shape, selected, strict=True))
        ):
            return attrs
    raise UnsupportedError(
        f"{coordinates} with {rounding} from {list(shape)} to {sizes} selects what TFLite's modes do not; "
        "asymmetric with floor does"
    )


def _coordinates(mode: str, length: int, size: int, scale: float) -> np.ndarray:
    """Where each element of a resized axis stands on the given one, as onnxruntime computes it."""
    at, half = np.arange(size, dtype=np.float32), np.float32(0.5)
    match mode:
        case "asymmetric":
            return at / np.float32(scale)
        case "tf_half_pixel_for_nn":
            return (at + half) / np.float32(scale)
        case "align_corners":
            return at * np.float32(length - 1) / np.float32(size - 1) if size > 1 else at
        case "pytorch_half_pixel" if size == 1:
            return at
        case "half_pixel" | "pytorch_half_pixel":
            return (at + half) / np.float32(scale) - half
    raise UnsupportedError(f"coordinate_transformation_mode is {mode!r}")


def _pair(sizes: list[int]) -> tuple[int, int]:
    return sizes[0], sizes[1] if len(sizes) > 1 else 1


@handler("DepthToSpace", "mode DCR or CRD")
def _depth_to_space(node: NodeContext) -> list[Tensor]:
    x, mode = node.tensor(0), node.attr_text("mode", "DCR")
    if mode not in ("DCR", "CRD") or node.rank(x) != 4:
        raise UnsupportedError(f"mode is {mode!r}, its input {list(node.shape(x))}")
    block = node.attr_int("blocksize")
    attrs = DepthToSpaceAttrs((block, block), channel_major=mode == "CRD")
    y = node.emit(Op.DEPTH_TO_SPACE, [to_channels_last(node, x)], attrs)
    return [from_channels_last(node, y, 4)]


@handler("SpaceToDepth", "any blocksize that divides height and width")
def _space_to_depth(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    if node.rank(x) != 4:
        raise UnsupportedError(f"its input is {list(node.shape(x))}")
    y = node.emit(Op.SPACE_TO_DEPTH, [to_channels_last(node, x)], SpaceToDepthAttrs(node.attr_int("blocksize")))
    return [from_channels_last(node, y, 4)]
