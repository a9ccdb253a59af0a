"""int8 convolutions for the machine that tinyml runs on: include/tinyml_conv_s8_host.h."""

from collections.abc import Callable

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.common import Reject, first_reason, no_scratch
from tinyml.kernels.conv_s8 import COMMON, attrs_of, conv_cost, conv_params, needs_depthwise, weights_by_tap
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa

_HEADER = "include/tinyml_conv_s8_host.h"
_LANES = 8
_Pack = Callable[[np.ndarray, int], np.ndarray]


def _needs_one_group(node: Node, graph: Graph) -> str | None:
    groups = attrs_of(node).groups
    return f"computes one group of channels, there are {groups}" if groups != 1 else None


def _needs_one_for_one(node: Node, graph: Graph) -> str | None:
    channels, outputs = graph.value(node.inputs[0]).shape[-1], graph.value(node.output).shape[-1]
    return f"gives one channel for one, this gives {outputs} for {channels}" if outputs != channels else None


def _in_pairs(w: np.ndarray, groups: int) -> np.ndarray:
    """int16 [out / 8][taps / 2][8][2]."""
    rows = w.reshape(w.shape[0], -1).astype(np.int16)
    padded = np.pad(rows, ((0, -rows.shape[0] % _LANES), (0, rows.shape[1] % 2)))
    return padded.reshape(padded.shape[0] // _LANES, _LANES, -1, 2).transpose(0, 2, 1, 3)


def _by_tap(w: np.ndarray, groups: int) -> np.ndarray:
    """int16 [kernel_height][kernel_width][channels]."""
    taps = weights_by_tap(w, groups).astype(np.int16)
    return np.pad(taps, ((0, 0), (0, 0), (0, -taps.shape[2] % _LANES)))


def _params(pack: _Pack) -> Callable[[Node, Graph], CParams]:
    plain = conv_params(pack)

    def params(node: Node, graph: Graph) -> CParams:
        fields = dict(plain(node, graph).fields)
        weights = fields["weights"]
        conv = {name: _padded(field) if isinstance(field, Array) else field for name, field in fields.items()}
        return CParams("tinyml_conv_s8_host_t", {"conv": {**conv, "weights": None}, "weights": weights})

    return params


def _padded(array: Array) -> Array:
    """One number a channel, padded with zeros to whole lanes."""
    data = array.data.reshape(-1)
    return Array(array.name, np.pad(data, (0, -len(data) % _LANES)), array.role, array.align)


def _scratch_windows(node: Node, graph: Graph, rows: int) -> int:
    """Four windows as int16, each of an even number of taps."""
    taps = int(np.prod(graph.value(node.inputs[1]).shape[1:]))
    return 4 * 2 * (taps + taps % 2)


def _kernel(
    symbol: str,
    rejects: Reject,
    pack: _Pack,
    cost: Callable[[Node, Graph], float],
    scratch: Callable[[Node, Graph, int], int] = no_scratch,
) -> KernelDescriptor:
    source = f"x86_64/{symbol}.c"
    return KernelDescriptor(symbol, source, _HEADER, Op.CONV2D, Isa.HOST, rejects, _params(pack), scratch, cost)


# Costs rank them before the portable kernels; nothing is told of a host's cycles.
KERNELS = (
    _kernel(
        "tinyml_conv_s8_host", first_reason(*COMMON, _needs_one_group), _in_pairs, conv_cost(0.1, 5), _scratch_windows
    ),
    _kernel(
        "tinyml_depthwise_s8_host",
        first_reason(*COMMON, needs_depthwise, _needs_one_for_one),
        _by_tap,
        conv_cost(0.2, 4),
    ),
)
