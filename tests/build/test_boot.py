"""What a chip's boot loader finds, what clock the firmware reaches, and how fast bytes travel."""

import io
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import unicorn
from elftools.elf.elffile import ELFFile
from toy_network import toy_bundle
from unicorn import arm_const

from tinyml.build.firmware import build_firmware
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.emit.bundle import SourceBundle
from tinyml.errors import ToolError
from tinyml.targets import Board, at_safe_clock, list_boards, load_board

BAUD, BITS_A_BYTE = 921_600, 10
IMAGE = 27_648  # bytes of a picture of 96 x 96 in colour
TWO_CLOCKS = [board.id for board in list_boards() if board.safe_clock_hz is not None]

Build = Callable[[Board], FirmwareImage]


@pytest.fixture
def build(bundle: SourceBundle, tmp_path: Path) -> Build:
    return lambda board: build_firmware(bundle, board, find_toolchain("ziglang"), tmp_path)


def reversed_bits(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


@pytest.mark.parametrize("name", ["arm-none-eabi-gcc", "ziglang"])
def test_the_second_stage_of_the_rp2040(bundle: SourceBundle, tmp_path: Path, name: str) -> None:
    """RP2040 data sheet, "Second stage": 256 bytes, their CRC-32 in the last four; run at the end of RAM."""
    image = build_firmware(bundle, load_board("pico"), find_toolchain(name), tmp_path)
    stage = image.bin.read_bytes()[:256]
    # zlib's CRC-32 is the same polynomial, least significant bit first, and inverted at its end.
    crc = zlib.crc32(bytes(reversed_bits(byte, 8) for byte in stage[:252])) ^ 0xFFFF_FFFF
    assert int.from_bytes(stage[252:], "little") == reversed_bits(crc, 32)

    # What the ROM does with it, the flash readable and the SSI a piece of memory.
    core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    core.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M0)
    ram, ssi = 0x2004_1F00, 0x1800_0000
    for address, size in ((0x1000_0000, 1 << 20), (0x2000_0000, 0x42000), (ssi, 4096), (0xE000_E000, 4096)):
        core.mem_map(address, size)
    core.mem_write(0x1000_0000, image.bin.read_bytes())
    core.mem_write(ram, stage)
    written: list[tuple[int, int]] = []
    core.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda uc, kind, address, size, value, _: written.append((address, value)))
    stack, reset = (int.from_bytes(image.bin.read_bytes()[256 + 4 * i : 260 + 4 * i], "little") for i in (0, 1))
    core.emu_start(ram | 1, reset & ~1, count=100)
    assert (core.reg_read(arm_const.UC_ARM_REG_PC), core.reg_read(arm_const.UC_ARM_REG_SP)) == (reset & ~1, stack)
    *setup, vectors = written
    assert vectors == (0xE000_ED08, 0x1000_0100)
    # pico-sdk hardware/regs/ssi.h: off; divider; frames; their number; the command; on.
    assert [address - ssi for address, _ in setup] == [0x08, 0x14, 0x00, 0x04, 0xF4, 0x08]
    frames, transfer_mode, command, instruction_8_bits, address_24_bits = 31 << 16, 3 << 8, 0x03 << 24, 2 << 8, 6 << 2
    values = [0, 4, frames | transfer_mode, 0, command | instruction_8_bits | address_24_bits, 1]
    assert [value for _, value in setup] == values


def test_the_image_definition_of_the_rp2350(build: Build) -> None:
    """RP2350 data sheet, "Minimum Arm IMAGE_DEF": these five words, in the first 4 KiB."""
    image = build(load_board("pico2")).bin.read_bytes()
    words = (0xFFFF_DED3, 0x1021_0142, 0x0000_01FF, 0x0000_0000, 0xAB12_3579)
    at = image.index(b"".join(word.to_bytes(4, "little") for word in words))
    assert at % 4 == 0
    assert at + 20 <= 4096


@pytest.mark.parametrize("name", TWO_CLOCKS)
@pytest.mark.parametrize("safe", [False, True])
def test_both_clocks_are_reached(build: Build, name: str, safe: bool) -> None:
    board = at_safe_clock(load_board(name)) if safe else load_board(name)
    client = Client(EmulatedBoard(build(board).elf, board))
    client.connect()
    assert client.model().clock_hz == board.clock_hz


# Where no oscillator ever gets ready: the internal one of reset.
@pytest.mark.parametrize(
    ("name", "hz"),
    [("stm32h7", 64_000_000), ("stm32l4r5", 4_000_000), ("stm32f4", 16_000_000), ("stm32f7", 16_000_000),
     ("nrf52840", 64_000_000), ("pico", 6_500_000), ("pico2", 6_500_000)],
)  # fmt: skip
def test_the_board_answers_where_its_oscillators_do_not_start(build: Build, name: str, hz: int) -> None:
    board = load_board(name)
    image = build(board)
    client = Client(EmulatedBoard(image.elf, replace(board, ready_bits=(), clock_hz=hz)))
    client.connect()
    assert client.model().clock_hz == hz


@pytest.mark.parametrize("name", ["stm32h7", "nrf52840", "pico", "pico2", "qemu_microbit"])
def test_a_reset_on_request(build: Build, name: str) -> None:
    board = load_board(name)
    client = Client(EmulatedBoard(build(board).elf, board))
    client.connect()
    client.put(0, bytes(4))
    before = client.timestamp()
    client.reset()
    assert client.timestamp() < before
    assert client.name() == "tinyml"


def test_a_serial_port_whose_dma_leaves_its_memory_is_an_error(build: Build) -> None:
    board = load_board("nrf52840")
    elf = build(board).elf
    no_dma = replace(board, regions=tuple(replace(region, dma=False) for region in board.regions))
    client = Client(EmulatedBoard(elf, no_dma))
    with pytest.raises(ToolError, match=r"DMA is given 1 bytes at 0x2000\w+, which it does not reach"):
        client.connect()


class CountingLine:
    """A board's line, and the bytes that went over it."""

    def __init__(self, board: EmulatedBoard) -> None:
        self._board = board
        self.bytes = 0

    def read(self, timeout: float) -> bytes:
        data = self._board.read(timeout)
        self.bytes += len(data)
        return data

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        self._board.write(data)

    def close(self) -> None:
        self._board.close()


def with_large_input(bundle: SourceBundle) -> SourceBundle:
    header = bundle.files["toy.h"].replace("INPUT_BYTES 4", f"INPUT_BYTES {IMAGE}")
    header = header.replace("ARENA_BYTES 16", f"ARENA_BYTES {IMAGE}")
    return replace(bundle, files={**bundle.files, "toy.h": header})


@pytest.mark.parametrize("name", ["stm32h7", "stm32f7", "stm32f4", "stm32l4r5", "nrf52840", "pico"])
def test_a_picture_takes_a_third_of_a_second(tmp_path: Path, name: str) -> None:
    """At 921,600 baud: the bytes on the line, and the time in which the firmware takes them."""
    board = load_board(name)
    assert board.uart is not None
    assert board.clock_hz is not None
    board = replace(board, uart=replace(board.uart, baud=BAUD))
    image = build_firmware(with_large_input(toy_bundle()), board, find_toolchain("ziglang"), tmp_path)
    emulated = EmulatedBoard(image.elf, board)
    line = CountingLine(emulated)
    client = Client(line)
    client.connect()
    line.bytes = 0
    emulated.clear_costs()
    client.put(0, bytes(i % 251 for i in range(IMAGE)))
    assert line.bytes == IMAGE + 48  # as PROTOCOL.md says
    assert line.bytes * BITS_A_BYTE / BAUD < 0.31
    # The emulated line is never late: so this is what the firmware itself takes, the CRC at the end among it.
    cycles = sum(cost.cycles or cost.instructions for cost in emulated.costs().values())
    assert cycles / board.clock_hz < IMAGE * BITS_A_BYTE / BAUD


def test_what_the_chips_boot_loader_reads_is_in_no_other_firmware(build: Build) -> None:
    elf = ELFFile(io.BytesIO(build(load_board("stm32h7")).elf.read_bytes()))
    assert elf.get_section_by_name(".boot") is None
