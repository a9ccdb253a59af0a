"""MLPerf Tiny's performance and accuracy scripts, in its runner's own terms: runner-compatible, not a submission."""

from tinyml.bench.mlperf_tiny.dataset import DataSet, Stimulus, open_dataset
from tinyml.bench.mlperf_tiny.scores import Quality
from tinyml.bench.mlperf_tiny.scripts import (
    SCRIPTS,
    Performance,
    Script,
    Window,
    check_board,
    measure_accuracy,
    measure_performance,
)

__all__ = [
    "SCRIPTS", "DataSet", "Performance", "Quality", "Script", "Stimulus", "Window",
    "check_board", "measure_accuracy", "measure_performance", "open_dataset",
]  # fmt: skip
