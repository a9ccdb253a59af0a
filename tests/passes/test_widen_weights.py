from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.widen_weights import PASS

_DEPTHWISE = """
    input %x: int8[1,1,1,2] quant(0.5, -1)
    const %w: {} quant(axis 0, [0.25, 0.125], [0, 0]) = [-8, 7]
    %y: int8[1,1,1,2] quant(0.5, 3) = conv2d(%x, {}, none) groups=2
    output %y
"""


def test_depthwise_weights_become_int8() -> None:
    assert_rewrites(
        PASS,
        _DEPTHWISE.format("int4[2,1,1,1]", "%w"),
        _DEPTHWISE.replace("%w", "%w_int8").format("int8[2,1,1,1]", "%w_int8"),
    )


def test_other_weights_stay() -> None:
    assert_keeps(
        PASS,
        """
        input %x: int8[1,1,1,2] quant(0.5, -1)
        const %w: int4[1,1,1,2] quant(0.25, 0) = [-8, 7]
        %y: int8[1,1,1,1] quant(0.5, 3) = conv2d(%x, %w, none)
        output %y
        """,
    )
    assert_keeps(PASS, _DEPTHWISE.format("int8[2,1,1,1]", "%w"))
