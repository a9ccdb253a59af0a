import pytest
from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.fuse_activation import PASS

FIRST = [
    ("conv2d(%x, %w)", "1,2,2,1"),
    ("fully_connected(%x, %v)", "4,1"),
    ("add(%x, %x)", "1,2,2,1"),
    ("mul(%x, %x)", "1,2,2,1"),
    ("average_pool2d(%x) kernel=(2, 2) stride=(1, 1)", "1,1,1,1"),
    ("max_pool2d(%x) kernel=(2, 2) stride=(1, 1)", "1,1,1,1"),
]
CONSTANTS = {"conv2d": "const %w: float32[1,1,1,1] = [3.0]\n", "fully_c": "const %v: float32[1,1] = [3.0]\n"}


@pytest.mark.parametrize(("operation", "shape"), FIRST)
@pytest.mark.parametrize(
    ("activation", "clamp"),
    [("relu(%a)", "clamp(0.0, inf)"), ("clip(%a) clamp=clamp(-1.0, 1.5)", "clamp(-1.0, 1.5)")],
)
def test_into_the_node_before(operation: str, shape: str, activation: str, clamp: str) -> None:
    constants = CONSTANTS.get(operation[:7].removesuffix("("), CONSTANTS.get(operation[:6], ""))
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,2,2,1]
        {constants}
        %a: float32[{shape}] = {operation}
        %y: float32[{shape}] = {activation}
        output %y
        """,
        f"""
        input %x: float32[1,2,2,1]
        {constants}
        %y: float32[{shape}] = {operation} clamp={clamp} as "a" from "a + y"
        output %y
        """,
    )


def test_clamps_follow_each_other() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,4]
        %a: float32[1,4] = add(%x, %x) clamp=clamp(-1.0, 1.0)
        %b: float32[1,4] = relu(%a)
        %c: float32[1,4] = exp(%b)
        %d: float32[1,4] = relu(%c)
        %y: float32[1,4] = clip(%d) clamp=clamp(2.0, 3.0)
        output %y
        """,
        """
        input %x: float32[1,4]
        %b: float32[1,4] = add(%x, %x) clamp=clamp(0.0, 1.0) as "a" from "a + b"
        %c: float32[1,4] = exp(%b)
        %y: float32[1,4] = clip(%c) clamp=clamp(2.0, 3.0) as "d" from "d + y"
        output %y
        """,
    )


def test_not_where_others_read_what_is_clamped() -> None:
    text = """
    input %x: float32[1,4]
    %a: float32[1,4] = add(%x, %x)
    %y: float32[1,4] = relu(%a)
    %z: float32[1,4] = tanh(%a)
    output %y, %z
    """
    assert_keeps(PASS, text)
    assert_keeps(PASS, text.replace("%z: float32[1,4] = tanh(%a)", "").replace("%z", "%a"))


INT8 = """
input %x: int8[1,4] quant(0.5, 3)
%a: int8[1,4] quant(0.5, 3) = add(%x, %x)
%y: int8[1,4] {quant} = clip(%a) clamp=clamp(0.0, 6.0)
output %y
"""


def test_on_integers_of_the_same_scale() -> None:
    assert_rewrites(
        PASS,
        INT8.format(quant="quant(0.5, 3)"),
        """
        input %x: int8[1,4] quant(0.5, 3)
        %y: int8[1,4] quant(0.5, 3) = add(%x, %x) clamp=clamp(0.0, 6.0) as "a" from "a + y"
        output %y
        """,
    )


def test_not_on_integers_that_are_rounded_in_between() -> None:
    assert_keeps(PASS, INT8.format(quant="quant(0.25, 3)"))
    assert_keeps(PASS, INT8.format(quant="quant(0.5, 2)"))
