from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.lower_fully_connected import PASS

WEIGHTS = "const %w: int8[1,4] quant(0.5, 0) = [1, 2, 3, 4]"


def test_a_map_becomes_one_row() -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: int8[1,2,2,1] quant(0.5, 0)
        {WEIGHTS}
        %y: int8[1,1] quant(0.5, 1) = fully_connected(%x, %w)
        output %y
        """,
        f"""
        input %x: int8[1,2,2,1] quant(0.5, 0)
        {WEIGHTS}
        %x_rows: int8[1,4] quant(0.5, 0) = reshape(%x) shape=(1, 4) as "y_rows" from "y"
        %y: int8[1,1] quant(0.5, 1) = fully_connected(%x_rows, %w)
        output %y
        """,
    )


def test_leading_axes_become_rows() -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: int8[1,3,4] quant(0.5, 0)
        {WEIGHTS}
        %y: int8[1,3,1] quant(0.5, 1) = fully_connected(%x, %w) keep_dims=true
        output %y
        """,
        f"""
        input %x: int8[1,3,4] quant(0.5, 0)
        {WEIGHTS}
        %x_rows: int8[3,4] quant(0.5, 0) = reshape(%x) shape=(3, 4) as "y_rows" from "y"
        %y_rows: int8[3,1] quant(0.5, 1) = fully_connected(%x_rows, %w) as "y"
        %y: int8[1,3,1] quant(0.5, 1) = reshape(%y_rows) shape=(1, 3, 1) as "y_shape" from "y"
        output %y
        """,
    )


def test_rows_stay() -> None:
    text = "input %x: int8[1,4] quant(0.5, 0)\n" + WEIGHTS
    assert_keeps(PASS, text + "\n%y: int8[1,1] quant(0.5, 1) = fully_connected(%x, %w)\noutput %y")
