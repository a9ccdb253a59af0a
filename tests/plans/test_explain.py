"""What is said about a plan: its peak, each layer's share, and boards that have no room."""

import re

import pytest
from plan_networks import Net, mobilenet_v1_quarter, resnet_8, scheduled

from tinyml.errors import DoesNotFitError
from tinyml.memory.explain import LiveBuffer, arena_capacity, fits, layer_memory, live_bytes, peak_report
from tinyml.memory.plan import BufferKind
from tinyml.memory.planner import plan_memory
from tinyml.targets.board import Board, Link, MemoryRegion
from tinyml.targets.core import CORES


def board(name: str, sram: int, stack_in: str = "sram") -> Board:
    regions = (
        MemoryRegion("flash", "flash", 0x0800_0000, 1 << 20, "test"),
        MemoryRegion("sram", "ram", 0x2000_0000, sram, "test"),
        MemoryRegion("tcm", "ram", 0x1000_0000, 16_384, "test"),
    )
    link = Link("flash", "sram", stack_in, stack_in, 2048)
    return Board(name, name, CORES["cortex-m4"], 1_000_000, regions, link, None, "dwt", "none")


def test_the_peak_names_its_layer_and_what_lives_there() -> None:
    peak = peak_report(plan_memory(scheduled(mobilenet_v1_quarter())))
    assert [node.name for node in peak.nodes] == ["conv2d_2"]
    assert peak.bytes == 55_296
    assert peak.buffers == (
        LiveBuffer("conv2d_2", BufferKind.ACTIVATION, 36_864),
        LiveBuffer("conv2d_1", BufferKind.ACTIVATION, 18_432),
    )


def test_memory_shared_in_place_counts_once() -> None:
    result = plan_memory(scheduled(resnet_8()))
    add = next(i for i, stage in enumerate(result.schedule.stages) if stage.nodes[0].name == "add")
    assert live_bytes(result)[add] == 2 * 16_384
    assert max(live_bytes(result)) == 49_152


def test_layers_of_a_graph_without_kernels() -> None:
    layers = {layer.node.name: layer for layer in layer_memory(resnet_8())}
    second = layers["conv2d_2"]
    assert (second.input_bytes, second.output_bytes, second.waiting_bytes) == (16_384, 16_384, 16_384)
    assert layers["conv2d"].live_bytes == 32 * 32 * 3 + 16_384
    assert layers["add"].live_bytes == 3 * 16_384  # nothing in place, as no kernel is known
    assert "reshape" not in layers


def test_idle_inputs_can_be_the_peak() -> None:
    net = Net("idle")
    a = net.image(4, 4, 4, "a")
    net.image(32, 32, 1, "b")
    peak = peak_report(plan_memory(scheduled(net.build([net.relu(a)]))))
    assert (peak.step, peak.nodes, peak.bytes) == (-1, (), 64 + 1024)


def test_the_stack_takes_room_only_where_it_is_in_the_same_region() -> None:
    assert arena_capacity(board("one", 65_536)) == 65_536 - 2048
    assert arena_capacity(board("two", 65_536, stack_in="tcm"), reserve_bytes=1000) == 64_536


def test_a_board_with_room_is_accepted() -> None:
    fits(plan_memory(scheduled(resnet_8())), board("exact", 49_152, stack_in="tcm"))


def test_a_board_without_room_is_told_by_how_much_and_where() -> None:
    result = plan_memory(scheduled(mobilenet_v1_quarter()))
    others = [board("small", 32_768), board("large", 131_072)]
    with pytest.raises(DoesNotFitError) as error:
        fits(result, board("small", 32_768), boards=others)
    assert error.value.exit_code == 3
    assert str(error.value) == (
        # 55,296 - (32,768 - 2,048)
        "mobilenet_v1_025 does not fit small by 24,576 bytes of SRAM: its arena takes 55,296 bytes, "
        "sram has 30,720 without 2,048 of stack\n"
        "  the peak is in conv2d_2 (conv2d), where 55,296 bytes live at once:\n"
        "       36,864  activation  conv2d_2\n"
        "       18,432  activation  conv2d_1\n"
        "  hint: take a board that has room: large; or make the network's input smaller: activations grow with its area"
    )


def test_options_are_named_only_where_they_make_it_fit() -> None:
    kept = plan_memory(scheduled(mobilenet_v1_quarter()), keep_input=True)
    with pytest.raises(DoesNotFitError, match=re.escape("(no --keep-input): 55,296 bytes")):
        fits(kept, board("b", 65_536))
    with pytest.raises(DoesNotFitError) as error:
        fits(kept, board("b", 32_768))
    hint, short = str(error.value.hint).split("\n")
    assert "--keep-input" not in hint and "--reserve" not in hint
    assert short == "  lower, but not enough alone: let the run overwrite its input (no --keep-input): 55,296 bytes"
    with pytest.raises(DoesNotFitError, match=re.escape("reserve at most 8,192 bytes (--reserve-sram)")):
        fits(plan_memory(scheduled(mobilenet_v1_quarter())), board("b", 65_536), reserve_bytes=10_000)
    with pytest.raises(DoesNotFitError) as refused:  # all of it is the stack's
        fits(
            plan_memory(scheduled(mobilenet_v1_quarter())), board("b", 65_536), reserve_bytes=10_000, stack_bytes=10_000
        )
    assert "--reserve-sram" not in str(refused.value.hint)


def test_other_ways_are_named_with_what_they_take() -> None:
    plan = plan_memory(scheduled(mobilenet_v1_quarter()))
    with pytest.raises(DoesNotFitError) as error:
        fits(plan, board("b", 32_768), others=lambda: [("--one", 30_720), ("--two", 30_721), ("--three", 55_296)])
    hint, short = str(error.value.hint).split("\n")
    assert hint.startswith("--one: 30,720 bytes; or ") and "--three" not in hint + short
    assert short == "  lower, but not enough alone: --two: 30,721 bytes"
