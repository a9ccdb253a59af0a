"""TFLite models: int8 and float32, with uint8, int16 and float inputs and outputs."""

from collections.abc import Mapping
from pathlib import Path

from tinyml.frontends.tflite import elementwise, layers, movement, resample  # noqa: F401  each registers its handlers
from tinyml.frontends.tflite.importer import build_graph
from tinyml.frontends.tflite.reader import read
from tinyml.ir.graph import Graph

__all__ = ["load"]


def load(path: Path, *, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Reads a .tflite file. Quantization parameters are kept as they are, bit for bit.

    Raises:
        ModelError: the file is malformed, or holds operators that cannot be compiled (all of them are listed).
    """
    return build_graph(read(path), input_shapes or {})
