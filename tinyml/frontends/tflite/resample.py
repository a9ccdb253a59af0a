"""Operations that change the size of a map."""

import tflite

from tinyml.frontends.tflite.context import OpContext
from tinyml.frontends.tflite.registry import handler
from tinyml.ir.ops import DepthToSpaceAttrs, Op, ResizeAttrs, SpaceToDepthAttrs


@handler("RESIZE_NEAREST_NEIGHBOR", "a constant size")
def resize_nearest_neighbor(op: OpContext) -> None:
    _resize(op, Op.RESIZE_NEAREST, op.options(tflite.ResizeNearestNeighborOptions))


@handler("RESIZE_BILINEAR", "a constant size")
def resize_bilinear(op: OpContext) -> None:
    _resize(op, Op.RESIZE_BILINEAR, op.options(tflite.ResizeBilinearOptions))


def _resize(op: OpContext, kind: Op, o: tflite.ResizeNearestNeighborOptions | tflite.ResizeBilinearOptions) -> None:
    height, width = op.integers(1)
    attrs = ResizeAttrs((height, width), bool(o.AlignCorners()), bool(o.HalfPixelCenters()))
    op.emit(kind, [op.value(0).name], attrs)


@handler("DEPTH_TO_SPACE")
def depth_to_space(op: OpContext) -> None:
    block = op.options(tflite.DepthToSpaceOptions).BlockSize()
    op.emit(Op.DEPTH_TO_SPACE, [op.value(0).name], DepthToSpaceAttrs((block, block)))


@handler("SPACE_TO_DEPTH")
def space_to_depth(op: OpContext) -> None:
    attrs = SpaceToDepthAttrs(op.options(tflite.SpaceToDepthOptions).BlockSize())
    op.emit(Op.SPACE_TO_DEPTH, [op.value(0).name], attrs)
