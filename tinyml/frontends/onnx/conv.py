"""Convolution."""

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.spatial import from_channels_last, read_window, spatial_shape, to_channels_last
from tinyml.frontends.onnx.tensors import Known, Tensor
from tinyml.ir.ops import Conv2dAttrs, Op


@handler("Conv", "1-D and 2-D with constant weights; any groups, strides, dilations, pads and auto_pad")
def _conv(node: NodeContext) -> list[Tensor]:
    x, w, bias = node.tensor(0), node.tensor(1), node.optional(2)
    size = spatial_shape(node, x)
    if not isinstance(w, Known) or (bias is not None and not isinstance(bias, Known)):
        raise UnsupportedError("its weights or bias are computed at run time")
    if node.rank(w) != node.rank(x):
        raise UnsupportedError(f"weights {list(node.shape(w))} for data {list(node.shape(x))}")
    kernel = node.shape(w)[2:]
    stated = node.attr_ints("kernel_shape", kernel)
    if stated != kernel:
        raise UnsupportedError(f"kernel_shape is {list(stated)}, the weights have {list(kernel)}")
    groups = node.attr_int("group", 1)
    window = read_window(node, size, kernel)
    if groups < 1:
        raise UnsupportedError(f"group is {groups}")
    attrs = Conv2dAttrs(window.stride, window.dilation, window.padding, groups)
    y = node.emit(Op.CONV2D, [to_channels_last(node, x), to_channels_last(node, w), bias], attrs)
    return [from_channels_last(node, y, node.rank(x))]
