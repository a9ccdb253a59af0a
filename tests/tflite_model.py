"""Writes small .tflite files with the schema package, so that tests need no model from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import tflite

_TYPES = {
    "int4": tflite.TensorType.INT4,
    "float32": tflite.TensorType.FLOAT32,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
}


@dataclass(frozen=True, slots=True)
class Quant:
    """scale and zero_point have one entry, or one for each index of `axis`."""

    scale: Sequence[float]
    zero_point: Sequence[int]
    axis: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class TensorSpec:
    """dtype is numpy's name, or int4, whose data are int8. With data it is a constant.

    signature is the shape with -1 for every free dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quant: Quant | None = None
    data: np.ndarray | None = None
    variable: bool = False
    signature: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """op is the schema's name ("CONV_2D"); options are the fields of its options table `kind` ("Conv2DOptions").

    Inputs and outputs are names of tensors, None for an absent input.
    """

    op: str
    inputs: Sequence[str | None]
    outputs: Sequence[str]
    kind: str | None = None
    options: Mapping[str, int | float | bool] = field(default_factory=dict)


def tflite_bytes(
    tensors: Sequence[TensorSpec], operators: Sequence[OperatorSpec], inputs: Sequence[str], outputs: Sequence[str]
) -> bytes:
    """A model of one subgraph."""
    b = flatbuffers.Builder(1024)
    index = {t.name: i for i, t in enumerate(tensors)}
    buffers = [_buffer(b, None)]
    tables = []
    for t in tensors:
        at = 0
        if t.data is not None:
            assert t.data.shape == t.shape and t.data.dtype.name == t.dtype.replace("int4", "int8"), t.name
            at = len(buffers)
            buffers.append(_buffer(b, _nibbles(t.data) if t.dtype == "int4" else t.data))
        tables.append(_tensor(b, t, at))
    names = sorted({o.op for o in operators})
    codes = [_code(b, getattr(tflite.BuiltinOperator, name)) for name in names]
    calls = [_operator(b, o, names.index(o.op), index) for o in operators]

    operator_vector = _offsets(b, calls)
    tensor_vector = _offsets(b, tables)
    input_vector, output_vector = (_ints(b, [index[n] for n in side]) for side in (inputs, outputs))
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensor_vector)
    tflite.SubGraphAddInputs(b, input_vector)
    tflite.SubGraphAddOutputs(b, output_vector)
    tflite.SubGraphAddOperators(b, operator_vector)
    graphs = _offsets(b, [tflite.SubGraphEnd(b)])

    code_vector, buffer_vector = _offsets(b, codes), _offsets(b, buffers)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, code_vector)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddBuffers(b, buffer_vector)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


def _offsets(b: flatbuffers.Builder, items: Sequence[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())


def _ints(b: flatbuffers.Builder, items: Sequence[int]) -> int:
    return int(b.CreateNumpyVector(np.array(items, np.int32)))


def _buffer(b: flatbuffers.Builder, data: np.ndarray | None) -> int:
    vector = None
    if data is not None:
        content = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        b.StartVector(1, len(content), 16)  # tensors are read in place: aligned to 16 bytes
        b.head = b.Head() - len(content)
        b.Bytes[b.Head() : b.Head() + len(content)] = content.tobytes()
        vector = b.EndVector()
    tflite.BufferStart(b)
    if vector is not None:
        tflite.BufferAddData(b, vector)
    return int(tflite.BufferEnd(b))


def _nibbles(data: np.ndarray) -> np.ndarray:
    """Two a byte, the first in the low one."""
    even = np.pad(data.ravel(), (0, data.size % 2)).astype(np.uint8)
    return (even[::2] & 15) | (even[1::2] << 4)


def _tensor(b: flatbuffers.Builder, t: TensorSpec, buffer: int) -> int:
    name, shape = b.CreateString(t.name), _ints(b, t.shape)
    signature = _ints(b, t.signature) if t.signature else None
    quant = None
    if t.quant is not None:
        scales = b.CreateNumpyVector(np.array(t.quant.scale, np.float32))
        zeros = b.CreateNumpyVector(np.array(t.quant.zero_point, np.int64))
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scales)
        tflite.QuantizationParametersAddZeroPoint(b, zeros)
        tflite.QuantizationParametersAddQuantizedDimension(b, t.quant.axis)
        quant = tflite.QuantizationParametersEnd(b)
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, _TYPES[t.dtype])
    tflite.TensorAddBuffer(b, buffer)
    tflite.TensorAddName(b, name)
    if quant is not None:
        tflite.TensorAddQuantization(b, quant)
    if signature is not None:
        tflite.TensorAddShapeSignature(b, signature)
    if t.variable:
        tflite.TensorAddIsVariable(b, True)
    return int(tflite.TensorEnd(b))


def _code(b: flatbuffers.Builder, builtin: int) -> int:
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(builtin, 127))
    tflite.OperatorCodeAddBuiltinCode(b, builtin)
    tflite.OperatorCodeAddVersion(b, 1)
    return int(tflite.OperatorCodeEnd(b))


def _operator(b: flatbuffers.Builder, o: OperatorSpec, code: int, index: Mapping[str, int]) -> int:
    inputs = _ints(b, [-1 if n is None else index[n] for n in o.inputs])
    outputs = _ints(b, [index[n] for n in o.outputs])
    options = None
    if o.kind is not None:
        getattr(tflite, f"{o.kind}Start")(b)
        for name, value in o.options.items():
            getattr(tflite, f"{o.kind}Add{name}")(b, value)
        options = getattr(tflite, f"{o.kind}End")(b)
    tflite.OperatorStart(b)
    tflite.OperatorAddOpcodeIndex(b, code)
    tflite.OperatorAddInputs(b, inputs)
    tflite.OperatorAddOutputs(b, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, o.kind))
        tflite.OperatorAddBuiltinOptions(b, options)
    return int(tflite.OperatorEnd(b))
