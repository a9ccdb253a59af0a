"""`tinyml verify`: the emitted C against the reference, layer by layer."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

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
from tinyml.errors import MismatchError, UsageError
from tinyml.pipeline import Compilation, compile_model, need
from tinyml.profile import trace_emulated
from tinyml.verification import Tracer, Verification, random_inputs, verify_layers


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "verify", help="compare the emitted C with the reference, layer by layer", allow_abbrev=False
    )
    add_model_flags(parser)
    add_target_flags(parser)
    group = parser.add_argument_group("verify")
    group.add_argument(
        "--on", choices=("host", "emulator", "all"), default="all", help="where the C runs (default: all)"
    )
    group.add_argument("--runs", type=int, default=5, metavar="N", help="random inputs to compare (default: 5)")
    group.add_argument("--seed", type=seed, default=0, help="seed of the random inputs")
    group.add_argument("--allow-uncalibrated", action="store_true", help="go on although outputs mean nothing")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 4 where a layer differs."""
    if arguments.runs < 1:
        raise UsageError(f"--runs {arguments.runs}: expected 1 or more")
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work:
        options = options_of(arguments, Path(work))
        places = ("host", "emulator") if arguments.on == "all" else (arguments.on,)
        if arguments.on == "all" and options.board.core.unicorn_model is None:
            places = ("host",)
            console(arguments).print(f"the emulator does not run {options.board.core.name}: on the host only")
        with progress(arguments) as on_stage:
            done = compile_model(options, stop_after="build" if "emulator" in places else "emit", on_stage=on_stage)
            require_calibrated(arguments, need(done.quantized))
            graph = need(done.schedule).graph
            samples = [random_inputs(graph, arguments.seed + i) for i in range(arguments.runs)]
            results = [verify_layers(done, place, tracer(done, place), samples) for place in places]
    if arguments.json:
        print_json([asdict(result) for result in results])
    for result in results:
        if result.difference is not None:
            raise MismatchError(explain(result), "a layer is named after the last one that agrees; please report it")
        console(arguments).print(
            f"{result.where}: {result.layers} layers x {result.runs} inputs agree with the numpy reference "
            f"({result.bytes_compared:,} bytes compared)"
        )
    return 0


def tracer(done: Compilation, place: str) -> Tracer:
    """Runs the emitted C in one place, watched layer by layer."""
    bundle = need(done.bundle)
    if place == "host":
        library = HostModel(build_host_library(bundle, done.options.work_dir / "host", trace=True))
        arenas = [arena.name for arena in bundle.plan.arenas]

        def on_host(inputs: Sequence[bytes]) -> list[dict[str, bytes]]:
            _, values = library.run_traced(inputs, bundle.layers, arenas)
            return [{name: values[name] for name, *_ in layer.outputs} for layer in bundle.layers]

        return on_host
    image = need(done.image)
    return lambda inputs: trace_emulated(image, inputs).layers


def explain(result: Verification) -> str:
    d = result.difference
    assert d is not None
    return (
        f"the C on the {result.where} differs from the reference first in layer {d.layer:02d} ({d.op}, {d.source}), "
        f"kernel {d.kernel}:\n  value {d.value}: {d.elements:,} of {d.total:,} elements, by at most {d.largest:g}; "
        f"first at {list(d.position)}: expected {d.expected:g}, got {d.got:g} (input {d.run})"
    )
