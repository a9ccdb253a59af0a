"""Instructions of a whole inference on a Cortex-M7, counted in the emulator, against the bar of each network, and what
kinds of layers they go to. Arena (within the bars of `arena.py`), stack, the model's code and its packed weights are beside
them: none is traded for speed unseen. Goals with larger weights are rows of their own, which name the flag."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from arena import BARS as ARENA_BARS
from common import Row, shared_folder, show, size

from tinyml.ir.graph import Graph
from tinyml.ir.ops import Conv2dAttrs
from tinyml.kernels.descriptor import Array, Field
from tinyml.pipeline import STACK_BYTES, Compilation, Options, compile_model, need
from tinyml.schedule.model import Objective
from tinyml.targets import load_board, with_limits

# Millions.
BARS = {
    "wake_vision/mcunet-vww0": 9.8,
    "wake_vision/mcunet-vww1": 18.5,
    "wake_vision/mcunet-vww2": 84.0,
    "mlperf_tiny/vww_96_int8": 11.4,
    "mlperf_tiny/ic_resnet8_int8": 14.2,
    "mlperf_tiny/kws_dscnn_int8": 4.0,
    "mlperf_tiny/ad01_int8": 0.35,
    "tflite_micro/person_detect": 10.7,
}
# (network, --weights-growth in percent) -> millions.
GOALS = {("mlperf_tiny/ic_resnet8_int8", 50): 10.0}
BOARD = "stm32h7"
STACK_BAR = 2048
CODE_BARS = {"mlperf_tiny/": 20 << 10, "wake_vision/mcunet-vww1": 40 << 10}
WEIGHTS_BAR = 1.02  # of the bytes that the model's own int8 weights have
KINDS = ("pointwise", "spatial", "depthwise", "add", "fully connected", "other")


def kind_of(graph: Graph, name: str) -> str:
    node = next(node for node in graph.nodes if node.name == name)
    if not isinstance(node.attrs, Conv2dAttrs):
        named = node.op.value.replace("_", " ")
        return named if named in KINDS else "other"
    _, height, width, channels = graph.value(node.inputs[1]).shape
    if node.attrs.groups > 1 and channels == 1:
        return "depthwise"
    return "pointwise" if (height, width) == (1, 1) else "spatial"


def shares(done: Compilation) -> Counter[str]:
    """Kind of layer -> instructions."""
    graph, bundle = need(done.schedule).graph, need(done.bundle)
    count = {layer.function: layer.instructions for layer in need(done.profile).layers}
    result: Counter[str] = Counter()
    for layer in bundle.layers:
        result[kind_of(graph, layer.node)] += count[layer.function]
    return result


def arrays_in(field: Field) -> Iterator[Array]:
    if isinstance(field, Array):
        yield field
    elif isinstance(field, Mapping):
        for inner in field.values():
            yield from arrays_in(inner)


def weights_ratio(done: Compilation) -> float:
    """Bytes of the weights as kernels read them, to those of the model."""
    schedule = need(done.schedule)
    graph, packed, own = schedule.graph, 0, 0
    for stage in schedule.stages:
        for node in stage.nodes:
            params = schedule.kernel(node).params(node, graph)
            arrays = [a for a in arrays_in(params.fields) if a.name == "weights"]
            if arrays:
                packed += sum(a.data.nbytes for a in arrays)
                own += graph.value(node.used[1]).elements
    return packed / own


def row(model: Path, name: str, bar: float, toolchain: str | None, growth: int = 0) -> Row:
    board, arena = load_board(BOARD), ARENA_BARS.get(name)
    with tempfile.TemporaryDirectory() as folder:
        options = Options(
            model / f"{name}.tflite",
            board if arena is None else with_limits(board, arena + STACK_BYTES, None),
            Path(folder),
            toolchain=toolchain,
            objective=Objective.LATENCY,
            sram_limited=arena is not None,
            weights_growth=growth / 100,
        )
        done = compile_model(options)
    profile, image = need(done.profile), need(done.image)
    kinds = shares(done)
    code, ratio = image.sizes.model_code_bytes, weights_ratio(done)
    passed = profile.instructions <= bar * 1e6 and profile.stack_bytes <= STACK_BAR
    passed &= arena is None or need(done.plan).peak_bytes <= arena
    passed &= ratio <= (1 + growth / 100 if growth else WEIGHTS_BAR)
    passed &= all(code <= limit for prefix, limit in CODE_BARS.items() if name.startswith(prefix))
    cells = (
        f"{name} --weights-growth {growth}" if growth else name,
        f"{profile.instructions / 1e6:.2f} M",
        f"{bar:.2f} M",
        "-" if profile.cycles is None else f"{profile.cycles / 1e6:.2f} M",
        *(f"{100 * kinds[kind] / profile.instructions:.0f} %" for kind in KINDS),
        size(need(done.plan).peak_bytes),
        size(profile.stack_bytes),
        size(code),
        f"{ratio:.3f}",
    )
    return cells, passed


def rows(toolchain: str | None, names: list[str]) -> Iterator[Row]:
    models = shared_folder() / "models"
    for name, bar in BARS.items():
        if not names or any(part in name for part in names):
            yield row(models, name, bar, toolchain)
    for (name, growth), goal in GOALS.items():
        if not names or any(part in name for part in names):
            yield row(models, name, goal, toolchain, growth)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", help="arm-none-eabi-gcc or ziglang; the first that is found")
    parser.add_argument("models", nargs="*", help="parts of names: only these")
    arguments = parser.parse_args()
    columns = ("model", "instructions", "bar", "cycles", *KINDS, "arena", "stack", "code", "weights")
    sys.exit(show("Instructions of an inference", columns, rows(arguments.toolchain, arguments.models)))
