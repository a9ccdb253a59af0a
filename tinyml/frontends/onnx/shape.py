"""Operations that move or select elements, and those that do nothing at inference."""

import math

import numpy as np

from tinyml.frontends.onnx.node import NodeContext
from tinyml.frontends.onnx.registry import UnsupportedError, handler
from tinyml.frontends.onnx.tensors import Known, Tensor
from tinyml.ir.ops import ConcatAttrs, GatherAttrs, Op, PadAttrs, StridedSliceAttrs

_MAX_COPIES = 4096  # inputs of the CONCAT that stands for Expand or Tile


@handler("Identity", "any tensor")
def _identity(node: NodeContext) -> list[Tensor]:
    return [node.tensor(0)]


@handler("Dropout", "inference, without the mask")
def _dropout(node: NodeContext) -> list[Tensor]:
    node.attr_float("ratio", 0.5)
    node.attr_int("seed", 0)
    if node.optional(2) is not None and bool(node.known_scalar(2, "training_mode")):
        raise UnsupportedError("it is in training mode")
    return [node.tensor(0)]


@handler("Reshape", "a shape that is known")
def _reshape(node: NodeContext) -> list[Tensor]:
    x, wanted = node.tensor(0), list(node.known_ints(1, "the shape"))
    shape = node.shape(x)
    if not node.attr_int("allowzero", 0):
        if any(n == 0 and i >= len(shape) for i, n in enumerate(wanted)):
            raise UnsupportedError(f"shape {wanted} copies an axis that {list(shape)} does not have")
        wanted = [shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    if wanted.count(-1) > 1 or any(n < -1 for n in wanted):
        raise UnsupportedError(f"shape {wanted} is ambiguous")
    if -1 in wanted:
        rest = -math.prod(wanted)
        if not rest or math.prod(shape) % rest:
            raise UnsupportedError(f"{list(shape)} cannot be reshaped to {wanted}")
        wanted[wanted.index(-1)] = math.prod(shape) // rest
    return [node.reshape(x, tuple(wanted))]


@handler("Flatten", "any axis")
def _flatten(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    shape = node.shape(x)
    axis = node.attr_int("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise UnsupportedError(f"axis {axis} of a tensor with {len(shape)} axes")
    axis += len(shape) if axis < 0 else 0
    return [node.reshape(x, (math.prod(shape[:axis]), math.prod(shape[axis:])))]


def _listed_axes(node: NodeContext) -> tuple[int, ...] | None:
    """Axes of Squeeze and Unsqueeze: an attribute before opset 13, then an input."""
    if node.opset < 13:
        return node.attr_ints("axes") if node.has_attr("axes") else None
    return node.known_ints(1, "the list of axes") if node.optional(1) is not None else None


@handler("Squeeze", "axes that are known")
def _squeeze(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    shape = node.shape(x)
    listed = _listed_axes(node)
    axes = node.axes(listed, len(shape)) if listed is not None else tuple(i for i, n in enumerate(shape) if n == 1)
    if any(shape[a] != 1 for a in axes):
        raise UnsupportedError(f"axes {list(axes)} of {list(shape)} are not all 1 long")
    return [node.reshape(x, tuple(n for i, n in enumerate(shape) if i not in axes))]


@handler("Unsqueeze", "axes that are known")
def _unsqueeze(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    listed = _listed_axes(node)
    if listed is None:
        raise UnsupportedError("the list of axes is missing")
    rank = node.rank(x) + len(listed)
    axes = node.axes(listed, rank)
    sizes = iter(node.shape(x))
    return [node.reshape(x, tuple(1 if i in axes else next(sizes) for i in range(rank)))]


@handler("Transpose", "any permutation")
def _transpose(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    perm = node.attr_ints("perm", tuple(reversed(range(node.rank(x)))))
    if sorted(perm) != list(range(node.rank(x))):
        raise UnsupportedError(f"perm {list(perm)} of a tensor with {node.rank(x)} axes")
    return [node.transpose(x, perm)]


@handler("Concat", "any axis")
def _concat(node: NodeContext) -> list[Tensor]:
    parts = [node.tensor(i) for i in range(len(node.inputs))]
    if not parts:
        raise UnsupportedError("it has no inputs")
    axis = node.axis(node.attr_int("axis"), node.rank(parts[0]))
    if len({node.rank(p) for p in parts}) != 1:
        raise UnsupportedError(f"it joins {', '.join(str(list(node.shape(p))) for p in parts)}")
    parts = [p for p in parts if node.shape(p)[axis]] or parts[:1]
    return [parts[0] if len(parts) == 1 else node.emit(Op.CONCAT, parts, ConcatAttrs(axis))]


@handler("Slice", "starts, ends, axes and steps that are known")
def _slice(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    shape = node.shape(x)
    starts, ends = node.known_ints(1, "the list of starts"), node.known_ints(2, "the list of ends")
    axes = node.known_ints(3, "the list of axes") if node.optional(3) is not None else tuple(range(len(starts)))
    steps = node.known_ints(4, "the list of steps") if node.optional(4) is not None else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise UnsupportedError(f"starts {starts}, ends {ends}, axes {axes}, steps {steps}")
    node.axes(axes, len(shape))
    bounds = [(0, n, 1) for n in shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = node.axis(axis, len(shape))
        bounds[axis] = slice(start, end, step).indices(shape[axis])
    return [_strided(node, x, bounds)]


def _strided(node: NodeContext, x: Tensor, bounds: list[tuple[int, int, int]], squeeze: tuple[int, ...] = ()) -> Tensor:
    """x[begin:end:stride] on each axis; x itself where that is all of it."""
    if not squeeze and bounds == [(0, n, 1) for n in node.shape(x)]:
        return x
    begin, end, stride = zip(*bounds, strict=True) if bounds else ((), (), ())
    return node.emit(Op.STRIDED_SLICE, [x], StridedSliceAttrs(tuple(begin), tuple(end), tuple(stride), squeeze))


@handler("Split", "sizes that are known, or equal parts")
def _split(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    shape = node.shape(x)
    axis = node.axis(node.attr_int("axis", 0), len(shape))
    parts = len(node.used_outputs)
    if node.opset < 13 and node.has_attr("split"):
        sizes = node.attr_ints("split")
    elif node.opset >= 13 and node.optional(1) is not None:
        sizes = node.known_ints(1, "the list of sizes")
    else:
        parts = node.attr_int("num_outputs", parts)
        each = -(-shape[axis] // max(parts, 1))
        sizes = tuple(max(min(each, shape[axis] - i * each), 0) for i in range(min(parts, len(node.used_outputs))))
    if sum(sizes) != shape[axis] or min(sizes, default=-1) < 0 or len(sizes) != len(node.used_outputs):
        raise UnsupportedError(f"parts of {list(sizes)} from axis {axis} of {list(shape)}")
    results, begin = [], 0
    for size in sizes:
        bounds = [(0, n, 1) for n in shape]
        bounds[axis] = (begin, begin + size, 1)
        results.append(_strided(node, x, bounds))
        begin += size
    return results


@handler("Gather", "any axis; indices known or computed at run time")
def _gather(node: NodeContext) -> list[Tensor]:
    x, indices = node.tensor(0), node.tensor(1)
    shape = node.shape(x)
    axis = node.axis(node.attr_int("axis", 0), len(shape))
    if not isinstance(indices, Known):
        return [node.emit(Op.GATHER, [x, indices], GatherAttrs(axis))]
    array = indices.array
    if array.dtype.kind not in "iu" or np.any(array < -shape[axis]) or np.any(array >= shape[axis]):
        raise UnsupportedError(f"indices are not all within axis {axis} of {list(shape)}")
    array = np.where(array < 0, array + shape[axis], array).astype(array.dtype)
    if array.ndim == 0:
        bounds = [(0, n, 1) for n in shape]
        bounds[axis] = (int(array), int(array) + 1, 1)
        return [_strided(node, x, bounds, (axis,))]
    return [node.emit(Op.GATHER, [x, Known(array, indices.name)], GatherAttrs(axis))]


@handler("Pad", "mode constant, pads that are known; negative pads crop")
def _pad(node: NodeContext) -> list[Tensor]:
    x = node.tensor(0)
    shape, rank = node.shape(x), node.rank(x)
    mode = node.attr_text("mode", "constant")
    if mode != "constant":
        raise UnsupportedError(f"mode is {mode!r}")
    pads = node.known_ints(1, "the list of pads")
    value = float(node.known_scalar(2, "the padding value")) if node.optional(2) is not None else 0.0
    listed = node.known_ints(3, "the list of axes") if node.optional(3) is not None else tuple(range(rank))
    node.axes(listed, rank)
    if len(pads) != 2 * len(listed):
        raise UnsupportedError(f"pads {list(pads)} for {len(listed)} axes")
    padding = [(0, 0)] * rank
    for i, axis in enumerate(listed):
        padding[axis] = (pads[i], pads[len(listed) + i])
    bounds = [(-min(a, 0), n + min(b, 0), 1) for n, (a, b) in zip(shape, padding, strict=True)]
    if any(begin > end for begin, end, _ in bounds):
        raise UnsupportedError(f"pads {list(pads)} crop more than {list(shape)} has")
    x = _strided(node, x, bounds)
    grown = tuple((max(a, 0), max(b, 0)) for a, b in padding)
    return [node.emit(Op.PAD, [x], PadAttrs(grown, value)) if any(map(any, grown)) else x]


@handler("Expand", "a shape that is known; at run time it becomes a concatenation of copies")
def _expand(node: NodeContext) -> list[Tensor]:
    x, wanted = node.tensor(0), node.known_ints(1, "the shape")
    rank = max(node.rank(x), len(wanted))
    x = node.reshape(x, (*(1,) * (rank - node.rank(x)), *node.shape(x)))
    target = np.broadcast_shapes(node.shape(x), wanted)
    return [_repeated(node, x, tuple(t // n if n else 1 for t, n in zip(target, node.shape(x), strict=True)))]


@handler("Tile", "repeats that are known; at run time it becomes a concatenation of copies")
def _tile(node: NodeContext) -> list[Tensor]:
    x, repeats = node.tensor(0), node.known_ints(1, "the list of repeats")
    if len(repeats) != node.rank(x) or min(repeats, default=1) < 1:
        raise UnsupportedError(f"repeats {list(repeats)} of {list(node.shape(x))}")
    return [_repeated(node, x, repeats)]


def _repeated(node: NodeContext, x: Tensor, repeats: tuple[int, ...]) -> Tensor:
    for axis, times in enumerate(repeats):
        if times > _MAX_COPIES:
            raise UnsupportedError(f"it repeats axis {axis} {times} times")
        if times != 1:
            x = node.emit(Op.CONCAT, [x] * times, ConcatAttrs(axis))
    return x
