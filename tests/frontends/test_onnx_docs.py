"""docs/operators.md is what the frontend does."""

import re

from tests.conftest import ROOT
from tinyml.frontends.onnx.registry import HANDLERS, closest


def test_table_equals_the_registered_handlers() -> None:
    text = (ROOT / "docs" / "operators.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", text, re.MULTILINE)
    assert [r for r in rows if r[0] != "Operation"] == sorted((h.op, h.form) for h in HANDLERS.values())


def test_advice_is_for_operations_without_a_handler() -> None:
    assert not [op for op in HANDLERS if closest(op) is not None]
