"""What networks cost now, beside the table that the tests hold them to (tests/budgets/costs.toml)."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from common import Row, shared_folder, show, size

# ruff: isort: split
from budget_table import REAL, ZOO, Budget, measure, read_table, real_model, write_table, zoo_model


def measured(names: list[str]) -> Iterator[tuple[str, Budget]]:
    wanted = [name for name in (*ZOO, *REAL) if not names or any(part in name for part in names)]
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            model = zoo_model(name, Path(folder)) if name in ZOO else real_model(name, shared_folder() / "models")
            yield name, measure(name, model)


def row(name: str, table: dict[str, Budget], now: Budget) -> Row:
    before = table.get(name)
    cells = [name, size(now.instructions), size(now.cycles or 0), size(now.arena), size(now.code), size(now.weights)]
    if before is None:
        return [*cells, "", ""], None
    change = 100 * (now.instructions / before.instructions - 1)
    return [*cells, f"{change:+.2f} %", now.compiler.split()[0]], not before.risen(now)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what was measured the table")
    parser.add_argument("models", nargs="*", help="parts of names: only these")
    arguments = parser.parse_args()
    table = dict(read_table())
    costs = dict(measured(arguments.models))
    rows = [row(name, table, now) for name, now in costs.items()]
    columns = ("model", "instructions", "cycles", "arena", "code", "weights", "instructions since", "compiler")
    status = show("Costs", columns, rows)
    if arguments.write:
        write_table(table | costs)
        status = 0
    sys.exit(status)
