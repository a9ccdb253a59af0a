"""A TFLite model as plain data, and its bytes. The same data give the same bytes, wherever and whenever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import tflite

from tinyml.ir.quant import QuantParams

SCHEMA_VERSION = 3
DATA_ALIGNMENT = 16  # of tensors' data in the file, as the schema wants it: they are read in place


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """type: of tflite.TensorType; data: of a constant, packed; variable: its content outlives a run."""

    name: str
    shape: tuple[int, ...]
    type: int
    quant: QuantParams | None = None
    data: bytes | None = None
    variable: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """One call of an operation.

    Attributes:
        op: the schema's name ("CONV_2D").
        inputs, outputs: indices of tensors; an absent optional input is -1.
        kind: the table of its options ("Conv2DOptions"), or None; options: that table's fields.
    """

    op: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kind: str | None = None
    options: Mapping[str, int | float | bool] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """Of tflite.BuiltinOperator."""
        return int(getattr(tflite.BuiltinOperator, self.op))


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network of one subgraph. metadata: name -> content, for who reads the file."""

    name: str
    description: str
    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    inputs: Sequence[int]
    outputs: Sequence[int]
    metadata: Mapping[str, bytes] = field(default_factory=dict)


def serialize(model: Model) -> bytes:
    """The .tflite file."""
    return _Serializer().model(model)


class _Serializer:
    """One flatbuffer under way. Equal vectors and equal buffers are written once and shared."""

    def __init__(self) -> None:
        self._b = flatbuffers.Builder(1 << 16)
        self._shared: dict[tuple[str, bytes], int] = {}
        self._buffers: list[int] = []
        self._buffer_index: dict[bytes, int] = {}

    def model(self, model: Model) -> bytes:
        b = self._b
        self._buffer(b"")  # by convention the first one is empty: that of all tensors without data
        tensors = self._offsets([self._tensor(t) for t in model.tensors])
        codes = sorted({(operator.code, operator.version) for operator in model.operators})
        operators = self._offsets([self._operator(o, codes.index((o.code, o.version))) for o in model.operators])
        inputs, outputs = (self._vector(np.array(side, np.int32)) for side in (model.inputs, model.outputs))
        name = b.CreateString(model.name)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        tflite.SubGraphAddName(b, name)
        subgraphs = self._offsets([tflite.SubGraphEnd(b)])
        metadata = self._offsets([self._metadata(key, content) for key, content in model.metadata.items()])
        operator_codes = self._offsets([self._operator_code(*code) for code in codes])
        description = b.CreateString(model.description)
        buffers = self._offsets(self._buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, SCHEMA_VERSION)
        tflite.ModelAddOperatorCodes(b, operator_codes)
        tflite.ModelAddSubgraphs(b, subgraphs)
        tflite.ModelAddDescription(b, description)
        tflite.ModelAddBuffers(b, buffers)
        tflite.ModelAddMetadata(b, metadata)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _tensor(self, tensor: Tensor) -> int:
        b = self._b
        buffer = 0 if tensor.data is None else self._buffer(tensor.data)
        name, shape = b.CreateString(tensor.name), self._vector(np.array(tensor.shape, np.int32))
        quant = None if tensor.quant is None else self._quant(tensor.quant)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, tensor.type)
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name)
        if quant is not None:
            tflite.TensorAddQuantization(b, quant)
        if tensor.variable:
            tflite.TensorAddIsVariable(b, True)
        if not tensor.shape:
            tflite.TensorAddHasRank(b, True)  # a scalar, not a tensor of unknown shape
        return int(tflite.TensorEnd(b))

    def _quant(self, quant: QuantParams) -> int:
        b = self._b
        scale = self._vector(np.array(quant.scale, np.float32))
        zero_point = self._vector(np.array(quant.zero_point, np.int64))
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scale)
        tflite.QuantizationParametersAddZeroPoint(b, zero_point)
        tflite.QuantizationParametersAddQuantizedDimension(b, quant.axis or 0)
        return int(tflite.QuantizationParametersEnd(b))

    def _operator_code(self, code: int, version: int) -> int:
        b = self._b
        tflite.OperatorCodeStart(b)
        # Readers from before the wider field look at this one only.
        tflite.OperatorCodeAddDeprecatedBuiltinCode(
            b, min(code, tflite.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
        )
        tflite.OperatorCodeAddVersion(b, version)
        tflite.OperatorCodeAddBuiltinCode(b, code)
        return int(tflite.OperatorCodeEnd(b))

    def _operator(self, operator: Operator, code: int) -> int:
        b = self._b
        inputs, outputs = (self._vector(np.array(side, np.int32)) for side in (operator.inputs, operator.outputs))
        options = None
        if operator.kind is not None:
            getattr(tflite, f"{operator.kind}Start")(b)
            for name, value in operator.options.items():
                getattr(tflite, f"{operator.kind}Add{name}")(b, value)
            options = getattr(tflite, f"{operator.kind}End")(b)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, code)
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, str(operator.kind)))
            tflite.OperatorAddBuiltinOptions(b, options)
        return int(tflite.OperatorEnd(b))

    def _metadata(self, key: str, content: bytes) -> int:
        b = self._b
        buffer, name = self._buffer(content), b.CreateString(key)
        tflite.MetadataStart(b)
        tflite.MetadataAddName(b, name)
        tflite.MetadataAddBuffer(b, buffer)
        return int(tflite.MetadataEnd(b))

    def _buffer(self, content: bytes) -> int:
        """The index of the buffer that holds this."""
        if content not in self._buffer_index:
            vector = self._bytes(content) if content else None
            tflite.BufferStart(self._b)
            if vector is not None:
                tflite.BufferAddData(self._b, vector)
            self._buffer_index[content] = len(self._buffers)
            self._buffers.append(tflite.BufferEnd(self._b))
        return self._buffer_index[content]

    def _bytes(self, content: bytes) -> int:
        b = self._b
        b.StartVector(1, len(content), DATA_ALIGNMENT)
        b.head = b.Head() - len(content)
        b.Bytes[b.Head() : b.Head() + len(content)] = content
        return int(b.EndVector())

    def _vector(self, items: np.ndarray) -> int:
        key = items.dtype.name, items.tobytes()
        if key not in self._shared:
            self._shared[key] = int(self._b.CreateNumpyVector(items))
        return self._shared[key]

    def _offsets(self, items: Sequence[int]) -> int:
        self._b.StartVector(4, len(items), 4)
        for item in reversed(items):
            self._b.PrependUOffsetTRelative(item)
        return int(self._b.EndVector())
