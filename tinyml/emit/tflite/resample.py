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
    source, block = w.tensor(x.name), attrs.block
    if attrs.channel_major:
        order = np.arange(x.shape[3]).reshape(-1, block * block).T.ravel()
        ordered = w.activation(f"{node.name}_ordered", x.shape, x.dtype, x.quant)
        w.add("GATHER", [source, w.integers(f"{node.name}_order", order)], [ordered], "GatherOptions", {"Axis": 3})
        source = ordered
    options = {"BlockSize": block}
    if attrs.crop == (0, 0):
        w.add("DEPTH_TO_SPACE", [source], [w.tensor(y.name)], "DepthToSpaceOptions", options)
        return
    shape = (y.shape[0], x.shape[1] * block, x.shape[2] * block, y.shape[3])
    whole = w.activation(f"{node.name}_whole", shape, y.dtype, y.quant)
    w.add("DEPTH_TO_SPACE", [source], [whole], "DepthToSpaceOptions", options)
    add_slice(w, node, whole, (0,) * 4, y.shape, (1,) * 4)


@writes(Op.SPACE_TO_DEPTH)
def space_to_depth(w: Writer, node: Node) -> None:
    assert isinstance(node.attrs, SpaceToDepthAttrs)
    options = {"BlockSize": node.attrs.block}
    w.add("SPACE_TO_DEPTH", [w.tensor(node.used[0])], [w.tensor(node.output)], "SpaceToDepthOptions", options)
