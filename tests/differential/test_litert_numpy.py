"""The numpy interpreter against LiteRT's reference kernels on real networks, as they are loaded and after the passes."""

from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tflite
from golden import random_inputs, without_bad_axes
from litert_batch import Case, assert_equal, ours

from tinyml.frontends.tflite import load

# keyword_scrambled_8bit is not here: LiteRT's SVDF cannot compute with its int8 states (docs/numerics.md).
INT8 = [
    "mlperf_tiny/ad01_int8",
    "mlperf_tiny/ic_resnet8_int8",
    "mlperf_tiny/kws_dscnn_int8",
    "mlperf_tiny/vww_96_int8",
    "tflite_micro/hello_world_int8",
    "tflite_micro/micro_speech_quantized",
    "tflite_micro/person_detect",
    "tinyengine/vww1-float-io",
    "wake_vision/challenge-hallaq",
    "wake_vision/colabnas-k8c5",
    "wake_vision/mcunet-vww0",
    "wake_vision/mcunet-vww1",
    "wake_vision/mcunet-vww2",
    "wake_vision/mobilenetv2-025",
]
FLOAT32 = [
    "mlperf_tiny/ad01_fp32",
    "mlperf_tiny/ic_resnet8_float",
    "mlperf_tiny/vww_96_float",
    "tflite_micro/hello_world_float",
]
RUNS = 5


def case(content: bytes, name: str) -> Case:
    return Case(name, content, [random_inputs(content, seed) for seed in range(RUNS)])


@pytest.mark.parametrize("name", INT8)
def test_int8(shared: Path, tmp_path: Path, name: str) -> None:
    """Every byte of every output of five seeded inputs."""
    content = (shared / "models" / f"{name}.tflite").read_bytes()
    assert_equal([case(without_bad_axes(content), name)], tmp_path)


def test_person_detect_is_read_as_it_is(shared: Path, tmp_path: Path) -> None:
    """The axes that LiteRT refuses mean nothing: the result is that of the mended file, which is compared above."""
    original = shared / "models" / "tflite_micro" / "person_detect.tflite"
    mended = tmp_path / "mended.tflite"
    mended.write_bytes(without_bad_axes(original.read_bytes()))
    assert mended.read_bytes() != original.read_bytes()
    runs = [random_inputs(original, seed) for seed in range(2)]
    for a, b in zip(ours(load(original), runs), ours(load(mended), runs), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FLOAT32)
def test_float32(shared: Path, tmp_path: Path, name: str) -> None:
    content = (shared / "models" / f"{name}.tflite").read_bytes()
    assert_equal([case(content, name)], tmp_path, relative=1e-5)


def test_int8_weights_of_a_float_network(shared: Path, tmp_path: Path) -> None:
    """They are computed with in float, as if the file held them so. (LiteRT would quantize the activations as well.)"""
    original = shared / "models" / "mlperf_tiny" / "kws_dscnn_float.tflite"
    content = with_float_weights(original.read_bytes())
    assert_equal([case(content, "kws_dscnn_float")], tmp_path, relative=1e-5)
    widened = tmp_path / "widened.tflite"
    widened.write_bytes(content)
    runs = [random_inputs(original, seed) for seed in range(2)]
    for a, b in zip(ours(load(original), runs), ours(load(widened), runs), strict=True):
        np.testing.assert_array_equal(a, b)


def with_float_weights(content: bytes) -> bytes:
    """The same network with its int8 constants dequantized; their new buffers stand at the end of the file."""
    data = bytearray(content)
    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    write, packer = flatbuffers.encode.Write, flatbuffers.packer
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        buffer = model.Buffers(tensor.Buffer())
        if tensor.Type() != tflite.TensorType.INT8 or not buffer.DataLength():
            continue
        quant = tensor.Quantization()
        stored = buffer.DataAsNumpy().view(np.int8).reshape(tensor.ShapeAsNumpy())
        shape = [1] * stored.ndim
        shape[quant.QuantizedDimension()] = quant.ScaleLength()
        real = (stored.astype(np.float64) * quant.ScaleAsNumpy().reshape(shape)).astype("<f4").tobytes()
        data += bytes(-(len(data) + 4) % 16)
        field = buffer._tab.Pos + buffer._tab.Offset(4)  # data, the first field
        write(packer.uint32, data, field, len(data) - field)
        data += len(real).to_bytes(4, "little") + real
        write(packer.int8, data, tensor._tab.Pos + tensor._tab.Offset(6), tflite.TensorType.FLOAT32)  # type, the second
    return bytes(data)
