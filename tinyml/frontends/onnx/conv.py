"""Convolution, and its transpose."""

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.spatial import Pair, from_channels_last, read_window, spatial_shape, to_channels_last
from tinyml.frontends.onnx.tensors import Known, Tensor
from tinyml.ir.ops import Conv2dAttrs, Op, TransposeConv2dAttrs


@handler("Conv", "1-D and 2-D with constant weights; any groups, strides, dilations, pads and auto_pad")
def _conv(node: NodeContext) -> list[Tensor]:
    x, w, bias = node.tensor(0), node.tensor(1), node.optional(2)
    size = spatial_shape(node, x)
    kernel = _constant_weights(node, x, w, bias)
    groups = node.attr_int("group", 1)
    window = read_window(node, size, kernel)
    if groups < 1:
        raise UnsupportedError(f"group is {groups}")
    attrs = Conv2dAttrs(window.stride, window.dilation, window.padding, groups)
    y = node.emit(Op.CONV2D, [to_channels_last(node, x), to_channels_last(node, w), bias], attrs)
    return [from_channels_last(node, y, node.rank(x))]


@handler(
    "ConvTranspose",
    "1-D and 2-D with constant weights, without dilation; any groups, strides, pads, auto_pad, output_padding and output_shape",
)
def _conv_transpose(node: NodeContext) -> list[Tensor]:
    x, w, bias = node.tensor(0), node.tensor(1), node.optional(2)
    size = spatial_shape(node, x)
    rank = len(size)
    kernel = _constant_weights(node, x, w, bias)
    stride, dilation = (node.attr_ints(name, (1,) * rank) for name in ("strides", "dilations"))
    if any(n != 1 for n in dilation):
        raise UnsupportedError(f"dilations are {list(dilation)}")
    if len(stride) != rank or min(stride) < 1:
        raise UnsupportedError(f"strides {list(stride)} for {rank}-D data")
    padding = _transposed_padding(node, size, kernel, stride)
    groups = node.attr_int("group", 1)
    channels, each = node.shape(w)[:2]
    if groups < 1 or channels % groups:
        raise UnsupportedError(f"group is {groups} for {channels} channels")
    # [I, O / groups, ...] -> [O, I / groups, ...]
    w = node.reshape(w, (groups, channels // groups, each, *kernel))
    w = node.transpose(w, (0, 2, 1, *range(3, 3 + rank)))
    w = node.reshape(w, (groups * each, channels // groups, *kernel))
    if rank == 1:
        stride, padding = (*stride, 1), (*padding, (0, 0))
    attrs = TransposeConv2dAttrs((stride[0], stride[1]), (padding[0], padding[1]), groups)
    y = node.emit(Op.TRANSPOSE_CONV2D, [to_channels_last(node, x), to_channels_last(node, w), bias], attrs)
    return [from_channels_last(node, y, node.rank(x))]


def _constant_weights(node: NodeContext, x: Tensor, w: Tensor, bias: Tensor | None) -> tuple[int, ...]:
    """The size of their window."""
    if not isinstance(w, Known) or (bias is not None and not isinstance(bias, Known)):
        raise UnsupportedError("its weights or bias are computed at run time")
    if node.rank(w) != node.rank(x):
        raise UnsupportedError(f"weights {list(node.shape(w))} for data {list(node.shape(x))}")
    kernel = node.shape(w)[2:]
    stated = node.attr_ints("kernel_shape", kernel)
    if stated != kernel:
        raise UnsupportedError(f"kernel_shape is {list(stated)}, the weights have {list(kernel)}")
    return kernel


def _transposed_padding(
    node: NodeContext, size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[Pair, ...]:
    """What is cut off the result at both ends of each axis."""
    rank = len(size)
    mode = node.attr_text("auto_pad", "NOTSET")
    extra = node.attr_ints("output_padding", (0,) * rank)
    pads = node.attr_ints("pads", (0,) * (2 * rank))
    wanted = node.attr_ints("output_shape", ())[-rank:]
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER") or len(pads) != 2 * rank or len(extra) != rank:
        raise UnsupportedError(f"auto_pad is {mode!r}, pads {list(pads)}, output_padding {list(extra)}")
    if mode in ("SAME_UPPER", "SAME_LOWER") and not wanted:
        wanted = tuple(n * s for n, s in zip(size, stride, strict=True))
    if not wanted:
        cut = (0,) * (2 * rank) if mode == "VALID" else pads
        return tuple((cut[i], cut[rank + i] - extra[i]) for i in range(rank))
    padding = []
    for n, k, s, more, out in zip(size, kernel, stride, extra, wanted, strict=True):
        total = max((n - 1) * s + more + k - out, 0)
        before = total // 2 if mode == "SAME_UPPER" else total - total // 2
        padding.append((before, (n - 1) * s + k - out - before))
    return tuple(padding)
