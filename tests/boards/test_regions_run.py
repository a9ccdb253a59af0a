"""Networks in several regions of RAM, on an emulated board: the same bytes as the interpreter's."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from emitted_c import calibration, interpreted, noise
from stream_networks import Layers

from tinyml import zoo
from tinyml.build.firmware import build_firmware
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.emit.c.emitter import Identity, emit_c
from tinyml.memory import check, plan_memory
from tinyml.pipeline import Options, compile_model, need
from tinyml.report.document import make_report
from tinyml.schedule import schedule
from tinyml.schedule.stream import Tiling
from tinyml.targets import load_board

pytestmark = pytest.mark.emulated
H7 = load_board("stm32h7")


def section(image: FirmwareImage, name: str) -> tuple[str, int]:
    """Region and bytes of a section."""
    found = ELFFile(io.BytesIO(image.elf.read_bytes())).get_section_by_name(name)
    region = next(r for r in H7.regions if r.address <= found["sh_addr"] < r.end)
    return region.name, found["sh_size"]


def assert_exact(image: FirmwareImage) -> None:
    graph = image.bundle.plan.schedule.graph
    with EmulatedBoard(image.elf, image.board, fill=0xA5) as emulated:
        client = Client(emulated)
        client.connect()
        for seed in range(2):
            inputs = noise(graph, seed)
            assert b"".join(client.infer(inputs)) == interpreted(graph, inputs)


def test_a_network_in_two_regions(tmp_path: Path) -> None:
    model = zoo.save("ds_cnn", tmp_path / "ds_cnn.onnx")
    small = tuple(replace(r, bytes=14 << 10) if r.name == "dtcm" else r for r in H7.regions)  # of which 4 KiB are left
    options = Options(
        model,
        replace(H7, regions=small),
        tmp_path,
        calibration=calibration(model),
        place=("auto", "input=dma"),
        toolchain="ziglang",
    )
    done = compile_model(options)
    plan, image = need(done.plan), need(done.image)
    assert [arena.region for arena in plan.arenas] == ["dtcm", "axi_sram"]
    assert plan.region(plan.schedule.graph.inputs[0]) == "axi_sram"
    assert [section(image, name)[0] for name in (".arena", ".arena_1")] == ["dtcm", "axi_sram"]
    assert_exact(image)
    memory = make_report(done).memory
    used = {r.name: (r.arena_bytes, r.stack_bytes > 0, r.static_bytes > 0) for r in memory.regions if r.arena_bytes}
    assert used == {"dtcm": (plan.arenas[0].bytes, True, True), "axi_sram": (plan.arenas[1].bytes, False, False)}


def test_a_picture_larger_than_the_fast_region_is_streamed(tmp_path: Path) -> None:
    """Our firmware keeps the picture that a camera would deliver: 224 x 224 x 3 bytes, more than the DTCM has."""
    net = Layers("eye")
    graph = net.build([net.mean(net.conv(net.image(224, 224, 3), 4, (7, 7), stride=8))])
    base = schedule(graph, H7.core.isa)
    plan = plan_memory(
        replace(base, stages=(base.stage(graph.nodes, [Tiling(1)] * len(graph.nodes)),), stream_input=True),
        region="axi_sram",
    )
    check(plan)
    bundle = emit_c(plan, Identity("eye", "graph", "0" * 64, "cortex-m7", "int8"))
    image = build_firmware(bundle, H7, find_toolchain("ziglang"), tmp_path)
    assert section(image, ".frame") == ("axi_sram", 224 * 224 * 3)
    assert image.sizes.firmware_static_bytes < 1024  # the picture does not count: an application with a camera has none
    assert_exact(image)
