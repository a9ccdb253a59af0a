import pytest
from pass_cases import assert_rewrites, assert_same_results, graph_of

from tinyml.ir.ops import Op
from tinyml.passes import run_pass
from tinyml.passes.legalize_transpose_conv import PASS


def test_a_window_as_large_as_the_stride() -> None:
    """Each input becomes a block: its products with the taps, row by row."""
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2,3,1]
        const %w: float32[1,2,2,1] = [1.0, 2.0, 3.0, 4.0]
        const %b: float32[1] = [5.0]
        %y: float32[1,4,6,1] = transpose_conv2d(%x, %w, %b) stride=(2, 2)
        output %y
        """,
        """
        input %x: float32[1,2,3,1]
        const %w_1: float32[4,1,1,1] = [1.0, 2.0, 3.0, 4.0]
        const %b_1: float32[4] = [5.0, 5.0, 5.0, 5.0]
        %y_blocks: float32[1,2,3,4] = conv2d(%x, %w_1, %b_1) as "y"
        %y: float32[1,4,6,1] = depth_to_space(%y_blocks) block=(2, 2) as "y_blocks" from "y"
        output %y
        """,
    )


def test_a_larger_window_takes_a_neighbour() -> None:
    """Rows 2 q are x[q - 1] through tap 2 and x[q] through tap 0; rows 2 q + 1 are x[q] through tap 1."""
    assert_rewrites(
        PASS,
        """
        input %x: int8[1,2,1,1] quant(0.5, 1)
        const %w: int8[1,3,1,1] quant(axis 0, [0.25], [0]) = [1, 2, 3]
        %y: int8[1,5,1,1] quant(1.0, 0) = transpose_conv2d(%x, %w) stride=(2, 1) clamp=clamp(0.0, inf)
        output %y
        """,
        """
        input %x: int8[1,2,1,1] quant(0.5, 1)
        const %w_1: int8[2,2,1,1] quant(axis 0, [0.25, 0.25], [0, 0]) = [3, 1, 0, 2]
        %y_blocks: int8[1,3,1,2] quant(1.0, 0) = conv2d(%x, %w_1) padding=((1, 1), (0, 0)) clamp=clamp(0.0, inf) as "y"
        %y: int8[1,5,1,1] quant(1.0, 0) = depth_to_space(%y_blocks) block=(2, 1) crop=(1, 0) as "y_blocks" from "y"
        output %y
        """,
    )


@pytest.mark.parametrize("groups", [1, 2])
def test_weights_that_are_dequantized(groups: int) -> None:
    graph = graph_of(
        f"""
        input %x: float32[1,2,2,2]
        const %q: int8[2,2,2,{2 // groups}] quant(axis 0, [0.25, 0.5], [0, 0]) = [{", ".join(map(str, range(16 // groups)))}]
        %w: float32[2,2,2,{2 // groups}] = dequantize(%q)
        %y: float32[1,3,3,2] = transpose_conv2d(%x, %w) stride=(2, 2) padding=((0, 1), (1, 0)) groups={groups}
        output %y
        """
    )
    legal = run_pass(graph, PASS)
    assert [node.op for node in legal.nodes if node.output in legal.outputs] == [Op.DEPTH_TO_SPACE]
    assert_same_results(graph, legal)
