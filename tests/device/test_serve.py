"""The emulated board at a pty and at a TCP port: clients come, go, vanish and come back."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from emitted_c import noise, zoo_network
from served_board import served

from tinyml.build.firmware import build_firmware
from tinyml.build.host import HostModel, build_host_library
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.serial_port import open_port
from tinyml.device.serve import pty_line, tcp_line
from tinyml.errors import ToolError, UsageError
from tinyml.pipeline import need
from tinyml.targets import load_board

pytestmark = [pytest.mark.emulated]
LINES = [
    pytest.param("pty", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")),
    "tcp",
]
BAUD = 115200


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> FirmwareImage:
    folder = tmp_path_factory.mktemp("serve")
    bundle = need(zoo_network("autoencoder", folder).bundle)
    return build_firmware(bundle, load_board("stm32h7"), find_toolchain("ziglang"), folder / "build")


@contextmanager
def client_at(address: str) -> Iterator[Client]:
    transport = open_port(address, BAUD)
    try:
        client = Client(transport)
        client.connect(greeting=0.1)
        yield client
    finally:
        transport.close()


@pytest.mark.parametrize("kind", LINES)
def test_clients_take_turns_and_get_the_host_s_bytes(image: FirmwareImage, tmp_path: Path, kind: str) -> None:
    host = HostModel(build_host_library(image.bundle, tmp_path, trace=False))
    graph = image.bundle.plan.schedule.graph
    with served(image, kind) as address:
        for seed in range(3):
            with client_at(address) as client:
                assert client.model().name == "autoencoder"
                inputs = noise(graph, seed)
                assert client.infer(inputs) == tuple(host.run(inputs))


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("left", [b"na", b"put 0 640 00000000%", b"put 0 640 00000000%\x00\x01\x02", b"run 100000%"])
def test_a_host_that_vanishes_and_comes_back(image: FirmwareImage, kind: str, left: bytes) -> None:
    with served(image, kind) as address:
        transport = open_port(address, BAUD)
        transport.write(left)
        time.sleep(0.1)
        transport.close()
        with client_at(address) as client:
            assert client.name() == "tinyml"
            assert client.model().board == "st_nucleo_h743zi"


@pytest.mark.parametrize("kind", LINES)
def test_what_a_client_did_not_read_is_not_for_the_next(image: FirmwareImage, kind: str) -> None:
    """The banner neither: it is sent at power-up, when nobody listens."""
    with served(image, kind) as address:
        time.sleep(0.3)
        for _ in range(2):
            transport = open_port(address, BAUD)
            assert transport.read(0.2) == b""
            transport.write(b"name%")
            time.sleep(0.2)
            transport.close()
            time.sleep(0.2)


def test_time_goes_by_while_the_board_waits(image: FirmwareImage) -> None:
    emulated = EmulatedBoard(image.elf, image.board)
    client = Client(emulated)
    client.connect()
    before = client.timestamp()
    for _ in range(30):  # of DWT's counter, 8.9 s are a wrap
        emulated.wait(0.5)
        emulated.read()
    assert client.timestamp() - before == pytest.approx(15e6, rel=1e-3)


def test_time_goes_by_on_systick_too(tmp_path: Path) -> None:
    bundle = need(zoo_network("autoencoder", tmp_path).bundle)
    board = load_board("qemu_mps2_an386")
    image = build_firmware(bundle, board, find_toolchain("ziglang"), tmp_path / "build")
    emulated = EmulatedBoard(image.elf, board)
    client = Client(emulated)
    client.connect()
    before = client.timestamp()
    for _ in range(10):
        emulated.wait(0.5)
        emulated.read()
    assert client.timestamp() - before == pytest.approx(5e6, rel=1e-3)


def test_ports_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="there is no port /dev/ttyNONE") as caught:
        open_port("/dev/ttyNONE", BAUD)
    assert caught.value.hint
    with tcp_line(0) as line:
        port = int(line.address.rpartition(":")[2])
        with pytest.raises(ToolError, match=f"TCP port {port} cannot be had"), tcp_line(port):
            pass
    with pytest.raises(ToolError, match=f"nothing answers at 127.0.0.1:{port}"):
        open_port(f"socket://127.0.0.1:{port}", BAUD)
    for malformed in ("socket://", "socket://host", "socket://host:port", "socket://host:99999"):
        with pytest.raises(UsageError, match="expected socket://HOST:PORT"):
            open_port(malformed, BAUD)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_port_in_use_and_one_that_goes_away() -> None:
    with pty_line() as line:
        transport = open_port(line.address, BAUD)
        with pytest.raises(ToolError, match="in use by another program"):
            open_port(line.address, BAUD)
    with pytest.raises(ToolError, match="the port went away"):
        transport.read(0.5)
    with pytest.raises(ToolError, match="cannot be written to"):
        transport.write(b"name%")
    transport.close()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may open every port")
def test_a_port_that_is_not_ours(tmp_path: Path) -> None:
    locked = tmp_path / "tty"
    locked.touch(0o000)
    with pytest.raises(ToolError, match="you may not open it"):
        open_port(str(locked), BAUD)


@pytest.mark.parametrize("kind", LINES)
def test_the_verb_ends_with_an_interrupt(image: FirmwareImage, tmp_path: Path, kind: str) -> None:
    model = tmp_path / "autoencoder.onnx"
    tinyml = [sys.executable, "-m", "tinyml.cli.main"]
    folder = tmp_path / "built"
    zoo = [*tinyml, "zoo", "autoencoder", "-o", str(model), "-q"]
    build = [*tinyml, "build", str(model), "-o", str(folder), "-q"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for command in (zoo, build):
        subprocess.run(command, check=True, env=environment, timeout=300)
    where = ["--pty"] if kind == "pty" else ["--tcp", "0"]
    command = [*tinyml, "emulate", str(folder), *where, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        try:
            with client_at(json.loads(text)["port"]) as client:
                assert client.model().name == "autoencoder"
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert process.stdout.read() == ""
