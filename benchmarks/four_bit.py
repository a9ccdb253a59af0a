"""4-bit weights against int8: bytes of weights, per-channel parameters apart, and instructions of a whole inference on a
Cortex-M7, counted in the emulator, against the bars of both.

Of MCUNet there is no float model: its int8 weights are rounded to 4 bits here, so that they can be counted. What that
network then computes is of no use.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import Row, shared_folder, show, size

from tinyml.build.firmware import build_firmware
from tinyml.build.toolchain import find_toolchain
from tinyml.emit.c.emitter import Identity, emit_c
from tinyml.frontends import load_model
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.descriptor import Array, Field
from tinyml.memory import plan_memory
from tinyml.passes import canonicalize, lower
from tinyml.profile import profile_emulated
from tinyml.quantize import open_calibration, prepare
from tinyml.schedule import schedule
from tinyml.schedule.model import Schedule
from tinyml.targets import load_board

# model, the most of int8's weight bytes, millions of instructions
BARS = (
    ("mlperf_tiny/vww_96_float", 0.56, 11.4),
    ("wake_vision/mcunet-vww1", 0.60, 18.5),
    ("mlperf_tiny/ad01_fp32", 0.53, 0.35),
    ("mlperf_tiny/ic_resnet8_float", None, None),
    ("mlperf_tiny/kws_dscnn_float", None, None),
)
BOARD = load_board("stm32h7")
PICTURES = 32


def four_bit_nodes(graph: Graph) -> list[Node]:
    """All that have weights."""
    return [node for node in graph.nodes if node.op in (Op.CONV2D, Op.FULLY_CONNECTED)]


def rounded(graph: Graph) -> Graph:
    """A graph of int8 whose weights of 8 bits are rounded to 4, in steps that the largest of a channel needs."""
    values = dict(graph.values)
    for node in four_bit_nodes(graph):
        w = graph.value(node.inputs[1])
        assert w.quant is not None
        rows = w.constant.reshape(w.shape[0], -1).astype(np.float64)
        step = np.maximum(np.abs(rows).max(axis=1), 1) / 7
        scale = tuple(float(np.float32(s)) for s in np.resize(w.quant.scale, len(step)) * step)
        quant = replace(w.quant, scale=scale, zero_point=(0,) * len(step), axis=0, dtype=DType.INT4)
        data = np.rint(rows / step[:, None]).astype(np.int8).reshape(w.shape)
        values[w.name] = replace(w, data=data, dtype=DType.INT4, quant=quant)
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            bias = graph.value(node.inputs[2])
            x = graph.value(node.inputs[0]).quant
            assert x is not None
            real = bias.constant * np.resize(w.quant.scale, len(step)) * x.scale[0]
            steps = np.asarray(scale) * x.scale[0]
            stored = np.rint(real / steps).astype(np.int32)
            quant = replace(quant, scale=tuple(map(float, steps)), dtype=DType.INT32)
            values[bias.name] = replace(bias, data=stored, dtype=DType.INT32, quant=quant)
    return graph.with_(values=values)


def both(path: Path, pictures: Path) -> tuple[Graph, Graph]:
    """The network in int8 and with 4-bit weights."""
    graph = canonicalize(load_model(path))
    if graph.is_quantized:
        return graph, rounded(graph)
    shape = graph.value(graph.inputs[0]).shape
    data = open_calibration(pictures, graph).at_most(PICTURES) if len(shape) == 4 and shape[-1] == 3 else None
    nodes = {node.name: "w4a8" for node in four_bit_nodes(graph)}
    return prepare(graph, calibration=data).graph, prepare(graph, precision=nodes, calibration=data).graph  # type: ignore[arg-type]


def weight_bytes(plan: Schedule) -> int:
    """Arrays of weights as they lie in flash."""

    def arrays(field: Field) -> Iterator[Array]:
        if isinstance(field, Array):
            yield field
        elif isinstance(field, dict):
            for inner in field.values():
                yield from arrays(inner)

    nodes = (node for stage in plan.stages for node in stage.nodes)
    return sum(
        array.data.nbytes
        for node in nodes
        for array in arrays(dict(plan.kernel(node).params(node, plan.graph).fields))
        if array.name == "weights"
    )


def measure(graph: Graph, toolchain: str | None) -> tuple[int, int, int, int]:
    """Bytes of weights, instructions, bytes of arena, layers with 4-bit weights."""
    chosen = schedule(lower(graph), BOARD.core.isa)
    plan = plan_memory(chosen, keep_input=False, region=BOARD.link.arena)
    identity = Identity(
        name="net",
        model_file="net",
        model_sha256="0" * 64,
        target=BOARD.title,
        quantization="",
        warning=None,
        labels=(),
    )
    with tempfile.TemporaryDirectory() as folder:
        image = build_firmware(emit_c(plan, identity), BOARD, find_toolchain(toolchain), Path(folder))
        profile = profile_emulated(image)
    narrow = sum(
        value.dtype is DType.INT4
        for stage in chosen.stages
        for node in stage.nodes
        for value in chosen.graph.node_inputs(node)
    )
    return weight_bytes(chosen), profile.instructions, plan.peak_bytes, narrow


def rows(toolchain: str | None, names: list[str]) -> Iterator[Row]:
    shared = shared_folder()
    for name, share_bar, instruction_bar in BARS:
        if names and not any(part in name for part in names):
            continue
        int8, w4a8 = both(shared / "models" / f"{name}.tflite", shared / "images" / "calibration")
        before, instructions_before, arena_before, _ = measure(int8, toolchain)
        after, instructions, arena, narrow = measure(w4a8, toolchain)
        cells = (
            name,
            size(before),
            size(after),
            f"{after / before:.3f}",
            "" if share_bar is None else f"{share_bar:.2f}",
            f"{instructions_before / 1e6:.3f} M",
            f"{instructions / 1e6:.3f} M",
            "" if instruction_bar is None else f"{instruction_bar:.2f} M",
            size(arena_before),
            size(arena),
            str(narrow),
        )
        passed = None
        if share_bar is not None and instruction_bar is not None:
            passed = after <= share_bar * before and instructions <= instruction_bar * 1e6
        yield cells, passed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", help="arm-none-eabi-gcc or ziglang; the first that is found")
    parser.add_argument("models", nargs="*", help="parts of names: only these")
    arguments = parser.parse_args()
    columns = ("model", "int8 bytes", "w4 bytes", "share", "bar", "int8", "w4a8", "bar", "arena", "w4 arena", "layers")
    sys.exit(show("4-bit weights", columns, rows(arguments.toolchain, arguments.models)))
