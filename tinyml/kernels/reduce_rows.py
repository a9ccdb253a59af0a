"""Means over a whole map, row by row: include/tinyml_reduce_rows.h."""

from collections.abc import Callable, Mapping

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, Pool2dAttrs, ReduceAttrs
from tinyml.ir.reference.pool import mean_multiplier
from tinyml.kernels.common import (
    Reject,
    first_reason,
    needs_batch_of_one,
    needs_dtypes,
    needs_per_tensor_quant,
    needs_same_quant,
    quant_of,
    zero_point_of,
)
from tinyml.kernels.conv_s16 import needs_symmetry
from tinyml.kernels.descriptor import Access, CParams, Field, KernelDescriptor
from tinyml.kernels.mean import needs_room_for_the_sum
from tinyml.targets.core import Isa


def _map(node: Node, graph: Graph) -> Mapping[str, Field]:
    """tinyml_map_t."""
    _, rows, cols, channels = graph.value(node.inputs[0]).shape
    return {"rows": rows, "cols": cols, "channels": channels}


def _needs_mean_of_map(node: Node, graph: Graph) -> str | None:
    assert isinstance(node.attrs, ReduceAttrs)
    shape = graph.value(node.inputs[0]).shape
    if len(shape) != 4 or shape[0] != 1 or node.attrs.axes != (1, 2):
        return f"averages axes 1 and 2 of one image, these are axes {node.attrs.axes} of {list(shape)}"
    return None


def _needs_window_of_map(node: Node, graph: Graph) -> str | None:
    attrs = node.attrs
    assert isinstance(attrs, Pool2dAttrs)
    shape = graph.value(node.inputs[0]).shape
    if attrs.kernel != shape[1:3] or attrs.padding != ((0, 0), (0, 0)):
        return (
            f"takes windows of the whole image, {shape[1]}x{shape[2]}, this one is {attrs.kernel[0]}x{attrs.kernel[1]}"
        )
    return None


def _mean(node: Node, graph: Graph) -> CParams:
    x, out = graph.value(node.inputs[0]), graph.value(node.output)
    count = x.elements // out.elements
    multiplier, shift = mean_multiplier(quant_of(x), quant_of(out), count)
    return CParams(
        "tinyml_mean_rows_s8_t",
        {
            "map": _map(node, graph),
            "centre": count * zero_point_of(x),
            "multiplier": multiplier,
            "shift": shift,
            "out_offset": zero_point_of(out),
        },
    )


def _average(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, Pool2dAttrs)
    low, high = activation_range(node.attrs.clamp, quant_of(graph.value(node.output)))
    return CParams("tinyml_average_rows_s8_t", {"map": _map(node, graph), "out_min": low, "out_max": high})


def _mean_f32(node: Node, graph: Graph) -> CParams:
    return CParams("tinyml_mean_rows_f32_t", {"map": _map(node, graph)})


def _sums(node: Node, graph: Graph, rows: int) -> int:
    """A float or an int32 a channel; sums of up to 256 int8 fit into int16."""
    x = graph.value(node.inputs[0])
    _, height, width, channels = x.shape
    return (2 if x.dtype is DType.INT8 and height * width <= 256 else 4) * channels


def _cost(node: Node, graph: Graph) -> float:
    return 2.5 * graph.value(node.inputs[0]).elements


def _kernel(symbol: str, op: Op, rejects: Reject, params: Callable[[Node, Graph], CParams]) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        "include/tinyml_reduce_rows.h",
        op,
        Isa.PORTABLE,
        rejects,
        params,
        _sums,
        _cost,
        Access(reduces=True),
    )


_S8 = (needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant)
_S16 = (needs_dtypes(DType.INT16, DType.INT16), needs_per_tensor_quant, needs_symmetry, needs_room_for_the_sum)

KERNELS = (
    _kernel("tinyml_mean_rows_s8", Op.MEAN, first_reason(*_S8, _needs_mean_of_map), _mean),
    _kernel("tinyml_mean_rows_s16", Op.MEAN, first_reason(*_S16, _needs_mean_of_map), _mean),
    _kernel(
        "tinyml_average_rows_s8",
        Op.AVERAGE_POOL2D,
        first_reason(*_S8, needs_batch_of_one, needs_same_quant, _needs_window_of_map),
        _average,
    ),
    _kernel(
        "tinyml_mean_rows_f32",
        Op.MEAN,
        first_reason(needs_dtypes(DType.FLOAT32, DType.FLOAT32), _needs_mean_of_map),
        _mean_f32,
    ),
)
