"""The network's inputs: their shapes, with free dimensions bound."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyml.errors import ModelError
from tinyml.frontends.onnx.reader import ModelFile
from tinyml.frontends.onnx.tensors import check_size, graph_dtype, type_name
from tinyml.ir.dtypes import DType


@dataclass(frozen=True, slots=True)
class Input:
    """A network input as it will be built; notes say what was decided for it."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    notes: tuple[str, ...]


def bind_inputs(file: ModelFile, input_shapes: Mapping[str, tuple[int, ...]]) -> list[Input]:
    """The inputs with static shapes: `input_shapes` goes first, a free dimension without one becomes 1.

    Raises:
        ModelError: an input has no shape or a type we do not have, or `input_shapes` does not fit.
    """
    # Before IR version 4 every initializer was listed as an input too.
    constants = {t.name for t in file.graph.initializer}
    infos = [i for i in file.graph.input if i.name not in constants]
    names = [i.name for i in infos]
    for name in input_shapes:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise ModelError(
                f"{file.path}: a shape was given for input {name!r}, the inputs are {', '.join(map(repr, names))}",
                f"did you mean {near[0]!r}?" if near else None,
            )
    return [_bind(file, info, input_shapes.get(info.name)) for info in infos]


def refuse_batches(file: ModelFile, inputs: list[Input]) -> None:
    """Raises ModelError where an input holds more than one sample (axis 0 of two or more)."""
    for i in inputs:
        if len(i.shape) > 1 and i.shape[0] > 1:
            rest = ",".join(map(str, i.shape[1:]))
            raise ModelError(
                f"{file.path}: input {i.name!r} has shape {list(i.shape)}: a batch of {i.shape[0]}, expected 1",
                f"export with batch 1 or a free batch dimension, or give --input-shape {i.name}=1,{rest}",
            )


def _bind(file: ModelFile, info: Any, given: tuple[int, ...] | None) -> Input:
    where = f"{file.path}: input {info.name!r}"
    if not info.type.HasField("tensor_type"):
        raise ModelError(f"{where} is not a tensor")
    tensor = info.type.tensor_type
    dtype = graph_dtype(tensor.elem_type)
    if dtype is None:
        raise ModelError(f"{where} has type {type_name(tensor.elem_type)}", "expected float32, int8, uint8 or int32")
    notes = []
    if dtype is DType.FLOAT32 and (stated := type_name(tensor.elem_type)) != "float":
        notes.append(f"input {info.name!r}: {stated} read as float32")
    dims = [_dimension(d) for d in tensor.shape.dim] if tensor.HasField("shape") else None
    if given is not None:
        if any(n < 1 for n in given) or (dims is not None and len(given) != len(dims)):
            stated = "of any rank" if dims is None else f"[{', '.join(map(str, dims))}]"
            raise ModelError(f"{where} was given the shape {list(given)}, the model says {stated}")
        shape = tuple(given)
        if dims is not None and any(isinstance(d, int) and d != n for d, n in zip(dims, shape, strict=True)):
            notes.append(f"input {info.name!r}: shape [{', '.join(map(str, dims))}] replaced by {list(shape)}")
    elif dims is None:
        raise ModelError(f"{where} has no shape", f"give one: --input-shape {info.name}=1,...")
    else:
        shape = tuple(d if isinstance(d, int) else 1 for d in dims)
        free = [d for d in dims if isinstance(d, str)]
        notes += [f"input {info.name!r}: free dimension {d!r} bound to 1" for d in free]
    try:
        check_size(shape, "it")
    except ValueError as e:
        raise ModelError(f"{where}: {e}") from e
    if 0 in shape:
        raise ModelError(f"{where} is empty: {list(shape)}", f"give a shape: --input-shape {info.name}=1,...")
    return Input(info.name, shape, dtype, tuple(notes))


def _dimension(dim: Any) -> int | str:
    """A fixed size, or the name of a free dimension (exporters write free ones as a name, as nothing or as -1)."""
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    return dim.dim_param or "?"
