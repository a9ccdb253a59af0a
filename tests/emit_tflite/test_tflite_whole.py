"""Whole networks: the emitted C, LiteRT's reference and the file that came in say the same."""

import io
import math
import zipfile
from dataclasses import replace
from pathlib import Path

import flatbuffers.table
import numpy as np
import pytest
import tflite
from golden import litert_reference, random_inputs, tflm_sequence

from tinyml import zoo
from tinyml.build.host import HostModel, build_host_library
from tinyml.cli.main import main
from tinyml.emit.tflite import Description, emit_tflite
from tinyml.errors import ModelError
from tinyml.frontends import load_model
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Op, Pool2dAttrs, SvdfAttrs
from tinyml.ir.quant import QuantParams
from tinyml.passes import canonicalize
from tinyml.pipeline import Options, compile_model, need
from tinyml.quantize import Preprocess, prepare
from tinyml.targets import load_board


def canonical(path: Path) -> Graph:
    return canonicalize(load_model(path))


@pytest.mark.parametrize(
    ("name", "precision"),
    [("models/mlperf_tiny/kws_dscnn_float.tflite", "int8"), ("coverage/mobilenetv3_small_050.onnx", "w4a8")],
)
def test_litert_gives_what_the_emitted_c_gives(shared: Path, tmp_path: Path, name: str, precision: str) -> None:
    done = compile_model(Options(shared / name, load_board("host"), tmp_path, precision=precision), stop_after="emit")
    model = emit_tflite(need(done.quantized).graph, Description("net"))
    host = HostModel(build_host_library(need(done.bundle), tmp_path / "host", trace=False))
    for seed in range(3):
        inputs = random_inputs(model, seed)
        expected = [np.ascontiguousarray(y).tobytes() for y in litert_reference(model, inputs)]
        assert host.run([x.tobytes() for x in inputs]) == expected


@pytest.mark.parametrize("name", ["mlperf_tiny/ic_resnet8_int8", "mlperf_tiny/ad01_int8", "wake_vision/mcunet-vww0"])
def test_what_came_as_tflite_leaves_as_it(shared: Path, name: str) -> None:
    """The same outputs, from operators of the versions that TensorFlow's converter gave them, in a file that is no larger."""
    path = shared / "models" / f"{name}.tflite"
    before, after = path.read_bytes(), emit_tflite(prepare(canonical(path)).graph, Description("net"))
    inputs = random_inputs(before, 0)
    for expected, actual in zip(litert_reference(before, inputs), litert_reference(after, inputs), strict=True):
        assert np.array_equal(expected, actual)
    assert versions(after).items() <= versions(before).items()
    assert len(after) <= len(before)


def versions(model: bytes) -> dict[int, int]:
    root = tflite.Model.GetRootAs(model, 0)
    codes = [root.OperatorCodes(i) for i in range(root.OperatorCodesLength())]
    return {max(c.BuiltinCode(), c.DeprecatedBuiltinCode()): c.Version() for c in codes}


def test_state_is_carried_over(tmp_path: Path) -> None:
    """SVDF over six runs in TFLite Micro: LiteRT's reference takes a state of int8 for one of int16."""
    rng, b = np.random.default_rng(0), GraphBuilder("svdf")

    def constant(name: str, shape: tuple[int, ...], scale: float, dtype: DType = DType.INT8) -> str:
        data = rng.integers(-127, 128, shape).astype(dtype.numpy)
        return b.constant(name, data, QuantParams.per_tensor(scale, 0, dtype))

    x = b.input("x", (1, 8), DType.INT8, QuantParams.per_tensor(0.05, -4))
    state = b.state("state", (1, 24), DType.INT8, kept := QuantParams.per_tensor(0.2, 0))
    operands = [x, constant("feature", (6, 8), 0.02), constant("time", (6, 4), 0.01)]
    operands += [constant("bias", (3,), 0.002, DType.INT32), state]
    y, written = b.nodes(Op.SVDF, operands, SvdfAttrs(2), quants=[QuantParams.per_tensor(0.4, 7), kept])
    b.update_state(state, written)
    graph, path = b.build([y]), tmp_path / "svdf.tflite"
    path.write_bytes(emit_tflite(graph, Description("svdf")))
    runs = [random_inputs(path, seed) for seed in range(6)]
    expected, states = [], None
    for (given,) in runs:
        done = run(graph, {x: given}, states=states)
        states = done.states
        expected.append(done.outputs[y].tolist())
    assert [answer.tolist() for (answer,) in tflm_sequence(path, runs)] == expected
    assert len({str(answer) for answer in expected}) == 6


def test_float16_weights(tmp_path: Path) -> None:
    """Half the file; the outputs are those of the weights rounded to float16."""
    graph = prepare(canonical(zoo.save("ds_cnn", tmp_path / "kws.onnx")), precision="float32").graph
    whole, half = (emit_tflite(graph, Description("net"), half=half) for half in (False, True))
    values = {
        v.name: v if v.data is None or v.dtype is not DType.FLOAT32 else _rounded(v) for v in graph.values.values()
    }
    inputs = random_inputs(whole, 0)
    (expected,) = litert_reference(emit_tflite(graph.with_(values=values), Description("net")), inputs)
    (actual,) = litert_reference(half, inputs)
    assert np.array_equal(expected, actual) and not np.array_equal(actual, litert_reference(whole, inputs)[0])
    assert len(half) < 0.6 * len(whole)


def _rounded(value: Value) -> Value:
    return replace(value, data=value.constant.astype(np.float16).astype(np.float32))


def test_metadata(tmp_path: Path) -> None:
    graph = prepare(canonical(zoo.save("mobilenet_v1", tmp_path / "vww.onnx"))).graph
    about = Description("person", Preprocess.mean_std((0.5, 0.4, 0.3), (0.2, 0.25, 0.5)), ("none", "person"))
    model = emit_tflite(graph, about)
    assert model == emit_tflite(graph, about)
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        assert archive.read("labels.txt") == b"none\nperson\n"
    entries = dict(metadata(model))
    assert entries[b"min_runtime_version"] == b"1.14.0".ljust(16, b"\0")
    root = Table.root(entries[b"TFLITE_METADATA"], b"M001")
    assert root.text(0) == b"person"
    (subgraph,) = root.tables(3)
    (given,), (taken,) = subgraph.tables(2), subgraph.tables(3)
    assert given.byte(3, 0) == 2 and given.table(3).table(1).byte(0) == 1  # ImageProperties, RGB
    (unit,) = given.tables(4)
    assert unit.byte(0) == 1  # NormalizationOptions: (pixel - mean) / std
    assert np.allclose(unit.table(1).floats(0), [127.5, 102.0, 76.5])
    assert np.allclose(unit.table(1).floats(1), [51.0, 63.75, 127.5])
    (file,) = taken.tables(6)
    assert file.text(0) == b"labels.txt" and file.byte(2) == 2  # TENSOR_AXIS_LABELS
    assert not np.isnan(litert_reference(model, random_inputs(model, 0))[0]).any()  # the archive is in nobody's way


class Table:
    """A flatbuffer's table, read by the numbers of its fields as metadata_schema.fbs counts them."""

    def __init__(self, content: bytes, at: int) -> None:
        self._t = flatbuffers.table.Table(bytearray(content), at)
        self._content = content

    @staticmethod
    def root(content: bytes, identifier: bytes) -> "Table":
        assert content[4:8] == identifier
        return Table(content, int.from_bytes(content[:4], "little"))

    def _at(self, field: int) -> int:
        offset = self._t.Offset(4 + 2 * field)
        assert offset, f"field {field} is absent"
        return int(offset)

    def text(self, field: int) -> bytes:
        return bytes(self._t.String(self._at(field) + self._t.Pos))

    def byte(self, field: int, inner: int | None = None) -> int:
        return self.table(field).byte(inner) if inner is not None else self._content[self._at(field) + self._t.Pos]

    def table(self, field: int) -> "Table":
        return Table(self._content, self._t.Indirect(self._at(field) + self._t.Pos))

    def tables(self, field: int) -> list["Table"]:
        at = self._at(field)
        return [
            Table(self._content, self._t.Indirect(self._t.Vector(at) + 4 * i)) for i in range(self._t.VectorLen(at))
        ]

    def floats(self, field: int) -> np.ndarray:
        at = self._at(field)
        return np.frombuffer(self._content, "<f4", self._t.VectorLen(at), self._t.Vector(at))


def metadata(model: bytes) -> list[tuple[bytes, bytes]]:
    root = tflite.Model.GetRootAs(model, 0)
    entries = [root.Metadata(i) for i in range(root.MetadataLength())]
    return [(e.Name(), root.Buffers(e.Buffer()).DataAsNumpy().tobytes()) for e in entries]


def test_erf_is_a_table_of_int8() -> None:
    b = GraphBuilder("erf")
    x = b.input("x", (1, 256), DType.INT8, QuantParams.per_tensor(0.02, 3))
    graph = b.build([b.node(Op.ERF, [x], quant=QuantParams.per_tensor(1 / 127, 0))])
    given = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    (actual,) = litert_reference(emit_tflite(graph, Description("erf")), [given])
    expected = [127 * math.erf(0.02 * (int(v) - 3)) for v in given.ravel()]
    assert np.abs(actual.ravel() - np.array(expected)).max() <= 0.501


def test_what_has_no_form_is_named() -> None:
    b = GraphBuilder("net")
    x = b.input("x", (1, 8, 8, 2), DType.FLOAT32)
    y = b.node(Op.ERF, [x], name="gelu/Erf")
    window = Pool2dAttrs((3, 3), (2, 2), ((1, 1), (1, 1)))
    z = b.node(Op.AVERAGE_POOL2D, [y], window, name="pool")
    with pytest.raises(ModelError, match=r"2 node\(s\) have no form in TFLite") as caught:
        emit_tflite(b.build([z]), Description("erf"))
    assert "gelu/Erf (erf): float32 has no such operator in TFLite; quantize the model to int8" in str(caught.value)
    assert "pool (average_pool2d): an average without its padding of 1, 1 rows and 1, 1 columns" in str(caught.value)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = zoo.save("autoencoder", tmp_path / "ad.onnx")
    out = tmp_path / "out"
    assert main(["build", str(model), "-o", str(out), "--emit", "tflite,c"]) == 0
    assert (
        sorted(p.name for p in out.iterdir() if p.is_dir()) == ["src", "tflite"] and not (out / "firmware.elf").exists()
    )
    written = (out / "tflite" / "ad.tflite").read_bytes()
    assert written[4:8] == b"TFL3" and f"tflite/ad.tflite, {len(written):,} bytes" in capsys.readouterr().out
    assert main(["build", str(model), "-o", str(out), "--emit", "tflite-float16"]) == 2
    assert "add --precision float32" in capsys.readouterr().err
    assert main(["build", str(model), "--emit", "c,tflight"]) == 2
    assert "no way is called 'tflight'; expected firmware, c" in capsys.readouterr().err
