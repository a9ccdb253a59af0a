"""Operations that change the size of a map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyml.ir.ops.base import Attrs, Op, TensorType, declare, present
from tinyml.ir.reference import resample as reference

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class ResizeAttrs(Attrs):
    """Of x [N, H, W, C] to `size`, with the coordinates of TFLite: output row y stands at row y * H / size, with
    half_pixel at (y + 1/2) * H / size - 1/2, with align_corners at y * (H - 1) / (size - 1)."""

    size: tuple[int, int]
    align_corners: bool = False
    half_pixel: bool = False


@dataclass(frozen=True, slots=True)
class DepthToSpaceAttrs(Attrs):
    """x [N, H, W, bh * bw * C] -> [N, H * bh - crop[0], W * bw - crop[1], C]: each pixel becomes a block of bh x bw.

    Channel (i * bw + j) * C + c of a pixel is channel c of row i, column j of the block; with channel_major (ONNX's CRD)
    it is (c * bh + i) * bw + j. `crop` drops rows at the bottom and columns at the right.
    """

    block: tuple[int, int]
    channel_major: bool = False
    crop: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class SpaceToDepthAttrs(Attrs):
    """x [N, H, W, C] -> [N, H / block, W / block, block * block * C], channels in the order of DEPTH_TO_SPACE."""

    block: int


def _infer_resize(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, ResizeAttrs)
    x = _image(present(inputs, 0))
    if min(attrs.size) < 1 or min(x.shape) < 1:
        raise ValueError(f"a map of {list(x.shape)} cannot be resized to {list(attrs.size)}")
    if attrs.align_corners and attrs.half_pixel:
        raise ValueError("align_corners and half_pixel exclude each other")
    return [TensorType((x.shape[0], *attrs.size, x.shape[3]), x.dtype)]


def _infer_depth_to_space(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, DepthToSpaceAttrs)
    n, height, width, channels = _image(present(inputs, 0)).shape
    pixels = attrs.block[0] * attrs.block[1]
    if min(attrs.block) < 1 or channels % pixels:
        raise ValueError(f"{channels} channels are no blocks of {attrs.block[0]} x {attrs.block[1]}")
    if not all(0 <= crop < block for crop, block in zip(attrs.crop, attrs.block, strict=True)):
        raise ValueError(f"crop {attrs.crop} is not within a block of {attrs.block[0]} x {attrs.block[1]}")
    rows, cols = height * attrs.block[0] - attrs.crop[0], width * attrs.block[1] - attrs.crop[1]
    return [TensorType((n, rows, cols, channels // pixels), present(inputs, 0).dtype)]


def _infer_space_to_depth(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, SpaceToDepthAttrs)
    n, height, width, channels = _image(present(inputs, 0)).shape
    if attrs.block < 1 or height % attrs.block or width % attrs.block:
        raise ValueError(f"{height} x {width} does not divide into blocks of {attrs.block} x {attrs.block}")
    shape = (n, height // attrs.block, width // attrs.block, channels * attrs.block**2)
    return [TensorType(shape, present(inputs, 0).dtype)]


def _image(x: "Value") -> "Value":
    if len(x.shape) != 4:
        raise ValueError(f"input must have 4 axes, has {list(x.shape)}")
    return x


declare(Op.RESIZE_NEAREST, ResizeAttrs, (1, 1), _infer_resize, reference.resize_nearest)
declare(Op.RESIZE_BILINEAR, ResizeAttrs, (1, 1), _infer_resize, reference.resize_bilinear)
declare(Op.DEPTH_TO_SPACE, DepthToSpaceAttrs, (1, 1), _infer_depth_to_space, reference.depth_to_space)
declare(Op.SPACE_TO_DEPTH, SpaceToDepthAttrs, (1, 1), _infer_space_to_depth, reference.space_to_depth)
