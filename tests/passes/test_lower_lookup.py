import numpy as np
import pytest
from pass_cases import assert_keeps, assert_same_results, graph_of

from tinyml.ir.ops import LookupAttrs, Op
from tinyml.passes import run_pass
from tinyml.passes.lower_lookup import PASS


@pytest.mark.parametrize(
    ("operation", "quant"),
    [
        ("relu(%x)", "quant(0.0625, -128)"),
        ("clip(%x) clamp=clamp(-1.0, 2.0)", "quant(0.0625, 3)"),
        ("leaky_relu(%x) alpha=0.1", "quant(0.0625, 3)"),
        ("hard_swish(%x)", "quant(0.0625, -100)"),
        ("hard_sigmoid(%x)", "quant(0.00390625, -128)"),
        ("sigmoid(%x)", "quant(0.00390625, -128)"),
        ("tanh(%x)", "quant(0.0078125, 0)"),
        ("exp(%x)", "quant(0.5, -128)"),
    ],
)
def test_a_table_says_the_same_for_all_256_inputs(operation: str, quant: str) -> None:
    old = graph_of(f"input %x: int8[1,256] quant(0.0625, 5)\n%y: int8[1,256] {quant} = {operation}\noutput %y")
    new = run_pass(old, PASS)
    (node,) = new.nodes
    assert node.op is Op.LOOKUP and node.attrs == LookupAttrs(operation.split("(")[0])
    assert_same_results(old, new)


def test_relu_by_hand() -> None:
    """With one scale and zero point on both sides relu is max(q, zero point)."""
    graph = graph_of("input %x: int8[1,2] quant(0.5, 5)\n%y: int8[1,2] quant(0.5, 5) = relu(%x)\noutput %y")
    new = run_pass(graph, PASS)
    table = new.values[str(new.nodes[0].inputs[1])].constant
    np.testing.assert_array_equal(table, np.maximum(np.arange(-128, 128), 5))


def test_equal_tables_are_shared() -> None:
    graph = graph_of(
        """
        input %x: int8[1,2] quant(0.5, 5)
        %a: int8[1,2] quant(0.5, 5) = relu(%x)
        %b: int8[1,2] quant(0.5, 5) = relu(%a)
        %c: int8[1,2] quant(0.25, 5) = relu(%b)
        output %c
        """
    )
    tables = [node.inputs[1] for node in run_pass(graph, PASS).nodes]
    assert tables[0] == tables[1] != tables[2]


def test_other_types_stay() -> None:
    assert_keeps(PASS, "input %x: float32[1,2]\n%y: float32[1,2] = tanh(%x)\noutput %y")
