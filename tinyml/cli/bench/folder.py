"""`tinyml bench folder`: accuracy and cost of any classifier, on a folder with one folder a class."""

import argparse

from tinyml.bench.data import open_classes
from tinyml.bench.document import FOLDER
from tinyml.cli.bench.classifier import add_flags, run_classifier
from tinyml.cli.common import Verbs, read_labels


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        FOLDER, help="accuracy and cost of a classifier on a folder of pictures", allow_abbrev=False
    )
    add_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """--labels names the classes in the order of the outputs; by default they are the folders, sorted."""
    names = read_labels(arguments.labels)
    return run_classifier(arguments, FOLDER, lambda: open_classes(arguments.data, names, arguments.split))
