"""Batch normalization and softmax."""

import math

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.spatial import from_channels_last, to_channels_last
from tinyml.frontends.onnx.tensors import Known, Tensor
from tinyml.ir.ops import BatchNormAttrs, Op, SoftmaxAttrs


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
