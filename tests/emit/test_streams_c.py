"""Streams in C: networks cut into stages give the bytes of their layers one by one, and of numpy."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from emitted_c import build_program, calibration, compiler, host_compilers, infer, interpreted, noise, run_program
from stream_networks import excited_network, layered, random_network, random_stages

from tinyml import zoo
from tinyml.build.files import write_tree
from tinyml.build.toolchain import run_tool
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.emit.bundle import SourceBundle
from tinyml.emit.c.emitter import Identity, emit_c
from tinyml.ir.graph import Graph
from tinyml.memory import check, plan_memory
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.schedule.model import Objective, Schedule
from tinyml.schedule.second_pass import second_passes, with_second_passes
from tinyml.targets import generic_target
from tinyml.zoo.mobilenet import inverted_residual
from tinyml.zoo.network import Network

SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SEEDS = (1, 3, 7)

# Feeds what comes on standard input, row by row, from a heap block of one row, which is rubbish when the call returns.
# Each network is run on a poisoned arena: first a few rows of a run that is given up, then a whole one.
_FEEDING = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "{name}.h"

int main(void)
{{
    unsigned char *arena = malloc({macro}_ARENA_BYTES);
    unsigned char *image = malloc({macro}_INPUT_ROWS * {macro}_INPUT_ROW_BYTES);
    unsigned char *row = malloc({macro}_INPUT_ROW_BYTES);
    {name}_t net;

    memset(arena, 0xA5, {macro}_ARENA_BYTES);
    {name}_init(&net, arena);
    if (fread(image, {macro}_INPUT_ROW_BYTES, {macro}_INPUT_ROWS, stdin) != {macro}_INPUT_ROWS) return 2;
    for (int given_up = 1; given_up >= 0; given_up--) {{
        const int rows = given_up ? {macro}_INPUT_ROWS / 2 : {macro}_INPUT_ROWS;
        {name}_begin(&net);
        for (int y = 0; y < rows; y++) {{
            memcpy(row, image + ((given_up ? rows - 1 - y : y) * {macro}_INPUT_ROW_BYTES), {macro}_INPUT_ROW_BYTES);
            if ({name}_feed_row(&net, row) != {macro}_INPUT_ROWS - y - 1) return 3;
            memset(row, 0x5A, {macro}_INPUT_ROW_BYTES);
        }}
    }}
    if ({name}_feed_row(&net, row) != 0 || {name}_feed_row(&net, row) != 0) return 4;
    fwrite({name}_output(&net), 1, {macro}_OUTPUT_BYTES, stdout);
    free(row);
    free(image);
    free(arena);
    return 0;
}}
"""


def single_output(seed: int) -> tuple[Random, Graph]:
    rng = Random(seed)
    graph = random_network(rng)
    return rng, graph.with_(outputs=graph.outputs[-1:])


def bundle_of(schedule: Schedule, name: str) -> SourceBundle:
    plan = plan_memory(schedule, effort=0.05)
    check(plan)
    return emit_c(plan, Identity(name, "graph", "0" * 64, "cortex-m7", "int8"))


def sanitized() -> tuple[str, ...]:
    """gcc or clang; zig has no address sanitizer."""
    return compiler(next((name for name in ("gcc", "clang") if name in host_compilers()), "gcc"))


@pytest.mark.parametrize("seed", SEEDS)
def test_streams_leave_the_bytes_of_layers(tmp_path: Path, seed: int) -> None:
    """On arenas of exactly as many bytes as the header says, poisoned before each run."""
    rng, graph = single_output(seed)
    base = layered(graph, "cortex-m7")
    streams = random_stages(rng, base)
    assert streams is not None and any(len(stage.nodes) > 1 for stage in streams.stages)
    samples = [noise(graph, seed), noise(graph, seed + 100)]
    expected = [interpreted(graph, inputs) for inputs in samples]
    assert len(set(expected)) == 2, "the output tells inputs apart"
    for name, schedule in (("layers", base), ("streams", streams)):
        program = build_program(bundle_of(schedule, name), tmp_path / name, SANITIZE, sanitized())
        assert infer(program, samples) == expected, name


def test_a_second_pass_leaves_the_bytes_and_shares_the_weights(tmp_path: Path) -> None:
    rng = Random(5)
    graph = excited_network(rng)
    base = layered(graph, "cortex-m7")
    again = with_second_passes(base, second_passes(base))
    streams = random_stages(rng, again)
    assert again.copies and streams is not None and any(len(stage.nodes) > 2 for stage in streams.stages)
    once, twice = bundle_of(base, "once"), bundle_of(streams, "twice")
    assert (twice.weights_bytes, twice.parameters_bytes) == (once.weights_bytes, once.parameters_bytes)
    samples = [noise(graph, 1), noise(graph, 2)]
    expected = [interpreted(graph, inputs) for inputs in samples]
    assert len(set(expected)) == 2, "the output tells inputs apart"
    assert infer(build_program(twice, tmp_path, SANITIZE, sanitized()), samples) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_that_are_fed_give_the_bytes_of_the_frame(tmp_path: Path, seed: int) -> None:
    rng, graph = single_output(seed)
    streams = random_stages(rng, layered(graph, "cortex-m7"), stream_input=True)
    assert streams is not None
    bundle = bundle_of(streams, "fed")
    write_tree(tmp_path / "src", {**bundle.files, "main.c": _FEEDING.format(name="fed", macro="FED")})
    program = tmp_path / "program"
    run_tool([*sanitized(), "-std=c99", *SANITIZE, "-o", str(program), *bundle.sources, "main.c"], tmp_path / "src")
    (data,) = noise(graph, seed)
    assert run_program(program, data, "") == interpreted(graph, [data])


@pytest.mark.emulated
def test_a_network_in_streams_on_an_emulated_core(tmp_path: Path) -> None:
    """Through the pipeline, as firmware; in less memory than its layers need."""
    model = zoo.save("ds_cnn", tmp_path / "ds_cnn.onnx")
    board = generic_target("cortex-m4", 256 << 10, 1 << 20)
    options = Options(model, board, tmp_path, calibration=calibration(model), objective=Objective.SRAM)
    done = compile_model(options, stop_after="build")
    schedule = need(done.schedule)
    assert any(len(stage.nodes) > 1 for stage in schedule.stages)
    by_layers = plan_memory(layered(schedule.graph, "cortex-m4"))
    assert need(done.plan).peak_bytes < by_layers.peak_bytes
    assert_same_bytes(done, schedule.graph)


def assert_same_bytes(done: Compilation, graph: Graph) -> None:
    """The emulated board's answers are those of a graph in numpy."""
    with EmulatedBoard(need(done.image).elf, done.options.board) as emulated:
        client = Client(emulated)
        client.connect()
        for seed in range(2):
            inputs = noise(graph, seed)
            assert b"".join(client.infer(inputs)) == interpreted(graph, inputs)


@pytest.mark.emulated
def test_a_second_pass_on_an_emulated_core(tmp_path: Path) -> None:
    """Of 24 x 24 x 40, which stand whole for squeeze-and-excite, no more than a few rows are kept."""
    net = Network("excited", 0)
    x = net.conv(net.input(1, 3, 24, 24), 8, (3, 3), name="stem", activation="Relu6")
    x = inverted_residual(net, x, 40, 8, kernel=3, stride=1, name="block", squeeze=8)
    x = net.conv(x, 8, (3, 3), name="mix", activation="Relu6")
    x = net.flatten(net.global_average(x, name="pool"), name="flatten")
    model = tmp_path / "excited.onnx"
    model.write_bytes(net.finish(net.dense(x, 2, name="classifier")).SerializeToString())
    board = generic_target("cortex-m4", 256 << 10, 1 << 20)
    options = Options(model, board, tmp_path, calibration=calibration(model), objective=Objective.SRAM)
    once = compile_model(options, stop_after="emit")
    twice = compile_model(replace(options, recompute=0.4), stop_after="build")
    standing = 24 * 24 * (40 + 8)
    assert need(once.plan).peak_bytes > standing > 2 * need(twice.plan).peak_bytes
    assert (need(twice.bundle).weights_bytes, need(twice.bundle).parameters_bytes) == (
        need(once.bundle).weights_bytes,
        need(once.bundle).parameters_bytes,
    )
    assert_same_bytes(twice, need(once.quantized).graph)
