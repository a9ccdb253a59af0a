"""Tensors while a model is being read: constants that numpy knows, or values of the graph that is being built."""

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from onnx import TensorProto

from tinyml.ir.dtypes import DType
from tinyml.ir.quant import QuantParams

# No microcontroller holds more; the cap keeps a damaged file from asking for all memory of the host.
MAX_ELEMENTS = 1 << 26
MAX_RANK = 8


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A tensor whose elements are known while reading: an initializer, or what follows from one or from a shape.

    Attributes:
        quant: where the model dequantizes a constant: `array` holds the stored integers, the tensor means
            the real numbers quant.dequantize(array).
        int4: the file stores it in 4 bits; `array` holds one number an int8, or an uint8.
    """

    array: np.ndarray
    name: str = ""
    quant: QuantParams | None = None
    int4: bool = False


FOUR_BITS = (TensorProto.INT4, TensorProto.UINT4)

# A known tensor, or the name of a value in the graph that is being built.
Tensor = Known | str

_NUMPY: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT16: "float16",
    TensorProto.INT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.UINT8: "uint8",
    TensorProto.UINT16: "uint16",
    TensorProto.UINT32: "uint32",
    TensorProto.UINT64: "uint64",
    TensorProto.BOOL: "bool",
}
_FIELD: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
}  # all others: int32_data


def type_name(elem_type: int) -> str:
    """ONNX's name of an element type, for messages."""
    names: dict[int, str] = {number: name for name, number in TensorProto.DataType.items()}
    return names.get(elem_type, f"element type {elem_type}").lower()


def numpy_dtype(elem_type: int) -> np.dtype[Any] | None:
    """The numpy type that we compute with: every float type becomes float32. None where we have none."""
    if elem_type == TensorProto.BFLOAT16:
        return np.dtype("float32")
    if elem_type not in _NUMPY:
        return None
    dtype = np.dtype(_NUMPY[elem_type])
    return np.dtype("float32") if dtype.kind == "f" else dtype


def graph_dtype(elem_type: int) -> DType | None:
    """The IR's type of a tensor that is computed at run time; None where there is none."""
    dtype = numpy_dtype(elem_type)
    return next((d for d in DType if d is not DType.INT4 and d.numpy == dtype), None)


def check_size(shape: tuple[int, ...], what: str) -> None:
    """Refuses shapes that no target could hold.

    Raises:
        ValueError: with the reason.
    """
    if len(shape) > MAX_RANK:
        raise ValueError(f"{what} has {len(shape)} axes, more than {MAX_RANK}")
    if any(n < 0 for n in shape):
        raise ValueError(f"{what} has a negative size: {list(shape)}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise ValueError(f"{what} has {math.prod(shape)} elements {list(shape)}, more than {MAX_ELEMENTS}")


def decode(proto: Any, folder: Path) -> np.ndarray:
    """The elements of a TensorProto; float16, bfloat16 and double come as float32.

    Args:
        folder: where the model file lies; external data must lie there too.

    Raises:
        ValueError: sizes do not fit the declared shape, the type is unknown, or the data lies elsewhere.
    """
    what = f"tensor {proto.name!r}"
    shape = tuple(int(n) for n in proto.dims)
    check_size(shape, what)
    if proto.data_type in FOUR_BITS and not proto.HasField("segment"):
        return _nibbles(proto, folder, math.prod(shape), what).reshape(shape)
    target = numpy_dtype(proto.data_type)
    if target is None:
        raise ValueError(f"{what} holds {type_name(proto.data_type)}, which is not supported")
    if proto.HasField("segment"):
        raise ValueError(f"{what} is stored in segments, which is not supported")
    bfloat16 = proto.data_type == TensorProto.BFLOAT16
    stored = np.dtype("uint16" if bfloat16 else _NUMPY[proto.data_type])
    raw = _raw_bytes(proto, folder, what)
    if raw is not None:
        needed = math.prod(shape) * stored.itemsize
        if len(raw) != needed:
            raise ValueError(f"{what} has {len(raw)} bytes of data, {stored.name}{list(shape)} needs {needed}")
        if stored.kind == "b":
            flat = np.frombuffer(raw, np.uint8) != 0
        else:
            flat = np.frombuffer(raw, stored.newbyteorder("<")).astype(stored)
    else:
        flat = _typed_field(proto, stored, math.prod(shape), what)
    if bfloat16:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # a double beyond float32 is infinite
        return np.asarray(flat.astype(target).reshape(shape))


def _nibbles(proto: Any, folder: Path, count: int, what: str) -> np.ndarray:
    """int4 as int8, uint4 as uint8: two in a byte, the first one low; bytes are raw, or one in each int32."""
    raw = _raw_bytes(proto, folder, what)
    packed = np.array(proto.int32_data if raw is None else list(raw), np.int64)
    if len(packed) != (count + 1) // 2 or np.any((packed < 0) | (packed > 255)):
        raise ValueError(f"{what} has {len(packed)} bytes of data, {count} numbers of 4 bits need {(count + 1) // 2}")
    nibbles = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[:count]
    if proto.data_type == TensorProto.UINT4:
        return nibbles.astype(np.uint8)
    signed: np.ndarray = ((nibbles ^ 8) - 8).astype(np.int8)
    return signed


def _typed_field(proto: Any, stored: np.dtype[Any], count: int, what: str) -> np.ndarray:
    values = getattr(proto, _FIELD.get(proto.data_type, "int32_data"))
    if len(values) != count:
        raise ValueError(f"{what} has {len(values)} elements of data, its shape {list(proto.dims)} needs {count}")
    if stored.kind == "f" and stored.itemsize == 2:  # float16 is stored as its bits
        return _narrow(np.array(values, np.int64), np.dtype("uint16"), what).view(stored)
    if stored.kind == "f":
        return np.array(values, stored)
    wide = np.array(values, np.uint64 if stored.kind == "u" and stored.itemsize > 2 else np.int64)
    return _narrow(wide, stored, what)


def _narrow(wide: np.ndarray, stored: np.dtype[Any], what: str) -> np.ndarray:
    narrow = wide.astype(stored)
    if not np.array_equal(narrow.astype(wide.dtype), wide):
        raise ValueError(f"{what} holds numbers outside {stored.name}")
    return narrow


def _raw_bytes(proto: Any, folder: Path, what: str) -> bytes | None:
    if proto.data_location == TensorProto.EXTERNAL:
        return _external_bytes(proto, folder, what)
    return bytes(proto.raw_data) if proto.HasField("raw_data") else None


def external_path(proto: Any, folder: Path) -> Path | None:
    """The file that holds the elements of a TensorProto, or None where the model file itself does.

    Raises:
        ValueError: it is not in the model's folder.
        OSError: it cannot be looked for.
    """
    if proto.data_location != TensorProto.EXTERNAL:
        return None
    location = next((e.value for e in proto.external_data if e.key == "location"), "")
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    outside = not location or "\0" in location or posix.is_absolute() or windows.anchor or ".." in windows.parts
    if outside or not (folder / posix).resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"tensor {proto.name!r} points to data outside the model's folder: {location!r}")
    return folder / posix


def _external_bytes(proto: Any, folder: Path, what: str) -> bytes:
    entries = {e.key: e.value for e in proto.external_data}
    location = entries.get("location", "")
    try:
        path = external_path(proto, folder)
        assert path is not None
        size = path.stat().st_size
        offset = _number(entries.get("offset", "0"), what)
        length = _number(entries.get("length", str(max(size - offset, 0))), what)
        if offset + length > size or not path.is_file():
            raise ValueError(f"{what} needs bytes {offset} to {offset + length} of {location!r}, which has {size}")
        if length > MAX_ELEMENTS * 8:
            raise ValueError(f"{what} has {length} bytes of data")
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    except OSError as e:
        raise ValueError(f"{what} lies in {location!r}, which cannot be read: {e.strerror or e}") from e


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"{what}: offset or length of its external data is {text!r}")
    return int(text)
