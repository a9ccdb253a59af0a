"""The reference architectures: published sizes, determinism, usable activations."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from tinyml import zoo
from tinyml.errors import UsageError


def counts(model: onnx.ModelProto) -> tuple[int, int, int, int]:
    """MACs, parameters, output channels of all convolutions and of those in squeeze-excite blocks; shapes by onnx."""
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    infos = (*model.graph.value_info, *model.graph.output)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in infos}
    sizes = {t.name: list(t.dims) for t in model.graph.initializer}
    macs = convolved = excited = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            macs += math.prod(sizes[node.input[1]]) * math.prod(shapes[node.output[0]][2:])
        if node.op_type == "Conv":
            convolved += sizes[node.input[1]][0]
            excited += sizes[node.input[1]][0] if ".se." in node.name else 0
    parameters = sum(math.prod(s) for s in sizes.values() if s)
    return macs, parameters, convolved, excited


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_entries_state_what_the_models_have(name: str) -> None:
    macs, parameters, _, _ = counts(zoo.build(name))
    assert (macs, parameters) == (zoo.ENTRIES[name].macs, zoo.ENTRIES[name].parameters)


def test_mobilenet_v1_is_mlperf_visual_wake_words() -> None:
    # Keras counts 221,794 for MLPerf Tiny's model: convolutions with bias, and four numbers a channel for the batch
    # normalization that is folded here. The MACs are written out layer by layer.
    macs, parameters, convolved, _ = counts(zoo.build("mobilenet_v1"))
    assert parameters + 4 * convolved == 221_794
    stem = 48 * 48 * 27 * 8
    depthwise = 9 * (
        48 * 48 * 8 + 24 * 24 * (16 + 32) + 12 * 12 * (32 + 64) + 6 * 6 * (64 + 5 * 128) + 3 * 3 * (128 + 256)
    )
    pointwise = (
        48 * 48 * 8 * 16
        + 24 * 24 * (16 * 32 + 32 * 32)
        + 12 * 12 * (32 * 64 + 64 * 64)
        + 6 * 6 * (64 * 128 + 5 * 128 * 128)
        + 3 * 3 * (128 * 256 + 256 * 256)
    )
    assert macs == stem + depthwise + pointwise + 256 * 2 == 7_489_664


def test_mobilenet_v2_at_full_width() -> None:
    # The paper's table 4: 300 M multiply-adds, 3.4 M parameters; torchvision counts 3,504,872 with two numbers a
    # channel for batch normalization where the folded model has one bias.
    macs, parameters, convolved, _ = counts(zoo.build("mobilenet_v2", alpha=1.0, resolution=224, classes=1000))
    assert round(macs / 1e6) in (300, 301)
    assert parameters + convolved == 3_504_872


def test_mobilenet_v3_small_at_full_width() -> None:
    # The paper's table 4: 56 M multiply-adds, 2.5 M parameters; torchvision counts 2,542,856. Convolutions of
    # squeeze-excite blocks have a bias and no batch normalization.
    macs, parameters, convolved, excited = counts(
        zoo.build("mobilenet_v3_small", alpha=1.0, resolution=224, classes=1000)
    )
    assert int(macs / 1e6) == 56
    assert parameters + convolved - excited == 2_542_856


@pytest.mark.parametrize(
    ("variant", "mega_macs", "mega_parameters"), [("vww0", 6.0, 0.37), ("vww1", 11.6, 0.43), ("vww2", 55.8, 0.64)]
)
def test_mcunet(variant: str, mega_macs: float, mega_parameters: float) -> None:
    # As the model zoo of MCUNet states them (https://github.com/mit-han-lab/mcunet), batch normalization unfolded.
    macs, parameters, convolved, _ = counts(zoo.build("mcunet", variant=variant))
    assert round(macs / 1e6, 1) == mega_macs
    assert round((parameters + convolved) / 1e6, 2) == mega_parameters


def test_resnet8() -> None:
    # Keras counts 78,666: batch normalization (four numbers a channel) behind all convolutions but the two shortcuts.
    # MACs by hand: 1024*(27*16 + 2*9*16*16) + 256*(9*16*32 + 9*32*32 + 16*32) + 64*(9*32*64 + 9*64*64 + 32*64) + 640.
    macs, parameters, convolved, _ = counts(zoo.build("resnet8"))
    assert parameters + 4 * (convolved - 32 - 64) == 78_666
    assert macs == 1024 * 5040 + 256 * 14336 + 64 * 57344 + 640 == 12_501_632


def test_ds_cnn() -> None:
    # Keras counts 24,908 (bias and batch normalization). By hand: 125 * (40*64 + 4 * (9*64 + 64*64)) + 64*12.
    macs, parameters, convolved, _ = counts(zoo.build("ds_cnn"))
    assert parameters + 4 * convolved == 24_908
    assert macs == 125 * (2560 + 4 * 4672) + 768 == 2_656_768


def test_autoencoder() -> None:
    # Keras counts 269,992; MACs: 2*640*128 + 6*128*128 + 2*8*128.
    macs, parameters, _, _ = counts(zoo.build("autoencoder"))
    assert parameters == 269_992
    assert macs == 163_840 + 98_304 + 2_048


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_activations_stay_in_range(name: str) -> None:
    model = zoo.build(name)
    onnx.checker.check_model(model, full_check=True)
    for node in model.graph.node:  # look at every layer
        if node.output[0] != "output":
            model.graph.output.append(onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    shape = session.get_inputs()[0].shape
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    for layer in session.run(None, {"input": x}):
        assert np.all(np.isfinite(layer))
        assert 1e-3 < np.max(np.abs(layer)) < 100


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    here = zoo.save("ds_cnn", tmp_path / "a.onnx", 7).read_bytes()
    script = "import sys; from tinyml import zoo; zoo.save('ds_cnn', sys.argv[1], 7)"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "b.onnx")], check=True)
    assert (tmp_path / "b.onnx").read_bytes() == here
    assert zoo.save("ds_cnn", tmp_path / "c.onnx", 8).read_bytes() != here


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobilenet_v4", {}, "did you mean mobilenet_v"),
        ("resnet8", {"alpha": 1.0}, "no option 'alpha', expected classes"),
        ("mcunet", {"variant": "vww3"}, "expected vww0, vww1, vww2"),
        ("mobilenet_v2", {"resolution": 8}, "from 32"),
        ("mobilenet_v2", {"alpha": 0}, "from 0.05 to 4"),
    ],
)
def test_mistakes(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        zoo.build(name, **options)


# Which trained model of a developer's checkout has the same layers as ours.
_TRAINED = [
    ("mlperf_tiny/vww_96_float.tflite", "mobilenet_v1", {}),
    ("mlperf_tiny/ic_resnet8_float.tflite", "resnet8", {}),
    ("mlperf_tiny/kws_dscnn_float.tflite", "ds_cnn", {}),
    ("mlperf_tiny/ad01_fp32.tflite", "autoencoder", {}),
    ("wake_vision/mcunet-vww0.tflite", "mcunet", {"variant": "vww0"}),
    ("wake_vision/mcunet-vww1.tflite", "mcunet", {"variant": "vww1"}),
    ("wake_vision/mcunet-vww2.tflite", "mcunet", {"variant": "vww2"}),
]


@pytest.mark.parametrize(("file", "name", "options"), _TRAINED, ids=[t[0] for t in _TRAINED])
def test_layers_equal_those_of_the_trained_model(shared: Path, file: str, name: str, options: dict[str, Any]) -> None:
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = interpreter_module.Interpreter(str(shared / "models" / file))
    shapes = {t["index"]: t["shape"].tolist() for t in interpreter.get_tensor_details()}
    theirs = []
    for op in interpreter._get_ops_details():
        if op["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            depthwise = op["op_name"].startswith("DEPTHWISE")
            w = shapes[op["inputs"][1]]
            theirs.append((math.prod(w), max(w[0], w[-1]) if depthwise else w[0], shapes[op["outputs"][0]][1:-1]))
    model = onnx.shape_inference.infer_shapes(zoo.build(name, **options), strict_mode=True)
    infos = (*model.graph.value_info, *model.graph.output)
    ours_shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in infos}
    sizes = {t.name: list(t.dims) for t in model.graph.initializer}
    ours = [
        (math.prod(sizes[n.input[1]]), sizes[n.input[1]][0], ours_shapes[n.output[0]][2:])
        for n in model.graph.node
        if n.op_type in ("Conv", "Gemm")
    ]
    if name == "mcunet":  # their classifier is a convolution on one pixel
        theirs[-1] = (*theirs[-1][:2], [])
    assert sorted(map(str, ours)) == sorted(map(str, theirs))
