"""The timing models: blocks worked out by hand from the manuals, and an independent meter where it is at hand."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinyml.device.emulator import Cost, EmulatedBoard, has_cycle_model
from tinyml.device.emulator.timing import block_cost
from tinyml.targets.board import Board
from tinyml.targets.core import CORES

# Thumb encodings, little-endian.
ADD_1 = bytes.fromhex("401c")  # adds r0, r0, #1
ADD_2 = bytes.fromhex("491c")  # adds r1, r1, #1
LDR_0 = bytes.fromhex("1068")  # ldr r0, [r2]
LDR_1 = bytes.fromhex("1168")  # ldr r1, [r2]
STR_0 = bytes.fromhex("1860")  # str r0, [r3]
BEQ = bytes.fromhex("fed0")  # beq .
PUSH = bytes.fromhex("10b5")  # push {r4, lr}
POP = bytes.fromhex("10bd")  # pop {r4, pc}
UDIV = bytes.fromhex("b0fbf1f0")  # udiv r0, r0, r1
SMLAD = bytes.fromhex("20fb0144")  # smlad r4, r0, r1, r4
BL = bytes.fromhex("fff7feff")  # bl .
MULS = bytes.fromhex("4843")  # muls r0, r1, r0
MLA = bytes.fromhex("00fb0120")  # mla r0, r0, r1, r2
SMULL = bytes.fromhex("80fb0123")  # smull r2, r3, r0, r1
SMLAL = bytes.fromhex("c0fb0123")  # smlal r2, r3, r0, r1
MUL = bytes.fromhex("00fb01f0")  # mul r0, r0, r1


def _cost(core: str, *code: bytes) -> Cost:
    return block_cost(core, b"".join(code))


@pytest.mark.parametrize(
    ("code", "cycles"),
    [
        ((ADD_1, ADD_2), 2),
        ((LDR_0,), 2),
        ((LDR_0, LDR_1, STR_0), 2 + 1 + 1),  # neighbouring loads and stores pipeline their address and data phases
        ((LDR_0, ADD_2, LDR_1), 2 + 1 + 2),
        ((BEQ,), 1 + 2),
        ((PUSH,), 1 + 2),
        ((POP,), 1 + 2 + 2),
        ((SMLAD, SMLAD), 2),
        ((UDIV,), 7),
    ],
)
def test_cortex_m4_follows_its_table(code: tuple[bytes, ...], cycles: int) -> None:
    assert _cost("cortex-m4", *code) == Cost(len(code), cycles)


@pytest.mark.parametrize(
    ("code", "cycles"),
    [
        ((ADD_1, ADD_2), 1),  # a pair
        ((ADD_1, ADD_1), 2),  # the second needs the first
        ((LDR_0, LDR_1), 1),  # two loads a cycle
        ((LDR_0, STR_0), 3),  # a load's result comes a cycle late
        ((SMLAD, SMLAD), 2),  # one multiplier; the sum is forwarded
        ((MUL, ADD_1), 3),
        ((ADD_1, BEQ), 1),
    ],
)
def test_cortex_m7_issues_two_a_cycle(code: tuple[bytes, ...], cycles: int) -> None:
    assert _cost("cortex-m7", *code) == Cost(len(code), cycles)


@pytest.mark.parametrize(
    ("code", "m0", "m0_plus", "m3"),
    [
        ((ADD_1, ADD_2), 2, 2, 2),
        ((LDR_0, LDR_1, STR_0), 2 + 2 + 2, 2 + 2 + 2, 2 + 1 + 1),  # the smaller cores pipeline no accesses
        ((STR_0,), 2, 2, 1),
        ((BEQ,), 3, 2, 3),
        ((BL,), 4, 3, 3),
        ((PUSH,), 1 + 2, 1 + 2, 1 + 2),
        ((POP,), 4 + 2, 3 + 2, 1 + 2 + 2),
        ((MULS,), 1, 1, 1),
    ],
)
def test_smaller_cores_follow_their_tables(code: tuple[bytes, ...], m0: int, m0_plus: int, m3: int) -> None:
    """POP with the program counter: 4 + N of N registers in DDI 0432, 3 + N in DDI 0484."""
    for core, cycles in (("cortex-m0", m0), ("cortex-m0+", m0_plus), ("cortex-m3", m3)):
        assert _cost(core, *code) == Cost(len(code), cycles), core


def test_long_products_take_longer_on_the_m3() -> None:
    assert _cost("cortex-m3", MLA, SMULL, SMLAL).cycles == 2 + 4 + 5
    assert _cost("cortex-m4", MLA, SMULL, SMLAL).cycles == 3


def test_every_core_that_the_emulator_runs_has_a_model() -> None:
    for core in CORES.values():
        assert has_cycle_model(core) == (core.unicorn_model is not None)
    assert _cost("cortex-m55", LDR_0, ADD_1, BEQ) == Cost(3, 3)


def test_an_encoding_that_cannot_be_decoded_is_counted() -> None:
    assert _cost("cortex-m7", ADD_1, bytes.fromhex("fff7fff7")).instructions == 2


@pytest.mark.emulated
@pytest.mark.parametrize("board_id", ["nucleo_h743zi", "nucleo_l4r5zi"])
def test_agrees_with_an_independent_meter(
    build_workload: Callable[[str], tuple[Path, Board]], board_id: str, shared: Path
) -> None:
    meter = shared / "tools" / "mcu_count" / "mcu_count.py"
    if not meter.exists() or shutil.which("gcc") is None:
        pytest.skip(f"the independent meter is not here: {meter}, which needs gcc")
    elf, board = build_workload(board_id)
    core = board.core.name.removeprefix("cortex-")
    done = subprocess.run(
        [sys.executable, str(meter), str(elf), "--core", core, "--json"], capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout)

    emulated = EmulatedBoard(elf, board, watch=("bench_run",))
    emulated.read()
    emulated.write(b"r")
    emulated.read()
    ours = emulated.costs()["bench_run"]
    assert ours.instructions == pytest.approx(theirs["insns"], rel=0.02)
    assert ours.cycles == pytest.approx(theirs[core], rel=0.02)
