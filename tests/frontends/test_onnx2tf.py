"""`--via onnx2tf`: what is run, what is read back, and what is said where it is not installed.

A stand-in takes onnx2tf's place: it is large and pins other versions than ours.
"""

import json
import os
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from tinyml import zoo
from tinyml.cli.main import main
from tinyml.emit.tflite import Description, emit_tflite
from tinyml.errors import ModelError, ToolError, UsageError
from tinyml.frontends import load_model
from tinyml.ir.interpreter import run
from tinyml.passes import canonicalize

_STAND_IN = """
import json, os, pathlib, sys
import numpy as np
given = sys.argv[1:]
here = pathlib.Path(__file__).parent
(here / "called.json").write_text(json.dumps([given, os.environ["PATH"]]))
pictures = np.load("calibration_image_sample_data_20x128x128x3_float32.npy")  # else it would fetch them
assert pictures.shape == (20, 128, 128, 3) and 0 <= pictures.min() < pictures.max() <= 1
if (here / "fails").exists():
    print((here / "fails").read_text())
    raise SystemExit(1)
out = pathlib.Path(given[given.index("-o") + 1])
(out / "net_float16.tflite").write_bytes(b"half")
(out / "net_float32.tflite").write_bytes((here / "made.tflite").read_bytes())
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module onnx2tf on the path, in its folder; it gives made.tflite."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "onnx2tf.py").write_text(_STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return zoo.save("autoencoder", tmp_path / "ad.onnx")


def test_what_it_makes_is_read(stand_in: Path, model: Path) -> None:
    own = canonicalize(load_model(model))
    (stand_in / "made.tflite").write_bytes(emit_tflite(own, Description("ad")))
    other = canonicalize(load_model(model, via="onnx2tf", input_shapes={"x": (1, 640)}))
    x = np.random.default_rng(0).standard_normal((1, 640)).astype(np.float32)
    outputs = [run(graph, {graph.inputs[0]: x}).outputs[graph.outputs[0]] for graph in (own, other)]
    assert np.array_equal(*outputs)
    called, path = json.loads((stand_in / "called.json").read_text())
    assert called[:2] == ["-i", str(model)] and called[-2:] == ["-ois", "x:1,640"]
    assert "-eru" in called  # loops unrolled: there is no control flow here
    assert path.split(os.pathsep)[0] == sysconfig.get_path("scripts")  # where onnxsim is, which it runs


@pytest.mark.parametrize(
    ("printed", "quoted"),
    [
        ("ERROR: unsupported op Foo", "ERROR: unsupported op Foo"),
        ("KeyError: 'a'\nValueError: found: [[0.]\n  [0.]]\n\nplease read on", r"ValueError: found: \[\[0.\]"),
        ("", ""),
    ],
    ids=["last line", "last exception", "nothing"],
)
def test_its_complaint_is_quoted(stand_in: Path, model: Path, printed: str, quoted: str) -> None:
    (stand_in / "fails").write_text(printed)
    with pytest.raises(ModelError, match=f"onnx2tf cannot convert it: {quoted}$"):
        load_model(model, via="onnx2tf")


def test_another_network_is_refused(stand_in: Path, model: Path, tmp_path: Path) -> None:
    other = canonicalize(load_model(zoo.save("ds_cnn", tmp_path / "kws.onnx")))
    (stand_in / "made.tflite").write_bytes(emit_tflite(other, Description("ad")))
    with pytest.raises(ModelError, match=r"onnx2tf made outputs of \[12\] elements of it, where it has \[640\]"):
        load_model(model, via="onnx2tf")


def test_without_it_the_extra_is_named(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tinyml.frontends.onnx2tf.find_spec", lambda name: None)
    with pytest.raises(ToolError, match="onnx2tf is not installed"):
        load_model(model, via="onnx2tf")
    assert main(["analyze", "--via", "onnx2tf", str(model)]) == 1
    assert "pip install 'tinyml[onnx2tf]'" in capsys.readouterr().err


def test_it_is_for_onnx_files(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"for \.onnx files"):
        load_model(tmp_path / "net.tflite", via="onnx2tf")
