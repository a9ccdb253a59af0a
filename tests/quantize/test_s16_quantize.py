"""`--precision w8a16`: finer than int8 by far, and the emitted C computes what the interpreter does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from emitted_c import emitted
from small_models import several_ports

from tinyml.build.host import HostModel, build_host_library
from tinyml.errors import UsageError
from tinyml.frontends import load_model
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import (
    Attrs,
    BinaryAttrs,
    Clamp,
    ClipAttrs,
    Conv2dAttrs,
    HardSigmoidAttrs,
    LeakyReluAttrs,
    NoAttrs,
    Op,
    ReduceAttrs,
)
from tinyml.ir.verify import verify
from tinyml.kernels.registry import candidates
from tinyml.passes import canonicalize, lower
from tinyml.pipeline import Options, compile_model, need
from tinyml.quantize import prepare
from tinyml.quantize.int8 import quantize_int8
from tinyml.quantize.int16 import quantize_int16
from tinyml.quantize.observers import MinMax
from tinyml.quantize.precision import Precision
from tinyml.quantize.ranges import calibrate
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


def _chain() -> Graph:
    """Three convolutions, hard-swish between the second and the third, and a sum over what the first one gives."""
    rng = np.random.default_rng(2)
    b = GraphBuilder("g")
    x = b.input("x", (1, 6, 6, 4), DType.FLOAT32)
    for i, name in enumerate(("first", "second", "third")):
        w = b.constant(f"w{i}", rng.normal(0, 0.4, (4, 3, 3, 4)).astype(np.float32))
        x = b.node(Op.CONV2D, [x, w], Conv2dAttrs(padding=((1, 1), (1, 1))), output=name)
        if name == "second":
            x = b.node(Op.HARD_SWISH, [x], NoAttrs(), output="swish")
    b.node(Op.ADD, [x, "first"], BinaryAttrs(), output="sum")
    return b.build(["sum"])


def test_some_nodes(tmp_path: Path) -> None:
    """Values between such nodes have 16 bits, those at the seams both; the noise falls, and C computes what numpy does."""
    graph = _chain()
    names = {node.output: node.name for node in graph.nodes}
    rng = np.random.default_rng(3)
    samples = [{"x": rng.normal(0, 1, (1, 6, 6, 4)).astype(np.float32)} for _ in range(8)]
    ranges = calibrate(graph, samples, observer=MinMax)

    def noise(quantized: Graph) -> float:
        exact = [run(graph, sample).outputs["sum"] for sample in samples]
        rounded = [run(quantized, sample).outputs["sum"] for sample in samples]
        return sum(float(((a - b) ** 2).sum()) for a, b in zip(exact, rounded, strict=True))

    def quantized(wide: tuple[str, ...], io: DType) -> Graph:
        precision: Precision = {names[name]: "w8a16" for name in wide}
        result = quantize_int8(graph, ranges, precision=precision, samples=samples, input_dtype=io, output_dtype=io)
        verify(result, quantized=True)
        return result

    mixed = quantized(("second", "swish", "third", "sum"), DType.INT8)
    types = {name: mixed.value(name).dtype for name in ("first", "first_int16", "second", "swish", "third")}
    assert types == {"first": DType.INT8} | dict.fromkeys(("first_int16", "second", "swish", "third"), DType.INT16)
    assert mixed.value("sum").dtype is DType.INT8
    assert {node.op for node in mixed.nodes} == {Op.CONV2D, Op.QUANTIZE, Op.MUL, Op.ADD}

    plain, some, every = (
        noise(quantized(wide, DType.FLOAT32))
        for wide in ((), ("second", "swish", "third", "sum"), ("first", "second", "swish", "third", "sum"))
    )
    assert plain > 1.5 * some > 2 * every
    host = HostModel(build_host_library(emitted(lower(mixed), "mixed"), tmp_path / "host", trace=False))
    given = rng.integers(-128, 128, (1, 6, 6, 4)).astype(np.int8)
    assert host.run([given.tobytes()]) == [run(mixed, {"x": given}).outputs["sum"].tobytes()]


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
