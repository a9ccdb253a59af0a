import pytest
from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.fuse_bias import PASS

BEFORE = """
input %x: float32[1,2,2,1]
const %w: float32[2,1,1,1] = [7.0, 11.0]
{constants}
%a: float32[1,2,2,2] = conv2d({inputs}){clamp}
%y: float32[1,2,2,2] = {add}
output %y
"""


@pytest.mark.parametrize(
    ("constants", "inputs", "add", "bias"),
    [
        ("const %b: float32[2] = [1.0, 2.0]", "%x, %w", "add(%a, %b)", "[1.0, 2.0]"),
        ("const %b: float32[1,1,2] = [1.0, 2.0]", "%x, %w", "add(%b, %a)", "[1.0, 2.0]"),
        ("const %b: float32[] = [3.0]", "%x, %w", "add(%a, %b)", "[3.0, 3.0]"),
        ("const %b: float32[2] = [1.0, 2.0]", "%x, %w", "sub(%a, %b)", "[-1.0, -2.0]"),
        (
            "const %c: float32[2] = [10.0, 20.0]\nconst %b: float32[2] = [1.0, 2.0]",
            "%x, %w, %c",
            "add(%a, %b)",
            "[11.0, 22.0]",
        ),
    ],
)
def test_a_constant_a_channel_becomes_the_bias(constants: str, inputs: str, add: str, bias: str) -> None:
    assert_rewrites(
        PASS,
        BEFORE.format(constants=constants, inputs=inputs, clamp="", add=add + " clamp=clamp(0.0, 6.0)"),
        f"""
        input %x: float32[1,2,2,1]
        const %w: float32[2,1,1,1] = [7.0, 11.0]
        const %b_1: float32[2] = {bias}
        %y: float32[1,2,2,2] = conv2d(%x, %w, %b_1) clamp=clamp(0.0, 6.0) as "a" from "a + y"
        output %y
        """,
    )


@pytest.mark.parametrize(
    ("constants", "clamp", "add"),
    [
        # A number for each position, a constant minus the result, a result that is clamped first.
        ("const %b: float32[2,2,1] = [1.0, 2.0, 3.0, 4.0]", "", "add(%a, %b)"),
        ("const %b: float32[2] = [1.0, 2.0]", "", "sub(%b, %a)"),
        ("const %b: float32[2] = [1.0, 2.0]", " clamp=clamp(0.0, 6.0)", "add(%a, %b)"),
    ],
)
def test_other_sums_stay(constants: str, clamp: str, add: str) -> None:
    assert_keeps(PASS, BEFORE.format(constants=constants, inputs="%x, %w", clamp=clamp, add=add))


def test_integers_would_be_rounded_once_instead_of_twice() -> None:
    assert_keeps(
        PASS,
        """
        input %x: int8[1,2] quant(0.5, 0)
        const %w: int8[2,2] quant(0.25, 0) = [1, 2, 3, 4]
        const %b: int8[2] quant(0.5, 0) = [1, 2]
        %a: int8[1,2] quant(0.5, 0) = fully_connected(%x, %w)
        %y: int8[1,2] quant(0.5, 0) = add(%a, %b)
        output %y
        """,
    )
