"""Instructions of a whole inference on a Cortex-M55, counted in QEMU, against the bars of two networks, and what kinds of
layers they go to. Its outputs are compared with the reference kernels'; arena, stack and code are beside them."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import Row, shared_folder, show, size

# ruff: isort: split
from budget_table import write_table
from golden import litert_reference, random_inputs
from helium_cost import BARS, BOARD, HEAD, TABLE, count, measure
from instructions import KINDS, kind_of

from tinyml.build.toolchain import ARM_GCC
from tinyml.device.client import Client
from tinyml.device.qemu import find_qemu, qemu_board
from tinyml.errors import ToolError
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.schedule.model import Objective
from tinyml.targets import load_board


def compiled(model: Path, folder: Path, toolchain: str | None, *, traced: bool) -> Compilation:
    options = Options(model, load_board(BOARD), folder, toolchain=toolchain, traced=traced, objective=Objective.LATENCY)
    return compile_model(options, stop_after="build")


def shares(done: Compilation, inputs: list[bytes]) -> Counter[str]:
    """Kind of layer -> its part of an inference's cycles, by firmware that traces."""
    graph, bundle, image = need(done.schedule).graph, need(done.bundle), need(done.image)
    with qemu_board(image.elf, image.board, counting=True) as transport:
        client = Client(transport, timeout=60.0)
        client.connect()
        for index, data in enumerate(inputs):
            client.put(index, data)
        spent = client.layers()
    result: Counter[str] = Counter()
    for layer, cycles in zip(bundle.layers, spent.layers, strict=True):
        result[kind_of(graph, layer.node)] += cycles
    return result


def row(path: Path, name: str, bar: float | None, toolchain: str | None) -> Row:
    model = path / f"{name}.tflite"
    tensors = random_inputs(model, 1)
    inputs = [x.tobytes() for x in tensors]
    expected = [np.ascontiguousarray(y).tobytes() for y in litert_reference(model, tensors)]
    with tempfile.TemporaryDirectory() as folder:
        done = compiled(model, Path(folder) / "plain", toolchain, traced=False)
        image = need(done.image)
        with qemu_board(image.elf, image.board, counting=True) as transport:
            client = Client(transport, timeout=60.0)
            client.connect()
            exact = list(client.infer(inputs)) == expected
            stack = client.memory().stack_bytes
        instructions = count(image, inputs)
        kinds = shares(compiled(model, Path(folder) / "traced", toolchain, traced=True), inputs)
    cells = (
        name,
        f"{instructions / 1e6:.2f} M",
        "" if bar is None else f"{bar:.2f} M",
        *(f"{100 * kinds[kind] / kinds.total():.0f} %" for kind in KINDS),
        size(need(done.plan).peak_bytes),
        size(stack),
        size(image.sizes.code_bytes),
        size(image.sizes.weights_bytes),
        "yes" if exact else "no",
    )
    return cells, exact and (bar is None or instructions <= bar * 1e6)


def rows(toolchain: str | None, names: list[str]) -> Iterator[Row]:
    models = shared_folder() / "models"
    for name, bar in BARS.items():
        if not names or any(part in name for part in names):
            yield row(models, name, bar, toolchain)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", help="arm-none-eabi-gcc or ziglang; the first that is found")
    parser.add_argument("--write", action="store_true", help="renew the table in tests/budgets/, and do nothing else")
    parser.add_argument("models", nargs="*", help="parts of names: only these")
    arguments = parser.parse_args()
    try:
        find_qemu()
    except ToolError as error:
        print(f"skipped: {error.what}")
        sys.exit(0)
    if arguments.write:
        write_table(
            {name: measure(shared_folder() / "models" / f"{name}.tflite", ARM_GCC) for name in BARS}, TABLE, HEAD
        )
        sys.exit(0)
    columns = ("model", "instructions", "bar", *KINDS, "arena", "stack", "code", "weights", "exact")
    sys.exit(show("Instructions of an inference with Helium", columns, rows(arguments.toolchain, arguments.models)))
