"""What the tutorials say is done: their shell blocks run as they stand, and what they leave is compiled and run."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from emitted_c import graph_of
from package_checks import (
    ROOT,
    STAND_INS,
    command,
    compile_person,
    environment,
    example_frame,
    example_text,
    need_tools,
    scores,
    stored,
)
from PIL import Image

from tinyml.pipeline import Compilation

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the blocks are for a POSIX shell")

TUTORIALS = ROOT / "docs" / "tutorials"
CUBE = STAND_INS / "stm32cube"
CUBE_FLAGS = (
    "-mcpu=cortex-m4 -std=gnu11 -g3 -DDEBUG -DUSE_HAL_DRIVER -DSTM32F405xx -O0 -ffunction-sections -fdata-sections -Wall"
    " -fstack-usage --specs=nano.specs -mfpu=fpv4-sp-d16 -mfloat-abi=hard -mthumb"
)
"""What CubeIDE's Debug configuration compiles with."""


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Compilation:
    """`person.onnx`, compiled, and its pictures beside it."""
    return compile_person(tmp_path_factory.mktemp("person"))


@pytest.fixture
def folder(tmp_path: Path, person: Compilation) -> Path:
    """Where a reader of a tutorial is: the model and the pictures are there, and `tinyml` is this checkout's."""
    shutil.copy(person.options.model, tmp_path)
    shutil.copytree(person.options.model.parent / "pictures", tmp_path / "pictures")
    program = tmp_path / "bin" / "tinyml"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tinyml.cli.main "$@"\n')
    program.chmod(0o755)
    return tmp_path


def follow(tutorial: str, folder: Path) -> str:
    """Runs the blocks of a tutorial that are marked `sh`, one behind the other in one shell. What they print."""
    text = (TUTORIALS / f"{tutorial}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    path = f"{folder / 'bin'}{os.pathsep}{environment()['PATH']}"
    return command(["bash", "-euc", "\n".join(blocks)], folder, PATH=path)


def expected(person: Compilation, folder: Path) -> str:
    """What the example prints, by Pillow and the numpy interpreter."""
    return example_text("person", scores(graph_of(person), [stored(person, example_frame(folder))]))


def without_margin(text: str) -> str:
    """Output of a test without the number that ctest puts before each line."""
    return re.sub(r"^1: ", "", text, flags=re.MULTILINE)


@pytest.mark.qemu
def test_cmake(person: Compilation, folder: Path) -> None:
    need_tools("cmake", "ninja", "arm-none-eabi-gcc", "qemu-system-arm")
    printed = without_margin(follow("cmake", folder))
    assert printed.count(expected(person, folder)) == 2  # on the host, and in QEMU
    Image.new("L", (160, 120)).save(folder / "black.png")
    black = int(np.argmax(scores(graph_of(person), [stored(person, folder / "black.png")])))
    assert f"\nclass {black}\n" in printed


@pytest.mark.qemu
def test_stm32cube(person: Compilation, folder: Path) -> None:
    """The Debug configuration of a project of CubeIDE's layout, on QEMU's STM32F405."""
    need_tools("arm-none-eabi-gcc", "qemu-system-arm")
    shutil.copytree(CUBE, folder / "cube")
    follow("stm32cube", folder)
    cube = folder / "cube"
    includes = ("-ICore/Inc", "-IMiddlewares/person/Inc")
    sources = [str(path.relative_to(cube)) for path in sorted(cube.rglob("*.[cs]"))]
    definition = '-DTINYML_ARENA_SECTION=__attribute__((section(".network")))'
    link = ("-T", "STM32F405RGTX_FLASH.ld", "--specs=nosys.specs", "-Wl,--gc-sections", "-static", "-nostartfiles")
    command(["arm-none-eabi-gcc", *CUBE_FLAGS.split(), *includes, definition, *sources, *link, "-o", "cube.elf"], cube)
    machine = ["qemu-system-arm", "-M", "netduinoplus2", "-nographic", "-monitor", "none", "-kernel", "cube.elf"]
    assert printed_by(machine, cube, len(expected(person, folder))) == expected(person, folder)


def printed_by(arguments: list[str], folder: Path, count: int) -> str:
    """The first `count` characters that a program writes which does not end."""
    with subprocess.Popen(arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        try:
            return running.stdout.read(count).decode()
        finally:
            running.kill()


@pytest.mark.qemu
def test_arduino(person: Compilation, folder: Path) -> None:
    """Arduino's build tool finds the library, builds the sketch with -Os and every warning an error; the sketch runs on
    QEMU's Cortex-M4 and answers send.py."""
    need_tools("arduino-builder", "arm-none-eabi-g++", "qemu-system-arm")
    follow("arduino", folder)
    library = folder / "Arduino" / "libraries" / "person"
    build = folder / "sketch"
    build.mkdir()
    folders = ("-hardware", "/usr/share/arduino-builder", "-hardware", STAND_INS / "arduino", "-tools", "/usr/bin")
    libraries = ("-libraries", library.parent, "-fqbn", "tinyml:arm:mps2", "-build-path", build)
    sketch = library / "examples" / "person_serial" / "person_serial.ino"
    command(["arduino-builder", "-compile", "-warnings", "all", *folders, *libraries, sketch], folder)
    command(["pio", "pkg", "pack", "-o", folder / "person.tar.gz", library], folder)

    port = free_port()
    serial = ("-serial", f"tcp:127.0.0.1:{port},server,nowait")
    emulated = ("-semihosting-config", "enable=on,target=native", "-kernel", build / "person_serial.ino.elf")
    arguments = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", *serial, *emulated]
    with subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL) as board:
        try:
            wait_for(port)
            for picture in sorted((folder / "pictures").rglob("*.png"))[:2]:
                answer = command(
                    [sys.executable, library / "extras" / "send.py", f"socket://127.0.0.1:{port}", picture], folder
                )
                real = scores(graph_of(person), [stored(person, picture)])
                lines = [f"{i} {score:.4f}" for i, score in enumerate(real)]
                assert answer.splitlines() == [*lines, f"best {lines[int(np.argmax(real))]}", "us 0"]
        finally:
            board.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    pytest.fail("QEMU does not listen")


def test_zephyr(person: Compilation, folder: Path) -> None:
    """A stand-in for Zephyr's CMake functions builds the sample for the host."""
    need_tools("cmake", "ninja", "gcc")
    follow("zephyr", folder)
    sample = folder / "modules" / "person" / "samples" / "person"
    command(["cmake", "-S", sample, "-B", "build", f"-DZephyr_DIR={STAND_INS / 'zephyr'}"], folder)
    command(["cmake", "--build", "build"], folder)
    assert command([folder / "build" / "app"], folder) == expected(person, folder)


def test_esp_idf(person: Compilation, folder: Path) -> None:
    """The component manager takes the manifest; a stand-in for ESP-IDF builds the example for RISC-V."""
    need_tools("cmake", "ninja", "compote", "qemu-riscv32")
    follow("esp-idf", folder)
    component = folder / "project" / "components" / "person"
    command(["compote", "component", "pack", "--name", "person", "--dest-dir", folder / "dist"], component)
    example = component / "examples" / "person"
    variables = {"IDF_PATH": str(STAND_INS / "idf")}
    command(["cmake", "-S", example, "-B", "build", f"-DPYTHON={sys.executable}"], folder, **variables)
    command(["cmake", "--build", "build"], folder, **variables)
    assert command(["qemu-riscv32", folder / "build" / "person_example.elf"], folder) == expected(person, folder)


@pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed: pip install 'tinyml[tensorflow]'")
def test_keras(folder: Path) -> None:
    printed = follow("keras", folder)
    assert float(re.findall(r"^accuracy (.*)$", printed, re.MULTILINE)[0]) > 0.9
