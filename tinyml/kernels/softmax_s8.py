"""int8 softmax: include/tinyml_softmax_s8.h."""

import math

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, SoftmaxAttrs
from tinyml.ir.reference.normalize import softmax_parameters
from tinyml.kernels.common import (
    cycles_per_element,
    first_reason,
    needs_dtypes,
    needs_per_tensor_quant,
    no_scratch,
    scale_of,
    zero_point_of,
)
from tinyml.kernels.descriptor import Access, CParams, KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa


def _needs_probabilities(node: Node, graph: Graph) -> str | None:
    """All values of the output's type, from the smallest for 0 on, span probabilities up to 1."""
    out = graph.value(node.output)
    smallest = out.dtype.range[0]
    if zero_point_of(out) != smallest or not math.isclose(scale_of(out), 2.0**-out.dtype.bits, rel_tol=1e-4):
        wanted = f"scale 1/{1 << out.dtype.bits} and zero point {smallest}"
        return f"gives {wanted}, {out.name} has {scale_of(out)} and {zero_point_of(out)}"
    return None


def _needs_room_for_the_sum(node: Node, graph: Graph) -> str | None:
    """Each element adds up to 1, and the sum has 12 integer bits."""
    channels = image_shape(graph.value(node.output).shape)[2]
    return f"sums at most 4095 elements, these are {channels}" if channels > 4095 else None


def _params(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, SoftmaxAttrs)
    x = graph.value(node.inputs[0])
    multiplier, left_shift, diff_min = softmax_parameters(node.attrs.beta, scale_of(x))
    return CParams(
        "tinyml_softmax_s8_t",
        {
            "channels": image_shape(x.shape)[2],
            "multiplier": multiplier,
            "left_shift": left_shift,
            "diff_min": diff_min,
        },
    )


KERNELS = tuple(
    KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        "include/tinyml_softmax_s8.h",
        Op.SOFTMAX,
        Isa.PORTABLE,
        first_reason(
            needs_dtypes(DType.INT8, output), needs_per_tensor_quant, _needs_probabilities, _needs_room_for_the_sum
        ),
        _params,
        no_scratch,
        cycles_per_element(250),
        Access(in_place=0),
    )
    for symbol, output in (("tinyml_softmax_s8", DType.INT8), ("tinyml_softmax_s8_s16", DType.INT16))
)
