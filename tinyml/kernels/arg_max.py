"""The index of the largest channel: include/tinyml_arg_max.h."""

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import ArgMaxAttrs, Op
from tinyml.kernels.common import no_scratch
from tinyml.kernels.descriptor import CParams, KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa


def _params(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, ArgMaxAttrs)
    x, out = graph.value(node.inputs[0]), graph.value(node.output)
    _, in_cols, channels = image_shape(x.shape)
    rows = image_shape(out.shape)[0]
    return CParams(
        "tinyml_arg_max_t",
        {
            "count": out.elements // rows,
            "in_cols": in_cols,
            "channels": channels,
            "wide": int(node.attrs.dtype is DType.INT64),
        },
    )


def _kernel(symbol: str, dtype: DType) -> KernelDescriptor:
    def rejects(node: Node, graph: Graph) -> str | None:
        x = graph.value(node.inputs[0])
        return None if x.dtype is dtype else f"takes {dtype.value}, input {x.name} is {x.dtype.value}"

    def cost(node: Node, graph: Graph) -> float:
        return 5.0 * graph.value(node.inputs[0]).elements

    source = f"reference/{symbol}.c"
    return KernelDescriptor(
        symbol, source, "include/tinyml_arg_max.h", Op.ARG_MAX, Isa.PORTABLE, rejects, _params, no_scratch, cost
    )


KERNELS = (_kernel("tinyml_arg_max_s8", DType.INT8), _kernel("tinyml_arg_max_f32", DType.FLOAT32))
