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

            graph = tflite.load(path, input_shapes=input_shapes)
        case ".onnx":
            from tinyml.frontends import onnx

            graph = onnx.load(path, input_shapes=input_shapes)
        case ".keras" | ".h5":
            raise ModelError(f"model {path}: Keras files are not read yet", "convert it to .tflite or .onnx first")
        case suffix:
            raise ModelError(
                f"model {path}: cannot tell its format from the suffix {suffix!r}", "expected .onnx or .tflite"
            )
    _refuse_constant_outputs(graph, path)
    return graph


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
    if path.suffix.lower() == ".onnx" and b"location" in path.read_bytes():
        from tinyml.frontends.onnx.reader import data_files

        return (path, *data_files(path))
    return (path,)
