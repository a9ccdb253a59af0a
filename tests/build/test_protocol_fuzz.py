"""Whatever arrives: the command loop under sanitizers. It reads no byte outside, never hangs, and then answers.

benchmarks/protocol.py does the same with 100,000 strings.
"""

import random
import shutil
from pathlib import Path

import pytest
from protocol_fuzz import ANSWER, answers, build_program, garbage, recovers, sanitizing_compiler
from toy_network import toy_bundle

from tinyml.build.firmware import build_firmware
from tinyml.build.toolchain import find_toolchain
from tinyml.device.qemu import PROGRAM, qemu_board
from tinyml.targets import load_board

STRINGS = 20_000
STRINGS_IN_QEMU = 25


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = sanitizing_compiler()
    if compiler is None:
        pytest.skip("neither gcc nor clang is on the PATH, which have the sanitizers")
    built = build_program(compiler, tmp_path_factory.mktemp("fuzz"))
    if built is None:
        pytest.skip("the compiler's sanitizers are not installed")
    return built


def test_garbage_does_no_harm(program: Path) -> None:
    rng = random.Random(0)
    strings = [garbage(rng) for _ in range(STRINGS)]
    assert [s for s, answer in zip(strings, answers(program, strings), strict=True) if answer != ANSWER] == []


def test_the_check_sees_what_is_not_answered(program: Path) -> None:
    """Half a command that runs for long swallows what comes without ending it first."""
    assert answers(program, [b"junk", b"run 4294967295"], ends=1)[0] == ANSWER
    assert answers(program, [b"junk", b"run 4294967295"], ends=1)[1] != ANSWER


@pytest.mark.qemu
def test_garbage_does_no_harm_in_qemu(tmp_path: Path) -> None:
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed")
    board = load_board("qemu_mps2_an386")
    image = build_firmware(toy_bundle(), board, find_toolchain(), tmp_path, traced=True)
    rng = random.Random(1)
    with qemu_board(image.elf, board) as line:
        for _ in range(STRINGS_IN_QEMU):
            string = garbage(rng)
            line.write(string)
            assert recovers(line), string
