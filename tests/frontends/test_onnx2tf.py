"""`--via onnx2tf`: what is run, what is read back, and what is said where it is not installed.

A stand-in takes onnx2tf's place: it is large and pins other versions than ours.
"""

import json
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
import json, pathlib, sys
given = sys.argv[1:]
here = pathlib.Path(__file__).parent
(here / "called.json").write_text(json.dumps(given))
if (here / "fails").exists():
    print("ERROR: unsupported op Foo", file=sys.stderr)
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
    called = json.loads((stand_in / "called.json").read_text())
    assert called[:2] == ["-i", str(model)] and called[-2:] == ["-ois", "x:1,640"]


def test_its_complaint_is_quoted(stand_in: Path, model: Path) -> None:
    (stand_in / "fails").touch()
    with pytest.raises(ModelError, match="onnx2tf cannot convert it: ERROR: unsupported op Foo"):
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
