"""Pieces of C text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyml.emit.c.text import array_body, arrays_in, c_float, c_int, c_string, comment_text, identifier, initializer
from tinyml.errors import UsageError
from tinyml.kernels.descriptor import Array


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("person", "person"),
        ("mcunet-vww1", "mcunet_vww1"),
        ("Person Detect.v2", "person_detect_v2"),
        ("2fast", "model_2fast"),
        ("int", "model_int"),
        ("class", "model_class"),
        ("tinyml", "model_tinyml"),
        ("é__x", "x"),
    ],
)
def test_identifier(text: str, expected: str) -> None:
    assert identifier(text) == expected


def test_identifier_of_nothing() -> None:
    with pytest.raises(UsageError, match="pass --name"):
        identifier("——")


@given(st.text())
def test_comment_text_cannot_end_a_comment(text: str) -> None:
    safe = comment_text(text)
    assert "*/" not in safe and "/*" not in safe and "\\" not in safe and "\n" not in safe
    assert safe.isascii()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_literal_reads_back(value: float) -> None:
    literal = c_float(value)
    assert literal.endswith("f") and ("." in literal or "e" in literal)
    assert np.float32(literal[:-1]) == np.float32(value)


def test_special_literals() -> None:
    assert c_int(-(1 << 31)) == "INT32_MIN"
    assert c_float(float("inf")) == "FLT_MAX" and c_float(float("-inf")) == "-FLT_MAX"
    with pytest.raises(ValueError):
        c_float(float("nan"))
    assert c_string('a"b\\c\n1') == '"a\\"b\\\\c\\0121"'


def test_array_body_wraps_in_memory_order() -> None:
    body = array_body(np.arange(40, dtype=np.int8).reshape(4, 10))
    lines = body.splitlines()
    assert [int(x) for line in lines for x in line.strip().rstrip(",").split(",")] == list(range(40))
    assert all(len(line) <= 120 for line in lines)


def test_initializer_names_every_field() -> None:
    weights = Array("weights", np.zeros(3, np.int8))
    fields = {
        "height": 4,
        "scale": 0.5,
        "weights": weights,
        "bias": None,
        "pad": (1, 2),
        "clamp": {"lo": -128, "hi": 127},
    }
    text = initializer(fields, {id(weights): "net_00_weights"})
    assert text == (
        "    .height = 4, .scale = 0.5f, .weights = net_00_weights, .bias = 0, .pad = { 1, 2 },\n"
        "    .clamp = {\n"
        "        .lo = -128, .hi = 127\n"
        "    }"
    )
    assert arrays_in(fields) == [weights]
