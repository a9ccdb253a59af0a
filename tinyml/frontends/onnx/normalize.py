"""Batch normalization and softmax."""

import math

import numpy as np

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.spatial import from_channels_last, to_channels_last
from tinyml.frontends.onnx.tensors import Known, Tensor
from tinyml.ir.ops import BatchNormAttrs, Op, ReduceAttrs, SoftmaxAttrs


@handler("BatchNormalization", "inference with constant parameters, on [N, C], [N, C, T] or [N, C, H, W]")
def _batch_normalization(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    # Float even where a quantizer was at work on them: they fold into what stands before.
    names = ("scale", "bias", "mean", "variance")
    parameters = [Known(node.known(i, f"its {name}"), f"{node.name}.{name}") for i, name in enumerate(names, start=1)]
    node.attr_float("momentum", 0.9)  # training only
    if node.attr_int("training_mode", 0) or any(node.used_outputs[1:]):
        raise UnsupportedError("it is in training mode")
    rank = node.rank(x)
    attrs = BatchNormAttrs(node.attr_float("epsilon", 1e-5))
    if rank == 2:
        return [node.emit(Op.BATCH_NORM, [x, *parameters], attrs)]
    if rank not in (3, 4):
        raise UnsupportedError(f"it works on {rank} axes")
    y = node.emit(Op.BATCH_NORM, [to_channels_last(node, x), *parameters], attrs)
    return [from_channels_last(node, y, rank)]


@handler("LayerNormalization", "any axis, with constant scale and bias")
def _layer_normalization(node: NodeContext) -> list[Tensor]:
    x, rank = node.tensor(0), node.rank(node.tensor(0))
    node.attr_int("stash_type", 1)
    if any(node.used_outputs[1:]):
        raise UnsupportedError("its mean or deviation is used")
    axes = tuple(range(node.axis(node.attr_int("axis", -1), rank), rank))
    y = _normalized(node, x, axes)
    shape = node.shape(x)[axes[0] :]
    return [
        _scaled(node, y, [node.known(i, "its scale or bias") for i in (1, 2) if node.optional(i) is not None], shape)
    ]


@handler("InstanceNormalization", "on [N, C, T] and [N, C, H, W], with constant scale and bias")
def _instance_normalization(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    y = _normalized(node, x, tuple(range(2, node.rank(x))))
    shape = (node.shape(x)[1], *(1,) * (node.rank(x) - 2))
    return [_scaled(node, y, [node.known(i, "its scale or bias") for i in (1, 2)], shape)]


@handler("GroupNormalization", "opset 21, with constant scale and bias")
def _group_normalization(node: NodeContext) -> list[Tensor]:
    x, groups = node.tensor(0), node.attr_int("num_groups")
    node.attr_int("stash_type", 1)
    n, channels, *rest = node.shape(x)
    if node.opset < 21 or groups < 1 or channels % groups:
        raise UnsupportedError(f"{groups} groups of {channels} channels in opset {node.opset}")
    grouped = node.reshape(x, (n, groups, channels // groups, *rest))
    y = node.reshape(_normalized(node, grouped, tuple(range(2, 3 + len(rest)))), node.shape(x))
    shape = (channels, *(1,) * len(rest))
    return [_scaled(node, y, [node.known(i, "its scale or bias") for i in (1, 2)], shape)]


def _normalized(node: NodeContext, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon), both over these axes."""
    epsilon = Known(np.asarray(node.attr_float("epsilon", 1e-5), np.float32), f"{node.name}.epsilon")
    mean = ReduceAttrs(axes, keep_dims=True)
    centred = node.emit(Op.SUB, [x, node.emit(Op.MEAN, [x], mean)])
    variance = node.emit(Op.MEAN, [node.emit(Op.MUL, [centred, centred])], mean)
    return node.emit(Op.DIV, [centred, node.emit(Op.SQRT, [node.emit(Op.ADD, [variance, epsilon])])])


def _scaled(node: NodeContext, y: Tensor, constants: list[np.ndarray], shape: tuple[int, ...]) -> Tensor:
    """y times the first constant plus the second, which broadcast as `shape` does; those that do nothing are left out."""
    for op, name, data in zip((Op.MUL, Op.ADD), ("scale", "bias"), constants, strict=False):
        if np.any(data != (op is Op.MUL)):
            aligned = data.reshape((*(1,) * (node.rank(y) - len(shape)), *shape))
            y = node.emit(op, [y, Known(aligned, f"{node.name}.{name}")])
    return y


@handler("Softmax", "any axis; before opset 13 over all axes from `axis` on")
def _softmax(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    shape, rank = node.shape(x), node.rank(x)
    if node.opset < 13:
        axis = node.axis(node.attr_int("axis", 1), rank)
        if all(n == 1 for n in shape[axis:-1]):  # the last axis alone
            return [node.emit(Op.SOFTMAX, [x], SoftmaxAttrs())]
        flat = node.reshape(x, (math.prod(shape[:axis]), math.prod(shape[axis:])))
        return [node.reshape(node.emit(Op.SOFTMAX, [flat], SoftmaxAttrs()), shape)]
    axis = node.axis(node.attr_int("axis", -1), rank)
    # Moves the axis to the end; for [N, C, H, W] over C this is channels last.
    there = (*(i for i in range(rank) if i != axis), axis)
    back = tuple(there.index(i) for i in range(rank))
    y = node.emit(Op.SOFTMAX, [node.transpose(x, there)], SoftmaxAttrs())
    return [node.transpose(y, back)]
