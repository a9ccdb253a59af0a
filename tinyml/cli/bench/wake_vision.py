"""`tinyml bench wake-vision`: is a person detector good enough, and small enough?"""

import argparse

from tinyml.bench.data import open_wake_vision
from tinyml.bench.document import WAKE_VISION
from tinyml.cli.bench.classifier import add_flags, run_classifier
from tinyml.cli.common import Verbs


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        WAKE_VISION, help="accuracy, fine-grained scores and cost of a person detector", allow_abbrev=False
    )
    add_flags(parser)
    parser.add_argument(
        "--person-output", type=int, choices=(0, 1), default=1, help="of two outputs, that of persons (default: 1)"
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    return run_classifier(
        arguments, WAKE_VISION, lambda: open_wake_vision(arguments.data, arguments.split), arguments.person_output
    )
