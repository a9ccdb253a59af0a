"""int8 softmax: include/tinyml_softmax_s8.h."""

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
    out = graph.value(node.output)
    if (scale_of(out), zero_point_of(out)) != (1 / 256, -128):
        return f"gives scale 1/256 and zero point -128, {out.name} has {scale_of(out)} and {zero_point_of(out)}"
    return None


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


KERNELS = (
    KernelDescriptor(
        "tinyml_softmax_s8",
        "reference/tinyml_softmax_s8.c",
        "include/tinyml_softmax_s8.h",
        Op.SOFTMAX,
        Isa.PORTABLE,
        first_reason(needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant, _needs_probabilities),
        _params,
        no_scratch,
        cycles_per_element(250),
        Access(in_place=0),
    ),
)
