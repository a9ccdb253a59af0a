"""Bytes of arena that TFLite Micro's interpreter needs for a model: what it does with them, done over.

Source: micro_allocator.cc, micro_allocation_info.cc, micro_interpreter.cc, memory_planner/greedy_memory_planner.cc,
arena_allocator/single_arena_buffer_allocator.cc and the kernels of tensorflow/tflite-micro at commit 90b983c2. Sizes of its
structures are what GCC 12 makes of them for Cortex-M4 (enumerations of four bytes, as most ABIs have them; Arm's of one byte
need a little less) and for x86-64.

The arena's head holds what the planner overlays in time: activations and scratch buffers. Its tail holds what lives on:
structures of the interpreter, of every node and tensor, and of the kernels. While memory is planned the head holds the
planner's own lists, which of a small network may be more. Figures are for the reference kernels; kernels optimized for
a core ask for scratch buffers of their own.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import tflite

from tinyml.emit.tflite.flatbuffer import Model, Operator, Tensor
from tinyml.frontends.tflite.reader import DTYPES
from tinyml.ir.dtypes import storage_bytes

ALIGNMENT = 16  # MicroArenaBufferAlignment()
_MOST_SCRATCH = 12  # kMaxScratchBuffersPerOp: head room for the requests of the node that is being prepared
_PLANNED_BUFFER = 40  # GreedyMemoryPlanner::per_buffer_size()
_OWN_SHAPE = {"GATHER", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"}  # kernels that copy their output's shape
_INT16_TABLE = 2 * 513  # bytes of a table of int16 softmax

_PLAN = "OfflineMemoryAllocation"  # metadata: version, subgraph, count, and an offset for each tensor, int32
_PLAN_VERSION = 1
_ONLINE = -1  # the offset of a tensor that is left to the interpreter's planner


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of TFLite Micro's structures for a width of pointers, which is also their alignment.

    Attributes:
        fixed: those that every interpreter has, in the order in which they are made.
        kernel: of the data that a kernel keeps for each node, by operator.
    """

    pointer: int
    fixed: tuple[int, ...]
    eval_tensor: int
    node: int
    tensor: int
    quantization: int
    allocation_info: int
    scratch_request: int
    kernel: dict[str, int]


# SingleArenaBufferAllocator, GreedyMemoryPlanner, MicroAllocator, MicroBuiltinDataAllocator, SubgraphAllocations
_FIXED_32, _FIXED_64 = (36, 44, 36, 8, 8), (72, 72, 72, 16, 16)
_KERNEL = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "PADV2"), 56),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D", "QUANTIZE", "DEQUANTIZE"), 32),
    **dict.fromkeys(("LOGISTIC", "TANH", "BATCH_MATMUL"), 16),
    **{"FULLY_CONNECTED": 48, "SOFTMAX": 56, "RELU": 28, "RELU6": 8, "HARD_SWISH": 20, "LEAKY_RELU": 24},
    **{"ADD": 60, "SUB": 52, "MUL": 36, "DIV": 28, "MEAN": 44, "CONCATENATION": 24, "STRIDED_SLICE": 84, "SVDF": 36},
}
_WIDER = {
    "CONV_2D": 72,
    "DEPTHWISE_CONV_2D": 72,
    "FULLY_CONNECTED": 64,
    "SOFTMAX": 80,
    "CONCATENATION": 40,
    "BATCH_MATMUL": 32,
}
LAYOUTS = {
    4: Layout(4, _FIXED_32, 12, 32, 40, 12, 24, 12, _KERNEL),
    8: Layout(8, _FIXED_64, 24, 64, 64, 24, 32, 16, {**_KERNEL, **_WIDER}),
}
# Of the parsed options of a node (TfLiteConvParams, …); operators that are not here have none.
_OPTIONS = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), 28),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), 40),
    **dict.fromkeys(("ADD", "SUB", "CAST", "CONCATENATION", "GATHER", "PACK"), 8),
    **dict.fromkeys(("MUL", "DIV", "SOFTMAX", "LEAKY_RELU", "MEAN", "BATCH_MATMUL"), 4),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), 4),
    **{"FULLY_CONNECTED": 16, "RESHAPE": 36, "STRIDED_SLICE": 24, "SVDF": 12},
}


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Of the head: live from operator `first` to `last`; offset: where the model's own plan puts it."""

    bytes: int
    first: int
    last: int
    offset: int = _ONLINE


@dataclass(frozen=True, slots=True)
class _Need:
    """Bytes. making: of the whole arena while the interpreter is set up; head, kept (the tail): in use afterwards."""

    making: int
    head: int
    kept: int


def arena_bytes(model: Model, pointer_bytes: int) -> int:
    """The arena that the interpreter needs, a multiple of 16, where it lies on one.

    Args:
        pointer_bytes: 4, as on all microcontrollers, or 8, as on a host.
    """
    need = _need(model, LAYOUTS[pointer_bytes])
    return _aligned(max(need.making, need.head + need.kept))


def with_true_use(model: Model) -> Model:
    """The model with a plan after which `arena_used_bytes()` says what arena is needed, where it would say less.

    The interpreter forgets how long the planner's lists were. Where they need more than the maps, an offline plan puts the
    network's first output so high that the head ends where the lists did: no byte more is needed.
    """
    needs = [_need(model, layout) for layout in LAYOUTS.values()]
    top = min(need.making - need.kept for need in needs) // ALIGNMENT * ALIGNMENT
    output = model.outputs[0]
    offset = top - _aligned(_bytes(model.tensors[output]))
    if top <= max(need.head for need in needs):
        return model
    offsets = np.full(len(model.tensors), _ONLINE, "<i4")
    offsets[output] = offset
    plan = np.array([_PLAN_VERSION, 0, len(offsets)], "<i4").tobytes() + offsets.tobytes()
    planned = replace(model, metadata={**model.metadata, _PLAN: plan})
    same = all(arena_bytes(planned, width) <= arena_bytes(model, width) for width in LAYOUTS)
    return planned if same else model


def _need(model: Model, layout: Layout) -> _Need:
    scratch = [(i, size) for i, operator in enumerate(model.operators) for size in _scratch(model, operator)]
    buffers = [*_activations(model), *(_Buffer(_aligned(size), i + 1, i + 1) for i, size in scratch)]
    requests = layout.scratch_request * (len(scratch) + _MOST_SCRATCH)
    infos = layout.allocation_info * (len(model.tensors) + len(scratch))
    planning = requests + layout.pointer + infos + 2 * ALIGNMENT + _PLANNED_BUFFER * len(buffers)
    preparing = requests + max((_operands(model, operator, layout) for operator in model.operators), default=0)
    tail = _tail(0, _kept_pieces(model, layout, len(scratch)))
    # Descriptions of the network's inputs and outputs come when memory is planned, and the lists are no more.
    kept = _tail(tail, _port_pieces(model, layout))
    return _Need(_aligned(max(planning, preparing)) + tail, _planned(buffers), kept)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


# --- the head ---------------------------------------------------------------------------------------------------------


def _activations(model: Model) -> Iterator[_Buffer]:
    """The tensors that are computed, in order; the network's inputs are live from 0, before the first operator."""
    first = dict.fromkeys(model.inputs, 0)
    last = dict.fromkeys(model.inputs, 0)
    for time, operator in enumerate(model.operators, start=1):
        for i in operator.outputs:
            first.setdefault(i, time)
        last.update(dict.fromkeys((*operator.inputs, *operator.outputs), time))
    last.update(dict.fromkeys(model.outputs, len(model.operators)))
    offsets = np.frombuffer(model.metadata[_PLAN], "<i4")[3:] if _PLAN in model.metadata else None
    for i, tensor in enumerate(model.tensors):
        if tensor.data is None and not tensor.variable and i in first:
            offset = _ONLINE if offsets is None else int(offsets[i])
            yield _Buffer(_aligned(_bytes(tensor)), first[i], last[i], offset)


def _bytes(tensor: Tensor) -> int:
    return storage_bytes(math.prod(tensor.shape), DTYPES[tensor.type])


def _scratch(model: Model, operator: Operator) -> list[int]:
    """Bytes of the scratch buffers that the reference kernel asks for."""
    operands = [model.tensors[i] for i in operator.inputs if i >= 0]
    y = model.tensors[operator.outputs[0]]
    match operator.op:
        case "CONV_2D" | "DEPTHWISE_CONV_2D" | "FULLY_CONNECTED" if operands[1].type == tflite.TensorType.INT4:
            return [math.prod(operands[1].shape)]  # its weights, a byte each
        case "MEAN":
            sums = [4 * math.prod(y.shape)] if y.quant is not None else []
            return [*sums, 4 * len(operands[0].shape), 4 * math.prod(operands[1].shape)]
        case "SVDF":
            filters = 4 * operands[0].shape[0] * operands[1].shape[0]
            return [filters] if y.quant is None else [filters, 4 * math.prod(y.shape)]
    return []


def _operands(model: Model, operator: Operator, layout: Layout) -> int:
    """At most, of the tensors that the kernel looks at while it is prepared."""
    tensors = [model.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    return sum(_described(tensor, layout) + 3 * layout.pointer for tensor in tensors)


def _described(tensor: Tensor, layout: Layout) -> int:
    """Of a tensor as the interpreter's interface has it: TfLiteTensor, its quantization and its zero points."""
    if tensor.quant is None:
        return layout.tensor
    return layout.tensor + layout.quantization + 4 + 4 * len(tensor.quant.zero_point)


def _planned(buffers: list[_Buffer]) -> int:
    """The head's length where the largest buffer comes first, of equal ones the later, and each goes into the first gap
    that is large enough among those that are live with it. Buffers with an offset are there before all others."""
    fixed = [buffer for buffer in buffers if buffer.offset != _ONLINE]
    placed = sorted(((buffer.offset, buffer) for buffer in fixed), key=lambda item: item[0])
    # By offset; of equal offsets the earlier placed first.
    for _, buffer in sorted(enumerate(buffers), key=lambda item: (item[1].bytes, item[0]), reverse=True):
        if buffer.offset != _ONLINE:
            continue
        offset = 0
        for at, other in placed:
            if other.first > buffer.last or buffer.first > other.last:
                continue
            if at - offset >= buffer.bytes:
                break
            offset = max(offset, at + other.bytes)
        behind = next((i for i, (at, _) in enumerate(placed) if at > offset), len(placed))
        placed.insert(behind, (offset, buffer))
    return max((at + buffer.bytes for at, buffer in placed), default=0)


# --- the tail ---------------------------------------------------------------------------------------------------------


def _tail(used: int, pieces: Iterable[tuple[int, int]]) -> int:
    """Bytes of the tail, `used` of which are taken, with pieces of (bytes, alignment): it grows downwards, and each piece
    begins where it is aligned."""
    for size, alignment in pieces:
        used = -(-(used + size) // alignment) * alignment
    return used


def _kept_pieces(model: Model, layout: Layout, scratch_count: int) -> Iterator[tuple[int, int]]:
    """What the interpreter asks for until memory is planned, in its order."""
    for size in layout.fixed:
        yield size, layout.pointer
    yield layout.eval_tensor * len(model.tensors), layout.pointer
    yield layout.node * len(model.operators), layout.pointer
    for operator in model.operators:
        yield _OPTIONS.get(operator.op, 0), 4
    for operator in model.operators:
        if operator.op in layout.kernel:
            yield layout.kernel[operator.op], ALIGNMENT
    for operator in model.operators:
        yield from ((size, ALIGNMENT) for size in _kept(model, operator))
    yield layout.pointer * scratch_count, layout.pointer
    for tensor in model.tensors:
        if tensor.variable:
            yield _bytes(tensor), ALIGNMENT


def _port_pieces(model: Model, layout: Layout) -> Iterator[tuple[int, int]]:
    for ports in (model.inputs, model.outputs):
        yield layout.pointer * len(ports), ALIGNMENT
        for i in ports:
            yield _described(model.tensors[i], layout), layout.pointer


def _kept(model: Model, operator: Operator) -> list[int]:
    """Bytes of the arrays that the kernel of a node keeps besides its own data."""
    x = model.tensors[operator.inputs[0]]
    if operator.op in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        channels = model.tensors[operator.outputs[0]].shape[-1]
        return [4 * channels, 4 * channels]  # a multiplier and a shift for each, of real numbers too
    if operator.op == "FULLY_CONNECTED":
        quant = model.tensors[operator.inputs[1]].quant
        return [] if quant is None or len(quant.scale) == 1 else [4 * len(quant.scale)] * 2
    if operator.op in _OWN_SHAPE:
        return [4 + 4 * len(model.tensors[operator.outputs[0]].shape)]
    if operator.op == "SOFTMAX" and x.type == tflite.TensorType.INT16:
        return [_INT16_TABLE, _INT16_TABLE]
    return []
