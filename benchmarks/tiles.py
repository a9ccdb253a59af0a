"""Instructions a multiply-accumulate of the convolutions of real networks, computed in tiles of few rows from rings, as
streams do, against the whole tensor in one call: at the heights that the scheduler chooses, and the fastest kernel at any.
Weights, with what kernels have ready for channels, are held to the bar of `instructions.py`."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import ROOT, Row, shared_folder, show

sys.path.insert(0, str(ROOT / "tests" / "kernels"))

from instructions import kind_of, most_weights, weights_ratio
from kernel_core import M7, EmulatedCore, build
from kernel_layout import Memory

from tinyml.frontends import load_model
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Conv2dAttrs
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.passes import canonicalize, lower
from tinyml.pipeline import Options, compile_model, need
from tinyml.quantize import prepare
from tinyml.schedule import schedule
from tinyml.schedule.model import Objective, Schedule
from tinyml.targets import load_board

MODELS = (
    "models/wake_vision/mcunet-vww0.tflite",
    "models/wake_vision/mcunet-vww1.tflite",
    "models/wake_vision/mcunet-vww2.tflite",
    "models/mlperf_tiny/vww_96_int8.tflite",
    "coverage/mobilenetv2_035.onnx",
)
HEIGHTS = (1, 2, 4)
OBJECTIVES = (Objective.BALANCED, Objective.SRAM)
BAR = 1.05


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    node: Node
    graph: Graph
    kernel: KernelDescriptor

    @property
    def height(self) -> int:
        return self.graph.value(self.node.output).shape[1]

    @property
    def shape(self) -> str:
        x, w, out = (self.graph.value(name) for name in (*self.node.used[:2], self.node.output))
        kernel, stride = w.shape[1:3], attrs_of(self.node).stride[0]
        size = f"{out.shape[1]}x{out.shape[2]}"
        window = "" if kernel == (1, 1) and stride == 1 else f" {kernel[0]}x{kernel[1]}/{stride}"
        return f"{kind_of(self.graph, self.node.name)}{window} {size} {x.shape[3]}-{out.shape[3]}"


def attrs_of(node: Node) -> Conv2dAttrs:
    assert isinstance(node.attrs, Conv2dAttrs)
    return node.attrs


def layers_of(plan: Schedule) -> list[Layer]:
    nodes = (node for node in plan.graph.nodes if isinstance(node.attrs, Conv2dAttrs))
    return [Layer(node, plan.graph, plan.kernel(node)) for node in nodes]


def layer_by_layer(model: Path) -> Schedule:
    return schedule(lower(prepare(canonicalize(load_model(model))).graph), M7.isa)


def chosen(model: Path, objective: Objective) -> Schedule:
    with tempfile.TemporaryDirectory() as folder:
        options = Options(model, load_board("stm32h7"), Path(folder), objective=objective)
        return need(compile_model(options, stop_after="schedule").schedule)


def core_with(layers: Iterable[Layer], toolchain: str | None) -> EmulatedCore:
    with tempfile.TemporaryDirectory() as folder:
        elf = build(Path(folder), M7, toolchain, sorted({layer.kernel.symbol for layer in layers}))
        return EmulatedCore(elf, M7)


def count(core: EmulatedCore, layer: Layer, rows: int) -> int:
    """Of the whole layer, in tiles of so many rows, from a ring that holds the input of one tile, to a ring of two."""
    node, graph, kernel = layer.node, layer.graph, layer.kernel
    x, w, out = (graph.value(name) for name in (*node.used[:2], node.output))
    attrs = attrs_of(node)
    _, height, width, _ = out.shape
    window = (rows - 1) * attrs.stride[0] + (w.shape[1] - 1) * attrs.dilation[0] + 1
    memory = Memory(core.pointer)
    maps = []
    for value, kept in ((x, min(window, x.shape[1])), (out, min(2 * rows, height))):
        row_bytes = value.shape[2] * value.shape[3]
        maps.append([(memory.add(np.zeros(kept * row_bytes, np.int8).tobytes()), row_bytes, kept, 0, 0)])
    tile = memory.add(bytes(16))
    scratch = memory.add(bytes(kernel.scratch_bytes(node, graph, rows)))
    arguments = [memory.params(kernel.params(node, graph)), *map(memory.rows, maps), tile, scratch]
    places = core.load(memory)

    def run() -> None:
        for row in range(0, height, rows):
            core.write(places[tile], np.array([row, min(rows, height - row), 0, width], "<i4").tobytes())
            core.start(kernel.symbol, [places[argument] for argument in arguments])

    return core.instructions(run)


def chosen_rows(model: Path, objective: Objective, toolchain: str | None) -> Iterator[Row]:
    """A row for each convolution that is computed in tiles, beside the fastest kernel for all rows at once, and one for all
    of the network's."""
    plan = chosen(model, objective)
    layers, tiles = layers_of(plan), plan.tiles
    fastest = layers_of(schedule(plan.graph, M7.isa))
    core = core_with([*layers, *fastest], toolchain)
    stage_of = {node.name: i for i, stage in enumerate(plan.stages) for node in stage.nodes}
    sums: Counter[str] = Counter()
    for layer, at_once in zip(layers, fastest, strict=True):
        rows, work = tiles.get(layer.node.name, layer.height), macs(layer.node, layer.graph)
        whole, tiled = count(core, at_once, layer.height), count(core, layer, rows)
        sums += Counter(whole=whole, tiled=tiled)
        if rows < layer.height:
            figures = f"{whole / work:.2f}", f"{tiled / work:.2f}", percent(tiled / whole)
            kernel = layer.kernel.symbol.removeprefix("tinyml_")
            cells = layer.shape, kernel, str(stage_of[layer.node.name]), f"{rows} of {layer.height}", *figures
            yield cells, tiled <= BAR * whole
    figures = f"{sums['whole'] / 1e6:.2f} M", f"{sums['tiled'] / 1e6:.2f} M", percent(sums["tiled"] / sums["whole"])
    ratio = weights_ratio(plan)
    passed = sums["tiled"] <= BAR * sums["whole"] and ratio <= most_weights(plan.graph)
    yield ("all convolutions", f"weights {ratio:.3f} x", "", "", *figures), passed


def height_rows(model: Path, toolchain: str | None) -> Iterator[Row]:
    layers = layers_of(layer_by_layer(model))
    core = core_with(layers, toolchain)
    counted: Counter[int] = Counter()
    seen: dict[str, tuple[str, ...]] = {}
    for layer in layers:
        costs = {n: count(core, layer, n) for n in sorted({*(min(n, layer.height) for n in HEIGHTS), layer.height})}
        whole, work = costs[layer.height], macs(layer.node, layer.graph)
        cells = [f"{whole / work:.2f}"]
        for n in HEIGHTS:
            tiled = costs[min(n, layer.height)]
            predicted = layer.kernel.cost_in_tiles(layer.node, layer.graph, n) / layer.kernel.cost(
                layer.node, layer.graph
            )
            cells += [f"{tiled / work:.2f}", f"{percent(tiled / whole)} ({percent(predicted)})"]
            counted[n] += tiled
        counted[0] += whole
        seen.setdefault(layer.shape, tuple(cells))
    for shape, cells_ in seen.items():
        yield (shape, *cells_), None
    total = [f"{counted[0] / 1e6:.2f} M"]
    for n in HEIGHTS:
        total += [f"{counted[n] / 1e6:.2f} M", percent(counted[n] / counted[0])]
    yield ("all", *total), None


def percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.0f} %"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", help="arm-none-eabi-gcc or ziglang; the first that is found")
    parser.add_argument("models", nargs="*", help="parts of names: only these")
    arguments = parser.parse_args()
    models = [name for name in MODELS if not arguments.models or any(part in name for part in arguments.models)]
    columns = ("layer", "whole", *(c for n in HEIGHTS for c in (f"n = {n}", "more (predicted)")))
    for name in models:
        title = f"\n{name}: instructions a MAC of the fastest kernels"
        show(title, columns, height_rows(shared_folder() / name, arguments.toolchain))
    columns = ("layer", "kernel", "stage", "rows", "whole", "in tiles", "more")
    status = 0
    for name in models:
        for objective in OBJECTIVES:
            found = chosen_rows(shared_folder() / name, objective, arguments.toolchain)
            status |= show(f"\n{name}: in the tiles of --objective {objective.value}", columns, found)
    sys.exit(status)
