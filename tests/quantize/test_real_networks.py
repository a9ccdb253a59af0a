"""Signal to quantization noise of whole networks; see docs/quantization.md for the figures and why some are low.

The exported networks have random weights. Some of them amplify any error so much that int8 cannot reach 25 dB: there
onnxruntime's own quantizer, on the same data, is the yardstick. Their figures scatter from sample to sample by more than
one quantizer differs from another, so that the median sample is compared, not the sum of all noise.
"""

import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from tinyml.frontends import load_model
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.ir.interpreter import run
from tinyml.ir.ops import LookupAttrs, Op
from tinyml.ir.verify import verify
from tinyml.passes import canonicalize
from tinyml.quantize import open_calibration, prepare
from tinyml.quantize.error_report import layer_sqnr, output_sqnr, stored_inputs

Samples = list[np.ndarray]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """What the networks' own inputs look like: pictures of blobs with a little white noise; vectors are white."""
    white: np.ndarray = rng.normal(size=shape).astype(np.float32)
    if len(shape) != 4:
        return white
    height, width = shape[2:]
    blobs = [
        np.asarray(
            Image.fromarray(rng.normal(size=(6, 6)).astype(np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
        for _ in range(shape[1])
    ]
    return np.stack(blobs)[np.newaxis] + np.float32(0.2) * white


def network(shared: Path, name: str, tmp_path: Path, calibration: int) -> tuple[Graph, Graph, Samples, Samples]:
    """(float graph, quantized graph, calibration inputs, test inputs), inputs in the model file's layout."""
    stored = np.load(shared / "coverage" / f"{name}.npz", allow_pickle=False)["input"]
    rng = np.random.default_rng(0)
    calibration_inputs = [smooth_noise(rng, stored.shape) for _ in range(calibration)]
    test_inputs = [stored, *(smooth_noise(rng, stored.shape) for _ in range(11))]
    graph = canonicalize(load_model(shared / "coverage" / f"{name}.onnx"))
    np.savez(tmp_path / "calibration.npz", **{graph.inputs[0]: np.stack(calibration_inputs)})
    model = prepare(graph, calibration=tmp_path / "calibration.npz")
    verify(model.graph, quantized=True)
    return graph, model.graph, calibration_inputs, test_inputs


def to_graph(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    layout = graph.value(graph.inputs[0]).layout
    return {graph.inputs[0]: x if layout is None else np.ascontiguousarray(x.transpose(layout))}


def decibel(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    signal = sum(float(np.sum(a.astype(np.float64) ** 2)) for a, _ in pairs)
    noise = sum(float(np.sum((a.astype(np.float64) - b) ** 2)) for a, b in pairs)
    return float(10 * np.log10(signal / noise))


def median_decibel(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return float(np.median([decibel([pair]) for pair in pairs]))


def with_rounded_hard_swish(graph: Graph) -> Graph:
    """Tables of exactly computed results in place of TFLite's hard-swish, whose 16-bit arithmetic truncates: what is
    compared with onnxruntime is the choice of parameters, not that kernel."""
    values, nodes = dict(graph.values), []
    for node in graph.nodes:
        x, y = graph.value(node.inputs[0]).quant, graph.value(node.outputs[0]).quant
        if node.op is Op.HARD_SWISH and x is not None and y is not None:
            real = x.dequantize(np.arange(-128, 128, dtype=np.int8))
            table = Value(f"{node.name}_table", (256,), DType.INT8, y, y.quantize(real * np.clip(real + 3, 0, 6) / 6))
            values[table.name] = table
            node = replace(node, op=Op.LOOKUP, inputs=(*node.inputs, table.name), attrs=LookupAttrs("hard_swish"))
        nodes.append(node)
    return graph.with_(nodes=tuple(nodes), values=values)


def by_onnxruntime(file: Path, folder: Path, calibration: Samples, test: Samples) -> float:
    """The median of onnxruntime's quantizer: uint8 activations, int8 weights a channel."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    from onnxruntime.quantization.shape_inference import quant_pre_process

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    exact = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = exact.get_inputs()[0].name
    samples = iter([{name: x} for x in calibration])

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(samples, None)

    logging.getLogger().setLevel(logging.ERROR)
    quant_pre_process(str(file), str(folder / "inferred.onnx"), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(folder / "inferred.onnx"),
        str(folder / "qdq.onnx"),
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
    rounded = onnxruntime.InferenceSession(str(folder / "qdq.onnx"), options, providers=["CPUExecutionProvider"])
    return median_decibel([(exact.run(None, {name: x})[0], rounded.run(None, {name: x})[0]) for x in test])


@pytest.mark.parametrize(
    "name, calibration",
    [
        *(("ds_cnn_kws", 64), ("squeezenet_like", 64), ("resnet18_narrow", 64)),
        ("autoencoder_fc", 512),  # eight numbers a sample at its bottleneck: few samples miss their range
    ],
)
def test_networks_that_do_not_amplify_noise_reach_25_db(
    name: str, calibration: int, shared: Path, tmp_path: Path
) -> None:
    graph, quantized, _, test = network(shared, name, tmp_path, calibration)
    assert not [n for n in quantized.notes if "float32" in n]
    (reached,) = output_sqnr(graph, quantized, [to_graph(graph, x) for x in test]).values()
    assert reached >= 25


@pytest.mark.parametrize(
    "name", ["fomo_mbv2_035", "mobilenetv3_small_050", "lcnet_050", "mobilenetv2_035", "mcunet_like"]
)
def test_networks_that_amplify_noise_are_no_worse_than_onnxruntimes(name: str, shared: Path, tmp_path: Path) -> None:
    graph, quantized, calibration, test = network(shared, name, tmp_path, calibration=32)
    assert not [n for n in quantized.notes if "float32" in n]
    quantized = with_rounded_hard_swish(quantized)
    each = [output_sqnr(graph, quantized, [to_graph(graph, x)]) for x in test]
    reached = float(np.median([list(e.values()) for e in each]))
    baseline = by_onnxruntime(shared / "coverage" / f"{name}.onnx", tmp_path, calibration, test)
    assert reached >= baseline - 2, f"{reached:.1f} dB, onnxruntime reaches {baseline:.1f} dB"


def test_visual_wake_words_on_pictures(shared: Path) -> None:
    """A trained network, calibrated with pictures: better than the published int8 file, and fast."""
    models = shared / "models" / "mlperf_tiny"
    graph = canonicalize(load_model(models / "vww_96_float.tflite"))
    started = time.perf_counter()
    quantized = prepare(graph, calibration=shared / "images" / "calibration", max_samples=128).graph
    assert time.perf_counter() - started < 20
    published = canonicalize(load_model(models / "vww_96_int8.tflite"))
    # 0..1 in 255 steps: a pixel's byte less 128, as the published file has it.
    assert quantized.value(quantized.inputs[0]).quant == published.value(published.inputs[0]).quant
    pictures = list(open_calibration(shared / "images" / "test", graph).at_most(48))

    def pairs(other: Graph) -> list[tuple[np.ndarray, np.ndarray]]:
        output = other.value(other.outputs[0])
        assert output.quant is not None
        result = []
        for picture in pictures:
            renamed = {other.inputs[0]: picture[graph.inputs[0]]}
            stored = run(other, stored_inputs(other, renamed)).outputs[output.name]
            result.append((run(graph, picture).outputs[graph.outputs[0]], output.quant.dequantize(stored)))
        return result

    ours, theirs = pairs(quantized), pairs(published)
    assert decibel(ours) >= 25
    assert decibel(ours) >= decibel(theirs) - 1
    assert sum(int(a.argmax() != b.argmax()) for a, b in ours) <= 2
    report = layer_sqnr(graph, quantized, pictures[:4])
    assert len(report) == len(graph.nodes)
    assert min(e.own_sqnr_db for e in report) > 20
