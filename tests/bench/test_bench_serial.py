"""Pictures over a real serial port: a pseudo-terminal behind which the firmware runs, in a board that hangs now and then."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench_sets import person_folder

from tinyml import zoo
from tinyml.cli.main import main
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.serve import EmulatedMachine, pty_line, serve
from tinyml.report.built import Built, open_build

pytestmark = [
    pytest.mark.emulated,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals"),
]


class Watched:
    """A board that hangs each time it has been sent so many bytes, until its watchdog resets it a second later."""

    def __init__(self, built: Built, patience: int | None) -> None:
        self._built = built
        self._patience = patience
        self._left = patience
        self._hangs_since: float | None = None
        self._machine = self._fresh()
        self.hung = 0

    def _fresh(self) -> EmulatedMachine:
        return EmulatedMachine(EmulatedBoard(self._built.elf, self._built.board))

    def exchange(self, received: bytes) -> tuple[bytes, bool]:
        if self._hangs_since is not None:
            if time.monotonic() - self._hangs_since < 1.0:
                return b"", True
            self._hangs_since, self._machine = None, self._fresh()
        if self._left is not None and self._patience is not None:
            self._left -= len(received)
            if self._left < 0:
                self._left = self._patience
                self._hangs_since = time.monotonic()
                self.hung += 1
                return b"", True
        return self._machine.exchange(received)

    def wait(self, seconds: float) -> None:
        self._machine.wait(seconds)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Built]:
    """A model, its calibration data, and its build."""
    folder = tmp_path_factory.mktemp("firmware")
    model = zoo.save("mobilenet_v1", folder / "net.onnx", resolution=32)
    data = person_folder(folder / "calibration", 2)
    arguments = ["build", str(model), "--calibration", str(data), "--board", "stm32h7"]
    assert main([*arguments, "-o", str(folder / "build"), "-q"]) == 0
    return model, data, open_build(folder / "build")


@pytest.fixture
def served() -> Iterator[Callable[[Watched], str]]:
    """Serves boards until the test is over; gives the port's name."""
    ended: list[Callable[[], None]] = []

    def begin(machine: Watched) -> str:
        line = pty_line()
        opened = line.__enter__()
        stop = threading.Event()
        thread = threading.Thread(target=serve, args=(machine, opened, stop.is_set))
        thread.start()

        def end() -> None:
            stop.set()
            thread.join()
            line.__exit__(None, None, None)

        ended.append(end)
        return opened.address

    yield begin
    for end in ended:
        end()


def bench(firmware: tuple[Path, Path, Built], port: str, data: Path, out: Path) -> int:
    model, calibration, _ = firmware
    common = ["bench", "wake-vision", str(model), "--data", str(data), "-o", str(out), "-q", "--jobs", "1"]
    return main([*common, "--calibration", str(calibration), "--on", port, "--board", "stm32h7", "--against", "host"])


def test_a_board_that_hangs_loses_nothing(
    firmware: tuple[Path, Path, Built],
    served: Callable[[Watched], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A picture is 3 KiB: the board hangs within every fifth or so, mostly in the middle of receiving one."""
    monkeypatch.setattr("tinyml.device.places._TIMEOUT", 3.0)
    monkeypatch.setattr("tinyml.bench.execute._PAUSE_SECONDS", 0.2)
    data = person_folder(tmp_path / "data", 6)
    board = Watched(firmware[2], patience=17_000)
    assert bench(firmware, served(board), data, tmp_path / "out") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert board.hung >= 2
    assert report["counts"]["scored"] == 12
    assert report["comparison"]["identical"] == report["comparison"]["compared"] == 12
    assert report["latency"]["kind"] == "measured" and report["latency"]["count"] == 12


def test_another_firmware_is_refused(
    firmware: tuple[Path, Path, Built],
    served: Callable[[Watched], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tinyml.bench.execute._PAUSE_SECONDS", 0.0)
    other = zoo.save("mobilenet_v1", tmp_path / "other.onnx", seed=1, resolution=32)
    port = served(Watched(firmware[2], patience=None))
    data = person_folder(tmp_path / "data", 1)
    assert bench((other, *firmware[1:]), port, data, tmp_path / "out") == 1
    assert "runs net, not other" in capsys.readouterr().err
