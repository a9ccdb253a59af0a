"""With mean 1, variance 3, epsilon 1, gamma 2 and beta 5: a = 2 / sqrt(3 + 1) = 1 and b = 5 - 1 * 1 = 4."""

from pass_cases import assert_rewrites

from tinyml.passes.fold_batch_norm import PASS

# a = (1, 3), b = (4, -6)
PARAMETERS = """
const %gamma: float32[2] = [2.0, 6.0]
const %beta: float32[2] = [5.0, 0.0]
const %mean: float32[2] = [1.0, 2.0]
const %variance: float32[2] = [3.0, 3.0]
"""
BATCH_NORM = "batch_norm({}, %gamma, %beta, %mean, %variance) epsilon=1.0"


def test_into_the_convolution_before() -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,2,2,1]
        const %w: float32[2,1,1,1] = [7.0, 11.0]
        const %c: float32[2] = [0.5, 1.0]
        {PARAMETERS}
        %a: float32[1,2,2,2] = conv2d(%x, %w, %c) padding=((0, 0), (0, 0)) from "Conv"
        %y: float32[1,2,2,2] = {BATCH_NORM.format("%a")} from "Norm"
        output %y
        """,
        # bias: 1 * 0.5 + 4, 3 * 1 - 6
        """
        input %x: float32[1,2,2,1]
        const %w_1: float32[2,1,1,1] = [7.0, 33.0]
        const %c_1: float32[2] = [4.5, -3.0]
        %y: float32[1,2,2,2] = conv2d(%x, %w_1, %c_1) as "a" from "Conv + Norm"
        output %y
        """,
    )


def test_into_the_fully_connected_layer_before() -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,1]
        const %w: float32[2,1] = [7.0, 11.0]
        {PARAMETERS}
        %a: float32[1,2] = fully_connected(%x, %w)
        %y: float32[1,2] = {BATCH_NORM.format("%a")}
        output %y
        """,
        """
        input %x: float32[1,1]
        const %w_1: float32[2,1] = [7.0, 33.0]
        const %a_bias: float32[2] = [4.0, -6.0]
        %y: float32[1,2] = fully_connected(%x, %w_1, %a_bias) as "a" from "a + y"
        output %y
        """,
    )


def test_into_the_convolution_behind_where_nothing_is_padded() -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,1,2,2]
        const %w: float32[1,1,2,2] = [1.0, 2.0, 3.0, 4.0]
        {PARAMETERS}
        %a: float32[1,1,2,2] = {BATCH_NORM.format("%x")}
        %y: float32[1,1,1,1] = conv2d(%a, %w)
        output %y
        """,
        # bias: (1 + 3) * 4 + (2 + 4) * -6
        """
        input %x: float32[1,1,2,2]
        const %w_1: float32[1,1,2,2] = [1.0, 6.0, 3.0, 12.0]
        const %y_bias: float32[1] = [-20.0]
        %y: float32[1,1,1,1] = conv2d(%x, %w_1, %y_bias) from "a + y"
        output %y
        """,
    )


def test_into_the_depthwise_convolution_behind() -> None:
    """Two outputs a channel: outputs 0 and 1 read channel 0."""
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,1,1,2]
        const %w: float32[4,1,1,1] = [1.0, 2.0, 3.0, 4.0]
        {PARAMETERS}
        %a: float32[1,1,1,2] = {BATCH_NORM.format("%x")}
        %y: float32[1,1,1,4] = conv2d(%a, %w) groups=2
        output %y
        """,
        """
        input %x: float32[1,1,1,2]
        const %w_1: float32[4,1,1,1] = [1.0, 2.0, 9.0, 12.0]
        const %y_bias: float32[4] = [4.0, 8.0, -18.0, -24.0]
        %y: float32[1,1,1,4] = conv2d(%x, %w_1, %y_bias) groups=2 from "a + y"
        output %y
        """,
    )


def test_spelt_out_where_a_padded_tap_would_be_wrong() -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,1,2,2]
        const %w: float32[1,1,2,2] = [1.0, 2.0, 3.0, 4.0]
        {PARAMETERS}
        %a: float32[1,1,2,2] = {BATCH_NORM.format("%x")}
        %y: float32[1,1,2,1] = conv2d(%a, %w) padding=((0, 0), (0, 1))
        output %y
        """,
        """
        input %x: float32[1,1,2,2]
        const %w: float32[1,1,2,2] = [1.0, 2.0, 3.0, 4.0]
        const %a_scale: float32[2] = [1.0, 3.0]
        const %a_offset: float32[2] = [4.0, -6.0]
        %a_scaled: float32[1,1,2,2] = mul(%x, %a_scale) as "a_mul" from "a"
        %a: float32[1,1,2,2] = add(%a_scaled, %a_offset)
        %y: float32[1,1,2,1] = conv2d(%a, %w) padding=((0, 0), (0, 1))
        output %y
        """,
    )


def test_not_into_a_layer_that_others_read_or_that_clamps() -> None:
    before = f"""
    input %x: float32[1,1]
    const %w: float32[2,1] = [7.0, 11.0]
    {PARAMETERS}
    %a: float32[1,2] = fully_connected(%x, %w) CLAMP
    %y: float32[1,2] = {BATCH_NORM.format("%a")}
    output %y OUTPUT
    """
    after = """
    input %x: float32[1,1]
    const %w: float32[2,1] = [7.0, 11.0]
    const %y_scale: float32[2] = [1.0, 3.0]
    const %y_offset: float32[2] = [4.0, -6.0]
    %a: float32[1,2] = fully_connected(%x, %w) CLAMP
    %y_scaled: float32[1,2] = mul(%a, %y_scale) as "y_mul" from "y"
    %y: float32[1,2] = add(%y_scaled, %y_offset)
    output %y OUTPUT
    """
    for clamp, output in (("clamp=clamp(0.0, inf)", ""), ("", ", %a")):
        filled = [text.replace("CLAMP", clamp).replace("OUTPUT", output) for text in (before, after)]
        assert_rewrites(PASS, *filled)
