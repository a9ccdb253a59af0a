"""Model files -> Graph. Nothing past this package knows a file format."""

from collections.abc import Mapping
from pathlib import Path

from tinyml.errors import ModelError
from tinyml.ir.graph import Graph

__all__ = ["load_model", "model_files"]


def load_model(path: Path, *, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Reads a model file; its suffix says what it is.

    Args:
        input_shapes: shapes of inputs by name; the name "" stands for the only input.

    Raises:
        ModelError: the file is missing, malformed, or holds what cannot be compiled.
    """
    if not path.is_file():
        raise ModelError(f"model {path}: {'is a folder' if path.is_dir() else 'no such file'}")
    match path.suffix.lower():
        case ".tflite":
            from tinyml.frontends import tflite

            return tflite.load(path, input_shapes=input_shapes)
        case ".onnx":
            from tinyml.frontends import onnx

            return onnx.load(path, input_shapes=input_shapes)
        case ".keras" | ".h5":
            raise ModelError(f"model {path}: Keras files are not read yet", "convert it to .tflite or .onnx first")
    raise ModelError(
        f"model {path}: cannot tell its format from the suffix {path.suffix!r}", "expected .onnx or .tflite"
    )


def model_files(path: Path) -> tuple[Path, ...]:
    """The file of a model, and those that it keeps weights in."""
    if path.suffix.lower() == ".onnx" and b"location" in path.read_bytes():
        from tinyml.frontends.onnx.reader import data_files

        return (path, *data_files(path))
    return (path,)
