"""`--precision w8a16`: finer than int8 by far, and the emitted C computes what the interpreter does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_models import several_ports

from tinyml.build.host import HostModel, build_host_library
from tinyml.errors import UsageError
from tinyml.frontends import load_model
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Attrs, Clamp, ClipAttrs, HardSigmoidAttrs, LeakyReluAttrs, NoAttrs, Op, ReduceAttrs
from tinyml.ir.verify import verify
from tinyml.kernels.registry import candidates
from tinyml.passes import canonicalize
from tinyml.pipeline import Options, compile_model, need
from tinyml.quantize import prepare
from tinyml.quantize.int16 import quantize_int16
from tinyml.targets import generic_target
from tinyml.targets.core import Isa


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return canonicalize(load_model(several_ports(tmp_path / "net.onnx")))


def _samples(graph: Graph, count: int, seed: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        {name: rng.standard_normal(graph.value(name).shape).astype(np.float32) for name in graph.inputs}
        for _ in range(count)
    ]


def _noise(graph: Graph, precision: str, tmp_path: Path) -> float:
    """Signal to quantization noise of the first output in dB."""
    np.savez(tmp_path / "data.npz", **_in_file_layout(graph, _samples(graph, 64, 1)))
    model = prepare(graph, precision=precision, calibration=tmp_path / "data.npz", io="float32")
    verify(model.graph, quantized=True)
    signal = noise = 0.0
    for sample in _samples(graph, 16, 1):
        (name, *_) = graph.outputs
        exact, rounded = run(graph, sample).outputs[name], run(model.graph, sample).outputs[name]
        signal += float((exact**2).sum())
        noise += float(((exact - rounded) ** 2).sum())
    return 10 * np.log10(signal / noise)


def _in_file_layout(graph: Graph, samples: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    def arrays() -> Iterator[tuple[str, np.ndarray]]:
        for name in graph.inputs:
            layout = graph.value(name).layout
            stacked = np.concatenate([sample[name] for sample in samples])
            yield name, stacked if layout is None else stacked.transpose(np.argsort(layout))

    return dict(arrays())


def test_finer_than_int8(graph: Graph, tmp_path: Path) -> None:
    """int8 weights, with a scale a channel, are what is left of the noise."""
    assert _noise(graph, "w8a16", tmp_path) > max(38.0, _noise(graph, "int8", tmp_path) + 4.0)


def test_types(graph: Graph) -> None:
    quantized = prepare(graph, precision="w8a16").graph
    assert {quantized.value(name).dtype for name in quantized.inputs} == {DType.INT16}
    for node in quantized.nodes:
        if node.op in (Op.CONV2D, Op.FULLY_CONNECTED):
            assert quantized.value(node.inputs[1]).dtype is DType.INT8
            assert quantized.value(node.output).dtype is DType.INT16


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        (Op.MEAN, ReduceAttrs((1, 2), keep_dims=True)),
        (Op.RELU, NoAttrs()),
        (Op.CLIP, ClipAttrs(Clamp(-1.0, 2.0))),
        (Op.HARD_SWISH, NoAttrs()),
        (Op.HARD_SIGMOID, HardSigmoidAttrs()),
        (Op.LEAKY_RELU, LeakyReluAttrs(0.1)),
    ],
)
def test_functions(op: Op, attrs: Attrs) -> None:
    """None stays in float32, each has kernels, and the noise is that of 16 bits."""
    b = GraphBuilder("g")
    x = b.input("x", (1, 4, 5, 6), DType.FLOAT32)
    b.node(op, [x], attrs, output="y")
    graph = b.build(["y"])
    given = {"x": np.random.default_rng(0).normal(0, 3, (1, 4, 5, 6)).astype(np.float32)}
    exact = run(graph, given).outputs["y"]
    ranges = {name: (float(a.min()), float(a.max())) for name, a in (("x", given["x"]), ("y", exact))}
    quantized = quantize_int16(graph, ranges, float_io=True)
    verify(quantized, quantized=True)
    assert not quantized.notes
    for node in quantized.nodes:
        assert any(reason is None for _, reason in candidates(node, quantized, frozenset({Isa.PORTABLE})))
    noise = exact - run(quantized, given).outputs["y"]
    assert (exact**2).sum() > 10**8.5 * (noise**2).sum()


def test_no_uint8_ports(graph: Graph) -> None:
    with pytest.raises(UsageError, match="uint8"):
        prepare(graph, precision="w8a16", io="uint8")


def test_emitted_c(tmp_path: Path) -> None:
    board = generic_target("cortex-m4", 1 << 20, 2 << 20)
    options = Options(several_ports(tmp_path / "net.onnx"), board, tmp_path / "work", precision="w8a16")
    done = compile_model(options, stop_after="build")
    graph = need(done.quantized).graph
    host = HostModel(build_host_library(need(done.bundle), tmp_path / "host", trace=False))
    rng = np.random.default_rng(5)
    for _ in range(3):
        given = {n: rng.integers(-32768, 32768, graph.value(n).shape).astype(np.int16) for n in graph.inputs}
        expected = run(graph, given).outputs
        got = host.run([given[name].tobytes() for name in graph.inputs])
        assert got == [expected[name].tobytes() for name in graph.outputs]
