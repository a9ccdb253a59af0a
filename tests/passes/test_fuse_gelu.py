import pytest
from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.fuse_gelu import PASS

HEAD = """
    input %x: float32[1,9]
    const %root: float32[] = [1.4142135]
    const %one: float32[] = [1.0]
    const %half: float32[] = [0.5]
    %s: float32[1,9] = div(%x, %root)
    %e: float32[1,9] = erf(%s)
    %o: float32[1,9] = add(%e, %one)
"""


@pytest.mark.parametrize(
    "product",
    [
        "%p: float32[1,9] = mul(%x, %o)\n    %y: float32[1,9] = mul(%p, %half)",
        "%p: float32[1,9] = mul(%half, %o)\n    %y: float32[1,9] = mul(%p, %x)",
        "%h: float32[1,9] = mul(%x, %half)\n    %y: float32[1,9] = mul(%h, %o)",
    ],
)
def test_orders_of_the_product(product: str) -> None:
    others = "".join(f" + {name}" for name in ("p", "y") if f"%{name}:" in product)
    before = f"{HEAD}    {product}\n    output %y"
    unread = "%s: float32[1,9] = div(%x, %root)\n%e: float32[1,9] = erf(%s)\n%o: float32[1,9] = add(%e, %one)\n"
    left = product[: product.index("%y:")]
    after = f"""
        input %x: float32[1,9]
        const %root: float32[] = [1.4142135]
        const %one: float32[] = [1.0]
        {"const %half: float32[] = [0.5]" if "%half" in left else ""}
        {unread}{left}
        %y: float32[1,9] = gelu(%x) from "e + o{others}"
        output %y
        """
    assert_rewrites(PASS, before, after)


@pytest.mark.parametrize(
    ("text", "other"), [("[1.4142135]", "[1.5]"), ("[1.0]", "[2.0]"), ("[0.5]", "[0.25]"), ("add(", "sub(")]
)
def test_other_functions_stay(text: str, other: str) -> None:
    product = "%p: float32[1,9] = mul(%x, %o)\n    %y: float32[1,9] = mul(%p, %half)\n    output %y"
    assert_keeps(PASS, f"{HEAD}    {product}".replace(text, other))


def test_parts_that_others_read_stay() -> None:
    product = "%p: float32[1,9] = mul(%x, %o)\n    %y: float32[1,9] = mul(%p, %half)\n    output %y, %o"
    assert_keeps(PASS, f"{HEAD}    {product}")
