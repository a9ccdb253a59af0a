"""Accuracy of quantized networks: paired against float on labelled pictures, and signal to noise against published files.

Visual wake words, from the float .tflite, an ONNX of the same, and the Keras file (where TensorFlow is installed): calibrated
with all pictures of the calibration split, judged on those of the test split. The published int8 file flips 4 and moves the
probability by 0.016 on average by LiteRT; the bars come from it. Keyword spotting and image classification have no
labelled data here: outputs for inputs like the calibration data's must be as near to float as those of the
published int8 files. With `--sensitivity`, the rank correlation of three sensitivity measures with what a layer alone
does to the test pictures' probabilities.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
from common import Row, shared_folder, show
from onnx import TensorProto, helper

from tinyml.frontends import load_model
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Conv2dAttrs, FullyConnectedAttrs, Op
from tinyml.passes import canonicalize
from tinyml.quantize import Budget, CalibrationData, Preprocess, open_calibration, prepare
from tinyml.quantize.assign import decide
from tinyml.quantize.calibration import Sample, calibration_data
from tinyml.quantize.equalize import equalize
from tinyml.quantize.error_report import stored_inputs
from tinyml.quantize.int8 import quantizable
from tinyml.quantize.observers import MeanSquaredError
from tinyml.quantize.paired import Paired, compare
from tinyml.quantize.ranges import calibrate
from tinyml.quantize.sensitivity import candidates, hessian_errors, orthogonality, output_errors
from tinyml.quantize.simulate import downstream, simulate

MIXED_SHARE = 0.60
# name -> (precision, effort, most flips, largest mean error)
RUNS: dict[str, tuple[str, str, int, float | None]] = {
    "int8": ("int8", "default", 5, 0.016),
    "int8, high effort": ("int8", "high", 5, 0.016),
    "w4a8": ("w4a8", "default", 17, None),
    f"mixed at {MIXED_SHARE:.2f} of int8's bytes": ("mixed", "default", 10, None),
}


def real_output(graph: Graph, sample: Sample) -> np.ndarray:
    """The first output in real numbers; inputs are given to the graph's own, in order."""
    renamed = dict(zip(graph.inputs, sample.values(), strict=True))
    outputs = run(graph, stored_inputs(graph, renamed)).outputs
    value = graph.value(graph.outputs[0])
    stored = outputs[value.name]
    return (stored if value.quant is None else value.quant.dequantize(stored)).ravel()


def judged(graph: Graph, test: list[Sample], exact: np.ndarray, data: CalibrationData) -> Paired:
    return compare(exact, np.stack([real_output(graph, s) for s in test]), data.labels)


def weight_bytes(graph: Graph) -> int:
    return sum(graph.value(n.inputs[1]).bytes for n in graph.nodes if n.op in (Op.CONV2D, Op.FULLY_CONNECTED))


def row(name: str, paired: Paired, size: float, seconds: float | None, flips: int | None, error: float | None) -> Row:
    assert paired.top1 is not None
    passed = None if flips is None else paired.flips <= flips and (error is None or paired.mean_error <= error)
    top1 = paired.top1
    cells = (
        name,
        f"{paired.flips}",
        "" if flips is None else f"{flips}",
        f"{paired.mean_error:.4f}",
        "" if error is None else f"{error:.3f}",
        f"{100 * top1.other:.1f}",
        f"{100 * top1.difference:+.1f} ({100 * top1.low:+.1f} to {100 * top1.high:+.1f})",
        f"{size:.2f}",
        "" if seconds is None else f"{seconds:.0f}",
    )
    return cells, passed


def visual_wake_words(shared: Path, folder: Path) -> Iterator[Row]:
    models, images = shared / "models" / "mlperf_tiny", shared / "images"
    source = canonicalize(load_model(models / "vww_96_float.tflite"))
    as_onnx = folder / "vww_96.onnx"
    as_onnx.write_bytes(to_onnx(source).SerializeToString())
    files = {"tflite": models / "vww_96_float.tflite", "onnx": as_onnx}
    if find_spec("tensorflow") is None:
        print("vww_96.h5 is left out: TensorFlow is not installed here")
    else:
        files["h5"] = models / "vww_96.h5"
    published = canonicalize(load_model(models / "vww_96_int8.tflite"))
    for kind, file in files.items():
        graph = canonicalize(load_model(file))
        data = open_calibration(images / "test", graph)
        test = list(data)
        exact = np.stack([real_output(graph, s) for s in test])
        yield row(f"{kind}: published int8", judged(published, test, exact, data), 1.0, None, None, None)
        plain = weight_bytes(prepare(graph).graph)
        for name, (precision, effort, flips, error) in RUNS.items():
            started = time.perf_counter()
            model = prepare(
                graph,
                calibration=images / "calibration",
                precision=precision,
                effort=effort,
                budget=Budget(weight_bytes=int(MIXED_SHARE * plain)),
            )
            seconds = time.perf_counter() - started
            share = weight_bytes(model.graph) / plain
            yield row(f"{kind}: {name}", judged(model.graph, test, exact, data), share, seconds, flips, error)


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """A chain of convolutions as exporters write it: NCHW, with the layout that the frontend must undo."""
    tensors: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, data: np.ndarray) -> str:
        tensors.append(helper.make_tensor(name, TensorProto.FLOAT, data.shape, data.astype(np.float32).ravel()))
        return name

    at = "input"
    for i, node in enumerate(graph.nodes):
        out = f"t{i}"
        match node.attrs:
            case Conv2dAttrs(stride, _, ((top, bottom), (left, right)), groups, clamp):
                w, b = (graph.value(name).constant for name in node.inputs[1:])
                inputs = [at, constant(f"w{i}", w.transpose(0, 3, 1, 2)), constant(f"b{i}", b)]
                assert clamp.lo == 0.0 and clamp.hi == np.inf
                pads = [top, left, bottom, right]
                nodes.append(helper.make_node("Conv", inputs, [f"c{i}"], strides=stride, pads=pads, group=groups))
                nodes.append(helper.make_node("Relu", [f"c{i}"], [out]))
            case FullyConnectedAttrs():
                w, b = (graph.value(name).constant for name in node.inputs[1:])
                nodes.append(
                    helper.make_node("Gemm", [at, constant(f"w{i}", w), constant(f"b{i}", b)], [out], transB=1)
                )
            case _ if node.op in (Op.MEAN, Op.AVERAGE_POOL2D):
                nodes.append(helper.make_node("GlobalAveragePool", [at], [out]))
            case _ if node.op is Op.RESHAPE:
                nodes.append(helper.make_node("Flatten", [at], [out]))
            case _ if node.op is Op.SOFTMAX:
                nodes.append(helper.make_node("Softmax", [at], [out]))
            case _:
                raise ValueError(f"{node.op.value} is not written")
        at = out
    _, height, width, channels = graph.value(graph.inputs[0]).shape
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, channels, height, width])
    result = helper.make_tensor_value_info(at, TensorProto.FLOAT, list(graph.value(graph.outputs[0]).shape))
    model = helper.make_model(
        helper.make_graph(nodes, "net", [image], [result], tensors), opset_imports=[helper.make_opsetid("", 17)]
    )
    onnx.checker.check_model(model)
    return model


def against_published(shared: Path) -> Iterator[Row]:
    """Image classification on photographs, keyword spotting on smooth noise of the range that the published file covers."""
    models, images = shared / "models" / "mlperf_tiny", shared / "images"
    for name, float_file, int8_file in (
        ("IC (ResNet-8)", "ic_resnet8_float.tflite", "ic_resnet8_int8.tflite"),
        ("KWS (DS-CNN)", "kws_dscnn_float.tflite", "kws_dscnn_int8.tflite"),
    ):
        graph, published = (canonicalize(load_model(models / f)) for f in (float_file, int8_file))
        calibration, test = samples(graph, published, images)
        exact = np.stack([real_output(graph, s) for s in test])
        theirs = compare(exact, np.stack([real_output(published, s) for s in test]))
        for effort in ("default", "high"):
            model = prepare(graph, calibration=calibration, effort=effort).graph
            ours = compare(exact, np.stack([real_output(model, s) for s in test]))
            figures = (ours.sqnr_db, theirs.sqnr_db)
            cells = (f"{name}, {effort} effort", *(f"{f:.1f}" for f in figures), f"{ours.flips}", f"{theirs.flips}")
            yield cells, ours.sqnr_db >= theirs.sqnr_db


def samples(graph: Graph, published: Graph, images: Path) -> tuple[CalibrationData, list[Sample]]:
    """Calibration data and 128 others. Without pictures: smooth noise that fills the published file's input range."""
    quant = published.value(published.inputs[0]).quant
    assert quant is not None
    name = graph.inputs[0]
    shape = graph.value(name).shape
    if shape[-1] == 3:
        lo, hi = (float(x) for x in quant.dequantize(np.array([-128, 127], np.int8)))
        preprocess = Preprocess.to_range(round(lo), round(hi))
        calibration = open_calibration(images / "calibration", graph, preprocess)
        return calibration, list(open_calibration(images / "test", graph, preprocess).at_most(128))
    rng = np.random.default_rng(0)
    lo, hi = (float(x) for x in quant.dequantize(np.array([-128, 127], np.int8)))

    def one() -> dict[str, np.ndarray]:
        x = rng.normal(size=shape)
        for axis in (1, 2):  # neighbours in time and frequency are alike
            x = x + np.roll(x, 1, axis) + np.roll(x, -1, axis)
        x = (x - x.min()) / (x.max() - x.min())
        return {name: (lo + (hi - lo) * x).astype(np.float32)}

    kept = [one() for _ in range(128)]
    return calibration_data(kept, graph), [one() for _ in range(128)]


def sensitivities(shared: Path) -> Iterator[Row]:
    """Spearman's rank correlation with the mean change of the probability on the test pictures, a layer at a time."""
    images = shared / "images"
    graph = quantizable(canonicalize(load_model(shared / "models" / "mlperf_tiny" / "vww_96_float.tflite")))
    calibration = open_calibration(images / "calibration", graph)
    few = list(calibration.at_most(64))
    graph = equalize(graph, few, {})
    assignment = decide(graph, calibrate(graph, few, bounds=calibration.bounds, observer=MeanSquaredError))
    weights = candidates(graph, assignment, few)
    nodes = {n.name: n for n in graph.nodes}
    base = {str(nodes[name].inputs[1]): c.int8.real for name, c in weights.items()}
    biases = {name: c.int8.bias for name, c in weights.items()}
    loss = dict.fromkeys(weights, 0.0)
    for sample in open_calibration(images / "test", graph).at_most(174):
        live = simulate(graph, assignment.params, base, biases, sample)
        for name, pair in weights.items():
            changed = {**base, str(nodes[name].inputs[1]): pair.int4.real}
            bias = {**biases, name: pair.int4.bias}
            later = downstream(graph, nodes[name])
            after = simulate(graph, assignment.params, changed, bias, live, only=later)
            loss[name] += float(np.abs(after[graph.outputs[0]] - live[graph.outputs[0]]).max())
    measures = {
        "output error (used)": output_errors(graph, assignment, weights, few)[1],
        "Hessian trace x change": hessian_errors(graph, weights, few),
        "orthogonality (OMPQ)": orthogonality(graph, weights, few),
    }
    for name, measure in measures.items():
        order = [np.argsort(np.argsort([m[k] for k in weights])) for m in (measure, loss)]
        yield (name, f"{np.corrcoef(*order)[0, 1]:+.2f}"), None


if __name__ == "__main__":
    data_folder = shared_folder()
    if "--sensitivity" in sys.argv[1:]:
        columns = ("measure", "rank correlation with the loss")
        sys.exit(show("Sensitivity of VWW's layers to 4-bit weights", columns, sensitivities(data_folder)))
    with tempfile.TemporaryDirectory() as work:
        columns = ("VWW", "flips", "bar", "mean error", "bar", "right, %", "difference, 95 %", "bytes", "seconds")
        code = show("348 test pictures against float", columns, visual_wake_words(data_folder, Path(work)))
    columns = ("network", "dB", "published, dB", "flips", "published")
    sys.exit(show("Output against float, 128 inputs", columns, against_published(data_folder)) or code)
