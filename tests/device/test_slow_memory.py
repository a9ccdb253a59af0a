"""Lines fetched from slow memory: worked out by hand, and both meters alike."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import unicorn
from unicorn import arm_const

from tinyml.device.emulator import Cost, EmulatedBoard
from tinyml.device.emulator.memory import SlowMemory, slow_memory
from tinyml.device.emulator.meter import _Lines, attach
from tinyml.targets import generic_target, load_board
from tinyml.targets.board import Board, Cache

Build = Callable[[str], tuple[Path, Board]]


def test_caches_have_four_ways_and_as_many_sets_as_fit() -> None:
    memory = SlowMemory(32, 16384, 0, False, ((0x100, 0x200, 7), (0x400, 0x500, 0)))
    assert memory.geometry(16384) == (128, 4)
    assert memory.geometry(128) == (1, 4)
    assert memory.geometry(64) == (1, 2)
    assert memory.geometry(0) == (1, 1)  # the line used last
    assert [memory.cycles_of(a) for a in (0xFF, 0x100, 0x1FF, 0x200, 0x400)] == [None, 7, 7, None, 0]


def test_the_line_used_longest_ago_gives_way() -> None:
    lines = _Lines(sets=2, ways=2)
    # Lines 0, 2, 4 share a set, of which two fit; line 1 is in the other set.
    assert [lines.misses(n) for n in (0, 2, 1, 0, 4, 0, 2, 1)] == [True, True, True, False, True, False, True, False]


def test_boards_price_their_flash() -> None:
    memory = slow_memory(load_board("stm32h7"))
    assert memory is not None
    assert memory.cycles_of(0x0800_0000) == 18 and memory.cycles_of(0x2400_0000) == 0
    assert memory.cycles_of(0x2000_0000) is None  # tightly coupled
    assert slow_memory(generic_target("cortex-m7", 1 << 18, 1 << 20)) is None


def _run(elf: Path, board: Board, *, native: bool = True, watch: bool = True, times: int = 1) -> list[Cost]:
    """Of the workload, so many times."""
    emulated = EmulatedBoard(elf, board, watch=("bench_run",), native=native)
    emulated.read()
    if watch:
        emulated.watch_memory()
    costs = []
    for _ in range(times):
        emulated.clear_costs()
        emulated.write(b"r")
        emulated.read()
        costs.append(emulated.costs()["bench_run"])
    return costs


@pytest.mark.emulated
@pytest.mark.parametrize("board_id", ["stm32h7", "stm32l4r5"])
def test_both_meters_agree_and_waits_come_on_top(build_workload: Build, board_id: str) -> None:
    elf, board = build_workload(board_id)
    (native,), (python,) = _run(elf, board), _run(elf, board, native=False)
    assert native == python
    assert native.waits > 0
    (fast,) = _run(elf, board, watch=False)
    assert fast == Cost(native.instructions, native.cycles - native.waits, 0)


@pytest.mark.emulated
def test_what_fits_is_fetched_once_and_a_line_costs_its_price(build_workload: Build) -> None:
    elf, board = build_workload("stm32h7")
    assert board.cache is not None
    first, second = _run(elf, board, times=2)
    assert second.waits < first.waits / 10  # code and data of the workload fit in 16 KiB
    dear = replace(board, cache=replace(board.cache, line_cycles=2 * board.cache.line_cycles))
    assert _run(elf, dear)[0].waits == 2 * first.waits
    # Without caches every change of line costs, and prefetching can only help.
    none = replace(board, cache=Cache(16, 5, 0, 0, "a test"))
    ahead = replace(board, cache=Cache(16, 5, 0, 0, "a test", prefetch=True))
    assert _run(elf, none)[0].waits > _run(elf, ahead)[0].waits > first.waits / 18 * 5


@pytest.mark.emulated
def test_milliseconds_are_not_stated_where_the_flash_is_another_chip() -> None:
    from tinyml.profile.emulated import clock_of

    board = load_board("stm32h7")
    assert board.cache is not None and clock_of(board) == 480_000_000
    assert clock_of(replace(board, cache=replace(board.cache, external=True))) is None


# cmp r0, #1; itt lt; ldrlt r3, [r2]; movlt r4, #1; b.n 1f; nop; 1: cmp r0, #0; b.n 2f; adds r6, #1; 2: adds r6, #2; bx lr
_CONDITIONAL = bytes.fromhex("0128 bcbf 1368 0124 00e0 00bf 0028 00e0 0136 0236 7047")


@pytest.mark.emulated
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("value", [0, 5])
def test_a_watched_load_in_an_it_sequence_leaves_no_condition_behind(value: int, native: bool) -> None:
    """Unicorn takes the block behind such a load for the rest of the sequence, unless the hook puts that right."""
    core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    core.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
    for address in (0x1000, 0x8000, 0x2000_0000):
        core.mem_map(address, 0x1000)
    core.mem_write(0x1000, _CONDITIONAL)
    meter = attach(core, 0x1000, lambda address, size: Cost(1, 1), (), lambda _: None, native)
    meter.fuel = 100
    meter.watch_memory(core, SlowMemory(32, 128, 128, False, ((0x2000_0000, 0x2000_1000, 7),)))
    for register, word in (
        (arm_const.UC_ARM_REG_R0, value),
        (arm_const.UC_ARM_REG_R2, 0x2000_0000),
        (arm_const.UC_ARM_REG_LR, 0x8001),
    ):
        core.reg_write(register, word)
    core.emu_start(0x1001, 0x8000)
    assert core.reg_read(arm_const.UC_ARM_REG_R6) == 2
    assert meter.total == Cost(3, 10 if value == 0 else 3, 7 if value == 0 else 0)
