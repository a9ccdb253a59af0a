"""Softmax over many elements."""

import kernel_graphs as graphs
import numpy as np
import pytest
from kernel_checks import check, find
from kernel_harness import Tiling
from kernel_host import Host

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op, SoftmaxAttrs
from tinyml.ir.quant import QuantParams

RESULTS = {
    "tinyml_softmax_s8": QuantParams.per_tensor(1 / 256, -128),
    "tinyml_softmax_s8_s16": QuantParams.per_tensor(1 / 65536, -32768, DType.INT16),
}


def _softmax(symbol: str, channels: int) -> graphs.Case:
    b = GraphBuilder("g")
    x = b.input("x", (1, channels), DType.INT8, QuantParams.per_tensor(0.05, 3))
    return graphs.single(
        b, b.node(Op.SOFTMAX, [x], SoftmaxAttrs(), quant=RESULTS[symbol]), np.random.default_rng(channels)
    )


@pytest.mark.parametrize("symbol", list(RESULTS))
@pytest.mark.parametrize("channels", [511, 512, 1000, 4095])
def test_equal_elements(host: Host, symbol: str, channels: int) -> None:
    """Their sum fills the accumulator. LiteRT's reference aborts on 512 and more of them in int8."""
    node, graph, _ = _softmax(symbol, channels)
    check(host, symbol, (node, graph, {"x": np.full((1, channels), 7, np.int8)}), Tiling())


@pytest.mark.parametrize("symbol", list(RESULTS))
def test_too_many_elements(symbol: str) -> None:
    node, graph, _ = _softmax(symbol, 4096)
    assert find(symbol, Op.SOFTMAX).rejects(node, graph) == "sums at most 4095 elements, these are 4096"
