"""`tinyml run`: one inference on the host or on an emulated board."""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from tinyml.build.host import HostModel, build_host_library
from tinyml.cli.common import (
    Verbs,
    add_model_flags,
    add_output_flags,
    add_target_flags,
    console,
    options_of,
    print_json,
    progress,
    require_calibrated,
    seed,
)
from tinyml.errors import UsageError
from tinyml.ir.graph import Graph
from tinyml.pipeline import compile_model, need
from tinyml.profile import profile_emulated
from tinyml.quantize.calibration import load_input
from tinyml.verification import random_inputs


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("run", help="run one input on the host or an emulated board", allow_abbrev=False)
    add_model_flags(parser)
    add_target_flags(parser)
    group = parser.add_argument_group("run")
    group.add_argument("--on", choices=("host", "emulator"), default="host", help="where to run (default: host)")
    group.add_argument(
        "--input", type=Path, metavar="FILE", help="a picture, an .npy or an .npz (default: seeded noise)"
    )
    group.add_argument("--seed", type=seed, default=0, help="seed of the noise")
    group.add_argument("--output", type=Path, metavar="FILE.npz", help="write the outputs as arrays")
    group.add_argument("--allow-uncalibrated", action="store_true", help="go on although outputs mean nothing")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.output is not None and arguments.output.suffix != ".npz":
        raise UsageError(f"--output {arguments.output}: expected a name that ends in .npz")
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work:
        # What runs on the host need not fit any board.
        options = replace(options_of(arguments, Path(work)), check_fit=arguments.on != "host")
        with progress(arguments) as on_stage:
            done = compile_model(
                options, stop_after="build" if arguments.on == "emulator" else "emit", on_stage=on_stage
            )
            require_calibrated(arguments, need(done.quantized))
            graph, bundle = need(done.schedule).graph, need(done.bundle)
            if arguments.input is None:
                sample = random_inputs(graph, arguments.seed)
            else:
                sample = load_input(arguments.input, graph, need(done.quantized).preprocess)
            raw = [np.ascontiguousarray(sample[name]).tobytes() for name in graph.inputs]
            if arguments.on == "host":
                outputs = tuple(HostModel(build_host_library(bundle, options.work_dir / "host", trace=False)).run(raw))
            else:
                outputs = profile_emulated(need(done.image), raw).outputs
    arrays = {name: _array(graph, name, data) for name, data in zip(graph.outputs, outputs, strict=True)}
    if arguments.output is not None:
        np.savez(arguments.output, **cast("dict[str, Any]", arrays))
    reals = {name: _real(graph, name, array) for name, array in arrays.items()}
    if arguments.json:
        print_json(
            {
                name: {
                    "shape": array.shape,
                    "dtype": array.dtype.name,
                    "stored": array.ravel().tolist(),
                    "real": reals[name].ravel().tolist(),
                }
                for name, array in arrays.items()
            }
        )
        return 0
    out = console(arguments)
    if arguments.input is None:
        out.print(f"input: noise of seed {arguments.seed} (--input FILE for a real one)")
    for name, array in arrays.items():
        out.print(f"{name}: {array.dtype.name} {list(array.shape)}", markup=False)
        for index in _shown(reals[name]):
            label = options.labels[index] if index < len(options.labels) else f"[{index}]"
            out.print(
                f"  {label:<20} {reals[name].ravel()[index]:>12.6g}   stored {array.ravel()[index]}", markup=False
            )
    return 0


def _array(graph: Graph, name: str, raw: bytes) -> np.ndarray:
    value = graph.value(name)
    return np.frombuffer(raw, value.dtype.numpy).reshape(value.shape)


def _real(graph: Graph, name: str, array: np.ndarray) -> np.ndarray:
    quant = graph.value(name).quant
    return array.astype(np.float32) if quant is None else quant.dequantize(array)


def _shown(real: np.ndarray) -> list[int]:
    """All elements of a short output in order; the ten largest of a long one."""
    flat = real.ravel()
    return list(range(flat.size)) if flat.size <= 16 else [int(i) for i in np.argsort(-flat, kind="stable")[:10]]
