"""How long `tinyml build` takes: with nothing cached, with objects cached, with the finished build cached.

The build is what a clock on the wall shows. The other columns are processor time: of compilers and linkers, of the run
in the emulator, and of all else, which is ours.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from common import ROOT, Row, shared_folder, show

from tinyml.build.image import FirmwareImage
from tinyml.profile import Profile

BARS = {"cold": 60.0, "warm": 20.0, "cached": 3.0}
OURS_BAR = 3.0


def measure(model: Path, toolchain: str) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        for state, bar in BARS.items():
            flags = ["--no-cache"] if state == "warm" else []
            command = ["build", "-q", "--board", "stm32h7", "--toolchain", toolchain, *flags, "-o", f"{folder}/out"]
            environment = {**os.environ, "TINYML_CACHE": f"{folder}/cache", "PYTHONPATH": str(ROOT)}
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, __file__, "--child", *command, str(model)],
                env=environment, check=False, capture_output=True, text=True,
            )  # fmt: skip
            total = time.perf_counter() - started
            if done.returncode != 0:
                print(done.stderr, file=sys.stderr)
                yield ([toolchain, state, "", f"{bar:.0f} s", "", "", ""], False)
                return
            spent: dict[str, float] = json.loads(done.stdout)
            passed = total <= bar and (state == "cold" or spent["ours"] <= OURS_BAR)
            cells = [f"{n:.2f} s" for n in (total, spent["compilers"], spent["emulator"], spent["ours"])]
            yield ([toolchain, state, cells[0], f"{bar:.0f} s", *cells[1:]], passed)


def child(arguments: list[str]) -> int:
    """A build that says on stdout where its processor time went."""
    from tinyml import pipeline
    from tinyml.cli.main import main

    emulator = 0.0
    profile = pipeline.profile_emulated

    def timed(image: FirmwareImage) -> Profile:
        nonlocal emulator
        started = time.process_time()
        try:
            return profile(image)
        finally:
            emulator += time.process_time() - started

    pipeline.profile_emulated = timed
    status = main(arguments)
    spent = os.times()
    ours = spent.user + spent.system - emulator
    print(json.dumps({"compilers": spent.children_user + spent.children_system, "emulator": emulator, "ours": ours}))
    return status


def benchmark() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", action="append", help="default: arm-none-eabi-gcc and ziglang")
    toolchains = parser.parse_args().toolchain or ["arm-none-eabi-gcc", "ziglang"]
    model = shared_folder() / "models" / "wake_vision" / "mcunet-vww1.tflite"
    rows = (row for toolchain in toolchains for row in measure(model, toolchain))
    columns = ("toolchain", "cache", "build", "bar", "compilers", "emulator", "ours")
    return show(f"tinyml build --board stm32h7 {model.name} ({os.cpu_count()} cores)", columns, rows)


if __name__ == "__main__":
    sys.exit(child(sys.argv[2:]) if sys.argv[1:2] == ["--child"] else benchmark())
