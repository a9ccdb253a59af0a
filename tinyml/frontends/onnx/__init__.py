"""ONNX models, float and QDQ, opset 11 to 21."""

from collections.abc import Mapping
from pathlib import Path

from tinyml.frontends.onnx import (  # noqa: F401  each registers its handlers
    arithmetic,
    conv,
    elementwise,
    matmul,
    normalize,
    pool,
    quantization,
    resample,
    shape,
)
from tinyml.frontends.onnx.importer import build_graph
from tinyml.frontends.onnx.inputs import bind_inputs, refuse_batches
from tinyml.frontends.onnx.reader import read
from tinyml.ir.graph import Graph

__all__ = ["load"]


def load(path: str | Path, *, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Reads an ONNX file.

    Tensors keep the axes that they have in the file. Operations that the IR defines channels last (convolution,
    pooling, batch normalization) stand between TRANSPOSE nodes, which the layout pass removes; 1-D ones lay time on H.

    Args:
        input_shapes: shapes of inputs by name; without one, free dimensions become 1 and a note says so.

    Raises:
        ModelError: the file is unreadable or malformed, its batch is not 1, or nodes in it cannot be compiled (all
            of them are listed).
    """
    file = read(Path(path))
    inputs = bind_inputs(file, input_shapes or {})
    refuse_batches(file, inputs)
    return build_graph(file, inputs)
