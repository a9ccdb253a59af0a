"""Instructions and modelled cycles of a whole inference on a Cortex-M4 and a Cortex-M7, in the emulator, against the bar of
each network and a goal beyond it, and what kinds of layers they go to. Arena (within the bars of `arena.py`), stack, the
model's code and its packed weights are beside them: none is traded for speed unseen. Cycles are those of the pipeline, with
memory that never waits. Rows with larger weights name the flag."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from arena import BARS as ARENA_BARS
from common import Row, shared_folder, show, size
from model_error import roomy

from tinyml.ir.graph import Graph
from tinyml.ir.ops import Conv2dAttrs
from tinyml.kernels.descriptor import Array, Field
from tinyml.pipeline import (
    STACK_BYTES,
    TILES_GROWTH_BYTES,
    WEIGHTS_GROWTH,
    Compilation,
    Options,
    compile_model,
    need,
    own_weights,
)
from tinyml.profile import Profile
from tinyml.schedule.model import Objective, Schedule
from tinyml.targets import load_board, with_limits


@dataclass(frozen=True, slots=True)
class Case:
    """A network, and what it may cost in millions: `bar` instructions; goals are not held to."""

    model: str
    bar: float
    goal: float
    cycles: Mapping[str, float]  # core -> goal
    growth: int | None = None  # --weights-growth

    @property
    def name(self) -> str:
        return self.model if self.growth is None else f"{self.model} --weights-growth {self.growth}"


M4, M7 = "cortex-m4", "cortex-m7"
CASES = (
    Case("wake_vision/mcunet-vww0", 9.8, 8.3, {M7: 6.8, M4: 11}),
    Case("wake_vision/mcunet-vww1", 18.5, 15.7, {M7: 13, M4: 20}),
    Case("wake_vision/mcunet-vww2", 84, 70, {M7: 60, M4: 92}),
    Case("mlperf_tiny/vww_96_int8", 11.4, 9.5, {M7: 6.7, M4: 11.5}),
    Case("mlperf_tiny/ic_resnet8_int8", 14.2, 10, {M7: 8.5, M4: 13}),
    Case("mlperf_tiny/ic_resnet8_int8", 14.2, 10, {M7: 8.5, M4: 13}, growth=50),
    Case("mlperf_tiny/kws_dscnn_int8", 4.0, 3.3, {M7: 2.7, M4: 4.5}),
    Case("mlperf_tiny/ad01_int8", 0.35, 0.30, {M7: 0.25, M4: 0.38}),
    Case("tflite_micro/person_detect", 10.7, 9.0, {}),
)
BARS = {case.model: case.bar for case in CASES}
BOARDS = {M4: "stm32l4r5", M7: "stm32h7"}
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


def weights_ratio(schedule: Schedule) -> float:
    """Bytes of the weights as kernels read them, with what they have ready for channels beyond bias, multiplier and shift, to
    those of the model."""
    graph, packed, own = schedule.graph, 0, 0
    for stage in schedule.stages:
        for node in stage.nodes:
            kernel = schedule.kernel(node)
            arrays = [a for a in arrays_in(kernel.params(node, graph).fields) if a.name == "weights"]
            if arrays and node.name not in schedule.copies:
                weights = graph.value(node.used[1]).elements
                own += weights
                packed += (
                    sum(a.data.nbytes for a in arrays)
                    if kernel.extra_weights is None
                    else weights + kernel.extra_weights(node, graph)
                )
    return packed / own


def inference(models: Path, case: Case, core: str, toolchain: str | None) -> Compilation:
    board, arena = roomy(load_board(BOARDS[core])), ARENA_BARS.get(case.model)
    with tempfile.TemporaryDirectory() as folder:
        options = Options(
            models / f"{case.model}.tflite",
            board if arena is None else with_limits(board, arena + STACK_BYTES, None),
            Path(folder),
            toolchain=toolchain,
            objective=Objective.LATENCY,
            sram_limited=arena is not None,
            weights_growth=WEIGHTS_GROWTH if case.growth is None else case.growth / 100,
        )
        return compile_model(options)


def most_weights(graph: Graph) -> float:
    """What `weights_ratio` may be where memory is an objective."""
    return max(WEIGHTS_BAR, 1 + TILES_GROWTH_BYTES / own_weights(graph))


def pipeline_cycles(profile: Profile) -> int:
    """Modelled, as if no memory made the core wait."""
    return need(profile.cycles) - sum(layer.waits or 0 for layer in profile.layers)


def cost_row(case: Case, core: str, done: Compilation) -> Row:
    profile, arena, arena_bar = need(done.profile), need(done.plan).peak_bytes, ARENA_BARS.get(case.model)
    cycles = pipeline_cycles(profile)
    code, ratio = need(done.image).sizes.model_code_bytes, weights_ratio(need(done.schedule))
    passed = profile.instructions <= case.bar * 1e6 and profile.stack_bytes <= STACK_BAR
    passed &= arena_bar is None or arena <= arena_bar
    passed &= ratio <= (WEIGHTS_BAR if case.growth is None else 1 + case.growth / 100)
    passed &= all(code <= limit for prefix, limit in CODE_BARS.items() if case.model.startswith(prefix))
    cells = (
        case.name,
        core,
        f"{profile.instructions / 1e6:.2f} M",
        f"{case.bar:.2f} M",
        goal(profile.instructions, case.goal),
        f"{cycles / 1e6:.2f} M",
        goal(cycles, case.cycles.get(core)),
        size(arena),
        size(profile.stack_bytes),
        size(code),
        f"{ratio:.3f}",
    )
    return cells, passed


def kinds_row(case: Case, done: Compilation) -> Row:
    total, kinds = need(done.profile).instructions, shares(done)
    return (case.name, *(f"{100 * kinds[kind] / total:.0f} %" for kind in KINDS)), None


def goal(count: int, millions: float | None) -> str:
    if millions is None:
        return ""
    return f"{millions:.2f} M, {'met' if count <= millions * 1e6 else f'{100 * (count / millions / 1e6 - 1):+.0f} %'}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", help="arm-none-eabi-gcc or ziglang; the first that is found")
    parser.add_argument("models", nargs="*", help="parts of names: only these")
    arguments = parser.parse_args()
    models = shared_folder() / "models"
    costs, shared_out = [], []
    for case in CASES:
        if not arguments.models or any(part in case.name for part in arguments.models):
            for core in BOARDS:
                done = inference(models, case, core, arguments.toolchain)
                costs.append(cost_row(case, core, done))
            shared_out.append(kinds_row(case, done))
    columns = ("model", "core", "instructions", "bar", "goal", "cycles", "goal", "arena", "stack", "code", "weights")
    status = show("Instructions and cycles of an inference", columns, costs)
    show("\nWhat the instructions go to, Cortex-M7", ("model", *KINDS), shared_out)
    sys.exit(status)
