"""One-node graphs with weights of 4 bits, made of those with 8."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from kernel_graphs import Case, convolutions, fully_connected, planar_depthwise

from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Conv2dAttrs


def four_bits(case: Case) -> Case:
    """The upper nibble of every weight, in steps 16 times as large: sums stay as large as they were."""
    node, graph, arrays = case
    w = graph.value(node.inputs[1])
    assert w.quant is not None and w.data is not None
    quant = replace(w.quant, scale=tuple(16 * s for s in w.quant.scale), dtype=DType.INT4)
    weights = replace(w, data=np.asarray(w.data >> 4, order="C"), dtype=DType.INT4, quant=quant)
    return node, graph.with_(values={**graph.values, w.name: weights}), arrays


def from_minus_seven(case: Case) -> Case:
    """Without -8, as quantization leaves it."""
    node, graph, arrays = case
    w = graph.value(node.inputs[1])
    return node, graph.with_(values={**graph.values, w.name: replace(w, data=np.maximum(w.constant, -7))}), arrays


def of_either_width(cases: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    """Weights of 8 bits, or of 4."""
    return st.one_of(cases, cases.map(four_bits))


def _one_group(case: Case) -> bool:
    assert isinstance(case[0].attrs, Conv2dAttrs)
    return case[0].attrs.groups == 1


def convolutions_w4(kind: str = "any") -> st.SearchStrategy[Case]:
    return convolutions(kind=kind).filter(_one_group).map(four_bits)


def depthwise_w4(size: int | None = None) -> st.SearchStrategy[Case]:
    """Windows of any shape, or of size x size."""
    return (convolutions(kind="depthwise") if size is None else planar_depthwise(size)).map(four_bits)


def fully_connected_w4() -> st.SearchStrategy[Case]:
    return fully_connected().map(four_bits)
