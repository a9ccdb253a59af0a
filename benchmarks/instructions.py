"""Instructions of a whole inference on a Cortex-M7, counted in the emulator, against the bar of each network, and what
kinds of layers they go to. Arena, stack and code are beside them: none is traded for speed unseen."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from common import Row, shared_folder, show, size

from tinyml.ir.graph import Graph
from tinyml.ir.ops import Conv2dAttrs
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.targets import load_board

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
BOARD = "stm32h7"
STACK_BAR = 2048
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


def row(model: Path, name: str, bar: float, toolchain: str | None) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        options = Options(model / f"{name}.tflite", load_board(BOARD), Path(folder), toolchain=toolchain)
        done = compile_model(options)
    profile, image = need(done.profile), need(done.image)
    kinds = shares(done)
    passed = profile.instructions <= bar * 1e6 and profile.stack_bytes <= STACK_BAR
    cells = (
        name,
        f"{profile.instructions / 1e6:.2f} M",
        f"{bar:.2f} M",
        *(f"{100 * kinds[kind] / profile.instructions:.0f} %" for kind in KINDS),
        size(need(done.plan).peak_bytes),
        size(profile.stack_bytes),
        size(image.sizes.code_bytes),
    )
    return cells, passed


def rows(toolchain: str | None, names: list[str]) -> Iterator[Row]:
    models = shared_folder() / "models"
    for name, bar in BARS.items():
        if not names or any(part in name for part in names):
            yield row(models, name, bar, toolchain)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", help="arm-none-eabi-gcc or ziglang; the first that is found")
    parser.add_argument("models", nargs="*", help="parts of names: only these")
    arguments = parser.parse_args()
    columns = ("model", "instructions", "bar", *KINDS, "arena", "stack", "code")
    sys.exit(show("Instructions of an inference", columns, rows(arguments.toolchain, arguments.models)))
