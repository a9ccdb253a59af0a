"""Kernels that move elements, of any rank and type."""

import kernel_graphs as graphs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_checks import accepted, check, property_test, tilings
from kernel_harness import Tiling
from kernel_host import Host

from tinyml.ir.ops import Op


@pytest.mark.parametrize(
    ("op", "symbol"),
    [
        (Op.TRANSPOSE, "tinyml_gather_strided"),
        (Op.STRIDED_SLICE, "tinyml_gather_strided"),
        (Op.STRIDED_SLICE, "tinyml_slice"),
        (Op.PAD, "tinyml_pad"),
        (Op.CONCAT, "tinyml_concat"),
    ],
)
@property_test
@given(st.data(), tilings)
def test_movement(host: Host, op: Op, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    case = data.draw(graphs.movements(op).filter(accepted(symbol, op)))
    check(host, symbol, case, tiling)
