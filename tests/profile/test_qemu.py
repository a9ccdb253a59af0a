"""The same firmware under QEMU: another emulator, which agrees byte for byte."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from tinyml.build.image import FirmwareImage
from tinyml.device.client import Client
from tinyml.device.qemu import PROGRAM, find_qemu, qemu_board, run_in_qemu
from tinyml.errors import ToolError
from tinyml.profile import profile_emulated
from tinyml.targets import list_boards

Build = Callable[..., FirmwareImage]
BOARDS = [board.id for board in list_boards() if "qemu" in board.emulators]
needs_qemu = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed")


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("board_id", BOARDS)
def test_runs_in_qemu(
    build_net: Build, net_inputs: list[bytes], net_outputs: tuple[bytes, bytes], board_id: str
) -> None:
    image = build_net(board_id)
    zeros = [bytes(64), bytes(64)]
    assert run_in_qemu(image.elf, image.board, [net_inputs, zeros]) == [net_outputs, (bytes(64), bytes(8))]


@pytest.mark.qemu
@needs_qemu
def test_protocol_in_qemu(build_net: Build) -> None:
    image = build_net("qemu_mps2_an500")
    with qemu_board(image.elf, image.board) as transport:
        client = Client(transport)
        client.connect()
        assert client.name() == "tinyml"
        model = client.model()
        assert (model.name, model.board, model.input_bytes) == ("net", "qemu_mps2_an500", (64, 64))
        with pytest.raises(ToolError, match="Input 0 takes 64 bytes"):
            client.put(0, b"short")
        with pytest.raises(ToolError, match="No output 9"):
            client.get(9)
        assert client.memory().arena_bytes == 256


FAULTS = {
    "misaligned LDRD": '__asm volatile("ldrd r0, r1, [%0]" : : "r"(net->arena + 1) : "r0", "r1");',
    "misaligned LDM": '__asm volatile("ldm %0, {r0, r1}" : : "r"(net->arena + 2) : "r0", "r1");',
    "no FPU": '*(volatile uint32_t *)0xE000ED88u = 0; __asm volatile("dsb; isb; vmov.f32 s0, #1.0" ::: "s0");',
}


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("fault", FAULTS)
def test_qemu_faults_where_unicorn_does_not(build_net: Build, net_inputs: list[bytes], fault: str) -> None:
    """Why every model also runs in QEMU."""
    image = build_net("qemu_mps2_an500", FAULTS[fault])
    profile_emulated(image, net_inputs)
    with pytest.raises(ToolError, match=r"the board answered 'run 1' with e-\[Fault [36]: pc [0-9a-f]{8}"):
        run_in_qemu(image.elf, image.board, [net_inputs])


@pytest.mark.qemu
@needs_qemu
def test_qemu_that_ends_by_itself_is_explained(build_net: Build, tmp_path_factory: pytest.TempPathFactory) -> None:
    image = build_net("qemu_mps2_an500")
    nothing = tmp_path_factory.mktemp("empty") / "missing.elf"
    with pytest.raises(ToolError, match=rf"{PROGRAM} ended with status 1: .*missing\.elf"):
        run_in_qemu(nothing, image.board, [])
    with pytest.raises(ToolError, match=rf"{PROGRAM} ended with status 1: .*[Uu]nsupported machine"):
        run_in_qemu(image.elf, replace(image.board, qemu_machine="toaster"), [])


def test_boards_that_qemu_has_not(build_net: Build) -> None:
    image = build_net("nucleo_h743zi")
    with pytest.raises(ToolError, match="QEMU has no model of ST NUCLEO"):
        run_in_qemu(image.elf, image.board, [])


def test_missing_qemu_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="is not installed") as caught:
        find_qemu()
    assert "apt install qemu-system-arm" in str(caught.value)
