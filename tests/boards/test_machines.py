"""Every board where its file says that it runs: whole networks, and time."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from emitted_c import calibration, noise

from tinyml import zoo
from tinyml.build.firmware import build_firmware
from tinyml.build.host import HostModel, build_host_library
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.qemu import PROGRAM, qemu_board
from tinyml.pipeline import Options, compile_model, need
from tinyml.schedule.model import Objective
from tinyml.targets import Board, list_boards, load_board

Build = Callable[[str, str, str], FirmwareImage]

MACHINES = [
    pytest.param(name, board.id, marks=marks, id=f"{board.id}-{name}")
    for board in list_boards()
    for name, marks in (("qemu", pytest.mark.qemu), ("unicorn", pytest.mark.emulated))
    if name in board.emulators
]
QEMU_BOARDS = [board for board in list_boards() if "qemu" in board.emulators]
TIMED_BOARDS = [board for board in QEMU_BOARDS if board.qemu_clock_hz is None]
SAMPLES = 2


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """built(network, board, toolchain): a network of the zoo, or the path of a model, as firmware."""

    @cache
    def model(network: str) -> Path:
        # MobileNet of the smallest picture that the zoo takes, for boards of 16 KiB.
        options = {"resolution": 32} if network == "mobilenet_v1" else {}
        return zoo.save(network, tmp_path_factory.mktemp("zoo") / f"{network}.onnx", **options)

    @cache
    def build(network: str, board_id: str, toolchain: str, objective: Objective = Objective.BALANCED) -> FirmwareImage:
        ours = network in zoo.ENTRIES
        path = model(network) if ours else Path(network)
        folder = tmp_path_factory.mktemp(board_id)
        data = calibration(path, folder) if ours else None
        options = Options(
            path, load_board(board_id), folder, calibration=data, toolchain=toolchain, objective=objective
        )
        return need(compile_model(options, stop_after="build").image)

    return build


@contextmanager
def running(machine: str, image: FirmwareImage) -> Iterator[Client]:
    if machine == "unicorn":
        client = Client(EmulatedBoard(image.elf, image.board))
        client.connect()
        yield client
        return
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed")
    with qemu_board(image.elf, image.board) as transport:
        client = Client(transport, timeout=30.0)
        client.connect()
        yield client


def assert_answers_as_the_host(machine: str, image: FirmwareImage, folder: Path) -> None:
    """The board against the same C, compiled for this machine by its own compiler."""
    host = HostModel(build_host_library(image.bundle, folder, trace=False))
    graph = image.bundle.plan.schedule.graph
    with running(machine, image) as client:
        described = client.model()
        clock_hz = image.board.qemu_clock_hz if machine == "qemu" else None
        assert (described.board, described.clock_hz) == (image.board.id, clock_hz or image.board.clock_hz)
        for seed in range(SAMPLES):
            inputs = noise(graph, seed)
            assert client.infer(inputs) == tuple(host.run(inputs))
        memory = client.memory()
        assert memory.arena_bytes == sum(arena.bytes for arena in image.bundle.plan.arenas)
        assert 0 < memory.stack_bytes < memory.stack_size == image.board.link.stack_bytes


def network_for(board: Board) -> str:
    return "ds_cnn" if board.arena_bytes > 32 << 10 else "mobilenet_v1"


@pytest.mark.parametrize("toolchain", ["arm-none-eabi-gcc", "ziglang"])
@pytest.mark.parametrize(("machine", "board_id"), MACHINES)
def test_a_network_answers_as_on_the_host(
    built: Build, tmp_path: Path, machine: str, board_id: str, toolchain: str
) -> None:
    if toolchain == "arm-none-eabi-gcc" and shutil.which(toolchain) is None:
        pytest.skip(f"{toolchain} is not on the PATH")
    image = built(network_for(load_board(board_id)), board_id, toolchain)
    assert_answers_as_the_host(machine, image, tmp_path)


@pytest.mark.qemu
@pytest.mark.parametrize("board", QEMU_BOARDS, ids=[board.id for board in QEMU_BOARDS])
def test_a_trained_network_answers_as_on_the_host(built: Build, tmp_path: Path, shared: Path, board: Board) -> None:
    """Visual wake words, or on 16 KiB the largest arena of the small networks."""
    small = board.arena_bytes < 32 << 10
    name = "tflite_micro/micro_speech_quantized" if small else "mlperf_tiny/vww_96_int8"
    image = built(str(shared / "models" / f"{name}.tflite"), board.id, "ziglang")
    assert_answers_as_the_host("qemu", image, tmp_path)


@pytest.mark.qemu
@pytest.mark.parametrize("board", TIMED_BOARDS, ids=[board.id for board in TIMED_BOARDS])
def test_the_boards_clock_keeps_qemus_time(built: Build, board: Board) -> None:
    """That is real time; so the timer is right, and the clock that its ticks are divided by."""
    with running("qemu", built(network_for(board), board.id, "ziglang")) as client:
        before = time.monotonic()
        first = client.timestamp()
        between = time.monotonic()
        time.sleep(0.3)
        second_asked = time.monotonic()
        second = client.timestamp()
        after = time.monotonic()
    assert (second_asked - between) * 0.99 <= (second - first) / 1e6 <= (after - before) * 1.01


@pytest.mark.emulated
@pytest.mark.parametrize("board_id", ["stm32h7", "stm32l4r5"])
def test_tracing_costs_less_than_a_hundredth(built: Build, tmp_path: Path, board_id: str) -> None:
    # One call a layer; a layer that streams by single rows is traced row by row, which takes a little over a hundredth.
    plain = built("ds_cnn", board_id, "ziglang", Objective.LATENCY)
    traced = build_firmware(plain.bundle, plain.board, find_toolchain("ziglang"), tmp_path, traced=True)
    inputs = noise(plain.bundle.plan.schedule.graph, 0)
    cycles = []
    for image in (plain, traced):
        with running("unicorn", image) as client:
            for index, data in enumerate(inputs):
                client.put(index, data)
            cycles.append(client.run(1).cycles)
    assert cycles[0] < cycles[1] < cycles[0] * 1.01
    assert b"tinyml_trace" not in plain.elf.read_bytes()
    assert b"tinyml_trace" in traced.elf.read_bytes()


def test_a_machine_of_qemu_is_one_that_was_tried() -> None:
    for board in list_boards():
        assert ("qemu" in board.emulators) == (board.qemu_machine is not None)
        assert ("rp2040js" in board.emulators) == (board.boot == "rp2040")
        assert ("unicorn" in board.emulators) == (board.has_firmware and board.core.unicorn_model is not None)
