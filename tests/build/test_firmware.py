"""Firmware of the toy network: built by both compilers for every core, read back, and run under QEMU."""

import io
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from qemu_machine import Qemu
from toy_network import WEIGHTS, expected

from tinyml.build.elf import with_crcs
from tinyml.build.firmware import build_firmware, firmware_units
from tinyml.build.image import FirmwareImage
from tinyml.build.objects import runtime_library
from tinyml.build.toolchain import Toolchain, find_toolchain, run_tool
from tinyml.emit.bundle import SourceBundle
from tinyml.errors import DoesNotFitError, ToolError
from tinyml.resources import resource_dir
from tinyml.targets import CORES, Board, generic_target, list_boards, load_board

CORE_NAMES = [name for name, core in CORES.items() if core.takes_firmware]
BOARD_NAMES = [board.id for board in list_boards() if board.has_firmware]


@pytest.fixture(params=["arm-none-eabi-gcc", "ziglang"])
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    if request.param == "arm-none-eabi-gcc" and shutil.which(request.param) is None:
        pytest.skip("arm-none-eabi-gcc is not on the PATH")
    return find_toolchain(request.param)


def symbols(image: FirmwareImage) -> dict[str, int]:
    table = ELFFile(io.BytesIO(image.elf.read_bytes())).get_section_by_name(".symtab")
    return {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_every_board_links(bundle: SourceBundle, tmp_path: Path, toolchain: Toolchain, name: str) -> None:
    board = load_board(name)
    image = build_firmware(bundle, board, toolchain, tmp_path)
    assert_is_laid_out(image, board)
    assert {path.name for path in tmp_path.iterdir()} == {
        "firmware", "firmware.bin", "firmware.elf", "firmware.hex", "src",
    }  # fmt: skip
    assert {path.name for path in (tmp_path / "src").iterdir()} == set(bundle.files)


@pytest.mark.parametrize("core", CORE_NAMES)
def test_every_core_links(bundle: SourceBundle, tmp_path: Path, toolchain: Toolchain, core: str) -> None:
    board = generic_target(core, 64 * 1024, 64 * 1024)
    assert_is_laid_out(build_firmware(bundle, board, toolchain, tmp_path), board)


def assert_is_laid_out(image: FirmwareImage, board: Board) -> None:
    elf = ELFFile(io.BytesIO(image.elf.read_bytes()))
    names = symbols(image)
    code, stack = board.region(board.link.code), board.region(board.link.stack)
    # Armv7-M manual, B1.5.3: the table starts with the initial stack pointer and the address of the reset handler.
    table = elf.get_section_by_name(".text").data()
    assert int.from_bytes(table[0:4], "little") == names["stack_top"] == stack.address + board.link.stack_bytes
    assert int.from_bytes(table[4:8], "little") == names["reset_handler"] | 1 == elf.header["e_entry"] | 1
    in_front = 256 if board.boot == "rp2040" else 0  # the second stage of its boot loader
    assert names["vectors"] == code.address + in_front
    assert names["stack_limit"] == stack.address
    arena = elf.get_section_by_name(".arena")
    assert (arena["sh_type"], arena["sh_size"], arena["sh_addr"] % 32) == ("SHT_NOBITS", 16, 0)
    region = board.region(board.link.arena)
    assert region.address <= arena["sh_addr"] < region.end
    assert elf.get_section_by_name(".tinyml_weights").data() == WEIGHTS.tobytes()
    assert {"toy_layer_00_add", "toy_layer_01_fc"} <= set(names)
    assert (image.sizes.weights_bytes, image.sizes.model_static_bytes) == (WEIGHTS.nbytes, 0)
    assert 0 < image.sizes.firmware_static_bytes < 64
    # Gaps for alignment are in the file of the flash and in no section.
    assert 0 <= image.bin.stat().st_size - image.sizes.flash_bytes < 64


def test_no_path_of_the_machine_is_in_the_result(bundle: SourceBundle, tmp_path: Path, toolchain: Toolchain) -> None:
    board = load_board("stm32h7")
    one = build_firmware(bundle, board, toolchain, tmp_path / "one")
    two = build_firmware(bundle, board, toolchain, tmp_path / "elsewhere" / "two")
    for kind in ("elf", "bin", "hex"):
        assert getattr(one, kind).read_bytes() == getattr(two, kind).read_bytes()
    elf = one.elf.read_bytes()
    for part in (str(tmp_path), str(resource_dir("firmware")), str(Path.home())):
        assert part.encode() not in elf


def test_hex_and_binary(bundle: SourceBundle, tmp_path: Path, toolchain: Toolchain) -> None:
    objcopy = shutil.which("arm-none-eabi-objcopy")
    if objcopy is None:
        pytest.skip("arm-none-eabi-objcopy is not on the PATH")
    image = build_firmware(bundle, load_board("stm32h7"), toolchain, tmp_path)
    theirs = tmp_path / "theirs.hex"
    subprocess.run([objcopy, "-O", "ihex", image.elf, theirs], check=True)
    memory = flashed(image.hex.read_text())
    sections = flashed(theirs.read_text())
    assert {address: memory.get(address) for address in sections} == sections
    # GNU ld fills gaps between sections with zeros, which are in the segment and in no section.
    assert not any(memory[address] for address in memory.keys() - sections.keys())
    base = min(memory)
    assert image.bin.read_bytes() == bytes(memory.get(a, 0xFF) for a in range(base, max(memory) + 1))


def flashed(hexfile: str) -> dict[int, int]:
    """Address -> byte of an Intel HEX file, checksums checked."""
    memory: dict[int, int] = {}
    upper = 0
    for line in hexfile.split():
        assert line[0] == ":"
        record = bytes.fromhex(line[1:])
        assert sum(record) & 0xFF == 0
        count, address, kind, data = record[0], int.from_bytes(record[1:3], "big"), record[3], record[4:-1]
        assert count == len(data)
        if kind == 4:
            upper = int.from_bytes(data, "big") << 16
        if kind == 0:
            memory.update((upper + address + i, byte) for i, byte in enumerate(data))
    return memory


def test_what_does_not_fit_says_by_how_much(bundle: SourceBundle, tmp_path: Path, toolchain: Toolchain) -> None:
    small = generic_target("cortex-m4", 64 * 1024, 2048)
    with pytest.raises(DoesNotFitError, match=r"region flash \(2,048 bytes\) is too small by \d,\d{3} bytes"):
        build_firmware(bundle, small, toolchain, tmp_path)
    assert not (tmp_path / "firmware.elf").exists()


def test_the_runtime_library_is_built_once_per_core() -> None:
    zig = find_toolchain("ziglang")
    library = runtime_library(zig, CORES["cortex-m4"])
    assert library is not None
    before = library.stat().st_mtime_ns
    assert runtime_library(zig, CORES["cortex-m4"]) == library
    assert library.stat().st_mtime_ns == before
    assert runtime_library(zig, CORES["cortex-m7"]) != library


# Files that a board chooses; all others are the same for all boards of a core.
CHOSEN = ("boot/", "clock/", "timer/", "uart/")
FIRST_OF_CORE = {load_board(name).core.name: name for name in reversed(BOARD_NAMES)}


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_firmware_compiles_without_a_warning(
    bundle: SourceBundle, tmp_path: Path, toolchain: Toolchain, name: str
) -> None:
    board = load_board(name)
    units = firmware_units(bundle, board, tmp_path, traced=True)
    if FIRST_OF_CORE[board.core.name] != name:
        units = [unit for unit in units if unit.path.startswith(CHOSEN)]
    build_firmware(bundle, board, toolchain, tmp_path, traced=True)  # writes what is generated
    strict = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")
    for unit in units:
        options = [*(f"-D{d}" for d in unit.definitions), *(f"-I{folder}" for folder in unit.includes), *strict]
        options += ["-c", "-o", str(tmp_path / "out.o")]
        run_tool(toolchain.compile_command(board.core, [*options, unit.path]), unit.root)


def test_an_error_in_the_source_shows_the_compilers_words(bundle: SourceBundle, tmp_path: Path) -> None:
    broken = replace(bundle, files={**bundle.files, "toy.c": "int wrong = nothing;\n"})
    with pytest.raises(ToolError, match="nothing"):
        build_firmware(broken, load_board("stm32h7"), find_toolchain(), tmp_path)


def test_the_host_takes_no_firmware(bundle: SourceBundle, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="host takes no firmware"):
        build_firmware(bundle, load_board("host"), find_toolchain(), tmp_path)


@pytest.mark.qemu
@pytest.mark.parametrize("name", [board.id for board in list_boards() if "qemu" in board.emulators])
def test_it_answers_under_qemu(bundle: SourceBundle, tmp_path: Path, toolchain: Toolchain, name: str) -> None:
    board = load_board(name)
    clock_hz = board.qemu_clock_hz or board.clock_hz
    assert clock_hz is not None
    image = build_firmware(bundle, board, toolchain, tmp_path)
    with Qemu(image) as device:
        banner = device.reply()
        assert banner[0] == "m-timestamp-mode-performance"
        assert re.fullmatch(r"m-lap-us-\d+", banner[1])
        assert banner[2:] == ["m-init-done"]
        assert device.ask("name%") == ["m-name-dut-[tinyml]"]
        assert device.ask("model%") == [
            "m-model-[toy]",
            f"m-sha256-[{'0' * 56}deadbeef]",
            f"m-plan-[{bundle.sha256}]",
            f"m-board-[{name}]",
            f"m-clock-hz-{clock_hz}",
            "m-traced-layers-0",
            "m-input-preserved-0",
            "m-inputs-1",
            "m-input-0-4",
            "m-outputs-1",
            "m-output-0-8",
        ]
        # By hand: 1 is added, then (2 - 6 + 0 - 20, 10 + 18 - 0 + 40) = (-24, 68).
        assert device.put(0, bytes([1, 2, 255, 4])) == ["m-put-done"]
        lines = device.ask("run 1%")
        assert re.fullmatch(r"m-lap-us-\d+ m-lap-us-\d+ m-cycles-\d+ m-run-done", " ".join(lines))
        first, last, cycles = (int(line.rpartition("-")[2]) for line in lines[:3])
        assert last - first == cycles * 1_000_000 // clock_hz
        assert device.get(0) == (-24).to_bytes(4, "little", signed=True) + (68).to_bytes(4, "little")
        stack, size, arena = (int(line.rpartition("-")[2]) for line in device.ask("mem%"))
        assert 64 < stack < 1024
        assert (size, arena) == (board.link.stack_bytes, 16)
        assert len(device.ask("help%")) == 14


@pytest.mark.qemu
@pytest.mark.parametrize("name", [board.id for board in list_boards() if "qemu" in board.emulators])
def test_traced_firmware_tells_of_layers_under_qemu(bundle: SourceBundle, tmp_path: Path, name: str) -> None:
    image = build_firmware(bundle, load_board(name), find_toolchain("ziglang"), tmp_path, traced=True)
    given = bytes([1, 2, 255, 4])
    hidden, out = expected(given)
    with Qemu(image) as device:
        device.reply()
        assert "m-traced-layers-2" in device.ask("model%")
        device.put(0, given)
        assert device.get(0, f"tensor 0 0 0 0 {len(hidden)}") == hidden
        device.put(0, given)
        assert device.get(0, "tensor 0 0 0 1 2") == hidden[1:3]
        device.put(0, given)
        assert device.get(0, "tensor 1 0 0 8 8") == out == device.get(0)
        lines = device.ask("layers 3%")
        assert [line.rpartition("-")[0] for line in lines] == ["m-layer-0", "m-layer-1", "m-cycles"]
        first, second, both = (int(line.rpartition("-")[2]) for line in lines)
        assert 0 < first + second <= both
        for wrong in ("tensor 0 0 1 0 1%", "tensor 0 0 0 17 0%", "tensor 0 0 0 13 4%", "tensor 0 0 0 1 4294967295%"):
            assert device.ask(wrong) == ["e-[That is in no arena]"]
        assert device.ask("tensor 0 1 0 0 1%") == ["e-[That layer was not called so often]"]
        assert device.ask("tensor 2 0 0 0 1%") == ["e-[No layer 2]"]
        assert device.ask("tensor 0 0 0 0 x%") == ["e-[tensor takes: layer call arena offset bytes]"]
        assert device.ask("layers 0%") == ["e-[layers takes: a number of inferences above 0]"]
        assert len(device.ask("help%")) == 16


@pytest.mark.qemu
@pytest.mark.parametrize("name", [board.id for board in list_boards() if "qemu" in board.emulators])
def test_paint_and_reset_under_qemu(bundle: SourceBundle, tmp_path: Path, name: str) -> None:
    image = build_firmware(bundle, load_board(name), find_toolchain("ziglang"), tmp_path)
    with Qemu(image) as device:
        banner = device.reply()
        assert device.ask("paint 00%") == ["m-paint-done"]
        assert device.ask("mem%")[3] == "m-arena-used-0-0"
        device.put(0, b"\1\0\2\0")
        assert device.ask("mem%")[3] == "m-arena-used-0-3"
        device.ask("run 1%")
        # By hand: 1 is added, then (2 - 2 + 9 - 4, 10 + 6 - 21 + 8) = (5, 3), whose last bytes are 0.
        assert device.ask("mem%")[3] == "m-arena-used-0-13"
        device.ask("paint ff%")
        device.put(0, b"\1\0\2\0")
        device.ask("run 1%")
        assert device.ask("mem%")[3] == "m-arena-used-0-16"
        assert (
            device.ask("paint 2%") == device.ask("paint 002%") == ["e-[paint takes: a byte as two hexadecimal digits]"]
        )
        again = device.ask("reset%")
        assert [re.sub(r"\d+", "", line) for line in again] == [re.sub(r"\d+", "", line) for line in banner]
        assert device.put(0, b"\1\0\2\0") == ["m-put-done"]


@pytest.mark.qemu
def test_static_data_of_a_model_is_counted_and_initialised(
    bundle: SourceBundle, tmp_path: Path, toolchain: Toolchain
) -> None:
    """Emitted C has none; what would slip in must show."""
    source = bundle.files["toy.c"].replace("x[i] + 1", "x[i] + bias[0] + runs++")
    source = source.replace(
        "void toy_init", "static volatile int bias[3] = {1, 2, 3};\nstatic int runs;\n\nvoid toy_init", 1
    )
    image = build_firmware(
        replace(bundle, files={**bundle.files, "toy.c": source}), load_board("qemu_mps2_an500"), toolchain, tmp_path
    )
    assert image.sizes.model_static_bytes == 16
    with Qemu(image) as device:
        device.reply()
        device.put(0, bytes(4))
        device.ask("run 1%")
        # 1, 2, 3, 4 go into the second layer: 1 - 4 + 9 - 16 = -10, 5 + 12 - 21 + 32 = 28.
        assert device.get(0) == (-10).to_bytes(4, "little", signed=True) + (28).to_bytes(4, "little")


@pytest.mark.qemu
def test_nothing_that_arrives_does_harm(bundle: SourceBundle, tmp_path: Path) -> None:
    image = build_firmware(bundle, load_board("qemu_mps2_an500"), find_toolchain(), tmp_path)
    with Qemu(image) as device:
        device.reply()
        assert device.ask("x" * 79 + "%") == [f"e-[Unknown command: {'x' * 79}]"]
        assert device.ask("x" * 80 + "%") == ["e-[Command too long]"]
        assert device.ask("x" * 5000 + "%") == ["e-[Command too long]"]
        assert device.ask("%") == ["e-[Unknown command: ]"]
        assert device.ask("\0\xff\x1b\r\nname\r\n%") == ["m-name-dut-[tinyml]"]
        assert device.ask("name now%") == ["e-[Wrong number of arguments: name%            who answers]"]
        assert device.ask("run 1 2 3 4 5%")[0].startswith("e-[Wrong number of arguments: run N%")
        for command in ("run 0%", "run -1%", "run 4294967296%", "run %", "run 1x%"):
            assert device.ask(command) == ["e-[run takes: a number of inferences above 0]"]
        assert device.ask("put 0 5 00000000%") == ["e-[Input 0 takes 4 bytes]"]
        assert device.ask("put 1 4 00000000%") == ["e-[No input 1]"]
        for command in ("put 0 4 0000000%", "put 0 4 000000000%", "put 0 4 0000000g%", "put 0 99999999999 00000000%"):
            assert device.ask(command) == ["e-[put takes: input bytes crc]"]
        assert device.ask("get 1%") == ["e-[No output 1]"]
        assert device.ask("get x%") == ["e-[get takes: output]"]
        data = b"%m-r"
        found = f"{zlib.crc32(data):08x}"
        assert device.put(0, data, crc=1) == [f"e-[CRC of 4 bytes is {found}, expected 00000001]"]
        assert device.put(0, data[:3], announce=4) == ["e-[Only 3 of 4 bytes came]"]
        assert device.put(0, data) == ["m-put-done"]


@pytest.mark.qemu
def test_damaged_weights_are_told_and_refused(bundle: SourceBundle, tmp_path: Path) -> None:
    image = build_firmware(bundle, load_board("qemu_mps2_an500"), find_toolchain(), tmp_path)
    elf = image.elf.read_bytes()
    offset = ELFFile(io.BytesIO(elf)).get_section_by_name(".tinyml_weights")["sh_offset"]
    damaged = elf[:offset] + bytes([elf[offset] ^ 4]) + elf[offset + 1 :]
    assert with_crcs(damaged) != damaged
    image.elf.write_bytes(damaged)
    with Qemu(image) as device:
        weights = bytes([WEIGHTS.tobytes()[0] ^ 4]) + WEIGHTS.tobytes()[1:]
        crcs = f"CRC {zlib.crc32(weights):08x}, expected {zlib.crc32(WEIGHTS.tobytes()):08x}"
        error = f"e-[Weights damaged: {crcs}]"
        assert device.reply()[2] == error
        assert device.ask("run 1%") == [error]
        assert device.ask("name%") == ["m-name-dut-[tinyml]"]


@pytest.mark.qemu
def test_damaged_code_is_told_and_refused(bundle: SourceBundle, tmp_path: Path) -> None:
    image = build_firmware(bundle, load_board("qemu_mps2_an500"), find_toolchain(), tmp_path)
    elf = image.elf.read_bytes()
    offset = elf.index(b"m-name-dut-[")
    image.elf.write_bytes(elf[:offset] + b"M" + elf[offset + 1 :])
    with Qemu(image) as device:
        error = device.reply()[2]
        assert re.fullmatch(r"e-\[Code damaged: CRC [0-9a-f]{8}, expected [0-9a-f]{8}\]", error)
        assert device.ask("run 1%") == [error]
        assert device.ask("name%") == ["M-name-dut-[tinyml]"]


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["qemu_microbit", "qemu_mps2_an505"])
def test_a_stack_overflow_is_reported(bundle: SourceBundle, tmp_path: Path, name: str) -> None:
    """The stack is first in its region: what overflows leaves it, and there is no frame to tell of."""
    large = "    volatile uint8_t large[20000];\n    large[0] = 1;\n    x[0] = (int8_t)large[0];\n"
    source = bundle.files["toy.c"].replace("    for (int i = 0; i < 4", large + "    for (int i = 0; i < 4", 1)
    assert source != bundle.files["toy.c"]
    image = build_firmware(
        replace(bundle, files={**bundle.files, "toy.c": source}), load_board(name), find_toolchain(), tmp_path
    )
    with Qemu(image) as device:
        device.reply()
        device.write(b"run 1%")
        assert device.line().startswith("m-lap-us-")
        assert device.line() == ""
        assert re.fullmatch(r"e-\[Fault 3: pc 0{8} lr 0{8} .* stack overflow\]", device.line())


@pytest.mark.qemu
def test_a_fault_is_reported(bundle: SourceBundle, tmp_path: Path) -> None:
    crash = bundle.files["toy.c"].replace("x[i] + 1", "*(volatile int8_t *)0x30000000")
    image = build_firmware(
        replace(bundle, files={**bundle.files, "toy.c": crash}),
        load_board("qemu_mps2_an500"), find_toolchain(), tmp_path,
    )  # fmt: skip
    with Qemu(image) as device:
        device.reply()
        device.write(b"run 1%")
        assert device.line().startswith("m-lap-us-")
        assert device.line() == ""
        report = re.fullmatch(
            r"e-\[Fault 3: pc ([0-9a-f]{8}) lr [0-9a-f]{8} cfsr 0000[0-9a-f]{4} hfsr 40000000\]", device.line()
        )
        assert report is not None
        begin = symbols(image)["toy_layer_00_add"] & ~1
        assert begin <= int(report[1], 16) < begin + 256
