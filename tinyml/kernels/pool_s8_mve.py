"""int8 pooling in vectors of channels: include/tinyml_pool_s8.h."""

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, Pool2dAttrs
from tinyml.kernels import pool_s8
from tinyml.kernels.common import first_reason
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.targets.core import Isa

_MOST_TAPS = 4096


def _needs_few_taps(node: Node, graph: Graph) -> str | None:
    assert isinstance(node.attrs, Pool2dAttrs)
    taps = node.attrs.kernel[0] * node.attrs.kernel[1]
    return f"computes averages of up to {_MOST_TAPS} taps, these have {taps}" if taps > _MOST_TAPS else None


def _kernel(portable: KernelDescriptor) -> KernelDescriptor:
    average = portable.op is Op.AVERAGE_POOL2D

    def cost(node: Node, graph: Graph) -> float:
        return portable.cost(node, graph) / (4 if average else 16)

    return KernelDescriptor(
        f"{portable.symbol}_mve",
        f"armv8_1m/{portable.symbol}_mve.c",
        portable.header,
        portable.op,
        Isa.MVE,
        first_reason(portable.rejects, _needs_few_taps) if average else portable.rejects,
        portable.params,
        portable.scratch_bytes,
        cost,
        portable.access,
    )


KERNELS = tuple(_kernel(portable) for portable in pool_s8.KERNELS)
