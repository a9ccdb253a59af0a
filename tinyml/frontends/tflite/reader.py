"""A .tflite file as plain, checked data. Nothing read here is trusted: a file may be cut short or corrupt."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tflite

from tinyml.errors import ModelError
from tinyml.ir.dtypes import DType, storage_bytes
from tinyml.ir.quant import QuantParams

# What the flatbuffers library raises on bytes that are no flatbuffer.
MALFORMED = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    UnicodeDecodeError,
    MemoryError,
)

LARGEST_TENSOR = 1 << 26  # elements; no microcontroller comes near it

DTYPES = {
    tflite.TensorType.INT4: DType.INT4,
    tflite.TensorType.FLOAT32: DType.FLOAT32,
    tflite.TensorType.INT8: DType.INT8,
    tflite.TensorType.UINT8: DType.UINT8,
    tflite.TensorType.INT16: DType.INT16,
    tflite.TensorType.INT32: DType.INT32,
    tflite.TensorType.INT64: DType.INT64,
    tflite.TensorType.BOOL: DType.BOOL,
}
_TYPE_NAMES = {v: k for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
_OP_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """dtype is None where we have no such type; type_name says what the file calls it."""

    index: int
    name: str
    shape: tuple[int, ...]
    free: tuple[int, ...]  # axes whose length the file leaves open
    dtype: DType | None
    type_name: str
    data: np.ndarray | None
    quant: QuantParams | None
    is_variable: bool


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """An absent optional input is None."""

    index: int
    op: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    table: Any  # the flatbuffer's Operator

    def options(self, kind: type[T]) -> T:
        """The builtin options, read as `kind`.

        Raises:
            ValueError: the file has none.
        """
        union = self.table.BuiltinOptions()
        if union is None:
            raise ValueError(f"{self.op} has no options")
        options = kind()
        options.Init(union.Bytes, union.Pos)  # type: ignore[attr-defined]
        return options


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    path: Path
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(path: Path) -> Model:
    """Raises:
    ModelError: the file is not a TFLite model, or one of several subgraphs.
    """
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise ModelError(f"model {path}: not a TFLite file (no TFL3 identifier after the first four bytes)")
    try:
        return _read(path, content)
    except MALFORMED as e:
        raise ModelError(f"model {path}: malformed or cut short: {e or type(e).__name__}") from e


def _read(path: Path, content: bytes) -> Model:
    model = tflite.Model.GetRootAs(content, 0)
    subgraphs = _length(model.SubgraphsLength(), content)
    if subgraphs != 1:
        raise ModelError(
            f"model {path}: has {subgraphs} subgraphs, expected 1",
            "control flow is not supported; unroll it before converting",
        )
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(i) for i in range(_length(model.OperatorCodesLength(), content))]
    # Old converters fill only the 8-bit field, new ones both.
    names = [_OP_NAMES.get(max(c.BuiltinCode(), c.DeprecatedBuiltinCode()), "unknown") for c in codes]
    count = _length(graph.TensorsLength(), content)
    tensors = tuple(_tensor(model, graph.Tensors(i), i, content) for i in range(count))
    operators = []
    for i in range(_length(graph.OperatorsLength(), content)):
        table = graph.Operators(i)
        name = names[_index(table.OpcodeIndex(), len(names), f"operator {i}: opcode")]
        if name == "CUSTOM":
            custom = codes[table.OpcodeIndex()].CustomCode()
            name = f"CUSTOM {custom.decode('utf-8', 'replace') if custom else ''}".strip()
        inputs = tuple(
            None if n == -1 else _index(n, count, f"operator {i}: input")
            for n in _vector(table.InputsLength, table.InputsAsNumpy, content)
        )
        outputs = tuple(
            _index(n, count, f"operator {i}: output")
            for n in _vector(table.OutputsLength, table.OutputsAsNumpy, content)
        )
        operators.append(Operator(i, name, inputs, outputs, table))
    ports = [
        tuple(_index(n, count, "network port") for n in _vector(length, values, content))
        for length, values in ((graph.InputsLength, graph.InputsAsNumpy), (graph.OutputsLength, graph.OutputsAsNumpy))
    ]
    if not ports[0] or not ports[1]:
        raise ValueError("the network has no input or no output")
    return Model(path, tensors, tuple(operators), ports[0], ports[1])


def _length(n: int, content: bytes) -> int:
    """A vector cannot have more entries than the file has words."""
    if n > len(content) // 4:
        raise ValueError(f"a vector of {n:,} entries in a file of {len(content):,} bytes")
    return n


def _index(n: int, count: int, what: str) -> int:
    if not 0 <= n < count:
        raise ValueError(f"{what} {n} is out of range (0 to {count - 1})")
    return int(n)


def _vector(length: Callable[[], int], values: Callable[[], Any], content: bytes) -> list[Any]:
    return [v.item() for v in values()] if _length(length(), content) else []


def _tensor(model: Any, table: Any, index: int, content: bytes) -> Tensor:
    raw_name = table.Name()
    name = raw_name.decode("utf-8", "replace") if raw_name else f"tensor_{index}"
    type_name = _TYPE_NAMES.get(table.Type(), f"type {table.Type()}")
    dtype = DTYPES.get(table.Type())
    shape = tuple(_vector(table.ShapeLength, table.ShapeAsNumpy, content))
    signature = tuple(_vector(table.ShapeSignatureLength, table.ShapeSignatureAsNumpy, content))
    free = tuple(i for i, n in enumerate(signature) if n < 0) if len(signature) == len(shape) else ()
    shape = tuple(1 if i in free and n < 1 else n for i, n in enumerate(shape))
    if any(n < 0 for n in shape) or math.prod(shape) > LARGEST_TENSOR or len(shape) > 8:
        raise ValueError(f"tensor {name!r} has the shape {list(shape)}")
    buffer = model.Buffers(_index(table.Buffer(), _length(model.BuffersLength(), content), f"tensor {name!r}: buffer"))
    data = None
    if dtype is not None and buffer.DataLength() and not table.IsVariable():
        raw = buffer.DataAsNumpy().tobytes()
        expected = storage_bytes(math.prod(shape), dtype)
        if len(raw) != expected:
            raise ValueError(f"tensor {name!r} {list(shape)} {type_name} holds {len(raw)} bytes, expected {expected}")
        data = _elements(raw, dtype, math.prod(shape)).reshape(shape)
    quant = _quant(table.Quantization(), dtype, shape, name, content)
    return Tensor(index, name, shape, free, dtype, type_name, data, quant, bool(table.IsVariable()))


def _elements(raw: bytes, dtype: DType, count: int) -> np.ndarray:
    if dtype is not DType.INT4:
        return np.frombuffer(raw, dtype.numpy.newbyteorder("<")).astype(dtype.numpy)
    pairs = np.frombuffer(raw, np.int8)  # the first element in the low nibble
    unpacked: np.ndarray = np.stack([(pairs << 4) >> 4, pairs >> 4], axis=1).ravel()[:count]
    return unpacked


def _quant(table: Any, dtype: DType | None, shape: tuple[int, ...], name: str, content: bytes) -> QuantParams | None:
    if table is None or dtype is None or not dtype.is_integer or not table.ScaleLength():
        return None
    scales = _vector(table.ScaleLength, table.ScaleAsNumpy, content)
    zeros = _vector(table.ZeroPointLength, table.ZeroPointAsNumpy, content) or [0] * len(scales)
    if len(zeros) == 1:
        zeros *= len(scales)
    lo, hi = dtype.range
    if any(not (math.isfinite(s) and s > 0) for s in scales) or any(not lo <= z <= hi for z in zeros):
        raise ValueError(f"tensor {name!r} has scales or zero points out of range")
    if len(scales) == 1:
        # Some files give per-tensor values a quantized_dimension that does not exist; it means nothing there.
        return QuantParams((scales[0],), (zeros[0],), dtype)
    # Of a vector there is only one axis; some converters copy the axis of the weights to the bias.
    axis = table.QuantizedDimension() if len(shape) > 1 else 0
    if not 0 <= axis < len(shape) or shape[axis] != len(scales) or len(zeros) != len(scales):
        raise ValueError(f"tensor {name!r} {list(shape)} has {len(scales)} scales on axis {axis}")
    return QuantParams(tuple(scales), tuple(zeros), dtype, axis)
