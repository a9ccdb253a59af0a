from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.fold_constants import PASS


def test_evaluates_chains_of_constants() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2]
        const %a: float32[1,2] = [1.0, -2.0]
        const %b: float32[2] = [10.0, 20.0]
        %c: float32[1,2] = add(%a, %b)
        %d: float32[1,2] = relu(%c)
        %y: float32[1,2] = mul(%x, %d)
        output %y
        """,
        """
        input %x: float32[1,2]
        const %d: float32[1,2] = [11.0, 18.0]
        %y: float32[1,2] = mul(%x, %d)
        output %y
        """,
    )


def test_the_shape_tail_of_keras() -> None:
    """SHAPE is known whatever it reads; what the frontend resolved with it is then dead."""
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2,3]
        const %n: int64[] = [6]
        %s: int64[3] = shape(%x)
        %b: int64[] = strided_slice(%s) begin=(0,) end=(1,) stride=(1,) squeeze=(0,)
        %p: int64[2] = stack(%b, %n) axis=0
        %q: float32[2] = cast(%p) dtype=float32
        %y: float32[1,6] = reshape(%x) shape=(1, 6)
        %z: float32[2] = identity(%q)
        output %y, %z
        """,
        """
        input %x: float32[1,2,3]
        const %q: float32[2] = [1.0, 6.0]
        %y: float32[1,6] = reshape(%x) shape=(1, 6)
        %z: float32[2] = identity(%q)
        output %y, %z
        """,
    )


def test_quantized_constants_keep_their_parameters() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: int8[1,2] quant(0.5, 0)
        const %a: int8[2,1] quant(0.25, 3) = [7, -9]
        %t: int8[1,2] quant(0.25, 3) = transpose(%a) perm=(1, 0)
        %y: int8[1,2] quant(0.5, 0) = add(%x, %t)
        output %y
        """,
        """
        input %x: int8[1,2] quant(0.5, 0)
        const %t: int8[1,2] quant(0.25, 3) = [7, -9]
        %y: int8[1,2] quant(0.5, 0) = add(%x, %t)
        output %y
        """,
    )


def test_a_known_output_stays_a_buffer() -> None:
    assert_keeps(
        PASS,
        """
        input %x: float32[1,2]
        const %a: float32[1,2] = [1.0, -2.0]
        %y: float32[1,2] = relu(%a)
        %z: float32[1,2] = relu(%x)
        output %y, %z
        """,
    )
