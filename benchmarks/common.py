"""What the benchmarks share: where the real models are, and a table whose rows pass or fail."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

# (cells, passed); None where no bar is set
Row = tuple[Sequence[str], bool | None]

_VERDICT = {True: "[green]PASS", False: "[red]FAIL", None: ""}


def shared_folder() -> Path:
    """Real trained models and pictures, which are not in the repository. Without them a benchmark ends here."""
    folder = Path(os.environ.get("TINYML_SHARED", ROOT.parent / "shared"))
    if not (folder / "models").is_dir():
        print(f"skipped: no {folder}/models (set TINYML_SHARED)")
        sys.exit(0)
    return folder


def show(title: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
    """Prints the rows when all are there, and returns the exit code: 1 where one of them fails.

    The first column is text, the others are numbers.
    """
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    table.add_column("")
    failed = 0
    for cells, passed in rows:
        table.add_row(*cells, _VERDICT[passed])
        failed += passed is False
    console = Console()
    # A pipe has no width: columns must not be cut there.
    Console(width=console.width if console.is_terminal else 160, highlight=False).print(table)
    return 1 if failed else 0


def size(count: int) -> str:
    return f"{count:,}"
