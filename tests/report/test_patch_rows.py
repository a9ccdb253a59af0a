"""What the page of a schedule says about patches."""

from dataclasses import replace

from stream_networks import Layers, layered

from tinyml.memory import plan_memory
from tinyml.report.schedule_page import Subject, schedule_page
from tinyml.schedule.stream import Tiling


def test_the_parts_of_a_patch_and_what_they_compute_again() -> None:
    net = Layers("patch")
    x = net.conv(net.depthwise(net.conv(net.image(8, 8, 2), 4, (1, 1))), 6, (1, 1))
    base = layered(net.build([x]))
    stage = base.stage(base.graph.nodes, [Tiling(1, 3, 4)])
    page = schedule_page(Subject("m", "b", "b", "int8", "sram"), plan_memory(replace(base, stages=(stage,))), None)
    # 6 rows take 3 of the first map and 2 take 2; both parts of a row take 5 columns: 22 x 10 pixels in place of 8 x 8.
    again = 8 * (22 * 10 - 64) / ((8 + 36 + 24) * 64)
    assert f"in parts of 1 row x 4 columns, {100 * again:.0f} % again" in page
