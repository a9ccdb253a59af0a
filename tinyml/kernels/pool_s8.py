"""int8 pooling: include/tinyml_pool_s8.h."""

from collections.abc import Callable

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, Pool2dAttrs
from tinyml.kernels.common import (
    first_reason,
    needs_batch_of_one,
    needs_dtypes,
    needs_per_tensor_quant,
    needs_same_quant,
    no_scratch,
    quant_of,
    window_fields,
    zero_point_of,
)
from tinyml.kernels.descriptor import CParams, KernelDescriptor
from tinyml.targets.core import Isa


def pool_params(node: Node, graph: Graph) -> CParams:
    attrs = node.attrs
    assert isinstance(attrs, Pool2dAttrs)
    x, out = graph.value(node.inputs[0]), graph.value(node.output)
    lo, hi = activation_range(attrs.clamp, quant_of(out))
    return CParams(
        "tinyml_pool_s8_t",
        {
            "window": window_fields(x, attrs.kernel, attrs.stride, attrs.padding),
            "zero_point": zero_point_of(x),
            "whole_window": int(attrs.count_include_pad),
            "out_min": lo,
            "out_max": hi,
        },
    )


def cycles_per_tap(cycles: float) -> Callable[[Node, Graph], float]:
    """Of pools, of any type."""

    def cost(node: Node, graph: Graph) -> float:
        assert isinstance(node.attrs, Pool2dAttrs)
        kh, kw = node.attrs.kernel
        return cycles * kh * kw * graph.value(node.output).elements

    return cost


KERNELS = tuple(
    KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        "include/tinyml_pool_s8.h",
        op,
        Isa.PORTABLE,
        first_reason(
            needs_dtypes(DType.INT8, DType.INT8), needs_batch_of_one, needs_per_tensor_quant, needs_same_quant
        ),
        pool_params,
        no_scratch,
        cycles_per_tap(cycles),
    )
    for op, symbol, cycles in (
        (Op.MAX_POOL2D, "tinyml_max_pool_s8", 6),
        (Op.AVERAGE_POOL2D, "tinyml_average_pool_s8", 6),
    )
)
