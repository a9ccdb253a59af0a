"""int8 pooling, four channels at a time: include/tinyml_pool_s8.h."""

import math
from dataclasses import replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, Pool2dAttrs
from tinyml.kernels import pool_s8
from tinyml.kernels.common import first_reason
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.targets.core import Isa

_MOST_TAPS = 256  # sums of as many int8 fit into int16


def _needs_four_channels(node: Node, graph: Graph) -> str | None:
    channels = graph.value(node.inputs[0]).shape[-1]
    return f"computes four channels at a time, there are {channels}" if channels < 4 else None


def _needs_few_taps(node: Node, graph: Graph) -> str | None:
    assert isinstance(node.attrs, Pool2dAttrs)
    taps = math.prod(node.attrs.kernel)
    if node.op is Op.AVERAGE_POOL2D and taps > _MOST_TAPS:
        return f"takes averages of {_MOST_TAPS} taps at most, this is of {taps}"
    return None


def _kernel(portable: KernelDescriptor) -> KernelDescriptor:
    symbol = f"{portable.symbol}_dsp"
    return replace(
        portable,
        symbol=symbol,
        source=f"armv7em/{symbol}.c",
        isa=Isa.DSP,
        rejects=first_reason(portable.rejects, _needs_four_channels, _needs_few_taps),
        cost=pool_s8.cycles_per_tap(3),
    )


KERNELS = tuple(_kernel(portable) for portable in pool_s8.KERNELS)
