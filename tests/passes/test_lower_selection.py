from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.lower_selection import PASS


def test_stack_becomes_concat() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2]
        %t: float32[1,2] = tanh(%x)
        %y: float32[1,2,2] = stack(%x, %t) axis=2
        output %y
        """,
        """
        input %x: float32[1,2]
        %t: float32[1,2] = tanh(%x)
        %y_part: float32[1,2,1] = reshape(%x) shape=(1, 2, 1) as "y_part0" from "y"
        %y_part_1: float32[1,2,1] = reshape(%t) shape=(1, 2, 1) as "y_part1" from "y"
        %y: float32[1,2,2] = concat(%y_part, %y_part_1) axis=2
        output %y
        """,
    )


def test_gather_of_a_run_becomes_a_slice() -> None:
    text = "input %x: float32[1,5,2]\nconst %i: {}\n%y: {} = gather(%x, %i) axis=1\noutput %y"
    for indices, shape, bounds in (
        ("int64[] = [3]", "float32[1,2]", "begin=(0, 3, 0) end=(1, 4, 2) stride=(1, 1, 1) squeeze=(1,)"),
        ("int64[2] = [1, 3]", "float32[1,2,2]", "begin=(0, 1, 0) end=(1, 4, 2) stride=(1, 2, 1)"),
        ("int32[3] = [2, 1, 0]", "float32[1,3,2]", "begin=(0, 2, 0) end=(1, -1, 2) stride=(1, -1, 1)"),
    ):
        assert_rewrites(
            PASS,
            text.format(indices, shape),
            f"input %x: float32[1,5,2]\n%y: {shape} = strided_slice(%x) {bounds}\noutput %y",
        )
    assert_keeps(PASS, text.format("int64[3] = [0, 1, 3]", "float32[1,3,2]"))
    assert_keeps(PASS, text.format("int64[2] = [1, 1]", "float32[1,2,2]"))
    assert_keeps(PASS, text.format("int64[1,2] = [0, 1]", "float32[1,1,2,2]"))
