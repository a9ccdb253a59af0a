from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.legalize_matmul import PASS


def test_a_constant_right_side_becomes_weights() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2]
        const %b: float32[2,3] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        %y: float32[1,3] = matmul(%x, %b)
        output %y
        """,
        """
        input %x: float32[1,2]
        const %b_1: float32[3,2] = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        %y: float32[1,3] = fully_connected(%x, %b_1)
        output %y
        """,
    )


def test_leading_axes_stay() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,4,2]
        const %b: float32[1,2,1] = [1.0, 2.0]
        %y: float32[1,4,1] = matmul(%x, %b)
        output %y
        """,
        """
        input %x: float32[1,4,2]
        const %b_1: float32[1,2] = [1.0, 2.0]
        %y: float32[1,4,1] = fully_connected(%x, %b_1) keep_dims=true
        output %y
        """,
    )


def test_products_of_activations_and_of_batches_of_matrices_stay() -> None:
    assert_keeps(
        PASS,
        """
        input %x: float32[1,2,2]
        const %b: float32[2,2,1] = [1.0, 2.0, 3.0, 4.0]
        const %c: float32[1,1,2,1] = [1.0, 2.0]
        %y: float32[1,2,2] = matmul(%x, %x)
        %z: float32[2,2,1] = matmul(%x, %b)
        %w: float32[1,1,2,1] = matmul(%x, %c)
        output %y, %z, %w
        """,
    )
