from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.widen_weights import ALL, PASS

_GROUPS = """
    input %x: int8[1,1,1,{channels}] quant(0.5, -1)
    const %w: {weights} quant(axis 0, [0.25, 0.125], [0, 0]) = {numbers}
    %y: int8[1,1,1,2] quant(0.5, 3) = conv2d(%x, {name}, none) groups=2
    output %y
"""
_NARROW = _GROUPS.format(channels=4, weights="int4[2,1,1,2]", numbers="[-8, 7, 1, 2]", name="%w")
_WIDE = _GROUPS.replace("%w", "%w_int8").format(
    channels=4, weights="int8[2,1,1,2]", numbers="[-8, 7, 1, 2]", name="%w_int8"
)
_DEPTHWISE = _GROUPS.format(channels=2, weights="int4[2,1,1,1]", numbers="[-8, 7]", name="%w")
_DEPTHWISE_WIDE = _GROUPS.replace("%w", "%w_int8").format(
    channels=2, weights="int8[2,1,1,1]", numbers="[-8, 7]", name="%w_int8"
)


def test_weights_of_groups_become_int8() -> None:
    assert_rewrites(PASS, _NARROW, _WIDE)
    assert_rewrites(ALL, _NARROW, _WIDE)


def test_those_of_depthwise_ones_where_all_do() -> None:
    assert_keeps(PASS, _DEPTHWISE)
    assert_rewrites(ALL, _DEPTHWISE, _DEPTHWISE_WIDE)


def test_other_weights_stay() -> None:
    assert_keeps(
        ALL,
        """
        input %x: int8[1,1,1,2] quant(0.5, -1)
        const %w: int4[1,1,1,2] quant(0.25, 0) = [-8, 7]
        %y: int8[1,1,1,1] quant(0.5, 3) = conv2d(%x, %w, none)
        output %y
        """,
    )
    assert_keeps(ALL, _WIDE)
