"""Board and profile files, and how mistakes in them are told."""

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyml.errors import BoardError, UsageError
from tinyml.resources import resource_dir
from tinyml.targets import (
    CORES,
    Link,
    at_safe_clock,
    board_template,
    generic_target,
    list_boards,
    list_profiles,
    load_board,
    load_profile,
    parse_size,
    with_limits,
)
from tinyml.targets.docs import boards_page
from tinyml.targets.schema import NOT_STATED

BOARDS = resource_dir("boards")
H7 = (BOARDS / "st_nucleo_h743zi.toml").read_text()


def board_with(tmp_path: Path, old: str, new: str) -> str:
    assert old in H7
    path = tmp_path / "mine.toml"
    path.write_text(H7.replace(old, new, 1))
    return str(path)


def test_every_file_is_a_board_of_that_name() -> None:
    assert {board.id for board in list_boards()} == {path.stem for path in BOARDS.glob("*.toml")}


def test_the_main_board_has_the_memories_of_its_device_tree() -> None:
    board = load_board("stm32h7")
    # Zephyr: dts/arm/st/h7/stm32h743.dtsi
    assert {(r.name, r.address, r.bytes) for r in board.regions if r.name not in ("flash", "itcm")} == {
        ("dtcm", 0x20000000, 128 * 1024),
        ("axi_sram", 0x24000000, 512 * 1024),
        ("sram1", 0x30000000, 128 * 1024),
        ("sram2", 0x30020000, 128 * 1024),
        ("sram3", 0x30040000, 32 * 1024),
        ("sram4", 0x38000000, 64 * 1024),
    }
    assert board.arena_bytes == 512 * 1024
    assert board.flash_bytes == 2 * 1024 * 1024
    assert board.clock_hz == 480_000_000


def test_the_arena_leaves_room_for_a_stack_in_the_same_region() -> None:
    board = load_board("qemu_mps2_an500")
    assert board.link.stack == board.link.arena
    assert board.arena_bytes == 4 * 1024 * 1024 - 8192


@pytest.mark.parametrize("name", ["nucleo_h743zi", "NUCLEO-H743ZI", "stm32h7", "STM32H7"])
def test_ids_and_aliases_in_any_case(name: str) -> None:
    assert load_board(name).id == "st_nucleo_h743zi"


def test_an_unknown_board_suggests_the_nearest() -> None:
    with pytest.raises(BoardError, match="unknown board 'stm32h8'") as caught:
        load_board("stm32h8")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean stm32h7?")


def test_what_tinyml_brings_states_every_source() -> None:
    for board in list_boards():
        assert all(region.source != NOT_STATED for region in board.regions), board.id
        assert board.uart is None or board.uart.source != NOT_STATED, board.id


def filled_in(text: str) -> str:
    text = text.replace('core = "FILL IN"', 'core = "cortex-m33"')
    return text.replace("size_kib = 0 # FILL IN", "size_kib = 512 #", 1).replace(
        "size_kib = 0 # FILL IN", "size_kib = 64 #"
    )


def test_the_template_is_a_board_once_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(board_template("mine"))
    with pytest.raises(BoardError, match=r"region\.0\.size_kib = 0: expected: .*greater than 0"):
        load_board(str(path))
    path.write_text(filled_in(board_template("mine")))
    board = load_board(str(path))
    assert (board.id, board.title, board.core.name, board.has_firmware) == ("mine", "mine", "cortex-m33", False)
    assert (board.flash_bytes, board.arena_bytes, board.link.stack_bytes) == (512 << 10, 60 << 10, 4096)


def test_every_line_of_the_template_that_may_be_left_out_is_right(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(re.sub(r"(?m)^#(?! )", "", filled_in(board_template("mine"))))
    board = load_board(str(path))
    assert (board.aliases, board.startup, board.timer) == (("mine_for_short",), "none", "systick")
    assert board.has_firmware
    assert board.link.stack_bytes == 2048


def test_the_least_that_is_a_board(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    region = '[[region]]\nname = "{0}"\nkind = "{0}"\naddress = {1}\nsize_kib = {2}\n'
    memories = region.format("flash", 0, 128) + region.format("ram", 0x20000000, 8)
    path.write_text(f'schema_version = 1\nid = "mine"\ncore = "cortex-m0"\n{memories}')
    board = load_board(str(path))
    assert board.link == Link("flash", "ram", "ram", "ram", 1024)  # of stack an eighth
    path.write_text(f'schema_version = 1\nid = "mine"\ncore = "cortex-m0"\n{region.format("ram", 0, 8)}')
    with pytest.raises(BoardError, match="region: expected one of kind flash"):
        load_board(str(path))


def test_the_safe_clock() -> None:
    board = at_safe_clock(load_board("stm32h7"))
    assert (board.clock_hz, board.full_speed) == (64_000_000, False)
    qemu = load_board("qemu_mps2_an500")
    assert at_safe_clock(qemu) is qemu
    with pytest.raises(UsageError, match="host has no clock to choose"):
        at_safe_clock(load_board("host"))


def test_a_path_names_a_board(tmp_path: Path) -> None:
    assert load_board(board_with(tmp_path, 'id = "st_nucleo_h743zi"', 'id = "mine"')).id == "mine"


def test_the_host_takes_no_firmware() -> None:
    host = load_board("host")
    assert not host.has_firmware
    assert host.core is CORES["host"]
    assert host.clock_hz is None


def test_boards_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        load_board("host").title = "mine"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size_kib = 64", 'size_kib = "64"', r"region\.1\.size_kib = '64': expected: .*integer"),
        ("size_kib = 64", "size_kb = 64", r"region\.1\.size_kb: unknown key"),
        ("size_kib = 64", "", r"region\.1\.size_kib: missing key"),
        ("size_kib = 64", "size_kib = 0", r"region\.1\.size_kib = 0: expected: .*greater than 0"),
        ("baud = 115200", "baud = true", r"uart\.baud = True: expected: .*integer"),
        ('kind = "ram"', 'kind = "rom"', r"region\.1\.kind = 'rom': expected: .*'flash' or 'ram'"),
        ('core = "cortex-m7"', 'core = "cortex-m9"', "core = 'cortex-m9': expected one of .*cortex-m7"),
        ("clock_hz = 480_000_000", "", "clock_hz: missing key"),
        ('arena = "axi_sram"', 'arena = "axi"', r"link\.arena = 'axi': expected a region of kind ram: itcm, dtcm, axi"),
        ('arena = "axi_sram"', 'arena = "flash"', r"link\.arena = 'flash': expected a region of kind ram"),
        ("stack_kib = 8", "stack_kib = 129", r"link\.stack_kib: 132096 bytes do not fit in dtcm"),
        ("address = 0x2000_0000", "address = 0x0000_8000", "itcm ends at 0x10000, in dtcm at 0x8000"),
        ("address = 0x3800_0000", "address = 0xffff_ffff", "sram4 ends at 0x10000ffff, past 32 bits"),
        ('name = "dtcm"', 'name = "itcm"', "two regions have the same name"),
        (
            'driver = "stm32_usart_v2"',
            'driver = "z80"',
            r"uart\.driver = 'z80': expected one of cmsdk_uart, nrf_uart, nrf_uarte, pl011, ",
        ),
        ('timer = "dwt"', 'timer = "sundial"', "timer = 'sundial': expected one of dwt, nrf_timer, systick"),
        (
            'emulators = ["unicorn"]',
            'emulators = ["renode"]',
            r"emulators\.0 = 'renode': expected: .*'qemu', 'unicorn' or 'rp2040js'",
        ),
        ('emulators = ["unicorn"]', 'emulators = ["qemu"]', "emulators: qemu cannot run it"),
        ("[link]", "[link", "cannot be read as TOML"),
    ],
)
def test_a_mistake_names_file_key_value_and_what_was_expected(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = board_with(tmp_path, old, new)
    with pytest.raises(BoardError, match=message) as caught:
        load_board(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(BoardError, match=r"none\.toml: cannot be read"):
        load_board("none.toml")


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("board") / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(BoardError):
        load_board(str(path))


def test_profiles() -> None:
    assert [profile.id for profile in list_profiles()] == ["balanced", "flash", "latency", "sram"]
    assert all(profile.objective == profile.id for profile in list_profiles())
    with pytest.raises(BoardError, match="unknown profile 'latent'") as caught:
        load_profile("latent")
    assert "did you mean latency?" in str(caught.value)


def test_a_mistake_in_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((resource_dir("profiles") / "sram.toml").read_text().replace('"int8"', '"int3"'))
    with pytest.raises(
        BoardError, match=r"precision = 'int3': expected: .*'int8', 'w4a8', 'mixed', 'w8a16' or 'float32'"
    ):
        load_profile(str(path))


@pytest.mark.parametrize(
    ("text", "size"),
    [("196608", 196608), ("192K", 196608), ("192k", 196608), ("192KiB", 196608), ("1M", 1 << 20), ("1.5M", 3 << 19)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "1e3", "12Q", "0.3", "1_000", "١٢"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="size"):
        parse_size(text)


@pytest.mark.parametrize("core", ["cortex-m0+", "m3", "M4", "cortex-m7", "m33", "m55"])
def test_generic_targets(core: str) -> None:
    board = generic_target(core, parse_size("192K"), parse_size("512K"))
    assert board.core.name == f"cortex-{core.lower().removeprefix('cortex-')}"
    assert (board.sram_bytes, board.flash_bytes) == (192 * 1024, 512 * 1024)
    assert board.arena_bytes == 191 * 1024  # 1 KiB of stack
    assert board.clock_hz is None
    assert board.has_firmware


def test_a_limit_leaves_the_rest_of_its_region_spare() -> None:
    board = with_limits(load_board("stm32h7"), 50_000, None)
    rest = {r.name: (r.kind, r.address, r.bytes) for r in board.regions}
    assert rest["axi_sram"] == ("ram", 0x2400_0000, 50_000)
    assert rest["axi_sram_rest"] == ("spare", 0x2400_D000, 512 * 1024 - 0xD000)  # from the next page on
    assert board.sram_bytes == load_board("stm32h7").sram_bytes - 512 * 1024 + 50_000
    assert with_limits(load_board("stm32h7"), 512 * 1024, None) == load_board("stm32h7")


def test_no_generic_targets() -> None:
    with pytest.raises(UsageError, match="unknown core 'm9'"):
        generic_target("m9", 65536, 65536)
    with pytest.raises(UsageError, match="100 bytes of SRAM"):
        generic_target("m4", 100, 65536)
    with pytest.raises(UsageError, match="unknown core 'host'"):
        generic_target("host", 65536, 65536)


def test_the_page_of_boards_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "boards.md"
    assert page.read_text(encoding="utf-8") == boards_page(list_boards())
