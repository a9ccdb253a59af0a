"""RAM of trained networks, layer by layer: the planner's arena against the bar of each and what cannot be beaten."""

import sys
from collections.abc import Iterator

from common import Row, shared_folder, show, size

from tinyml.frontends import load_model
from tinyml.ir.graph import Graph
from tinyml.memory import check, peak_report, plan_memory
from tinyml.memory.plan import BufferKind
from tinyml.passes import canonicalize, lower
from tinyml.schedule import schedule
from tinyml.targets import CORES

# The tensors that live at the worst layer and at most 2 KiB of scratch, rounded.
BARS = {
    "wake_vision/mcunet-vww0": 63_500,
    "wake_vision/mcunet-vww1": 98_000,
    "wake_vision/mcunet-vww2": 271_600,
    "mlperf_tiny/vww_96_int8": 57_400,
    "mlperf_tiny/ic_resnet8_int8": 51_200,
    "mlperf_tiny/kws_dscnn_int8": 18_000,
}
OTHERS = (
    "mlperf_tiny/ad01_int8",
    "tflite_micro/hello_world_int8",
    "tflite_micro/keyword_scrambled_8bit",
    "tflite_micro/micro_speech_quantized",
    "tflite_micro/person_detect",
    "tinyengine/vww1-float-io",
    "wake_vision/challenge-hallaq",
    "wake_vision/colabnas-k8c5",
    "wake_vision/mobilenetv2-025",
)
CORE_NAMES = ("cortex-m0+", "cortex-m7")


def rows() -> Iterator[Row]:
    models = shared_folder() / "models"
    for name in (*BARS, *OTHERS):
        graph = lower(canonicalize(load_model(models / f"{name}.tflite")))
        for core in CORE_NAMES:
            yield row(name, graph, core)


def row(name: str, graph: Graph, core: str) -> Row:
    plan = plan_memory(schedule(graph, CORES[core].isa))
    check(plan)
    bar = BARS.get(name)
    bound = sum(arena.lower_bound for arena in plan.arenas)
    peak = peak_report(plan)
    scratch = sum(b.bytes for b in peak.buffers if b.kind is BufferKind.SCRATCH)
    cells = (name, core, size(plan.peak_bytes), size(bound), size(scratch), "" if bar is None else size(bar))
    return cells, None if bar is None else plan.peak_bytes <= bar


if __name__ == "__main__":
    sys.exit(show("Arena in bytes", ("model", "kernels for", "arena", "lower bound", "scratch at peak", "bar"), rows()))
