"""`tinyml bench compare`: results of several models side by side."""

import argparse
import json
from pathlib import Path

from pydantic import ValidationError

from tinyml.bench.document import BenchReport
from tinyml.build.files import write_file
from tinyml.cli.common import Verbs, add_output_flags, console, print_json
from tinyml.errors import UsageError
from tinyml.report.bench_compare import candidates, compare_page, compare_table, differences, document


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "compare", help="results side by side: accuracy against SRAM, flash and latency", allow_abbrev=False
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="DIR", help="folders that other benchmarks wrote")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", default=Path("build/compare.html"), help="default: build/compare.html"
    )
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    given = candidates([_read(path) for path in arguments.results])
    write_file(arguments.out, compare_page(given).encode())
    if arguments.json:
        print_json(document(given))
        return 0
    out = console(arguments)
    out.print(compare_table(given))
    out.print("* no other model is as accurate for less", style="dim")
    for note in differences(given):
        out.print(f"note: {note}")
    out.print(f"\nwrote {arguments.out}", markup=False)
    return 0


def _read(path: Path) -> BenchReport:
    file = path / "report.json" if path.is_dir() else path
    try:
        return BenchReport.from_json(json.loads(file.read_bytes()))
    except OSError as e:
        raise UsageError(
            f"{path}: {e.strerror}", "name folders that `tinyml bench wake-vision` or `folder` wrote"
        ) from e
    except (ValidationError, ValueError) as e:
        raise UsageError(f"{file} is no result of a benchmark: {str(e).splitlines()[0]}") from e
