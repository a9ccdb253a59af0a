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
class FullyConnectedAttrs(Attrs):
    """keep_dims: the output keeps the leading axes of the input; otherwise they are flattened into [rows, O]."""

    clamp: Clamp = NO_CLAMP
    keep_dims: bool = False


def _infer_conv2d(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, Conv2dAttrs)
    x, w = present(inputs, 0), present(inputs, 1)
    if len(x.shape) != 4 or len(w.shape) != 4:
        raise ValueError(f"input and weights must have 4 axes, have {list(x.shape)} and {list(w.shape)}")
    n, height, width, channels = x.shape
    out, kh, kw, per_group = w.shape
    if attrs.groups < 1 or per_group * attrs.groups != channels or out % attrs.groups:
        raise ValueError(
            f"{attrs.groups} groups do not divide {channels} input and {out} output channels ({per_group} a group)"
        )
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None and bias.shape != (out,):
        raise ValueError(f"bias has shape {list(bias.shape)}, expected [{out}]")
    oh = window_output(height, kh, attrs.stride[0], attrs.dilation[0], attrs.padding[0])
    ow = window_output(width, kw, attrs.stride[1], attrs.dilation[1], attrs.padding[1])
    return [TensorType((n, oh, ow, out), x.dtype)]


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
declare(Op.FULLY_CONNECTED, FullyConnectedAttrs, (2, 3), _infer_fully_connected, reference.fully_connected)
declare(Op.MATMUL, NoAttrs, (2, 2), _infer_matmul, reference.matmul)
