"""The tables of docs/operators.md, from the handlers that the frontends have."""

import re
from collections.abc import Iterable

from tinyml.frontends.onnx.registry import HANDLERS as ONNX
from tinyml.frontends.tflite.importer import element_types
from tinyml.frontends.tflite.registry import HANDLERS as TFLITE


def with_tables(page: str) -> str:
    """The page with its tables made anew: the first one below the heading of each format."""
    onnx = [(handler.op, handler.form) for handler in ONNX.values()]
    tflite = [(op, handler.form or "any form", element_types(op)) for op, handler in TFLITE.items()]
    page = _with_table(page, "ONNX", ("Operation", "Supported"), onnx)
    return _with_table(page, "TFLite", ("Operation", "Supported", "Element types"), tflite)


def _with_table(page: str, heading: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *sorted(rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return re.sub(rf"(?s)(\n## {heading}\n.*?\n\n)\|.*?\n(?=\n|\Z)", lambda found: found[1] + table, page, count=1)


if __name__ == "__main__":
    from pathlib import Path

    path = Path(__file__).parents[2] / "docs" / "operators.md"
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    print(f"wrote {path}")
