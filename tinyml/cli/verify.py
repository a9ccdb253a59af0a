"""`tinyml verify`: the emitted C against the reference, layer by layer, wherever it runs."""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from tinyml.build.host import HostModel, build_host_library
from tinyml.cli import verify_data
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
    require_calibrated,
    seed,
)
from tinyml.device.places import EMULATOR, QEMU, check_identity, open_board
from tinyml.errors import MismatchError, ToolError, UsageError
from tinyml.pipeline import Compilation, compile_model, need
from tinyml.profile import trace_emulated
from tinyml.verification import Tracer, Verification, random_inputs, trace_served, verify_layers

HOST, ALL = "host", "all"


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "verify", help="compare the C, wherever it runs, with the reference, layer by layer", allow_abbrev=False
    )
    add_model_flags(parser)
    add_target_flags(parser)
    group = parser.add_argument_group("verify")
    add_on_flag(group, HOST, EMULATOR, QEMU, ALL, default=ALL, what="where the C runs")
    group.add_argument(
        "--runs", type=int, metavar="N", help="random inputs to compare (default: 5; over a serial line 1)"
    )
    group.add_argument("--seed", type=seed, default=0, help="seed of the random inputs")
    group.add_argument(
        "--sources", type=Path, metavar="DIR", help="verify this C, a copy of a build's src/ that you may have changed"
    )
    verify_data.add_flags(group)
    group.add_argument("--allow-uncalibrated", action="store_true", help="go on although outputs mean nothing")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 4 where a layer differs."""
    if arguments.data is not None:
        return verify_data.run_on_data(arguments)
    if arguments.html is not None:
        raise UsageError("--html draws what --data measures", "add --data, or leave it out")
    serial = arguments.on not in (HOST, EMULATOR, ALL)
    runs = (1 if serial else 5) if arguments.runs is None else arguments.runs
    if runs < 1:
        raise UsageError(f"--runs {runs}: expected 1 or more")
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work, contextlib.ExitStack() as lines:
        options = replace(options_of(arguments, Path(work)), traced=serial, sources=arguments.sources)
        places = (HOST, EMULATOR) if arguments.on == ALL else (arguments.on,)
        if arguments.on == ALL and options.board.core.unicorn_model is None:
            places = (HOST,)
            console(arguments).print(f"the emulator does not run {options.board.core.name}: on the host only")
        if places != (HOST,) and not options.board.has_firmware:
            raise UsageError(f"{options.board.id} takes no firmware", "--on host, or choose a board: tinyml boards")
        with progress(arguments) as on_stage:
            built = arguments.on in (EMULATOR, QEMU, ALL)
            done = compile_model(options, stop_after="build" if built else "emit", on_stage=on_stage)
            require_calibrated(arguments, need(done.quantized))
            graph = need(done.schedule).graph
            samples = [random_inputs(graph, arguments.seed + i) for i in range(runs)]
            results = [
                verify_layers(done, place, lines.enter_context(tracer(done, place)), samples) for place in places
            ]
    if arguments.json:
        print_json([asdict(result) for result in results])
    for result in results:
        if result.difference is not None:
            next_step = (
                "please report it" if arguments.sources is None else f"see what was changed in {arguments.sources}"
            )
            raise MismatchError(explain(result), f"a layer is named after the last one that agrees; {next_step}")
        console(arguments).print(
            f"{result.where}: {result.layers} layers x {result.runs} inputs agree with the numpy reference "
            f"({result.bytes_compared:,} bytes compared)"
        )
    return 0


@contextlib.contextmanager
def tracer(done: Compilation, place: str) -> Iterator[Tracer]:
    """Runs the emitted C in one place, watched layer by layer.

    Raises:
        ToolError: a board does not run this model's traced firmware.
    """
    bundle = need(done.bundle)
    if place == HOST:
        library = HostModel(build_host_library(bundle, done.options.work_dir / "host", trace=True))
        arenas = [arena.name for arena in bundle.plan.arenas]

        yield lambda inputs: library.run_traced(inputs, bundle.layers, arenas)[1]
    elif place == EMULATOR:
        image = need(done.image)
        yield lambda inputs: trace_emulated(image, inputs).layers
    else:
        board = done.options.board
        with open_board(place, None if done.image is None else done.image.elf, board) as client:
            found = client.model()
            check_identity(found, place, name=bundle.name, plan=bundle.sha256, board=board.id)
            if not found.traced_layers:
                raise ToolError(
                    f"the firmware at {place} was built without --trace: it cannot tell what single layers compute",
                    "build with --trace and flash that",
                )
            yield lambda inputs: trace_served(client, bundle, inputs)


def explain(result: Verification) -> str:
    d = result.difference
    assert d is not None
    return (
        f"the C on the {result.where} differs from the reference first in layer {d.layer:02d} ({d.op}, {d.source}), "
        f"kernel {d.kernel}:\n  value {d.value}: {d.elements:,} of {d.total:,} elements, by at most {d.largest:g}; "
        f"first at {list(d.position)}: expected {d.expected:g}, got {d.got:g} (input {d.run})"
    )
