"""Emitted C as users meet it: written to a folder, compiled by their compilers, linked with a main of theirs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyml import zoo
from tinyml.build.files import write_tree
from tinyml.build.toolchain import run_tool
from tinyml.dump import write_sources
from tinyml.emit.bundle import SourceBundle
from tinyml.emit.c.emitter import Identity, emit_c
from tinyml.frontends import load_model
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.memory import check, plan_memory
from tinyml.passes import canonicalize, lower
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.schedule import schedule
from tinyml.targets import CORES, generic_target

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror")
ZIG_CC = (sys.executable, "-m", "ziglang", "cc")

# Its argument is a string of steps: p(oison the arena), i(nit), f(ill the inputs from stdin), r(un), o(utputs to stdout),
# k(eep watch: what the inputs' memory holds, to stdout). The arena is as large as the header says to the byte, so that
# an address sanitizer sees what leaves it.
_MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "{name}.h"

int main(int argc, char **argv)
{{
    unsigned char *arena = malloc({macro}_ARENA_BYTES);
    {name}_t net;
    if (argc != 2 || arena == NULL || {macro}_ARENA_COUNT != 1) return 1;
    for (const char *step = argv[1]; *step != 0; step++) {{
        switch (*step) {{
        case 'p': memset(arena, 0xA5, {macro}_ARENA_BYTES); break;
        case 'i': {name}_init(&net, arena); break;
        case 'r': {name}_run(&net); break;
        case 'f':
{fill}
            break;
        case 'o':
{outputs}
            break;
        case 'k':
{inputs}
            break;
        default: return 3;
        }}
    }}
    free(arena);
    return 0;
}}
"""


def compiled(model: Path, folder: Path, *, core: str = "cortex-m7", **options: Any) -> Compilation:
    """The stages up to the emitted C, for a bare core with plenty of memory."""
    board = generic_target(core, 8 << 20, 8 << 20)
    return compile_model(Options(model=model, board=board, work_dir=folder, **options), stop_after="emit")


def emitted(graph: Graph, name: str, *, core: str = "cortex-m7", **identity: Any) -> SourceBundle:
    """The C of a lowered graph that came from no file."""
    plan = plan_memory(schedule(graph, CORES[core].isa))
    check(plan)
    return emit_c(plan, Identity(name, "graph", "0" * 64, core, "int8", **identity))


def calibration(model: Path, folder: Path | None = None, samples: int = 2) -> Path:
    """Seeded calibration data for a float model; in `folder`, or beside the model."""
    graph = load_model(model)
    rng = np.random.default_rng(0)
    shapes = {name: (samples, *graph.value(name).shape) for name in graph.inputs}
    path = (folder or model.parent) / f"{model.stem}.calibration.npz"
    np.savez(path, **{name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()})
    return path


@cache
def zoo_network(name: str, folder: Path, precision: str = "int8", keep_input: bool = False) -> Compilation:
    """A calibrated network of the zoo, through the pipeline."""
    model = zoo.save(name, folder / f"{name}.onnx")
    data = calibration(model) if precision == "int8" else None
    return compiled(model, folder, precision=precision, calibration=data, keep_input=keep_input)


def lowered(path: Path) -> Graph:
    return lower(canonicalize(load_model(path)))


def macros(header: str) -> dict[str, str]:
    """Every macro of a header that has a value, without its comment."""
    lines = re.findall(r"^#define (\w+) (.+)$", header, re.MULTILINE)
    return {name: value.split(" /*")[0] for name, value in lines}


def host_compilers() -> Mapping[str, tuple[str, ...]]:
    """Compilers of this machine; ziglang is always there."""
    found = {name: (name,) for name in ("gcc", "clang") if shutil.which(name)}
    return {**found, "zig": ZIG_CC}


def compiler(name: str) -> tuple[str, ...]:
    """A compiler of the host, or a skip that says which one is missing."""
    if name not in host_compilers():
        pytest.skip(f"{name} is not on the PATH")
    return host_compilers()[name]


def write(bundle: SourceBundle, folder: Path) -> Path:
    write_sources(bundle, folder)
    return folder


def main_of(bundle: SourceBundle) -> str:
    """A program around a network, written against its header alone."""
    graph = bundle.plan.schedule.graph
    macro = bundle.name.upper()

    def lines(direction: str, count: int, text: str) -> str:
        suffixes = [f"_{i}" if count > 1 else "" for i in range(count)]
        ports = ((f"{bundle.name}_{direction}{s}(&net)", f"{macro}_{direction.upper()}{s}_BYTES") for s in suffixes)
        return "\n".join("            " + text.format(pointer=pointer, size=size) for pointer, size in ports)

    return _MAIN.format(
        name=bundle.name,
        macro=macro,
        fill=lines("input", len(graph.inputs), "if (fread({pointer}, 1, {size}, stdin) != {size}) return 2;"),
        inputs=lines("input", len(graph.inputs), "fwrite({pointer}, 1, {size}, stdout);"),
        outputs=lines("output", len(graph.outputs), "fwrite({pointer}, 1, {size}, stdout);"),
    )


def build_program(
    bundle: SourceBundle, folder: Path, flags: Sequence[str] = ("-O1",), command: Sequence[str] | None = None
) -> Path:
    """An executable of `main_of` and the emitted C."""
    write_tree(folder / "src", {**bundle.files, "main.c": main_of(bundle)})
    program = folder / f"program{'.exe' if os.name == 'nt' else ''}"
    command = command or next(iter(host_compilers().values()))  # zig, if alone, builds its C library first: a minute
    sources = [*bundle.sources, "main.c"]
    run_tool([*command, "-std=c99", *flags, "-o", str(program), *sources], folder / "src")
    return program


def run_program(program: Path, inputs: bytes, steps: str) -> bytes:
    """What the program of `main_of` writes."""
    done = subprocess.run([str(program), steps], input=inputs, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def infer(program: Path, samples: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The outputs of each sample, one behind the other, each from a poisoned arena."""
    written = run_program(program, b"".join(data for sample in samples for data in sample), "pifro" * len(samples))
    size = len(written) // len(samples)
    return [written[i * size : (i + 1) * size] for i in range(len(samples))]


def interpreted(graph: Graph, inputs: Sequence[bytes]) -> bytes:
    """What the numpy interpreter answers from reset state, one output behind the other."""
    arrays = {
        name: np.frombuffer(data, graph.value(name).dtype.numpy).reshape(graph.value(name).shape)
        for name, data in zip(graph.inputs, inputs, strict=True)
    }
    return b"".join(np.ascontiguousarray(y).tobytes() for y in run(graph, arrays).outputs.values())


def noise(graph: Graph, seed: int) -> list[bytes]:
    """Seeded inputs: integers over their whole range, floats normally distributed."""
    rng = np.random.default_rng(seed)
    arrays = []
    for name in graph.inputs:
        value = graph.value(name)
        if value.dtype.is_integer:
            low, high = value.dtype.range
            arrays.append(rng.integers(low, high, value.shape, value.dtype.numpy, endpoint=True))
        else:
            arrays.append(rng.standard_normal(value.shape).astype(value.dtype.numpy))
    return [array.tobytes() for array in arrays]


def graph_of(done: Compilation) -> Graph:
    return need(done.schedule).graph
