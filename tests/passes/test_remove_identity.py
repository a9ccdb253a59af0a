import pytest
from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.remove_identity import PASS


@pytest.mark.parametrize(
    "operation",
    [
        "identity(%a)",
        "reshape(%a) shape=(1, 2, 3)",
        "transpose(%a) perm=(0, 1, 2)",
        "pad(%a) padding=((0, 0), (0, 0), (0, 0))",
        "clip(%a) clamp=clamp(-inf, inf)",
        "cast(%a) dtype=float32",
        "concat(%a) axis=1",
        "strided_slice(%a) begin=(0, 0, 0) end=(1, 2, 3) stride=(1, 1, 1)",
        "mean(%a) axes=(0,) keep_dims=true",
    ],
)
def test_removes_what_does_nothing(operation: str) -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,2,3]
        %a: float32[1,2,3] = tanh(%x)
        %b: float32[1,2,3] = {operation}
        %y: float32[1,2,3] = exp(%b)
        output %y
        """,
        """
        input %x: float32[1,2,3]
        %a: float32[1,2,3] = tanh(%x)
        %y: float32[1,2,3] = exp(%a)
        output %y
        """,
    )


@pytest.mark.parametrize(
    ("operation", "shape"),
    [
        ("transpose(%x) perm=(1, 0, 2)", "2,1,3"),
        ("strided_slice(%x) begin=(0, 0, 0) end=(1, 2, 3) stride=(1, 1, 1) squeeze=(0,)", "2,3"),
        ("mean(%x) axes=(0,)", "2,3"),
        ("stack(%x) axis=0", "1,1,2,3"),
    ],
)
def test_writes_views_as_reshape(operation: str, shape: str) -> None:
    axes = ", ".join(shape.split(","))
    assert_rewrites(
        PASS,
        f"input %x: float32[1,2,3]\n%y: float32[{shape}] = {operation}\noutput %y",
        f"input %x: float32[1,2,3]\n%y: float32[{shape}] = reshape(%x) shape=({axes})\noutput %y",
    )


@pytest.mark.parametrize(
    "operation",
    [
        "strided_slice(%x) begin=(0, 1, 0) end=(1, -1, 3) stride=(1, -1, 1)",
        "clip(%x) clamp=clamp(-1.0, 1.0)",
        "max_pool2d(%x) kernel=(1, 1) stride=(1, 1) clamp=clamp(0.0, inf)",
    ],
)
def test_keeps_what_does_something(operation: str) -> None:
    shape = "1,2,3,1" if "pool" in operation else "1,2,3"
    assert_keeps(PASS, f"input %x: float32[{shape}]\n%y: float32[{shape}] = {operation}\noutput %y")


def test_keeps_what_changes_the_scale() -> None:
    text = (
        "input %x: int8[1,2] quant(0.5, 0)\n%y: int8[1,2] quant(0.25, 0) = clip(%x) clamp=clamp(-inf, inf)\noutput %y"
    )
    assert_keeps(PASS, text)
    assert_rewrites(
        PASS,
        text.replace("0.25", "0.5").replace("output %y", "%z: int8[1,2] quant(0.5, 0) = relu(%y)\noutput %z"),
        "input %x: int8[1,2] quant(0.5, 0)\n%z: int8[1,2] quant(0.5, 0) = relu(%x)\noutput %z",
    )


def test_joins_chains() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2,3,4]
        %a: float32[1,4,2,3] = transpose(%x) perm=(0, 3, 1, 2)
        %b: float32[1,3,4,2] = transpose(%a) perm=(0, 3, 1, 2)
        %c: float32[1,12,2] = reshape(%b) shape=(1, 12, 2)
        %d: float32[24] = reshape(%c) shape=(24,)
        %y: float32[24] = exp(%d)
        output %y
        """,
        """
        input %x: float32[1,2,3,4]
        %b: float32[1,3,4,2] = transpose(%x) perm=(0, 2, 3, 1)
        %d: float32[24] = reshape(%b) shape=(24,)
        %y: float32[24] = exp(%d)
        output %y
        """,
    )


def test_the_producer_takes_the_name_of_an_output() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2]
        %a: float32[1,2] = tanh(%x)
        %b: float32[1,2] = exp(%a)
        %y: float32[1,2] = identity(%a)
        output %y, %b
        """,
        """
        input %x: float32[1,2]
        %y: float32[1,2] = tanh(%x) as "a"
        %b: float32[1,2] = exp(%y)
        output %y, %b
        """,
    )


def test_buffers_of_the_network_stay_apart() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2]
        %y: float32[1,2] = identity(%x)
        %a: float32[1,2] = tanh(%x)
        %z: float32[1,2] = cast(%a) dtype=float32
        output %y, %a, %z
        """,
        """
        input %x: float32[1,2]
        %y: float32[1,2] = reshape(%x) shape=(1, 2)
        %a: float32[1,2] = tanh(%x)
        %z: float32[1,2] = reshape(%a) shape=(1, 2)
        output %y, %a, %z
        """,
    )
