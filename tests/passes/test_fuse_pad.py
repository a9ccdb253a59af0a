import pytest
from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.fuse_pad import PASS

PADDED = """
input %x: {type}[1,2,2,1]{quant}
const %w: {type}[1,2,2,1]{weights} = [{data}]
%p: {type}[1,4,5,1]{quant} = pad(%x) padding=((0, 0), (1, 1), (1, 2), (0, 0)){value} from "Pad"
%y: {type}[1,3,4,1]{quant} = conv2d(%p, %w){padding} from "Conv"
output %y
"""
REAL = {"type": "float32", "quant": "", "weights": "", "data": "1.0, 2.0, 3.0, 4.0", "value": "", "padding": ""}
INT8 = REAL | {"type": "int8", "quant": " quant(0.5, 7)", "weights": " quant(0.25, 0)", "data": "1, 2, 3, 4"}


@pytest.mark.parametrize("kind", [REAL, INT8])
def test_into_a_convolution(kind: dict[str, str]) -> None:
    """On integers PAD writes the zero point, which is what a padded tap of a convolution is."""
    assert_rewrites(
        PASS,
        PADDED.format(**kind),
        """
        input %x: {type}[1,2,2,1]{quant}
        const %w: {type}[1,2,2,1]{weights} = [{data}]
        %y: {type}[1,3,4,1]{quant} = conv2d(%x, %w) padding=((1, 1), (1, 2)) from "Pad + Conv"
        output %y
        """.format(**kind),
    )


def test_padding_adds_up() -> None:
    padding = " padding=((0, 0), (0, 1))"
    text = PADDED.format(**(REAL | {"padding": padding})).replace("[1,3,4,1]", "[1,3,5,1]")
    assert_rewrites(
        PASS,
        text,
        """
        input %x: float32[1,2,2,1]
        const %w: float32[1,2,2,1] = [1.0, 2.0, 3.0, 4.0]
        %y: float32[1,3,5,1] = conv2d(%x, %w) padding=((1, 1), (1, 3)) from "Pad + Conv"
        output %y
        """,
    )


@pytest.mark.parametrize("value", [" value=1.0", " value=-0.5"])
def test_other_values_stay(value: str) -> None:
    assert_keeps(PASS, PADDED.format(**(REAL | {"value": value})))


def test_stays_where_something_else_reads_it() -> None:
    assert_keeps(PASS, PADDED.format(**REAL).replace("output %y", "%z: float32[1,4,5,1] = tanh(%p)\noutput %y, %z"))
    assert_keeps(PASS, PADDED.format(**REAL).replace("output %y", "output %y, %p"))


def test_stays_where_it_changes_the_scale_or_pads_channels() -> None:
    assert_keeps(
        PASS,
        """
        input %x: float32[1,2,2,1]
        const %w: float32[1,1,1,2] = [1.0, 2.0]
        %p: float32[1,2,2,2] = pad(%x) padding=((0, 0), (0, 0), (0, 0), (0, 1))
        %y: float32[1,2,2,1] = conv2d(%p, %w)
        output %y
        """,
    )


def test_into_all_of_several_readers() -> None:
    second = "%z: float32[1,2,2,1] = conv2d(%p, %w) stride=(2, 2)\noutput %y, %z"
    assert_rewrites(
        PASS,
        PADDED.format(**REAL).replace("output %y", second),
        """
        input %x: float32[1,2,2,1]
        const %w: float32[1,2,2,1] = [1.0, 2.0, 3.0, 4.0]
        %y: float32[1,3,4,1] = conv2d(%x, %w) padding=((1, 1), (1, 2)) from "Pad + Conv"
        %z: float32[1,2,2,1] = conv2d(%x, %w) stride=(2, 2) padding=((1, 1), (1, 2)) from "Pad + z"
        output %y, %z
        """,
    )


POOLED = """
input %x: float32[1,2,2,1]
%a: float32[1,2,2,1] = {before}
%p: float32[1,4,4,1] = pad(%a) padding=((0, 0), (1, 1), (1, 1), (0, 0)){value}
%y: float32[1,2,2,1] = {pool}(%p) kernel=(2, 2) stride=(2, 2){counting}
output %y
"""


@pytest.mark.parametrize(
    ("before", "value", "pool", "counting"),
    [
        # Zeros change no maximum of what is not negative, and nothing changes a maximum less than -inf.
        ("relu(%x)", "", "max_pool2d", ""),
        ("clip(%x) clamp=clamp(1.0, 6.0)", " value=0.5", "max_pool2d", ""),
        ("tanh(%x)", " value=-inf", "max_pool2d", ""),
        ("tanh(%x)", "", "average_pool2d", ""),
    ],
)
def test_into_a_pool(before: str, value: str, pool: str, counting: str) -> None:
    counts = " count_include_pad=true" if pool == "average_pool2d" else ""
    assert_rewrites(
        PASS,
        POOLED.format(before=before, value=value, pool=pool, counting=counting),
        f"""
        input %x: float32[1,2,2,1]
        %a: float32[1,2,2,1] = {before}
        %y: float32[1,2,2,1] = {pool}(%a) kernel=(2, 2) stride=(2, 2) padding=((1, 1), (1, 1)){counts} from "p + y"
        output %y
        """,
    )


@pytest.mark.parametrize(
    ("before", "value", "pool"),
    [
        ("tanh(%x)", "", "max_pool2d"),
        ("relu(%x)", " value=0.5", "max_pool2d"),
        ("relu(%x)", " value=0.5", "average_pool2d"),
    ],
)
def test_not_into_a_pool_that_would_see_something_else(before: str, value: str, pool: str) -> None:
    assert_keeps(PASS, POOLED.format(before=before, value=value, pool=pool, counting=""))


@pytest.mark.parametrize(("zero_point", "fuses"), [(-128, True), (-127, False)])
def test_into_an_integer_maximum(zero_point: int, fuses: bool) -> None:
    """With the zero point at the bottom of the range no element stands for less than 0."""
    before = """
    input %x: int8[1,2,2,1] quant(0.5, ZERO)
    %p: int8[1,4,4,1] quant(0.5, ZERO) = pad(%x) padding=((0, 0), (1, 1), (1, 1), (0, 0))
    %y: int8[1,2,2,1] quant(0.5, ZERO) = max_pool2d(%p) kernel=(2, 2) stride=(2, 2)
    output %y
    """.replace("ZERO", str(zero_point))
    after = """
    input %x: int8[1,2,2,1] quant(0.5, ZERO)
    %y: int8[1,2,2,1] quant(0.5, ZERO) = max_pool2d(%x) kernel=(2, 2) stride=(2, 2) PADDING from "p + y"
    output %y
    """.replace("ZERO", str(zero_point)).replace("PADDING", "padding=((1, 1), (1, 1))")
    assert_rewrites(PASS, before, after if fuses else before)
