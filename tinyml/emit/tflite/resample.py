"""Writes operations that change the size of a map."""

import numpy as np

from tinyml.emit.tflite.movement import add_slice
from tinyml.emit.tflite.writer import Writer, writes
from tinyml.ir.graph import Node
from tinyml.ir.ops import DepthToSpaceAttrs, Op, ResizeAttrs, SpaceToDepthAttrs


@writes(Op.RESIZE_NEAREST, Op.RESIZE_BILINEAR)
def resize(w: Writer, node: Node) -> None:
    attrs = node.attrs
    assert isinstance(attrs, ResizeAttrs)
    bilinear = node.op is Op.RESIZE_BILINEAR
    name, kind = (
        ("RESIZE_BILINEAR", "ResizeBilinearOptions")
        if bilinear
        else ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")
    )
    options = {"AlignCorners": attrs.align_corners, "HalfPixelCenters": attrs.half_pixel}
    size = w.integers(f"{node.name}_size", attrs.size)
    w.add(name, [w.tensor(node.used[0]), size], [w.tensor(node.output)], kind, options)


@writes(Op.DEPTH_TO_SPACE)
def depth_to_space(w: Writer, node: Node) -> None:
    """TFLite counts the channels of a pixel last; where they came first, they are put in its order before."""
    attrs = node.attrs
    assert isinstance(attrs, DepthToSpaceAttrs)
    x, y = w.value(node.used[0]), w.value(node.output)
    source, (height, width) = w.tensor(x.name), attrs.block
    if attrs.channel_major:
        order = np.arange(x.shape[3]).reshape(-1, height * width).T.ravel()
        ordered = w.activation(f"{node.name}_ordered", x.shape, x.dtype, x.quant)
        w.add("GATHER", [source, w.integers(f"{node.name}_order", order)], [ordered], "GatherOptions", {"Axis": 3})
        source = ordered
    shape = (y.shape[0], x.shape[1] * height, x.shape[2] * width, y.shape[3])
    cropped = attrs.crop != (0, 0)
    result = w.activation(f"{node.name}_whole", shape, y.dtype, y.quant) if cropped else w.tensor(y.name)
    if height == width:
        w.add("DEPTH_TO_SPACE", [source], [result], "DepthToSpaceOptions", {"BlockSize": height})
    else:
        _add_rows_of_blocks(w, node, source, result, shape)
    if cropped:
        add_slice(w, node, result, (0,) * 4, y.shape, (1,) * 4)


def _add_rows_of_blocks(w: Writer, node: Node, source: int, result: int, shape: tuple[int, ...]) -> None:
    """Blocks that are no squares, which TFLite has no operator for: their rows trade places with the columns of pixels."""
    assert isinstance(node.attrs, DepthToSpaceAttrs)
    x, block = w.value(node.used[0]), node.attrs.block[0]
    rows = (x.shape[1], x.shape[2], block, x.shape[3] // block)
    split = w.activation(f"{node.name}_rows", rows, x.dtype, x.quant)
    moved = w.activation(f"{node.name}_moved", (rows[0], rows[2], rows[1], rows[3]), x.dtype, x.quant)
    w.add("RESHAPE", [source, w.integers(f"{node.name}_rows_shape", rows)], [split], "ReshapeOptions")
    w.add("TRANSPOSE", [split, w.integers(f"{node.name}_places", (0, 2, 1, 3))], [moved], "TransposeOptions")
    w.add("RESHAPE", [moved, w.integers(f"{node.name}_shape", shape)], [result], "ReshapeOptions")


@writes(Op.SPACE_TO_DEPTH)
def space_to_depth(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, SpaceToDepthAttrs)
    options = {"BlockSize": node.attrs.block}
    w.add("SPACE_TO_DEPTH", [w.tensor(node.used[0])], [w.tensor(node.output)], "SpaceToDepthOptions", options)
