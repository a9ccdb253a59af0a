"""int16 pools, softmax, logistic and tanh: include/tinyml_{pool,functions}_s16.h."""

from collections.abc import Callable

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op, SoftmaxAttrs
from tinyml.ir.reference.int16 import exp_table, lookup_input, reciprocal_table, softmax_parameters
from tinyml.ir.reference.sigmoid_table import SIGMOID_TABLE
from tinyml.kernels.common import (
    Reject,
    cycles_per_element,
    first_reason,
    needs_batch_of_one,
    needs_dtypes,
    needs_per_tensor_quant,
    needs_same_quant,
    no_scratch,
    parameter_array,
    scale_of,
)
from tinyml.kernels.conv_s16 import needs_symmetry
from tinyml.kernels.descriptor import Access, CParams, KernelDescriptor
from tinyml.kernels.pool_s8 import cycles_per_tap, pool_params
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa

_COMMON = (needs_dtypes(DType.INT16, DType.INT16), needs_per_tensor_quant, needs_symmetry)


def _needs_probabilities(node: Node, graph: Graph) -> str | None:
    out = graph.value(node.output)
    if abs(scale_of(out) * 32768 - 1) > 1e-4:
        return f"gives scale 1/32768, {out.name} has {scale_of(out)}"
    return None


def _channels(node: Node, graph: Graph) -> int:
    return image_shape(graph.value(node.output).shape)[2]


def _needs_room_for_the_sum(node: Node, graph: Graph) -> str | None:
    channels = _channels(node, graph)
    return f"sums at most 65535 elements, these are {channels}" if channels > 65535 else None


def _softmax(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, SoftmaxAttrs)
    multiplier, shift = softmax_parameters(node.attrs.beta, scale_of(graph.value(node.inputs[0])))
    return CParams(
        "tinyml_softmax_s16_t",
        {
            "exp": parameter_array("exp", exp_table()),
            "reciprocal": parameter_array("reciprocal", reciprocal_table()),
            "channels": _channels(node, graph),
            "multiplier": multiplier,
            "shift": shift,
        },
    )


_NEEDS_NO_RESCALING = {Op.SIGMOID: (0,), Op.TANH: (0, 1)}


def _needs_small_steps(node: Node, graph: Graph) -> str | None:
    multiplier, _ = _logistic_input(node, graph)
    return "takes inputs in steps below 2.6" if multiplier > 32767 else None


def _logistic_input(node: Node, graph: Graph) -> tuple[int, int]:
    return lookup_input(scale_of(graph.value(node.inputs[0])), _NEEDS_NO_RESCALING[node.op])


def _logistic(node: Node, graph: Graph) -> CParams:
    multiplier, shift = _logistic_input(node, graph)
    return CParams(
        "tinyml_logistic_s16_t",
        {
            "sigmoid": parameter_array("sigmoid", np.array(SIGMOID_TABLE, np.uint16)),
            "channels": _channels(node, graph),
            "multiplier": multiplier,
            "shift": shift,
        },
    )


def _kernel(
    op: Op,
    symbol: str,
    header: str,
    rejects: Reject,
    params: Callable[[Node, Graph], CParams],
    cost: Callable[[Node, Graph], float],
    access: Access,
) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        f"include/{header}",
        op,
        Isa.PORTABLE,
        rejects,
        params,
        no_scratch,
        cost,
        access,
    )


KERNELS = (
    *(
        _kernel(
            op,
            symbol,
            "tinyml_pool_s16.h",
            first_reason(*_COMMON, needs_batch_of_one, needs_same_quant),
            pool_params,
            cycles_per_tap(6),
            Access(),
        )
        for op, symbol in ((Op.MAX_POOL2D, "tinyml_max_pool_s16"), (Op.AVERAGE_POOL2D, "tinyml_average_pool_s16"))
    ),
    _kernel(
        Op.SOFTMAX,
        "tinyml_softmax_s16",
        "tinyml_functions_s16.h",
        first_reason(*_COMMON, _needs_probabilities, _needs_room_for_the_sum),
        _softmax,
        cycles_per_element(80),
        Access(in_place=0),
    ),
    *(
        _kernel(
            op,
            symbol,
            "tinyml_functions_s16.h",
            first_reason(*_COMMON, _needs_probabilities, _needs_small_steps),
            _logistic,
            cycles_per_element(25),
            Access(in_place=0),
        )
        for op, symbol in ((Op.SIGMOID, "tinyml_logistic_s16"), (Op.TANH, "tinyml_tanh_s16"))
    ),
)
