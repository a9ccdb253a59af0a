"""Checked TFLite data -> Graph."""

from collections.abc import Mapping
from pathlib import Path

from tinyml.errors import ModelError
from tinyml.frontends.tflite.context import OpContext
from tinyml.frontends.tflite.reader import MALFORMED, Model, Operator, Tensor
from tinyml.frontends.tflite.registry import CLOSEST, HANDLERS, UnsupportedError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph

# These take a value's quantization from elsewhere, or have none.
_ANY_TYPE = {
    "SHAPE",
    "PACK",
    "RESHAPE",
    "STRIDED_SLICE",
    "SLICE",
    "SQUEEZE",
    "EXPAND_DIMS",
    "GATHER",
    "CAST",
    "TRANSPOSE",
}


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
    return builder.build([_output(model.path, model.tensors[i], names) for i in model.outputs])


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
        if operator.op in _ANY_TYPE:
            continue
        if tensor.quant is None and tensor.data is None and tensor.dtype is not DType.FLOAT32:
            raise UnsupportedError(f"tensor {tensor.name!r} is {tensor.type_name} without a scale")


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
        shapes[tensor.index] = shape
    return shapes
