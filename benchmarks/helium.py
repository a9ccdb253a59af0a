"""Instructions of a whole inference on a Cortex-M55, counted in QEMU, against the bars of two networks, and what kinds of
layers they go to. Its outputs are compared with the reference kernels'; arena, stack and code are beside them."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import Row, shared_folder, show, size

# ruff: isort: split
from budget_table import write_table
from golden import litert_reference, random_inputs
from helium_cost import BARS, HEAD, TABLE, count, measure, model_of, options_of
from instructions import KINDS, kind_of

from tinyml.build.toolchain import ARM_GCC
from tinyml.device.client import Client
from tinyml.device.qemu import find_qemu, qemu_board
from tinyml.errors import ToolError
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.pipeline import Compilation, compile_model, need
from tinyml.profile.measurement import noise


def compiled(models: Path, name: str, folder: Path, toolchain: str | None, *, traced: bool) -> Compilation:
    return compile_model(replace(options_of(models, name, folder, toolchain), traced=traced), stop_after="build")


def answers(models: Path, name: str, graph: Graph) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Inputs, and what the reference kernels make of them; numpy, of a network that is quantized here."""
    model = model_of(models, name)[0]
    if "@" not in name:
        tensors = random_inputs(model, 1)
        return tensors, litert_reference(model, tensors)
    values = [graph.value(i) for i in graph.inputs]
    tensors = [np.frombuffer(x, v.dtype.numpy).reshape(v.shape) for x, v in zip(noise(graph), values, strict=True)]
    outputs = run(graph, dict(zip(graph.inputs, tensors, strict=True))).outputs
    return tensors, [outputs[o] for o in graph.outputs]


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


def row(models: Path, name: str, bar: float | None, toolchain: str | None) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        done = compiled(models, name, Path(folder) / "plain", toolchain, traced=False)
        tensors, outputs = answers(models, name, need(done.quantized).graph)
        inputs = [x.tobytes() for x in tensors]
        expected = [np.ascontiguousarray(y).tobytes() for y in outputs]
        image = need(done.image)
        with qemu_board(image.elf, image.board, counting=True) as transport:
            client = Client(transport, timeout=60.0)
            client.connect()
            exact = list(client.infer(inputs)) == expected
            stack = client.memory().stack_bytes
        instructions = count(image, inputs)
        kinds = shares(compiled(models, name, Path(folder) / "traced", toolchain, traced=True), inputs)
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
        write_table({name: measure(shared_folder() / "models", name, ARM_GCC) for name in BARS}, TABLE, HEAD)
        sys.exit(0)
    columns = ("model", "instructions", "bar", *KINDS, "arena", "stack", "code", "weights", "exact")
    sys.exit(show("Instructions of an inference with Helium", columns, rows(arguments.toolchain, arguments.models)))
