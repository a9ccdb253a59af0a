"""`tinyml profile`: what a build costs where it runs, layer by layer."""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from pydantic import ValidationError

from tinyml.build.files import write_file
from tinyml.cli.build import build_report
from tinyml.cli.common import (
    Verbs,
    add_model_flags,
    add_output_flags,
    add_target_flags,
    console,
    options_of,
    print_json,
    progress,
)
from tinyml.device.places import EMULATOR
from tinyml.errors import UsageError
from tinyml.profile.known_error import ANYWHERE
from tinyml.report.built import Built, open_build
from tinyml.report.document import LayerSection
from tinyml.report.profile import ProfileDocument, compare, profile_build
from tinyml.report.profile_page import profile_page
from tinyml.report.profile_text import (
    candidates_table,
    changes_table,
    profile_summary,
    profile_table,
    refusals_table,
)
from tinyml.report.terminal import short_source

MOST_RUNS = 10_000


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "profile", help="cycles of each layer and peak SRAM of a build, where it runs", allow_abbrev=False
    )
    add_model_flags(parser, "the folder that `tinyml build` wrote; or a model file, which is built first")
    add_target_flags(parser)
    group = parser.add_argument_group("profile")
    group.add_argument(
        "--on", default=EMULATOR, metavar="PLACE", help="emulator, qemu, or a serial port (default: emulator)"
    )
    group.add_argument("--runs", type=int, default=5, metavar="N", help="inferences that count (default: 5)")
    group.add_argument("--warm-up", type=int, default=1, metavar="N", help="inferences before them (default: 1)")
    group.add_argument(
        "--compare", type=Path, metavar="EARLIER.json", help="show what changed since an earlier `profile --json`"
    )
    group.add_argument(
        "--why",
        metavar="LAYER",
        help="show the kernels that a layer could have, and why it has the one; its number, or a part of its name",
    )
    group.add_argument("--html", type=Path, metavar="FILE", help="write a page with drawings")
    add_output_flags(parser)
    parser.set_defaults(handler=lambda arguments: run(arguments, parser))


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    _check(arguments)
    earlier = None if arguments.compare is None else _earlier(arguments.compare)
    with _build(arguments, parser) as built:
        if arguments.why is not None:
            return _why(arguments, built)
        with progress(arguments) as on_stage:
            on_stage(f"profile on {arguments.on}")
            document = profile_build(built, arguments.on, arguments.runs, arguments.warm_up)
        title = built.board.title
    if arguments.html is not None:
        write_file(arguments.html, profile_page(document, title).encode())
    if arguments.json:
        print_json(document.to_json())
        return 0
    out = console(arguments)
    out.print(profile_summary(document, title))
    out.print()
    out.print(profile_table(document, out.width))
    if earlier is not None:
        out.print()
        _print_changes(arguments, earlier, document)
    if arguments.html is not None:
        out.print(f"\nwrote {arguments.html}", markup=False)
    return 0


@contextmanager
def _build(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> Iterator[Built]:
    """The build that is named, or a temporary one of the model that is named."""
    path: Path = arguments.model
    if path.is_dir() or not path.exists():
        _refuse_model_flags(arguments, parser)
        built = open_build(path)
        if built.report.model.plan_sha256.encode() not in built.elf.read_bytes():
            raise UsageError(f"build {path}: firmware.elf is not the one that report.json describes", "build again")
        yield built
        return
    with tempfile.TemporaryDirectory(prefix="tinyml-") as work:
        options = options_of(arguments, Path(work) / "work")
        if not options.board.has_firmware:
            raise UsageError(f"{options.board.id} takes no firmware", "choose a board: tinyml boards")
        if arguments.why is not None:  # the question is what the others would cost
            options = replace(options, autotune=True)
        folder = Path(work) / "build"
        build_report(arguments, options, ["firmware"], folder)
        yield open_build(folder)


def _refuse_model_flags(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """A folder was built with its own flags; ours would go unheard."""
    ours = {"model", "on", "runs", "warm_up", "compare", "html", "json", "quiet", "verbose", "verb", "handler", "why"}
    for name, value in vars(arguments).items():
        if name not in ours and value != parser.get_default(name):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{flag}: {arguments.model} is a folder, which was built with its own flags",
                f"name the model file, or build again with {flag}",
            )


def _check(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.runs <= MOST_RUNS:
        raise UsageError(f"--runs {arguments.runs}: expected 1 to {MOST_RUNS}")
    if not 0 <= arguments.warm_up <= MOST_RUNS:
        raise UsageError(f"--warm-up {arguments.warm_up}: expected 0 to {MOST_RUNS}")


def _why(arguments: argparse.Namespace, built: Built) -> int:
    index = _find_layer(arguments.why, built.report.layers)
    layer = built.report.layers[index]
    if arguments.json:
        print_json(asdict(layer))
        return 0
    out = console(arguments)
    out.print(
        f"layer {index}: {layer.op} {short_source(layer.source)} on {built.board.title}", style="bold", markup=False
    )
    out.print()
    out.print(candidates_table(layer))
    out.print()
    out.print(refusals_table(layer))
    if all(candidate.instructions is None for candidate in layer.candidates):
        reason = "nothing to choose from" if _choices(layer) < 2 else "built without --autotune"
        out.print(f"\nno trials were counted: {reason}", markup=False)
    return 0


def _choices(layer: LayerSection) -> int:
    return sum(candidate.predicted is not None for candidate in layer.candidates)


def _find_layer(text: str, layers: Sequence[LayerSection]) -> int:
    """A layer by its number, else by its name, else by a part of name, source or function that no other has."""
    if text.isdecimal() and int(text) < len(layers):
        return int(text)
    names = [(layer.name, layer.source, layer.function) for layer in layers]
    found = [i for i, parts in enumerate(names) if text in parts]
    found = found or [i for i, parts in enumerate(names) if any(text in part for part in parts)]
    if len(found) != 1:
        some = ", ".join(f"{i} ({short_source(layers[i].source)})" for i in found[:5]) + (", …" if found[5:] else "")
        what = f"{len(found)} layers have that in their names: {some}" if found else "no layer is called so"
        raise UsageError(f"--why {text}: {what}", f"a number from 0 to {len(layers) - 1} names one, too")
    return found[0]


def _earlier(path: Path) -> ProfileDocument:
    try:
        return ProfileDocument.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # pydantic's and json's are ValueErrors
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"--compare {path}: {first}", "expected what `tinyml profile --json` printed") from None


def _print_changes(arguments: argparse.Namespace, earlier: ProfileDocument, now: ProfileDocument) -> None:
    out = console(arguments)
    if (earlier.model, earlier.board) != (now.model, now.board):
        out.print(f"earlier: {earlier.model} on {earlier.board}", markup=False)
    if earlier.kinds.cycles != now.kinds.cycles:
        out.print(f"cycles were {earlier.kinds.cycles} and are {now.kinds.cycles}: {_APART}", markup=False)
    changes, unit = compare(earlier, now)
    out.print(changes_table(changes, unit))


_APART = f"a model is not a measurement, and silicon takes {ANYWHERE} times what the model says"
