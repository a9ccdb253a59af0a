"""Five minutes with tinyml: from a float network to firmware in 64 KiB, every claim checked on the way.

    python benchmarks/demo.py            MobileNetV2 0.35 at 224 px
    python benchmarks/demo.py --quick    the same at 96 px, with smaller limits
    python benchmarks/demo.py --work DIR keeps what was made

Needs nothing but what `pip install '.[serial]'` installs: pictures are made up where there are none at ../shared/images, and
QEMU is left out where it is not installed. Each step prints its command and its time; a claim that fails makes the exit code 1.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "boards")]

from mlperf_runner import Runner  # noqa: E402

import tinyml  # noqa: E402
from tinyml import zoo  # noqa: E402
from tinyml.device.serial_port import open_port  # noqa: E402
from tinyml.quantize import Preprocess  # noqa: E402
from tinyml.quantize.calibration import load_input  # noqa: E402
from tinyml.report.built import open_build  # noqa: E402

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
BOARD = "qemu_mps2_an500"  # a Cortex-M7 that both the emulator and QEMU run
OUT = Console(width=160 if not Console().is_terminal else None, highlight=False)


@dataclass(frozen=True, slots=True)
class Size:
    """Attributes: too_small: what the network does not fit as it is; sram: what it is built for."""

    pixels: int
    too_small: str
    sram: str
    pictures: int


FULL = Size(224, "128K", "64K", 8)
QUICK = Size(96, "28K", "28K", 4)


@dataclass(slots=True)
class Demo:
    """Runs commands, and keeps what was claimed of them."""

    folder: Path
    claims: list[tuple[str, str, bool]] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        OUT.rule(f"[bold]{title}", align="left")
        start = time.perf_counter()
        yield
        self.steps.append((title, time.perf_counter() - start))
        OUT.print(f"[dim]{self.steps[-1][1]:.1f} s[/dim]\n")

    def claim(self, what: str, figure: str, holds: bool) -> None:
        self.claims.append((what, figure, holds))
        OUT.print(f"{'[green]holds' if holds else '[red]FAILS'}[/]  {what}: {figure}")

    def tinyml(self, *arguments: str, code: int = 0) -> str:
        """What the command printed; its errors too where it is to fail."""
        OUT.print(f"[bold]$ tinyml {' '.join(arguments)}", markup=True)
        done = subprocess.run(
            command(*arguments), cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        if done.returncode != code:
            raise SystemExit(f"{done.stdout}{done.stderr}\nexit code {done.returncode}, expected {code}")
        return done.stdout + (done.stderr if code else "")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tinyml.cli.main", *arguments]


def pictures(folder: Path, count: int) -> str:
    """Two labelled folders each of pictures to calibrate with and to judge by; says where they are from."""
    real = ROOT.parent / "shared" / "images"
    for split in ("calibration", "test"):
        for label in ("person", "no_person"):
            target = folder / split / label
            target.mkdir(parents=True)
            found = sorted((real / split / label).glob("*.jpg"))
            for index in range(count // 2):
                if found:
                    shutil.copy(found[index * len(found) // (count // 2)], target)
                else:
                    scene(index + 100 * (label == "person") + 1000 * (split == "test")).save(target / f"{index}.png")
    return "photographs" if real.is_dir() else "made up"


def scene(seed: int) -> Image.Image:
    """Shapes of all colours before a gradient."""
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8)).resize((240, 240), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(8):
        x, y, size = (int(n) for n in rng.integers(0, 200, 3))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        draw.ellipse((x, y, x + size // 2 + 8, y + size // 3 + 8), fill=colour)
    return picture


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="96 px in place of 224")
    parser.add_argument("--work", type=Path, help="a new folder for what is made (default: one that is removed again)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tinyml-demo-") as temporary:
        folder = arguments.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        demo = Demo(folder.resolve())
        show(demo, QUICK if arguments.quick else FULL)
    return summary(demo)


def show(demo: Demo, size: Size) -> None:
    model, folder = "person.onnx", demo.folder
    flags = ["--board", BOARD, "--sram", size.sram, "--stream-input", "--calibration", "pictures/calibration"]
    picture = ""
    with demo.step("a float network and a folder of pictures"):
        OUT.print(
            f"$ python -c \"from tinyml import zoo; zoo.save('mobilenet_v2', {model!r}, resolution={size.pixels})\""
        )
        zoo.save("mobilenet_v2", folder / model, resolution=size.pixels)
        kind = pictures(folder / "pictures", size.pictures)
        picture = str(next((folder / "pictures" / "test" / "person").iterdir()).relative_to(folder))
        OUT.print(
            f"MobileNetV2 0.35, {size.pixels} px, seeded weights; {size.pictures} and {size.pictures} pictures, {kind}"
        )
    with demo.step(f"what does not fit {size.too_small}, and what can be traded"):
        said = demo.tinyml("analyze", "--target", "cortex-m7", "--sram", size.too_small, model, code=3)
        OUT.print(said[said.rindex("\narena ") :].strip(), markup=False)
        demo.claim(f"as it is, it does not fit {size.too_small}", "analyze says so", "too big" in said)
        said = demo.tinyml("analyze", "--schedule", "--stream-input", "--board", BOARD, "--svg", "front.svg", model)
        OUT.print(said[said.index("schedules that") :].rstrip(), markup=False)
    with demo.step(f"firmware for {size.sram}, the picture row by row"):
        int8 = json.loads(demo.tinyml("build", *flags, model, "-o", "int8", "--json"))
        peak, limit = int8["memory"]["peak_sram_bytes"], 1024 * int(size.sram[:-1])
        demo.claim(f"arena, stack and static data fit {size.sram}", f"{peak:,} of {limit:,} bytes", peak <= limit)
    with demo.step("the same bytes wherever it runs"):
        places = ["emulator", *(["qemu"] if shutil.which("qemu-system-arm") else [])]
        for place in places:
            said = demo.tinyml("run", "int8", "--on", place, "--input", picture, "--output", f"{place}.npz")
            OUT.print(said.rstrip(), markup=False)
        demo.claim("emulator and QEMU agree", *_same([stored(folder / f"{place}.npz") for place in places]))
    with demo.step("no byte differs from the reference, layer by layer"):
        said = demo.tinyml("verify", *flags, model, "--on", "all", "--runs", "1")
        OUT.print(said.rstrip(), markup=False)
        demo.claim("verify: host and emulator", f"{said.count('agree')} places agree", said.count("agree") == 2)
    with demo.step("a kernel that rounds wrong is found out"):
        layer = spoil(folder, int8)
        said = demo.tinyml("verify", *flags, model, "--on", "host", "--runs", "1", "--sources", "spoiled", code=4)
        OUT.print(said.rstrip(), markup=False)
        named = f"first in layer {layer:02d} (add"
        demo.claim("verify names the first layer that the kernel spoils", f"layer {layer}", named in said)
    with demo.step("what each layer costs"):
        demo.tinyml("profile", "int8", "--runs", "1", "--warm-up", "0", "--html", "profile.html", "-q")
        page = (folder / "profile.html").read_text(encoding="utf-8")
        whole = page.startswith("<!doctype html>") and "block17" in page and "http" not in page.split("</style>")[0]
        demo.claim("the profile is one page", f"{len(page):,} characters", whole)
    with demo.step("weights of 4 bits beside 8"):
        precision(demo, size, int8)
    with demo.step("MLPerf Tiny's runner drives the board through a serial port"):
        drive(demo, folder / f"{places[0]}.npz", picture)


def _same(outputs: Sequence[bytes]) -> tuple[str, bool]:
    return f"{len(outputs)} places, {len(outputs[0])} bytes", len(set(outputs)) == 1


def stored(path: Path) -> bytes:
    with np.load(path) as arrays:
        return b"".join(arrays[name].tobytes() for name in arrays.files)


def spoil(folder: Path, report: dict[str, object]) -> int:
    """A copy of the build's C in which the kernel of additions forgets to round; gives the first layer that has it."""
    shutil.copytree(folder / "int8" / "src", folder / "spoiled")
    kernel = folder / "spoiled" / "tinyml_add_weighted_s8_dsp.c"
    text = kernel.read_text(encoding="utf-8")
    rounded, not_rounded = "op->offset + x + y", "op->offset - (1 << 19) + x + y"
    assert text.count(rounded) == 1
    kernel.write_text(text.replace(rounded, not_rounded), encoding="utf-8")
    OUT.print(f"{kernel.name}: {rounded!r} became {not_rounded!r}", markup=False)
    layers = report["layers"]
    assert isinstance(layers, list)
    return next(index for index, layer in enumerate(layers) if layer["op"] == "add")


def precision(demo: Demo, size: Size, int8: dict[str, Any]) -> None:
    """Answers of both from Python, on the pictures that were not calibrated with; against the float network.

    Args:
        int8: the report of its build, whose network the host computes to the byte.
    """
    model, data = demo.folder / "person.onnx", demo.folder / "pictures"
    judged = sorted((data / "test").rglob("*.*"))
    OUT.print("$ python: tinyml.compile(…, precision=…).run(picture)")
    exact = _answers(tinyml.compile(model, board="host", precision="float32"), judged)
    calibration = data / "calibration"
    eight = tinyml.compile(model, board="host", calibration=calibration)
    four = tinyml.compile(
        model, board=BOARD, sram=size.sram, stream_input=True, calibration=calibration, precision="w4a8"
    )
    report = four.report()
    builds = {
        "int8": (eight, int8["flash"]["weights_bytes"], int8["latency"]["instructions"]),
        "w4a8": (four, report.flash.weights_bytes, report.latency.instructions),
    }
    table = Table(box=None, header_style="bold")
    for name in ("", "weights", "instructions", "answers that flip", "signal to noise"):
        table.add_column(name, justify="left" if not name else "right")
    for name, (build, weights, instructions) in builds.items():
        found = _answers(build, judged)
        flips = int((found.argmax(1) != exact.argmax(1)).sum())
        noise = 10 * np.log10(np.square(exact).sum() / np.square(exact - found).sum())
        cells = (f"{weights:,}", f"{instructions:,}")
        table.add_row(name, *cells, f"{flips} of {len(judged)}", f"{noise:.1f} dB")
    OUT.print(table)
    share = report.flash.weights_bytes / int8["flash"]["weights_bytes"]
    demo.claim("w4a8 takes less flash for weights", f"{share:.2f} of int8's", share < 0.75)


def _answers(build: tinyml.Build, judged: Sequence[Path]) -> np.ndarray:
    """[pictures, classes]"""
    return np.stack([next(iter(build.run(file).real.values())).ravel() for file in judged])


def drive(demo: Demo, expected: Path, picture: str) -> None:
    """The runner's own bytes on a pseudo-terminal (on TCP where there are none); the answer is the emulator's."""
    where = ["--tcp", "0"] if sys.platform == "win32" else ["--pty"]
    OUT.print(f"[bold]$ tinyml emulate int8 {' '.join(where)}")
    serving = command("emulate", "int8", *where, "--json")
    with subprocess.Popen(serving, cwd=demo.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = json.loads(_document(process.stdout))["port"]
            transport = open_port(port, 115200)
            try:
                runner = Runner(transport)
                name, profile, model = runner.identify()
                runner.load(_input_bytes(demo, picture))
                found = runner.infer(1, 0)
            finally:
                transport.close()
        finally:
            process.terminate()
    with np.load(expected) as arrays:
        scores = _reals(demo, arrays[arrays.files[0]])
    OUT.print(f"{name}, {profile}, {model}: {found.microseconds:,} us, results {found.results}", markup=False)
    demo.claim("its results are the emulator's", f"{found.results}", np.allclose(found.results, scores, atol=1.01e-6))


def _document(lines: Iterator[str]) -> str:
    """The first JSON document of a stream that goes on."""
    text = ""
    for line in lines:
        text += line
        if line.rstrip() == "}":
            break
    return text


def _input_bytes(demo: Demo, picture: str) -> bytes:
    """The picture as the network stores it."""
    built = open_build(demo.folder / "int8")
    (array,) = load_input(demo.folder / picture, built.interface, Preprocess()).values()
    return array.tobytes()


def _reals(demo: Demo, array: np.ndarray) -> np.ndarray:
    interface = open_build(demo.folder / "int8").interface
    quant = interface.value(interface.outputs[0]).quant
    assert quant is not None
    return quant.dequantize(array).ravel()


def summary(demo: Demo) -> int:
    OUT.rule("[bold]summary", align="left")
    table = Table(box=None, header_style="bold")
    table.add_column("step")
    table.add_column("s", justify="right")
    for title, seconds in demo.steps:
        table.add_row(title, f"{seconds:.1f}")
    table.add_row("[bold]all", f"{sum(seconds for _, seconds in demo.steps):.1f}")
    OUT.print(table)
    claims = Table(box=None, header_style="bold")
    for name in ("claim", "figure", ""):
        claims.add_column(name)
    for what, figure, holds in demo.claims:
        claims.add_row(what, figure, "[green]holds" if holds else "[red]FAILS")
    OUT.print(claims)
    return 0 if all(holds for *_, holds in demo.claims) else 1


if __name__ == "__main__":
    sys.exit(main())
