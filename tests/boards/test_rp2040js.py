"""The Raspberry Pi Pico's firmware in rp2040js, from boot stage 2 on: clocks, resets, pins' UART and timer as others have
them.

Wants Node and the package rp2040js (`npm install rp2040js` anywhere; TINYML_RP2040JS names its folder).
"""

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from emitted_c import calibration, noise

from tinyml import zoo
from tinyml.build.host import HostModel, build_host_library
from tinyml.device.client import Client
from tinyml.errors import ToolError
from tinyml.pipeline import Options, compile_model, need
from tinyml.targets import load_board

SCRIPT = Path(__file__).with_name("rp2040js.mjs")
pytestmark = pytest.mark.emulated


class Pipe:
    """A serial line to the script."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout
        self._arrived: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def read(self, timeout: float) -> bytes:
        try:
            return self._arrived.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            return b""

    def write(self, data: bytes) -> None:
        self._to.write(data)
        self._to.flush()

    def close(self) -> None:
        self._to.close()

    def _listen(self) -> None:
        while data := os.read(self._from.fileno(), 4096):
            self._arrived.put(data)


@contextmanager
def rp2040js(image: Path) -> Iterator[Client]:
    node, folder = shutil.which("node"), os.environ.get("TINYML_RP2040JS")
    if node is None or folder is None:
        pytest.skip("no rp2040js: TINYML_RP2040JS names no folder of it, or node is not on the PATH")
    entry = Path(folder) / "dist" / "esm" / "index.js"
    process = subprocess.Popen(
        [node, str(SCRIPT), str(entry), str(image)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        client = Client(Pipe(process), timeout=120.0)
        client.connect()
        yield client
    finally:
        process.kill()
        process.wait()


def test_a_network_answers_as_on_the_host(tmp_path: Path) -> None:
    path = zoo.save("ds_cnn", tmp_path / "ds_cnn.onnx")
    options = Options(path, load_board("pico"), tmp_path, calibration=calibration(path, tmp_path), toolchain="ziglang")
    image = need(compile_model(options, stop_after="build").image)
    host = HostModel(build_host_library(image.bundle, tmp_path, trace=False))
    with rp2040js(image.bin) as client:
        assert (client.model().board, client.model().clock_hz) == ("raspberrypi_pico", 133_000_000)
        for seed in range(2):
            inputs = noise(image.bundle.plan.schedule.graph, seed)
            assert client.infer(inputs) == tuple(host.run(inputs))
        before = client.timestamp()
        assert client.timestamp() > before
        assert client.memory().stack_bytes < client.memory().stack_size
        client.paint(0x3A)
        assert client.memory().arena_used == (0,)
        with pytest.raises(ToolError, match="Unknown command"):
            client.layers()
