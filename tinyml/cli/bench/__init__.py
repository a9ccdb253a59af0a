"""`tinyml bench BENCHMARK`: one module a benchmark, each with an `add_parser` as the verbs have."""

from collections.abc import Callable

from tinyml.cli.bench import compare, folder, mlperf_tiny, phone, wake_vision
from tinyml.cli.common import Verbs

BENCHMARKS: tuple[Callable[[Verbs], None], ...] = (
    wake_vision.add_parser,
    mlperf_tiny.add_parser,
    folder.add_parser,
    phone.add_parser,
    compare.add_parser,
)


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "bench", help="accuracy, speed and memory on data sets; several models compared", allow_abbrev=False
    )
    benchmarks = parser.add_subparsers(dest="benchmark", metavar="BENCHMARK", required=True)
    for add_benchmark in BENCHMARKS:
        add_benchmark(benchmarks)
