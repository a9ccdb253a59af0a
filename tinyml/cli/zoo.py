"""`tinyml zoo`: reference architectures with seeded weights, to try things on."""

import argparse
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tinyml import zoo
from tinyml.bench.data import open_wake_vision
from tinyml.bench.wake_vision.train import Recipe, train
from tinyml.cli.common import Verbs, add_output_flags, console, print_json, seed
from tinyml.errors import UsageError
from tinyml.report.terminal import layer_table

_TRAIN = "train"


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("zoo", help="list reference models, write one as ONNX, or train one", allow_abbrev=False)
    parser.add_argument("name", nargs="?", help=f"the model to write; or {_TRAIN}: a person detector, on --data")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: <name>.onnx, person_detector.tflite")
    parser.add_argument("--seed", type=seed, default=0, help="seed of the weights")
    group = parser.add_argument_group(f"zoo {_TRAIN} (needs pip install 'tinyml[train]')")
    defaults = Recipe()
    group.add_argument("--data", type=Path, metavar="DIR", help="labelled pictures, as of `bench wake-vision`")
    group.add_argument(
        "--split", metavar="NAME", help="part of them to train on (default: train, where there are parts)"
    )
    group.add_argument("--validation", metavar="NAME", help="part to tell the accuracy of")
    group.add_argument("--size", type=int, default=defaults.size, help=f"pixels of a side (default: {defaults.size})")
    group.add_argument("--width", type=float, default=defaults.width, help=f"of layers (default: {defaults.width:g})")
    group.add_argument("--steps", type=int, default=defaults.steps, help=f"default: {defaults.steps:,}")
    group.add_argument("--batch", type=int, default=defaults.batch, help=f"pictures a step (default: {defaults.batch})")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.name == _TRAIN:
        return _train(arguments)
    rows = [{"name": e.name, "description": e.description} for e in zoo.ENTRIES.values()]
    if arguments.name is None:
        if arguments.json:
            print_json(rows)
        else:
            console(arguments).print(
                layer_table(rows, (("name", "model"), ("description", "what it is")), console(arguments).width)
            )
        return 0
    path = arguments.out or Path(f"{arguments.name}.onnx")
    zoo.save(arguments.name, path, seed=arguments.seed)
    if arguments.json:
        print_json({"name": arguments.name, "path": str(path)})
    else:
        console(arguments).print(f"wrote {path} (weights are seeded noise, seed {arguments.seed})", markup=False)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    if arguments.data is None:
        raise UsageError("zoo train: --data is missing", "name a folder of labelled pictures")
    recipe = Recipe(
        size=arguments.size, width=arguments.width, steps=arguments.steps, batch=arguments.batch, seed=arguments.seed
    )
    path = arguments.out or Path("person_detector.tflite")
    data = open_wake_vision(arguments.data, arguments.split, default="train")
    held_out = None if arguments.validation is None else open_wake_vision(arguments.data, arguments.validation)
    shown = Progress(
        TextColumn("  loss {task.fields[loss]:.3f}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, disable=arguments.json or arguments.quiet,
    )  # fmt: skip
    with shown:
        task = shown.add_task("", total=recipe.steps, loss=0.0)
        done = train(data, held_out, recipe, path, lambda step, loss: shown.update(task, completed=step, loss=loss))
    if arguments.json:
        print_json({"path": str(path), **asdict(done)})
        return 0
    out = console(arguments)
    accuracy = "" if done.accuracy is None else f", accuracy {done.accuracy * 100:.1f} % on {arguments.validation}"
    out.print(f"wrote {path}: {done.steps:,} steps, loss {done.loss:.3f}{accuracy}", markup=False)
    out.print(
        f"next: tinyml bench wake-vision {path} --data {arguments.data} --resize crop --input-range=-1,1 --calibration FOLDER",
        markup=False,
    )
    return 0
