"""`tinyml zoo`: reference architectures with seeded weights, to try things on."""

import argparse
from pathlib import Path

from tinyml import zoo
from tinyml.cli.common import Verbs, add_output_flags, console, print_json, seed
from tinyml.report.terminal import layer_table


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("zoo", help="list reference models, or write one as ONNX", allow_abbrev=False)
    parser.add_argument("name", nargs="?", help="the model to write")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: <name>.onnx")
    parser.add_argument("--seed", type=seed, default=0, help="seed of the weights")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
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
