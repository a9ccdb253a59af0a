"""Random strings at the firmware's protocol: no hang, no overrun, and the next valid command is answered.

The command loop runs on this machine under AddressSanitizer and UBSan, and the whole firmware in QEMU.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from common import ROOT, Row, show, size

sys.path.insert(0, str(ROOT / "tests" / "build"))

from protocol_fuzz import ANSWER, answers, build_program, garbage, recovers, sanitizing_compiler
from toy_network import toy_bundle

from tinyml.build.firmware import build_firmware
from tinyml.build.toolchain import find_toolchain
from tinyml.device.qemu import PROGRAM, qemu_board
from tinyml.targets import load_board

CHUNK = 10_000
MACHINE = "qemu_mps2_an386"


def rows(strings: int, in_qemu: int, seed: int, folder: Path) -> Iterator[Row]:
    compiler = sanitizing_compiler()
    program = None if compiler is None else build_program(compiler, folder)
    where = "this machine, ASan and UBSan"
    if program is None:
        yield (f"{where}: neither gcc nor clang with sanitizers", "", "", ""), None
    else:
        rng = random.Random(seed)
        wrong = sent = 0
        for start in range(0, strings, CHUNK):
            part = [garbage(rng) for _ in range(min(CHUNK, strings - start))]
            sent += sum(map(len, part))
            # A report of a sanitizer, or a hang, ends this with an error.
            wrong += sum(answer != ANSWER for answer in answers(program, part))
        yield (where, size(strings), size(sent), size(wrong)), wrong == 0
    if shutil.which(PROGRAM) is None:
        yield (f"{PROGRAM} is not installed", "", "", ""), None
        return
    board = load_board(MACHINE)
    image = build_firmware(toy_bundle(), board, find_toolchain(), folder / "firmware", traced=True)
    rng = random.Random(seed + 1)
    wrong = sent = 0
    with qemu_board(image.elf, board) as line:
        for _ in range(in_qemu):
            string = garbage(rng)
            sent += len(string)
            line.write(string)
            wrong += not recovers(line)
    yield (f"QEMU, {MACHINE}", size(in_qemu), size(sent), size(wrong)), wrong == 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=100_000, help="on this machine (default: 100000)")
    parser.add_argument("--in-qemu", type=int, default=100, help="in QEMU, a second each (default: 100)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    columns = ("where", "strings", "bytes", "not answered behind")
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(
            show(
                f"Random strings, seed {given.seed}",
                columns,
                rows(given.strings, given.in_qemu, given.seed, Path(scratch)),
            )
        )
