"""Every output byte of the emitted C against LiteRT's reference kernels, on the host, in the emulator and in QEMU.

Networks with SVDF are compared with TFLite Micro: LiteRT's reference cannot run them.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import Row, shared_folder, show, size
from golden import litert_reference, random_inputs, tflm_reference

from tinyml.build.host import HostModel, build_host_library
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.qemu import find_qemu, run_in_qemu
from tinyml.errors import DoesNotFitError, ModelError, ToolError
from tinyml.frontends import load_model
from tinyml.ir.ops import Op
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.targets import Board, generic_target, load_board

REFUSED = {"tflite_micro/trained_lstm_int8"}  # no kernel for UNIDIRECTIONAL_SEQUENCE_LSTM yet

# (inputs, outputs of the reference) of one run
Sample = tuple[list[bytes], list[bytes]]


def rows(runs: int) -> Iterator[Row]:
    models = shared_folder() / "models"
    for path in sorted(models.rglob("*.tflite")):
        name = path.relative_to(models).with_suffix("").as_posix()
        try:
            graph = load_model(path)
        except ModelError:
            yield (name, "refused", "", ""), None if name in REFUSED else False
            continue
        if not graph.is_quantized:
            continue
        with tempfile.TemporaryDirectory() as folder:
            has_svdf = any(node.op is Op.SVDF for node in graph.nodes)
            yield from compare(name, path, samples(path, runs, has_svdf), Path(folder))


def samples(model: Path, runs: int, has_svdf: bool) -> list[Sample]:
    pairs = []
    for seed in range(runs):
        inputs = random_inputs(model, seed)
        outputs = (tflm_reference if has_svdf else litert_reference)(model, inputs)
        pairs.append(([x.tobytes() for x in inputs], [np.ascontiguousarray(y).tobytes() for y in outputs]))
    return pairs


def compare(name: str, model: Path, expected: Sequence[Sample], folder: Path) -> Iterator[Row]:
    board = generic_target("cortex-m7", 1 << 20, 2 << 20)
    done = compiled(model, board, folder / "emulator")
    host = HostModel(build_host_library(need(done.bundle), folder / "host", trace=False))
    yield verdict(name, "host", expected, [host.run(inputs) for inputs, _ in expected])
    with EmulatedBoard(need(done.image).elf, board) as emulated:
        client = Client(emulated)
        client.connect()
        yield verdict(name, "emulated Cortex-M7", expected, [client.infer(inputs) for inputs, _ in expected])
    try:
        find_qemu()
    except ToolError as error:
        yield (name, f"QEMU: {error.what}", "", ""), None
        return
    inputs = [inputs for inputs, _ in expected]
    for core, machine in (("Cortex-M7", "qemu_mps2_an500"), ("Cortex-M55", "qemu_mps3_an547")):
        board = load_board(machine)
        if machine == "qemu_mps3_an547":  # its largest RAM: speed does not matter here
            board = replace(board, link=replace(board.link, arena="sram"))
        try:
            image = need(compiled(model, board, folder / machine).image)
        except DoesNotFitError as error:
            yield (name, f"QEMU, {core}: {error.what.splitlines()[0]}", "", ""), None
            continue
        yield verdict(name, f"QEMU, {core}", expected, run_in_qemu(image.elf, image.board, inputs))


def compiled(model: Path, board: Board, folder: Path) -> Compilation:
    return compile_model(Options(model=model, board=board, work_dir=folder), stop_after="build")


def verdict(name: str, where: str, expected: Sequence[Sample], got: Sequence[Sequence[bytes]]) -> Row:
    want = b"".join(b"".join(outputs) for _, outputs in expected)
    have = b"".join(b"".join(outputs) for outputs in got)
    assert len(want) == len(have) > 0
    differing = sum(a != b for a, b in zip(want, have, strict=True))
    return (name, where, size(len(want)), size(differing)), differing == 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="seeded random inputs of each network (default: 5)")
    count = parser.parse_args().runs
    columns = ("model", "where", "bytes compared", "differing")
    sys.exit(show(f"Emitted C against the reference kernels, {count} random inputs each", columns, rows(count)))
