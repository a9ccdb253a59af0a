"""Arenas of trained networks: the live tensors of the worst layer, and no more than 2 KiB of scratch."""

from pathlib import Path

import pytest

from tinyml.frontends import load_model
from tinyml.memory import check, peak_report, plan_memory
from tinyml.memory.plan import BufferKind, MemoryPlan
from tinyml.passes import canonicalize, lower
from tinyml.schedule.select import schedule
from tinyml.targets.core import CORES

# file, bytes of the tensors that live at the worst layer, most bytes of the arena
FIGURES = [
    ("wake_vision/mcunet-vww0.tflite", 32 * 32 * 48 + 16 * 16 * 48, 63_500),
    ("wake_vision/mcunet-vww1.tflite", 40 * 40 * 48 + 20 * 20 * 48, 98_000),
    # a depthwise layer of 36 x 36 x 96 with the block's input, 36 x 36 x 16, waiting for the sum
    ("wake_vision/mcunet-vww2.tflite", 2 * 36 * 36 * 96 + 36 * 36 * 16, 271_600),
    ("mlperf_tiny/vww_96_int8.tflite", 48 * 48 * 8 + 48 * 48 * 16, 57_400),
    ("mlperf_tiny/ic_resnet8_int8.tflite", 3 * 32 * 32 * 16, 51_200),
    ("mlperf_tiny/kws_dscnn_int8.tflite", 2 * 25 * 5 * 64, 18_000),
]


def planned(path: Path, core: str) -> MemoryPlan:
    graph = lower(canonicalize(load_model(path)))
    result = plan_memory(schedule(graph, CORES[core].isa))
    check(result)
    return result


@pytest.mark.parametrize("core", ["cortex-m0+", "cortex-m7"])
@pytest.mark.parametrize(("file", "tensors", "most"), FIGURES, ids=[Path(f).stem for f, _, _ in FIGURES])
def test_arena_is_the_live_tensors_and_little_scratch(
    shared: Path, file: str, tensors: int, most: int, core: str
) -> None:
    result = planned(shared / "models" / file, core)
    assert tensors <= result.peak_bytes <= most
    assert result.peak_bytes == result.arenas[0].lower_bound  # proved: no plan of these buffers is smaller
    live = peak_report(result).buffers
    assert sum(b.bytes for b in live if b.kind is not BufferKind.SCRATCH) <= tensors
