"""Checked TFLite data -> Graph."""

import math
from collections.abc import Mapping
from pathlib import Path

from tinyml.errors import ModelError
from tinyml.frontends.tflite.context import OpContext
from tinyml.frontends.tflite.reader import LARGEST_TENSOR, MALFORMED, Model, Operator, Tensor
from tinyml.frontends.tflite.registry import CLOSEST, HANDLERS, UnsupportedError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.verify import VerifyError, verify

# These take a value's quantization from elsewhere, or have none.
_ANY_TYPE = {
    "ARG_MAX",
    "SHAPE",
    "PACK",
    "UNPACK",
    "SPLIT",
    "SPLIT_V",
    "RESHAPE",
    "STRIDED_SLICE",
    "SLICE",
    "SQUEEZE",
    "EXPAND_DIMS",
    "GATHER",
    "CAST",
    "TRANSPOSE",
}
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
_FOUR_BITS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}  # may have such weights
_SIXTEEN_BITS = {
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL"),
    *("MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "SOFTMAX", "LOGISTIC", "TANH"),
}
_MOVES = {"PAD", "PADV2", "CONCATENATION"}
# LiteRT's integer forms of these follow rules of their own.
_REAL_ONLY = {"DIV", "SQRT"}


def element_types(op: str) -> str:
    """What the network's own tensors may be in an operation, in words: what `_check_types` lets pass."""
    if op in _ANY_TYPE | _CONVERSIONS | _MOVES:
        return "any"
    if op in _REAL_ONLY:
        return "float32"
    return "float32, int8, int16" if op in _SIXTEEN_BITS else "float32, int8"


def build_graph(model: Model, input_shapes: Mapping[str, tuple[int, ...]]) -> Graph:
    """Raises:
    ModelError: a batch that is not 1, an input shape for an input that is not there, operators that cannot be
        compiled (all of them are listed), or one that contradicts itself.
    """
    builder = GraphBuilder(model.path.stem)
    names: dict[int, str] = {}
    shapes = _wanted_shapes(model, input_shapes)
    for index in model.inputs:
        tensor = model.tensors[index]
        if tensor.dtype is None:
            raise ModelError(
                f"model {model.path}: input {tensor.name!r} has the type {tensor.type_name}, which is not supported"
            )
        shape = shapes.get(index, tensor.shape)
        if len(shape) > 1 and shape[0] != 1:
            raise ModelError(
                f"model {model.path}: input {tensor.name!r} is {list(shape)}: a batch of {shape[0]}, expected 1",
                "convert the model with batch 1, or give --input-shape",
            )
        if tensor.free and index not in shapes:
            builder.note(f"input {tensor.name}: free dimensions bound to {list(shape)}")
        names[index] = builder.input(tensor.name, shape, tensor.dtype, tensor.quant)
    problems: list[str] = []
    poisoned: set[int] = set()  # outputs of operators that could not be read: what follows from them is no news
    for operator in model.operators:
        if poisoned.intersection(i for i in operator.inputs if i is not None):
            poisoned.update(operator.outputs)
            if operator.op in HANDLERS:
                continue
        problem = _import_operator(operator, model, names, builder)
        if problem is not None:
            problems.append(problem)
            poisoned.update(operator.outputs)
    if problems:
        listing = "".join(f"\n  {p}" for p in problems)
        raise ModelError(f"model {model.path}: {len(problems)} operator(s) cannot be compiled:{listing}")
    return _checked(model.path, builder.build([_output(model.path, model.tensors[i], names) for i in model.outputs]))


def _checked(path: Path, graph: Graph) -> Graph:
    """Raises:
    ModelError: the file declares shapes or quantization parameters that contradict what its operators compute.
    """
    try:
        verify(graph, quantized=graph.is_quantized)
    except VerifyError as e:
        raise ModelError(f"model {path}: {e}", "the file contradicts itself: convert the network once more") from e
    return graph


def _output(path: Path, tensor: Tensor, names: Mapping[int, str]) -> str:
    if tensor.index not in names:
        raise ModelError(f"model {path}: output {tensor.name!r} is computed by no operator")
    return names[tensor.index]


def _import_operator(operator: Operator, model: Model, names: dict[int, str], builder: GraphBuilder) -> str | None:
    """Adds the operator's nodes; what is wrong with it, where it cannot be compiled."""
    context = OpContext(operator, model.tensors, names, builder)
    known = HANDLERS.get(operator.op)
    try:
        source = context.source
        if known is None:
            closest = CLOSEST.get(operator.op)
            return f"{source}: not supported" + (f"; closest: {closest}" if closest else "")
        _check_types(operator, model.tensors)
        known.handle(context)
    except UnsupportedError as e:
        form = f"; supported: {known.form}" if known is not None and known.form else ""
        return f"{source}: {e}{form}"
    except MALFORMED as e:
        raise ModelError(
            f"model {model.path}: operator {operator.index} ({operator.op}): {e or type(e).__name__}"
        ) from e
    return None


def _check_types(operator: Operator, tensors: tuple[Tensor, ...]) -> None:
    """Raises:
    UnsupportedError: a type that we do not have, or integers without the scale that arithmetic needs.
    """
    for index in (*operator.inputs, *operator.outputs):
        if index is None:
            continue
        tensor = tensors[index]
        if tensor.dtype is None:
            raise UnsupportedError(f"tensor {tensor.name!r} has the type {tensor.type_name}")
        if tensor.dtype is DType.INT4 and not (operator.op in _FOUR_BITS and tensor.data is not None):
            raise UnsupportedError(
                f"tensor {tensor.name!r} is INT4, which weights of convolutions and dense layers may be"
            )
        if operator.op in _ANY_TYPE:
            continue
        if tensor.data is not None or tensor.dtype is DType.FLOAT32:
            continue
        if tensor.quant is None:
            raise UnsupportedError(f"tensor {tensor.name!r} is {tensor.type_name} without a scale")
        if operator.op in _REAL_ONLY:
            raise UnsupportedError(f"tensor {tensor.name!r} is {tensor.type_name}; only float32 is supported")
        if operator.op not in _CONVERSIONS | _MOVES and not _computes_on(operator, tensor):
            raise UnsupportedError(f"tensor {tensor.name!r} is {tensor.type_name}; int8 and float32 are supported")


def _computes_on(operator: Operator, tensor: Tensor) -> bool:
    """Whether arithmetic reads or writes integers of this type: int8, states, and 16 bits in what TFLite has them for."""
    wide = tensor.dtype is DType.INT16 and operator.op in _SIXTEEN_BITS
    return tensor.dtype is DType.INT8 or tensor.is_variable or wide


def _wanted_shapes(model: Model, wanted: Mapping[str, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Tensor index -> the shape that the user gives it."""
    by_name = {model.tensors[i].name: i for i in model.inputs}
    shapes = {}
    for name, shape in wanted.items():
        if not name and len(model.inputs) == 1:
            name = next(iter(by_name))
        if name not in by_name:
            raise ModelError(
                f"model {model.path}: has no input {name!r}; its inputs are {', '.join(map(repr, by_name))}"
            )
        tensor = model.tensors[by_name[name]]
        if len(shape) != len(tensor.shape):
            raise ModelError(
                f"model {model.path}: input {name!r} has {len(tensor.shape)} axes, --input-shape gives {len(shape)}"
            )
        if min(shape, default=1) < 1 or math.prod(shape) > LARGEST_TENSOR:
            raise ModelError(f"model {model.path}: input {name!r} cannot be {list(shape)}, as --input-shape asks")
        shapes[tensor.index] = shape
    return shapes
