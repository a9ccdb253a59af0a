"""Products of matrices that are both computed at run time: include/tinyml_matmul.h."""

import math
from collections.abc import Callable, Mapping

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Op
from tinyml.ir.reference.conv import matmul_multiplier
from tinyml.kernels.common import (
    Reject,
    first_reason,
    needs_dtypes,
    needs_per_tensor_quant,
    no_scratch,
    quant_of,
    zero_point_of,
)
from tinyml.kernels.descriptor import Access, CParams, Field, KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa


def _needs_one_right_side_a_matrix(node: Node, graph: Graph) -> str | None:
    """Or one for all."""
    a, b = graph.node_inputs(node)
    for value in (a, b):
        if value.is_constant:
            return f"multiplies activations, {value.name} is constant"
    left, right = math.prod(a.shape[:-2]), math.prod(b.shape[:-2])
    same = (*(1,) * (len(b.shape) - len(a.shape)), *a.shape)[:-2] == (*(1,) * (len(a.shape) - len(b.shape)), *b.shape)[
        :-2
    ]
    return None if same or right == 1 else f"multiplies {left} matrices by as many or by one, these are {right}"


def _matrices(node: Node, graph: Graph) -> Mapping[str, Field]:
    """tinyml_matrices_t."""
    a, b = graph.node_inputs(node)
    rows, depth, cols = a.shape[-2], a.shape[-1], b.shape[-1]
    return {
        "rows": rows,
        "depth": depth,
        "cols": cols,
        "b_step": depth * cols if math.prod(b.shape[:-2]) > 1 else 0,
        "out_cols": image_shape(graph.value(node.output).shape)[1],
    }


def _params_s8(node: Node, graph: Graph) -> CParams:
    a, b, out = (*graph.node_inputs(node), graph.value(node.output))
    multiplier, shift = matmul_multiplier(quant_of(a), quant_of(b), quant_of(out))
    return CParams(
        "tinyml_matmul_s8_t",
        {
            "shape": _matrices(node, graph),
            "a_offset": -zero_point_of(a),
            "b_offset": -zero_point_of(b),
            "multiplier": multiplier,
            "shift": shift,
            "out_offset": zero_point_of(out),
        },
    )


def _params_f32(node: Node, graph: Graph) -> CParams:
    return CParams("tinyml_matmul_f32_t", {"shape": _matrices(node, graph)})


def _kernel(symbol: str, params: Callable[[Node, Graph], CParams], dtype: DType, *rules: Reject) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        "include/tinyml_matmul.h",
        Op.MATMUL,
        Isa.PORTABLE,
        first_reason(needs_dtypes(dtype, dtype), *rules, _needs_one_right_side_a_matrix),
        params,
        no_scratch,
        lambda node, graph: 8.0 * macs(node, graph),
        Access(whole=True),
    )


KERNELS = (
    _kernel("tinyml_matmul_s8", _params_s8, DType.INT8, needs_per_tensor_quant),
    _kernel("tinyml_matmul_f32", _params_f32, DType.FLOAT32),
)
