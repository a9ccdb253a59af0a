"""Any function of one int8: include/tinyml_lookup.h."""

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.common import cycles_per_element, no_scratch
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa


def _rejects(node: Node, graph: Graph) -> str | None:
    x, table, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    if x.dtype is not DType.INT8 or out.dtype not in (DType.INT8, DType.UINT8):
        return f"maps int8 to one byte, this is {x.dtype.value} to {out.dtype.value}"
    return None if table.is_constant else f"table {table.name} must be constant"


def _params(node: Node, graph: Graph) -> CParams:
    table = graph.value(node.inputs[1]).constant.view(np.uint8)
    channels = image_shape(graph.value(node.output).shape)[2]
    return CParams("tinyml_lookup_s8_t", {"table": Array("table", table, "parameters", 1), "channels": channels})


KERNELS = tuple(
    KernelDescriptor(
        symbol,
        f"{folder}/{symbol}.c",
        "include/tinyml_lookup.h",
        Op.LOOKUP,
        isa,
        _rejects,
        _params,
        no_scratch,
        cycles_per_element(cycles),
        Access(in_place=0),
    )
    for symbol, folder, isa, cycles in (
        ("tinyml_lookup_s8", "reference", Isa.PORTABLE, 6),
        ("tinyml_lookup_s8_mve", "armv8_1m", Isa.MVE, 0.4),
    )
)
