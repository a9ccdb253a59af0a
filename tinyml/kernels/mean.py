"""Means over any axes: include/tinyml_mean.h."""

from collections.abc import Callable, Mapping

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, ReduceAttrs
from tinyml.ir.reference.pool import mean_multiplier
from tinyml.kernels.common import (
    Reject,
    first_reason,
    needs_dtypes,
    needs_per_tensor_quant,
    no_scratch,
    quant_of,
    zero_point_of,
)
from tinyml.kernels.conv_s16 import needs_symmetry
from tinyml.kernels.descriptor import Access, CParams, Field, KernelDescriptor
from tinyml.kernels.nest import Axis, folded, nest_fields, nest_reason, strides
from tinyml.targets.core import Isa


def _axes(node: Node, graph: Graph) -> tuple[list[Axis], list[Axis]]:
    """The axes of the output, and the ones that are summed."""
    attrs = node.attrs
    assert isinstance(attrs, ReduceAttrs)
    shape = graph.value(node.inputs[0]).shape
    every = [Axis(n, s) for n, s in zip(shape, strides(shape), strict=True)]
    kept = [
        Axis(1, 0) if i in attrs.axes else axis
        for i, axis in enumerate(every)
        if attrs.keep_dims or i not in attrs.axes
    ]
    return kept, folded([every[i] for i in attrs.axes])


def _needs_two_axes(node: Node, graph: Graph) -> str | None:
    kept, summed = _axes(node, graph)
    if len(summed) > 2:
        return f"sums {len(summed)} axes that do not lie end to end, 2 are supported"
    return nest_reason(kept)


def _reduced(node: Node, graph: Graph) -> Mapping[str, Field]:
    """tinyml_reduced_t."""
    kept, summed = _axes(node, graph)
    outer, inner = ([Axis(1, 0), Axis(1, 0), *summed])[-2:]
    return {
        "nest": nest_fields(kept),
        "outer": outer.size,
        "outer_stride": outer.stride,
        "inner": inner.size,
        "inner_stride": inner.stride,
    }


def _params_s8(node: Node, graph: Graph) -> CParams:
    x, out = graph.value(node.inputs[0]), graph.value(node.output)
    multiplier, shift = mean_multiplier(quant_of(x), quant_of(out), x.elements // out.elements)
    return CParams(
        "tinyml_mean_s8_t",
        {
            "reduced": _reduced(node, graph),
            "zero_point": zero_point_of(x),
            "multiplier": multiplier,
            "shift": shift,
            "out_offset": zero_point_of(out),
        },
    )


def needs_room_for_the_sum(node: Node, graph: Graph) -> str | None:
    count = graph.value(node.inputs[0]).elements // graph.value(node.output).elements
    return f"sums at most 65536 elements, these are {count}" if count > 65536 else None


def _params_f32(node: Node, graph: Graph) -> CParams:
    return CParams("tinyml_mean_f32_t", {"reduced": _reduced(node, graph)})


def _cost(node: Node, graph: Graph) -> float:
    return 6 * graph.value(node.inputs[0]).elements


def _kernel(symbol: str, params: Callable[[Node, Graph], CParams], dtype: DType, *rules: Reject) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        "include/tinyml_mean.h",
        Op.MEAN,
        Isa.PORTABLE,
        first_reason(needs_dtypes(dtype, dtype), *rules, _needs_two_axes),
        params,
        no_scratch,
        _cost,
        Access(whole=True),
    )


KERNELS = (
    _kernel("tinyml_mean_s8", _params_s8, DType.INT8, needs_per_tensor_quant),
    _kernel("tinyml_mean_s16", _params_s8, DType.INT16, needs_per_tensor_quant, needs_symmetry, needs_room_for_the_sum),
    _kernel("tinyml_mean_f32", _params_f32, DType.FLOAT32),
)
