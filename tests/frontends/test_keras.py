"""Keras files and SavedModel folders, where TensorFlow is installed; what is said where it is not."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tinyml.errors import ModelError, ToolError
from tinyml.frontends import load_model, model_files
from tinyml.ir.interpreter import run
from tinyml.passes import canonicalize

needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")


def test_without_tensorflow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyml.frontends.keras.find_spec", lambda name: None)
    (tmp_path / "net.keras").write_bytes(b"x")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    for name in ("net.keras", "saved"):
        with pytest.raises(ToolError, match=r"TensorFlow, which is not installed here\n.*tinyml\[tensorflow\]"):
            load_model(tmp_path / name)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "absent.keras")


def test_a_saved_model_is_all_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    for name in ("saved_model.pb", "variables/data"):
        (tmp_path / name).write_bytes(b"x")
    assert model_files(tmp_path) == (tmp_path / "saved_model.pb", tmp_path / "variables" / "data")


_MAKE = """
import sys
import numpy as np
import tensorflow as tf
folder = sys.argv[1]
keras = tf.keras
model = keras.Sequential([
    keras.layers.Input((8, 8, 3), batch_size=1),
    keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
    keras.layers.DepthwiseConv2D(3),
    keras.layers.BatchNormalization(),
    keras.layers.GlobalAveragePooling2D(),
    keras.layers.Dense(3, activation="softmax"),
])
x = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
np.savez(folder + "/io.npz", x=x, y=model(x, training=False).numpy())
model.save(folder + "/net.keras")
model.save(folder + "/net.h5")
model.export(folder + "/saved")
"""


@needs_tensorflow
def test_each_form_computes_what_keras_does(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _MAKE, str(tmp_path)], check=True, capture_output=True)
    stored = np.load(tmp_path / "io.npz", allow_pickle=False)
    for name in ("net.keras", "net.h5", "saved"):
        graph = canonicalize(load_model(tmp_path / name))
        (y,) = run(graph, {graph.inputs[0]: stored["x"]}).outputs.values()
        np.testing.assert_allclose(y, stored["y"], atol=1e-6, err_msg=name)


@needs_tensorflow
def test_what_tensorflow_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "bad.keras").write_bytes(b"no zip")
    with pytest.raises(ModelError, match=r"bad\.keras: TensorFlow cannot convert it: "):
        load_model(tmp_path / "bad.keras")


@needs_tensorflow
def test_code_in_a_model_is_not_run(tmp_path: Path) -> None:
    import h5py

    config = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {}}]}}
    with h5py.File(tmp_path / "code.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(ModelError, match="a Lambda layer, whose Python code we do not run"):
        load_model(tmp_path / "code.h5")


@needs_tensorflow
def test_the_published_keras_file_is_the_published_float_file(shared: Path) -> None:
    models = shared / "models" / "mlperf_tiny"
    graphs = [canonicalize(load_model(models / name)) for name in ("vww_96.h5", "vww_96_float.tflite")]
    x = np.random.default_rng(0).random((1, 96, 96, 3), np.float32)
    a, b = (next(iter(run(g, {g.inputs[0]: x}).outputs.values())) for g in graphs)
    np.testing.assert_allclose(a, b, atol=1e-5)
