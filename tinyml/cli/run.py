"""`tinyml run`: one inference on the host, on an emulated board or on a real one."""

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import TypeAdapter

from tinyml.cli.common import (
    Verbs,
    add_model_flags,
    add_on_flag,
    add_output_flags,
    add_target_flags,
    console,
    options_of,
    print_json,
    progress,
    refuse_build_flags,
    require_calibrated,
    require_calibrated_build,
    seed,
)
from tinyml.device.places import EMULATOR, QEMU
from tinyml.errors import UsageError
from tinyml.execution import HOST, Execute, Outputs, infer, on_board, on_host
from tinyml.frontends import is_saved_model
from tinyml.ir.graph import Graph
from tinyml.pipeline import compile_model, need
from tinyml.quantize import Preprocess
from tinyml.quantize.calibration import load_input
from tinyml.report.built import open_build
from tinyml.verification import random_inputs


@dataclass(frozen=True, slots=True)
class _Runnable:
    """Attributes: graph: at least the inputs and outputs; execute: bytes of every input -> bytes of every output."""

    graph: Graph
    preprocess: Preprocess | None
    labels: tuple[str, ...]
    execute: Execute


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("run", help="run one input on the host or on a board", allow_abbrev=False)
    add_model_flags(parser, "a model file; or the folder that `tinyml build` wrote")
    add_target_flags(parser)
    group = parser.add_argument_group("run")
    add_on_flag(group, HOST, EMULATOR, QEMU, default=HOST)
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
        runnable = (
            _built(arguments)
            if arguments.model.is_dir() and not is_saved_model(arguments.model)
            else _compiled(arguments, Path(work))
        )
        graph = runnable.graph
        if arguments.input is None:
            sample = random_inputs(graph, arguments.seed)
        else:
            sample = load_input(arguments.input, graph, runnable.preprocess)
        with progress(arguments) as on_stage:
            on_stage(f"run on {arguments.on}")
            outputs = infer(graph, runnable.execute, sample)
    if arguments.output is not None:
        np.savez(arguments.output, **cast("dict[str, Any]", outputs.stored))
    _print(arguments, runnable.labels, outputs)
    return 0


def _built(arguments: argparse.Namespace) -> _Runnable:
    """The firmware in a folder."""
    refuse_build_flags(arguments)
    built = open_build(arguments.model)
    if arguments.on == HOST:
        raise UsageError(
            f"{arguments.model} holds firmware, which does not run on the host",
            "--on emulator, --on qemu or --on PORT; or name the model file",
        )
    report = built.report
    require_calibrated_build(arguments, report.quantization.calibrated)
    kept = report.quantization.preprocess
    return _Runnable(
        built.interface,
        None if kept is None else TypeAdapter(Preprocess).validate_python(kept),
        report.model.labels,
        on_board(arguments.on, built.elf, built.board, name=report.model.name, plan=report.model.plan_sha256),
    )


def _compiled(arguments: argparse.Namespace, work: Path) -> _Runnable:
    """A model file. A board behind a port must run the firmware that would be built from it."""
    local = arguments.on in (EMULATOR, QEMU)
    # What runs on the host need not fit any board.
    options = replace(options_of(arguments, work), check_fit=arguments.on != HOST)
    if arguments.on != HOST and not options.board.has_firmware:
        raise UsageError(f"{options.board.id} takes no firmware", "choose a board: tinyml boards")
    with progress(arguments) as on_stage:
        done = compile_model(options, stop_after="build" if local else "emit", on_stage=on_stage)
    quantized, bundle = need(done.quantized), need(done.bundle)
    require_calibrated(arguments, quantized)
    if arguments.on == HOST:
        execute: Execute = on_host(bundle, work / "host")
    else:
        elf = need(done.image).elf if local else None
        execute = on_board(arguments.on, elf, options.board, name=bundle.name, plan=bundle.sha256)
    return _Runnable(need(done.schedule).graph, quantized.preprocess, options.labels, execute)


def _print(arguments: argparse.Namespace, labels: tuple[str, ...], outputs: Outputs) -> None:
    if arguments.json:
        print_json(
            {
                name: {
                    "shape": array.shape,
                    "dtype": array.dtype.name,
                    "stored": array.ravel().tolist(),
                    "real": outputs.real[name].ravel().tolist(),
                }
                for name, array in outputs.stored.items()
            }
        )
        return
    out = console(arguments)
    if arguments.input is None:
        out.print(f"input: noise of seed {arguments.seed} (--input FILE for a real one)")
    for name, array in outputs.stored.items():
        real = outputs.real[name].ravel()
        out.print(f"{name}: {array.dtype.name} {list(array.shape)}", markup=False)
        for index in _shown(real):
            label = labels[index] if index < len(labels) else f"[{index}]"
            out.print(f"  {label:<20} {real[index]:>12.6g}   stored {array.ravel()[index]}", markup=False)


def _shown(real: np.ndarray) -> list[int]:
    """Indices: all elements of a short output in order; the ten largest of a long one."""
    return list(range(real.size)) if real.size <= 16 else [int(i) for i in np.argsort(-real, kind="stable")[:10]]
