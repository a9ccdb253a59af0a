"""Keras models (.keras, .h5) and TensorFlow's SavedModel, by way of TensorFlow's own converter to TFLite.

TensorFlow is large and needed by few, so it is an extra, and it runs in a process of its own. Nothing in a model is executed
that it brings along (Lambda layers hold Python code).
"""

import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from tinyml.errors import ModelError, ToolError
from tinyml.frontends.converter import run_converter
from tinyml.frontends.tflite import load as load_tflite
from tinyml.ir.graph import Graph

# Runs in the other process. Keras 3 reads what it can; older .h5 files need Keras 2 (tf_keras).
_CONVERT = """
import json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
source, target = sys.argv[1:]

def brings_code(config):
    if isinstance(config, dict):
        return config.get("class_name") in ("Lambda", "__lambda__") or any(map(brings_code, config.values()))
    return isinstance(config, list) and any(map(brings_code, config))

def convert():
    import tensorflow as tf
    if os.path.isdir(source):
        return tf.lite.TFLiteConverter.from_saved_model(source).convert()
    if source.lower().endswith(".h5"):
        import h5py
        with h5py.File(source, "r") as file:
            config = file.attrs.get("model_config", "")
        config = config.decode() if isinstance(config, bytes) else str(config)
        if not config:
            raise SystemExit("it holds weights only, no network")
        if brings_code(json.loads(config)):
            raise SystemExit("it has a Lambda layer, whose Python code we do not run")
    try:
        model = tf.keras.models.load_model(source, compile=False)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
    except Exception as first:
        try:
            import tf_keras
        except ImportError:
            raise first
        if not source.lower().endswith(".h5"):
            raise
        model = tf_keras.models.load_model(source, compile=False)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
    return converter.convert()

try:
    content = convert()
except SystemExit:
    raise
except Exception as e:
    raise SystemExit(f"{type(e).__name__}: {' '.join(str(e).split())[:400]}")
with open(target, "wb") as file:
    file.write(content)
"""


def load(path: Path, *, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Reads a Keras file or a SavedModel folder as the float network that TensorFlow makes a .tflite file of.

    Raises:
        ToolError: TensorFlow is not installed.
        ModelError: it cannot read the model.
    """
    if find_spec("tensorflow") is None:
        raise ToolError(
            f"model {path}: Keras models are read with TensorFlow, which is not installed here",
            "pip install 'tinyml[tensorflow]', or convert the model to .tflite or .onnx where TensorFlow is",
        )
    with tempfile.TemporaryDirectory(prefix="tinyml-") as folder:
        converted = Path(folder) / f"{path.stem}.tflite"
        command = [sys.executable, "-c", _CONVERT, str(path.resolve()), str(converted)]
        run_converter("TensorFlow", command, path, Path(folder))
        if not converted.is_file():
            raise ModelError(f"model {path}: TensorFlow ended before it had converted it")
        return load_tflite(converted, input_shapes=input_shapes)
