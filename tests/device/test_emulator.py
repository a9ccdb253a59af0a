"""The emulated board: firmware from its vector table, the product's own drivers, errors that name the place."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import capstone
import pytest
import unicorn

from tinyml.device.emulator import OUTSIDE, Cost, EmulatedBoard
from tinyml.errors import ToolError
from tinyml.targets.board import Board
from tinyml.targets.core import CORES

pytestmark = pytest.mark.emulated

Build = Callable[[str], tuple[Path, Board]]
BOARDS = ("nucleo_h743zi", "nucleo_l4r5zi", "qemu_mps2_an386", "qemu_mps2_an500")
LAYERS = ("layer_integer", "layer_branches", "layer_float", "layer_nested")


def _word(data: bytes) -> int:
    assert len(data) == 4
    return int.from_bytes(data, "little")


@pytest.mark.parametrize("board_id", BOARDS)
def test_boots_sets_up_its_clock_and_talks(build_workload: Build, board_id: str) -> None:
    elf, board = build_workload(board_id)
    emulated = EmulatedBoard(elf, board)
    assert _word(emulated.read()) == board.clock_hz  # what the clock set-up says that it reached
    emulated.write(b"e\x00e\xffe")
    assert emulated.read() == b"\x00\xff"
    assert emulated.read() == b""  # it waits for the byte to echo
    emulated.write(b"!")
    assert emulated.read() == b"!"


def _workload_result() -> int:
    """What workload.c computes in its layer_integer, worked out independently."""
    weights = [(i * 37 + 128) % 256 - 128 for i in range(512)]
    samples = [(i * 101 + 128) % 256 - 128 for i in range(512)]
    total = 0
    for row in range(40):
        dot = sum(w * samples[(i + row) % 512] for i, w in enumerate(weights))
        total += (dot * 1518500250 >> 31) % 2**32
        for i in range(64):
            pair = i * 0x00030001
            low, high = pair & 0xFFFF, pair >> 16
            signed = [(v + 2**15) % 2**16 - 2**15 for v in (low, high, total & 0xFFFF, total >> 16 & 0xFFFF)]
            total += signed[0] * signed[2] + signed[1] * signed[3]
    return total % 2**32


@pytest.mark.parametrize("native", [True, False])
def test_arithmetic_is_the_core_s(build_workload: Build, native: bool) -> None:
    elf, board = build_workload("nucleo_l4r5zi")
    after: list[int] = []

    def on_leave(name: str) -> None:
        if name == "layer_integer":
            result = emulated.program.symbol("result")
            after.append(_word(emulated.read_memory(result.address, result.bytes)))

    emulated = EmulatedBoard(elf, board, watch=LAYERS, on_leave=on_leave, native=native)
    emulated.read()
    emulated.write(b"r")
    emulated.read()
    assert after == [_workload_result()]


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("board_id", BOARDS)
def test_cycle_counter_agrees_with_the_counts(build_workload: Build, board_id: str, native: bool) -> None:
    elf, board = build_workload(board_id)
    emulated = EmulatedBoard(elf, board, watch=("bench_run",), native=native)
    emulated.read()
    emulated.write(b"r")
    cycles = _word(emulated.read()[:4])
    counted = emulated.costs()["bench_run"].cycles
    assert counted <= cycles <= counted + 100  # the call and the two readings


@pytest.mark.parametrize("board_id", BOARDS)
def test_time_goes_on_when_a_counter_wraps(build_workload: Build, board_id: str) -> None:
    """Of the boards, two count with SysTick: 24 bits, and an interrupt for each wrap, which disturbs nothing else."""
    elf, board = build_workload(board_id)
    emulated = EmulatedBoard(elf, board, watch=("bench_run",))
    emulated.read()
    emulated.write(b"R")
    sent = emulated.read()
    counted = emulated.costs()["bench_run"].cycles
    assert counted > 1 << 24
    assert counted <= _word(sent[:4]) <= counted + 1500  # the loop around it
    other_elf, other_board = build_workload("nucleo_l4r5zi")
    uninterrupted = EmulatedBoard(other_elf, other_board)
    uninterrupted.read()
    uninterrupted.write(b"R")
    assert uninterrupted.read()[4:] == sent[4:]


def test_watched_functions_are_told_apart_through_nesting_and_tail_calls(build_workload: Build) -> None:
    elf, board = build_workload("nucleo_h743zi")
    visits: list[str] = []
    emulated = EmulatedBoard(
        elf,
        board,
        watch=("bench_run", *LAYERS),
        on_enter=lambda name: visits.append(f"+{name}"),
        on_leave=lambda name: visits.append(f"-{name}"),
    )
    emulated.read()
    emulated.write(b"r")
    emulated.read()
    integer, branches, floating, nested = LAYERS
    assert visits == [
        "+bench_run",
        *(f"{sign}{name}" for name in (integer, branches, floating) for sign in "+-"),
        *(f"+{nested}", f"+{floating}", f"-{floating}", f"+{branches}", f"-{branches}", f"-{nested}"),
        "-bench_run",
    ]
    costs = emulated.costs()
    assert costs[nested].instructions < 20  # its callees are counted for themselves
    assert costs[branches].instructions > 2 * 5000 * 10
    emulated.clear_costs()
    assert set(emulated.costs()) <= {OUTSIDE}


def test_native_and_python_meters_agree_and_runs_repeat(build_workload: Build) -> None:
    elf, board = build_workload("nucleo_h743zi")

    def run(native: bool) -> tuple[bytes, dict[str, Cost]]:
        emulated = EmulatedBoard(elf, board, watch=("bench_run", *LAYERS), native=native)
        sent = emulated.read()
        emulated.write(b"er?r")
        return sent + emulated.read(), dict(emulated.costs())

    assert run(True) == run(False) == run(True)


@pytest.mark.parametrize("board_id", ["nucleo_h743zi", "nucleo_l4r5zi"])
def test_instruction_count_is_exact(build_workload: Build, board_id: str) -> None:
    """Against Unicorn's own hook on every instruction, which leaves out those that an IT block skips."""
    elf, board = build_workload(board_id)
    emulated = EmulatedBoard(elf, board, watch=("bench_run", *LAYERS))
    executed: Counter[int] = Counter()
    emulated._uc.hook_add(unicorn.UC_HOOK_CODE, lambda _uc, address, _size, _: executed.update((address,)))
    emulated.read()
    emulated.write(b"er")
    emulated.read()
    emulated.write(b"er?")
    emulated.read()

    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    skipped = 0
    for address, times in executed.items():
        first, *conditional = decoder.disasm(emulated.read_memory(address, 18), address)
        if first.mnemonic.startswith("it"):
            conditional = conditional[: len(first.mnemonic) - 1]
            skipped += times * len(conditional) - sum(executed[x.address] for x in conditional)
    counted = sum(cost.instructions for cost in emulated.costs().values())
    assert skipped > 0
    assert counted == executed.total() + skipped


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (b"o", r"reads 4 bytes at 0x90000000, which no memory region has, at pc 0x[0-9a-f]+ \(start\+0x[0-9a-f]+\)"),
        (b"f", r"writes 4 bytes at 0x08000000, which flash does not allow, at pc 0x[0-9a-f]+ \(start\+"),
        (b"u", r"polls the register at 0x4000f000"),
        (b"w", r"halted at pc .* \(start\+"),
        (b"b", r"stops .* \(start\+"),
    ],
)
def test_firmware_that_goes_astray_is_an_error(build_workload: Build, command: bytes, message: str) -> None:
    elf, board = build_workload("nucleo_h743zi")
    emulated = EmulatedBoard(elf, board)
    emulated.read()
    emulated.write(command)
    with pytest.raises(ToolError, match=message):
        emulated.read()


@pytest.mark.parametrize("native", [True, False])
def test_endless_loop_ends_at_the_budget(build_workload: Build, native: bool) -> None:
    elf, board = build_workload("nucleo_h743zi")
    emulated = EmulatedBoard(elf, board, native=native)
    emulated.read()
    emulated.budget = 20_000
    emulated.write(b"l")
    with pytest.raises(ToolError, match=r"ran 20000 instructions and still does not answer; it is at pc .*start\+"):
        emulated.read()


def test_ram_is_not_zero_at_power_up(build_workload: Build) -> None:
    elf, board = build_workload("nucleo_h743zi")
    for fill in (0xCD, 0x11):
        emulated = EmulatedBoard(elf, board, fill=fill)
        emulated.read()
        emulated.write(b"p")
        assert emulated.read() == bytes([fill])


def test_wrong_baud_rate_is_noticed(build_workload: Build) -> None:
    elf, board = build_workload("nucleo_h743zi")
    assert board.uart is not None
    with pytest.raises(ToolError, match=r"the firmware sends at 115108 baud.*the board file says 9600"):
        EmulatedBoard(elf, replace(board, uart=replace(board.uart, baud=9600))).read()


def test_what_cannot_be_emulated_is_said(build_workload: Build, tmp_path: Path) -> None:
    elf, board = build_workload("nucleo_h743zi")
    with pytest.raises(ToolError, match="cannot run cortex-m55"):
        EmulatedBoard(elf, replace(board, core=CORES["cortex-m55"]))
    with pytest.raises(ToolError, match="there is no firmware"):
        EmulatedBoard(tmp_path / "none.elf", board)
    (tmp_path / "text.elf").write_text("no ELF at all")
    with pytest.raises(ToolError, match="is not an ELF file"):
        EmulatedBoard(tmp_path / "text.elf", board)
    with pytest.raises(ToolError, match="defines no symbol 'nothing'"):
        EmulatedBoard(elf, board, watch=("nothing",))
    elsewhere = tuple(replace(r, address=0x0900_0000) if r.name == "flash" else r for r in board.regions)
    with pytest.raises(ToolError, match="bytes at 0x08000000 are in no memory region"):
        EmulatedBoard(elf, replace(board, regions=elsewhere))
    assert board.uart is not None
    with pytest.raises(ToolError, match="no model of the serial port 'z80'"):
        EmulatedBoard(elf, replace(board, uart=replace(board.uart, driver="z80")))


def test_truncated_elf_is_an_error_of_the_user(build_workload: Build, tmp_path: Path) -> None:
    elf, board = build_workload("nucleo_h743zi")
    whole = elf.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        (tmp_path / "short.elf").write_bytes(whole[:length])
        with pytest.raises(ToolError):
            EmulatedBoard(tmp_path / "short.elf", board, watch=("bench_run",)).read()
