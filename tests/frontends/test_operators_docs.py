"""docs/operators.md is what the frontends do."""

from tests.conftest import ROOT
from tinyml.frontends.docs import with_tables
from tinyml.frontends.onnx.registry import HANDLERS, closest
from tinyml.frontends.tflite.registry import CLOSEST
from tinyml.frontends.tflite.registry import HANDLERS as TFLITE


def test_the_tables_are_current() -> None:
    """Otherwise: python -m tinyml.frontends.docs"""
    text = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    assert with_tables(text) == text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == len(HANDLERS) + len(TFLITE) + 4  # with a heading and a rule each


def test_advice_is_for_operations_without_a_handler() -> None:
    assert not [op for op in HANDLERS if closest(op) is not None]
    assert not set(CLOSEST) & set(TFLITE)
