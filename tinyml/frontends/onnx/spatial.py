"""What convolution and pooling share: windows, padding, and the way to channels last and back."""

from dataclasses import dataclass

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError
from tinyml.frontends.onnx.tensors import Tensor

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window on (H, W); 1-D windows lie on H.

    Attributes:
        padding: (before, after) for each axis, as the model says.
        excess: elements that a last, partly covered window of ceil_mode reads past the padding.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: tuple[Pair, Pair]
    excess: Pair = (0, 0)


def spatial_shape(node: NodeContext, x: Tensor) -> tuple[int, ...]:
    """(H, W) or (T,) of a tensor [N, C, ...]."""
    shape = node.shape(x)
    if len(shape) not in (3, 4):
        raise UnsupportedError(f"it works on {max(len(shape) - 2, 0)}-D data {list(shape)}, expected 1-D or 2-D")
    return shape[2:]


def to_channels_last(node: NodeContext, x: Tensor) -> Tensor:
    """[N,C,H,W] -> [N,H,W,C], [N,C,T] -> [N,T,1,C]."""
    if node.rank(x) == 4:
        return node.transpose(x, (0, 2, 3, 1))
    y = node.transpose(x, (0, 2, 1))
    n, t, c = node.shape(y)
    return node.reshape(y, (n, t, 1, c))


def from_channels_last(node: NodeContext, x: Tensor, rank: int) -> Tensor:
    """Undoes `to_channels_last` for a tensor that had `rank` axes."""
    if rank == 4:
        return node.transpose(x, (0, 3, 1, 2))
    n, t, _, c = node.shape(x)
    return node.transpose(node.reshape(x, (n, t, c)), (0, 2, 1))


def read_window(node: NodeContext, size: tuple[int, ...], kernel: tuple[int, ...]) -> Window:
    """The window of a node over data of `size`: strides, dilations, pads or auto_pad, ceil_mode."""
    rank = len(size)
    stride = _per_axis(node, "strides", rank)
    dilation = _per_axis(node, "dilations", rank)
    if min((*kernel, *stride, *dilation)) < 1 or len(kernel) != rank:
        raise UnsupportedError(f"kernel {list(kernel)}, strides {list(stride)}, dilations {list(dilation)}")
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    pads, excess = _padding(node, size, reach, stride)
    if rank == 1:
        return Window((kernel[0], 1), (stride[0], 1), (dilation[0], 1), (pads[0], (0, 0)), (excess[0], 0))
    return Window(
        (kernel[0], kernel[1]),
        (stride[0], stride[1]),
        (dilation[0], dilation[1]),
        (pads[0], pads[1]),
        (excess[0], excess[1]),
    )


def _per_axis(node: NodeContext, name: str, rank: int) -> tuple[int, ...]:
    values = node.attr_ints(name, (1,) * rank)
    if len(values) != rank:
        raise UnsupportedError(f"{name} {list(values)} for {rank}-D data")
    return values


def _padding(
    node: NodeContext, size: tuple[int, ...], reach: list[int], stride: tuple[int, ...]
) -> tuple[list[Pair], list[int]]:
    rank = len(size)
    mode = node.attr_text("auto_pad", "NOTSET")
    ceil = node.attr_int("ceil_mode", 0)
    pads = node.attr_ints("pads", (0,) * (2 * rank))
    if mode == "NOTSET":
        if len(pads) != 2 * rank or min(pads) < 0:
            raise UnsupportedError(f"pads {list(pads)} for {rank}-D data, expected {2 * rank} that are not negative")
        pairs = [(pads[i], pads[rank + i]) for i in range(rank)]
        if ceil:
            return pairs, [_excess(*axis) for axis in zip(size, reach, stride, pairs, strict=True)]
        return pairs, [0] * rank
    if mode == "VALID":
        return [(0, 0)] * rank, [0] * rank
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnsupportedError(f"auto_pad {mode!r}")
    same = []
    for n, r, s in zip(size, reach, stride, strict=True):
        total = max((-(-n // s) - 1) * s + r - n, 0)
        less, more = total // 2, total - total // 2
        same.append((less, more) if mode == "SAME_UPPER" else (more, less))
    return same, [0] * rank


def _excess(size: int, reach: int, stride: int, pads: Pair) -> int:
    """How far the last window of ceil_mode reaches past the padding. A window that would start in the padding behind
    the data is left out (opset 22 says so; PyTorch and onnxruntime always did)."""
    windows = -(-(size + sum(pads) - reach) // stride) + 1
    if (windows - 1) * stride >= size + pads[0]:
        windows -= 1
    return max((windows - 1) * stride + reach - size - sum(pads), 0)
