"""Convolution and matrix products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyml.ir.ops.base import NO_CLAMP, Attrs, Clamp, NoAttrs, Op, TensorType, declare, present, window_output
from tinyml.ir.reference import conv as reference

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class Conv2dAttrs(Attrs):
    """padding is ((top, bottom), (left, right)), resolved from 'same' by the frontend; padded taps count as real 0."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    groups: int = 1
    clamp: Clamp = NO_CLAMP


@dataclass(frozen=True, slots=True)
class TransposeConv2dAttrs(Attrs):
    """Input row y adds to output rows y * stride - padding[0][0] + (0 .. kh - 1), columns likewise. padding is what is cut
    off that; below 0, at the end, rows that no input reaches (ONNX's output_padding)."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    groups: int = 1
    clamp: Clamp = NO_CLAMP


@dataclass(frozen=True, slots=True)
class FullyConnectedAttrs(Attrs):
    """keep_dims: the output keeps the leading axes of the input; otherwise they are flattened into [rows, O]."""

    clamp: Clamp = NO_CLAMP
    keep_dims: bool = False


def _infer_conv2d(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, Conv2dAttrs)
    x, w = _convolved(inputs, attrs.groups)
    n, height, width, _ = x.shape
    out, kh, kw, _ = w.shape
    oh = window_output(height, kh, attrs.stride[0], attrs.dilation[0], attrs.padding[0])
    ow = window_output(width, kw, attrs.stride[1], attrs.dilation[1], attrs.padding[1])
    return [TensorType((n, oh, ow, out), x.dtype)]


def _infer_transpose_conv2d(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, TransposeConv2dAttrs)
    x, w = _convolved(inputs, attrs.groups)
    sizes = []
    for length, kernel, stride, pads in zip(x.shape[1:3], w.shape[1:3], attrs.stride, attrs.padding, strict=True):
        sizes.append((length - 1) * stride + kernel - sum(pads))
        if stride < 1 or not 0 <= pads[0] < kernel or not -stride < pads[1] < kernel or sizes[-1] < 1:
            raise ValueError(f"a window of {kernel}, stride {stride} and padding {pads} on {length}")
    return [TensorType((x.shape[0], sizes[0], sizes[1], w.shape[0]), x.dtype)]


def _convolved(inputs: "Sequence[Value | None]", groups: int) -> "tuple[Value, Value]":
    """Input and weights, whose channels and groups fit each other and the bias."""
    x, w = present(inputs, 0), present(inputs, 1)
    if len(x.shape) != 4 or len(w.shape) != 4:
        raise ValueError(f"input and weights must have 4 axes, have {list(x.shape)} and {list(w.shape)}")
    channels, out, per_group = x.shape[3], w.shape[0], w.shape[3]
    if groups < 1 or per_group * groups != channels or out % groups:
        raise ValueError(
            f"{groups} groups do not divide {channels} input and {out} output channels ({per_group} a group)"
        )
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None and bias.shape != (out,):
        raise ValueError(f"bias has shape {list(bias.shape)}, expected [{out}]")
    return x, w


def _infer_fully_connected(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, FullyConnectedAttrs)
    x, w = present(inputs, 0), present(inputs, 1)
    if len(w.shape) != 2:
        raise ValueError(f"weights must have 2 axes, have {list(w.shape)}")
    out, depth = w.shape
    if depth < 1 or x.elements % depth or (attrs.keep_dims and x.shape[-1] != depth):
        raise ValueError(f"input {list(x.shape)} does not divide into rows of {depth}")
    shape = (*x.shape[:-1], out) if attrs.keep_dims else (x.elements // depth, out)
    return [TensorType(shape, x.dtype)]


def _infer_matmul(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    a, b = present(inputs, 0), present(inputs, 1)
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"{list(a.shape)} x {list(b.shape)} do not match")
    lead = _broadcast(a.shape[:-2], b.shape[:-2])
    return [TensorType((*lead, a.shape[-2], b.shape[-1]), a.dtype)]


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    from numpy import broadcast_shapes

    return tuple(int(n) for n in broadcast_shapes(a, b))


def is_depthwise(x: "Value", attrs: Conv2dAttrs) -> bool:
    """Every input channel is its own group."""
    return attrs.groups == x.shape[-1] and attrs.groups > 1


declare(Op.CONV2D, Conv2dAttrs, (2, 3), _infer_conv2d, reference.conv2d)
declare(Op.TRANSPOSE_CONV2D, TransposeConv2dAttrs, (2, 3), _infer_transpose_conv2d, reference.transpose_conv2d)
declare(Op.FULLY_CONNECTED, FullyConnectedAttrs, (2, 3), _infer_fully_connected, reference.fully_connected)
declare(Op.MATMUL, NoAttrs, (2, 2), _infer_matmul, reference.matmul)
