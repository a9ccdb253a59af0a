"""Model files -> Graph. Nothing past this package knows a file format."""

from collections.abc import Mapping
from pathlib import Path

from tinyml.errors import ModelError, UsageError
from tinyml.ir.graph import Graph

__all__ = ["VIAS", "is_saved_model", "load_model", "model_files", "need_model"]


VIAS = ("onnx2tf",)
"""Other ways in than our own frontends."""


def load_model(
    path: Path, *, input_shapes: Mapping[str, tuple[int, ...]] | None = None, via: str | None = None
) -> Graph:
    """Reads a model file; its suffix says what it is.

    Args:
        input_shapes: shapes of inputs by name; the name "" stands for the only input.
        via: one of VIAS, to convert an ONNX file with that first; None reads it with our own frontend.

    Raises:
        ModelError: the file is missing, malformed, or holds what cannot be compiled.
        ToolError: what it is converted with is not installed.
    """
    need_model(path)
    if via is not None and (via not in VIAS or path.suffix.lower() != ".onnx"):
        raise UsageError(f"model {path}: via {via!r}", f"it is for .onnx files, and one of {', '.join(VIAS)}")
    match path.suffix.lower():
        case suffix if suffix in (".keras", ".h5") or path.is_dir():
            from tinyml.frontends import keras

            graph = keras.load(path, input_shapes=input_shapes)
        case ".tflite":
            from tinyml.frontends import tflite

            graph = tflite.load(path, input_shapes=input_shapes)
        case ".onnx" if via is not None:
            from tinyml.frontends import onnx2tf

            graph = onnx2tf.load(path, input_shapes=input_shapes)
        case ".onnx":
            from tinyml.frontends import onnx

            graph = onnx.load(path, input_shapes=input_shapes)
        case suffix:
            raise ModelError(
                f"model {path}: cannot tell its format from the suffix {suffix!r}",
                "expected .onnx, .tflite, .keras or .h5",
            )
    _refuse_constant_outputs(graph, path)
    return graph


def need_model(path: Path) -> None:
    """Refuses a path that can be no model, before anything else is done.

    Raises:
        ModelError: it is neither a file nor a SavedModel folder.
    """
    if not path.is_file() and not is_saved_model(path):
        raise ModelError(f"model {path}: {'is a folder' if path.is_dir() else 'no such file'}")


def is_saved_model(path: Path) -> bool:
    """A folder as TensorFlow's SavedModel has it."""
    return (path / "saved_model.pb").is_file()


def _refuse_constant_outputs(graph: Graph, path: Path) -> None:
    """An output that no input reaches (the anchors of a detector, for example) is nothing to compute."""
    reached = {*graph.inputs, *(state.read for state in graph.states)}
    for node in graph.nodes:
        if not reached.isdisjoint(node.used):
            reached.update(node.outputs)
    constant = [name for name in graph.outputs if name not in reached]
    if constant:
        raise ModelError(
            f"model {path}: {', '.join(constant)}: an output that is the same whatever the input",
            "remove it from the outputs of the model, and keep its values in the application",
        )


def model_files(path: Path) -> tuple[Path, ...]:
    """The file of a model, and those that it keeps weights in."""
    if path.is_dir():
        return tuple(sorted(file for file in path.rglob("*") if file.is_file()))
    if path.suffix.lower() == ".onnx" and b"location" in path.read_bytes():
        from tinyml.frontends.onnx.reader import data_files

        return (path, *data_files(path))
    return (path,)
