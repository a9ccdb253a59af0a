"""ONNX models by way of onnx2tf, for those that our own frontend does not take.

onnx2tf writes the network anew for TensorFlow and converts that to TFLite. It brings TensorFlow, in versions of its own, so
it is an extra; it runs only when it is asked for, in a process of its own. Maps become NHWC, network inputs too.
"""

import math
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx

from tinyml.errors import ModelError, ToolError
from tinyml.frontends.converter import run_converter
from tinyml.frontends.tflite import load as load_tflite
from tinyml.ir.graph import Graph

# Pictures that it tries the network with, whose axes it settles by that. It would fetch them from the network, but takes
# those in its folder first.
_PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"


def load(path: Path, *, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Reads an ONNX file as the float32 .tflite file that onnx2tf makes of it.

    Args:
        input_shapes: shapes of inputs whose dimensions are free, by name and with the axes of the ONNX file.

    Raises:
        ToolError: onnx2tf is not installed.
        ModelError: it cannot convert the model, or what it makes cannot be compiled.
    """
    if find_spec("onnx2tf") is None:
        raise ToolError(
            f"model {path}: --via onnx2tf: onnx2tf is not installed here",
            "pip install 'tinyml[onnx2tf]', in an environment without other TensorFlow extras: it wants its own versions",
        )
    shapes = [f"{name}:{','.join(map(str, shape))}" for name, shape in (input_shapes or {}).items()]
    with tempfile.TemporaryDirectory(prefix="tinyml-") as folder:
        np.save(Path(folder) / _PICTURES, np.random.default_rng(0).random((20, 128, 128, 3), np.float32))
        command = [sys.executable, "-m", "onnx2tf", "-i", str(path.resolve()), "-o", folder, "-n", "-eru"]
        command += ["-ois", *shapes] if shapes else []
        run_converter("onnx2tf", command, path, Path(folder))
        written = sorted(Path(folder).glob("*_float32.tflite"))
        if not written:
            raise ModelError(f"model {path}: onnx2tf wrote no float32 .tflite file")
        graph = load_tflite(written[0])
    _check_outputs(path, graph)
    return graph


def _check_outputs(path: Path, graph: Graph) -> None:
    """It was seen to make outputs of two results where a GRU of several layers gives one.

    Raises:
        ModelError: an output has another number of elements than the ONNX file says.
    """
    declared = [output.type.tensor_type.shape.dim for output in onnx.load(path, load_external_data=False).graph.output]
    wanted = [math.prod(d.dim_value for d in dims) for dims in declared]
    made = [graph.value(name).elements for name in graph.outputs]
    if all(wanted) and sorted(wanted) != sorted(made):
        raise ModelError(f"model {path}: onnx2tf made outputs of {made} elements of it, where it has {wanted}")
