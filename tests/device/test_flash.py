"""Flash tools: exact command lines, UF2 by its specification, and the GDB protocol against QEMU's stub and a strict server."""

import json
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from emitted_c import zoo_network
from hypothesis import given
from hypothesis import strategies as st
from served_board import served

from tinyml.build.firmware import build_firmware
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.cli import main as cli
from tinyml.device.client import Client
from tinyml.device.flash import Job, choose
from tinyml.device.flash.gdb import load
from tinyml.device.flash.remote import Remote, _escape, _expand, _unescape
from tinyml.device.flash.uf2 import to_uf2
from tinyml.device.link import TcpTransport
from tinyml.errors import ToolError, UsageError
from tinyml.pipeline import need
from tinyml.targets import FlashTools, generic_target, list_boards, load_board

H7, PICO, PICO2, NANO = (load_board(n) for n in ("stm32h7", "pico", "pico2", "nano33ble"))
SAMD = replace(NANO, id="samd51", flash_tools=FlashTools(bossac_offset=0x4000))


@pytest.mark.parametrize(
    ("tool", "board", "text"),
    [
        ("openocd", H7, "openocd -f board/st_nucleo_h743zi.cfg -c 'program firmware.elf verify reset exit'"),
        (
            "openocd",
            PICO,
            "openocd -f interface/cmsis-dap.cfg -f target/rp2040.cfg -c 'adapter speed 5000' "
            "-c 'program firmware.elf verify reset exit'",
        ),
        ("STM32_Programmer_CLI", H7, "STM32_Programmer_CLI -c port=SWD -w firmware.hex -v -rst"),
        ("pyocd", H7, "pyocd load --no-wait --target stm32h743xx firmware.hex"),
        ("picotool", PICO, "picotool load --verify --execute firmware.elf"),
        ("bossac", NANO, "bossac --port=ttyACM0 --usb-port --info --erase --write firmware.bin --reset"),
        (
            "bossac",
            SAMD,
            "bossac --port=ttyACM0 --usb-port --info --erase --write --offset=0x4000 firmware.bin --reset",
        ),
        ("uf2", PICO, "write /media/RPI-RP2/firmware.uf2"),
        ("gdb", H7, "load firmware.elf by way of the GDB server at HOST:PORT"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_the_exact_command(
    tool: str, board: object, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    job = Job(board, tmp_path, port="/dev/ttyACM0")  # type: ignore[arg-type]
    name, action = choose(job, tool, dry_run=True)
    assert (name, action.text) == (tool, text)


def test_every_board_has_a_way_and_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    for board in list_boards():
        if not board.has_firmware:
            continue
        with pytest.raises(ToolError, match=r"no tool that can flash .*\n  ") as caught:
            choose(Job(board, tmp_path), None, dry_run=False)
        assert "gdb: start a GDB server and name it: --gdb localhost:3333" in str(caught.value)
    with pytest.raises(UsageError, match="picotool is not for st_nucleo_h743zi"):
        choose(Job(H7, tmp_path), "picotool", dry_run=True)


def test_what_is_installed_is_taken_and_runs_in_the_build_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "openocd"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n/bin/pwd > said\nfor x in "$@"; do echo "$x" >> said; done\nexit $STATUS\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    folder = tmp_path / "a build's folder"
    folder.mkdir()
    monkeypatch.setenv("STATUS", "0")
    name, action = choose(Job(H7, folder), None, dry_run=False)
    assert name == "openocd"
    action.run()
    config = "board/st_nucleo_h743zi.cfg"
    said = (folder / "said").read_text().splitlines()
    assert said == [str(folder), "-f", config, "-c", "program firmware.elf verify reset exit"]
    monkeypatch.setenv("STATUS", "1")
    with pytest.raises(ToolError, match=r"openocd failed \(exit 1\)"):
        action.run()


def test_openocd_has_the_files_that_boards_name() -> None:
    scripts = Path("/usr/share/openocd/scripts")
    if not scripts.is_dir():
        pytest.skip("OpenOCD's scripts are not installed")
    named = {file for board in list_boards() for file in board.flash_tools.openocd}
    absent = {file for file in named if not (scripts / file).is_file()}
    assert absent <= {"target/rp2350.cfg"}  # newer than OpenOCD 0.12


# UF2 ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> FirmwareImage:
    """A network for the board that QEMU starts with a GDB stub."""
    folder = tmp_path_factory.mktemp("flash")
    bundle = need(zoo_network("autoencoder", folder).bundle)
    return build_firmware(bundle, load_board("qemu_mps2_an500"), find_toolchain("ziglang"), folder / "build")


@pytest.fixture(scope="module")
def pico_image(tmp_path_factory: pytest.TempPathFactory) -> FirmwareImage:
    folder = tmp_path_factory.mktemp("pico")
    bundle = need(zoo_network("ds_cnn", folder).bundle)
    return build_firmware(bundle, PICO, find_toolchain("ziglang"), folder / "build")


@pytest.mark.parametrize(("board", "family"), [(PICO, 0xE48BFF56), (PICO2, 0xE48BFF59)], ids=["rp2040", "rp2350"])
def test_uf2_is_what_its_specification_says(pico_image: FirmwareImage, board: object, family: int) -> None:
    """Read block by block as microsoft/uf2's README has it; the families are those of its utils/uf2families.json."""
    data = to_uf2(pico_image.elf, board)  # type: ignore[arg-type]
    assert len(data) % 512 == 0
    total = len(data) // 512
    memory = bytearray()
    start = None
    for number in range(total):
        block = data[512 * number : 512 * (number + 1)]
        header = struct.unpack_from("<8I", block)
        assert header[:3] == (0x0A324655, 0x9E5D5157, 0x2000)
        assert header[4:] == (256, number, total, family)
        assert struct.unpack_from("<I", block, 508) == (0x0AB16F30,)
        assert not any(block[32 + 256 : 508]) and header[3] % 256 == 0
        start = header[3] if start is None else start
        assert header[3] >= start + len(memory)
        memory += b"\xff" * (header[3] - start - len(memory)) + block[32 : 32 + 256]
    binary = pico_image.bin.read_bytes()
    assert start == 0x1000_0000
    assert len(memory) - 256 < len(binary) <= len(memory)
    assert memory[: len(binary)] == binary


def test_uf2_is_copied_to_the_board_s_volume(
    pico_image: FirmwareImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, board_id in (("OTHER", "SAMD51"), ("RPI-RP2", "RPI-RP2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "INFO_UF2.TXT").write_text(f"UF2 Bootloader v3.0\nModel: x\nBoard-ID: {board_id}\n")
    monkeypatch.setattr("tinyml.device.flash.uf2._volumes", lambda: iter(sorted(tmp_path.iterdir())))
    name, action = choose(Job(PICO, pico_image.elf.parent), None, dry_run=False)
    assert (name, action.text) == ("uf2", f"write {tmp_path / 'RPI-RP2' / 'firmware.uf2'}")
    action.run()
    assert (tmp_path / "RPI-RP2" / "firmware.uf2").read_bytes() == to_uf2(pico_image.elf, PICO)


# GDB ------------------------------------------------------------------------------------------------------------------


@contextmanager
def qemu_stub(kernel: Path) -> Iterator[tuple[str, socket.socket]]:
    """QEMU, halted, with another program in it: the address of its stub, and its serial line."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        command = [
            "qemu-system-arm", "-M", "mps2-an500", "-kernel", str(kernel), "-S", "-gdb", f"tcp:127.0.0.1:{port}",
            "-display", "none", "-monitor", "none",
            "-chardev", f"socket,id=line,host=127.0.0.1,port={server.getsockname()[1]},nodelay=on",
            "-serial", "chardev:line",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            server.settimeout(20)
            line, _ = server.accept()
            with line:
                yield f"127.0.0.1:{port}", line
        finally:
            process.kill()
            process.wait()


@pytest.mark.qemu
def test_gdb_by_way_of_qemu_s_stub(image: FirmwareImage, tmp_path: Path) -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    # What QEMU starts with is all zeros behind the vectors: no firmware.
    (tmp_path / "empty.bin").write_bytes(struct.pack("<2I", 0x2000_1000, 0x101) + bytes(4096))
    with qemu_stub(tmp_path / "empty.bin") as (stub, line):
        for _ in range(100):  # the stub listens a moment after the serial line is there
            try:
                load(Job(image.board, image.elf.parent, gdb=stub), stub)
                break
            except ToolError as error:
                if "no GDB server answers" not in str(error):
                    raise
                time.sleep(0.1)
        client = Client(TcpTransport(line), timeout=20.0)
        client.connect()
        assert client.model().plan == image.bundle.sha256
    with pytest.raises(ToolError, match="no GDB server answers"):
        Remote.connect(stub)
    with pytest.raises(UsageError, match="expected HOST:PORT"):
        Remote.connect("somewhere")


class FlashServer:
    """A GDB server whose memory is flash: it takes only what was erased before, and whole packets with right checksums."""

    MAP = '<memory-map><memory type="flash" start="0x8000000" length="0x20000"><property name="blocksize">0x800</property></memory><memory type="ram" start="0x20000000" length="0x1000"/></memory-map>'  # noqa: E501

    def __init__(self, *, spoil: bool = False) -> None:
        self.memory = bytearray(0x20000)  # not erased: all zeros
        self.registers: dict[int, int] = {}
        self.log: list[str] = []
        self._spoil = spoil
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        buffer = b""
        with connection:
            while data := connection.recv(65536):
                buffer += data
                while found := re.search(rb"\$([^#]*)#(..)", buffer, re.DOTALL):
                    buffer = buffer[found.end() :]
                    assert sum(found[1]) % 256 == int(found[2], 16)
                    reply = self._answer(found[1])
                    connection.sendall(b"+$" + reply + b"#%02x" % (sum(reply) % 256))

    def _answer(self, packet: bytes) -> bytes:
        name = re.match(rb"[A-Za-z]+", packet)
        assert name is not None
        self.log.append(name[0].decode())
        if packet.startswith(b"qSupported"):
            return b"PacketSize=400;qXfer:memory-map:read+"
        if packet.startswith(b"qXfer"):
            offset, size = (int(x, 16) for x in packet.rpartition(b":")[2].split(b","))
            piece = self.MAP.encode()[offset : offset + min(size, 100)]
            return (b"m" if offset + len(piece) < len(self.MAP) else b"l") + piece
        if packet.startswith(b"vFlashErase:"):
            start, size = (int(x, 16) for x in packet[12:].split(b","))
            start -= 0x800_0000
            if start % 0x800 or size != 0x800:
                return b"E01"
            self.memory[start : start + size] = b"\xff" * size
            return b"OK"
        if packet.startswith(b"vFlashWrite:"):
            where, _, body = packet[12:].partition(b":")
            start, raw = int(where, 16) - 0x800_0000, _unescape(body)
            if any(byte != 0xFF for byte in self.memory[start : start + len(raw)]) or len(packet) > 0x400:
                return b"E02"
            self.memory[start : start + len(raw)] = raw if not self._spoil else bytes(len(raw))
            return b"OK"
        if packet.startswith(b"m"):
            start, size = (int(x, 16) for x in packet[1:].split(b","))
            return bytes(self.memory[start - 0x800_0000 :][:size]).hex().encode()
        if packet.startswith(b"P"):
            number, _, value = packet[1:].partition(b"=")
            self.registers[int(number, 16)] = int.from_bytes(bytes.fromhex(value.decode()), "little")
            return b"OK"
        if packet.startswith(b"qRcmd"):
            return b""  # no such command
        return b"OK" if packet in (b"vFlashDone", b"D") else b"E99"


def test_gdb_erases_and_writes_flash(tmp_path: Path) -> None:
    folder = tmp_path / "m4"
    board = generic_target("m4", 64 << 10, 512 << 10)
    board = replace(
        board, regions=tuple(replace(r, address=0x800_0000) if r.kind == "flash" else r for r in board.regions)
    )
    bundle = need(zoo_network("ds_cnn", tmp_path).bundle)
    image = build_firmware(bundle, board, find_toolchain("ziglang"), folder)
    server = FlashServer()
    load(Job(board, folder), server.address)
    binary = image.bin.read_bytes()
    assert server.memory[: len(binary)] == binary
    stack, start = struct.unpack_from("<2I", binary)
    assert server.registers == {13: stack, 15: start & ~1, 25: 1 << 24}
    assert server.log.index("vFlashDone") < server.log.index("m") and server.log[-1] == "D" and "M" not in server.log
    spoiling = FlashServer(spoil=True)
    with pytest.raises(ToolError, match="read otherwise than they were written"):
        load(Job(board, folder), spoiling.address)


@given(st.binary(max_size=300))
def test_gdb_escapes_come_back(data: bytes) -> None:
    assert not set(_escape(data)) & set(b"#$*") and _unescape(_escape(data)) == data


def test_gdb_run_lengths() -> None:
    assert _expand(b"0* ") == b"0000"  # the GDB manual's own example


# The verb -------------------------------------------------------------------------------------------------------------


@pytest.mark.emulated
def test_the_verb_reads_the_board_s_identity_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool that does nothing, and a board that runs the build already, or another."""
    model, other = tmp_path / "ds_cnn.onnx", tmp_path / "autoencoder.onnx"
    for name, path in (("ds_cnn", model), ("autoencoder", other)):
        assert cli.main(["zoo", name, "-o", str(path), "-q"]) == 0
        assert cli.main(["build", str(path), "-o", str(tmp_path / name), "-q"]) == 0
    program = tmp_path / "bin" / "openocd"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    flash = ["flash", str(tmp_path / "ds_cnn"), "--tool", "openocd"]
    monkeypatch.setenv("PATH", str(program.parent))
    assert cli.main([*flash, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert printed == f"{program} -f board/st_nucleo_h743zi.cfg -c 'program firmware.elf verify reset exit'\n"
    for name, code in (("ds_cnn", 0), ("autoencoder", 1)):
        elf = tmp_path / name / "firmware.elf"
        running = FirmwareImage(elf, elf, elf, None, None, H7, None)  # type: ignore[arg-type]
        with served(running) as address:
            assert cli.main([*flash, "--port", address, "--json"]) == code
        said = capsys.readouterr()
        if code == 0:
            assert json.loads(said.out)["verified"] is True
        else:
            assert "runs autoencoder, not ds_cnn" in said.err
