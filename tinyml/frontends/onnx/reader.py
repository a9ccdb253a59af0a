"""From a file to a checked protobuf message."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from tinyml.errors import ModelError
from tinyml.frontends.onnx.tensors import external_path

OLDEST_OPSET = 11
NEWEST_OPSET = 21
_MAX_FILE_BYTES = 1 << 31  # protobuf's own limit


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A parsed model.

    Attributes:
        opset: version of the default operator set.
        graph: the GraphProto.
        functions: names of model-local functions, as (domain, name).
    """

    path: Path
    opset: int
    graph: Any
    functions: frozenset[tuple[str, str]]

    @property
    def folder(self) -> Path:
        return self.path.parent


def read(path: Path) -> ModelFile:
    """Parses a file and checks its opset.

    Raises:
        ModelError: it cannot be read, is not ONNX, or is of an opset that we do not know.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_FILE_BYTES:
            raise ModelError(f"{path}: {size} bytes, more than an ONNX file may have ({_MAX_FILE_BYTES})")
        data = path.read_bytes()
    except OSError as e:
        raise ModelError(f"{path}: cannot be read: {e.strerror or e}") from e
    try:
        model = onnx.ModelProto.FromString(data)
        _refuse_broken_text(model)
    except (DecodeError, UnicodeDecodeError) as e:
        raise ModelError(f"{path}: not an ONNX model, or damaged: {e}", "is the file complete?") from e
    if not model.HasField("graph"):
        raise ModelError(f"{path}: not an ONNX model, or damaged: it holds no graph", "is the file complete?")
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if len(versions) != 1:
        raise ModelError(f"{path}: states {len(versions)} versions of the ONNX operator set, expected one")
    (opset,) = versions
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"{path}: opset {opset}, expected {OLDEST_OPSET} to {NEWEST_OPSET}",
            "export again with opset_version=17, or use onnx.version_converter.convert_version(model, 17)",
        )
    if opset > onnx.defs.onnx_opset_version():
        raise ModelError(
            f"{path}: opset {opset} is newer than the installed onnx package knows "
            f"({onnx.defs.onnx_opset_version()}), expected {OLDEST_OPSET} to {NEWEST_OPSET}",
            "export again with opset_version=17",
        )
    functions = frozenset((f.domain, f.name) for f in model.functions)
    return ModelFile(path, opset, model.graph, functions)


def _refuse_broken_text(message: Any) -> None:
    """Raises DecodeError where a name is not UTF-8: protobuf then hands out bytes. The depth is bounded by protobuf."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            texts = (value,) if isinstance(value, str | bytes) else value
            if any(isinstance(t, bytes) for t in texts):
                raise DecodeError(f"{field.name} of {message.DESCRIPTOR.name} is not text")
        elif field.type == field.TYPE_MESSAGE:
            for inner in (value,) if hasattr(value, "ListFields") else value:
                _refuse_broken_text(inner)


def data_files(path: Path) -> tuple[Path, ...]:
    """The files beside a model that hold data of its tensors, sorted; those that `decode` would refuse are left out."""
    found: set[Path] = set()
    try:
        tensors = list(_tensors(onnx.ModelProto.FromString(path.read_bytes())))
    except (OSError, DecodeError, UnicodeDecodeError):
        return ()  # reading the model says what is wrong
    for tensor in tensors:
        try:
            file = external_path(tensor, path.parent)
        except (OSError, ValueError):
            continue
        if file is not None and file.is_file():
            found.add(file)
    return tuple(sorted(found))


def _tensors(message: Any) -> Iterator[Any]:
    """All TensorProtos in a message, those of attributes and subgraphs included. The depth is bounded by protobuf."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for inner in (value,) if hasattr(value, "ListFields") else value:
                yield from _tensors(inner)
