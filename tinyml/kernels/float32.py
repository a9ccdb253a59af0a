"""float32 kernels: include/tinyml_*_f32.h."""

from collections.abc import Callable

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import (
    BinaryAttrs,
    ClipAttrs,
    Conv2dAttrs,
    FullyConnectedAttrs,
    GeluAttrs,
    HardSigmoidAttrs,
    LeakyReluAttrs,
    Op,
    Pool2dAttrs,
    SoftmaxAttrs,
)
from tinyml.ir.ops.base import RELU
from tinyml.kernels.broadcast import needs_broadcast_by_image_axis, operand_fields
from tinyml.kernels.common import (
    Reject,
    clamp_f32,
    cycles_per_element,
    first_reason,
    needs_batch_of_one,
    needs_dtypes,
    no_scratch,
    window_fields,
)
from tinyml.kernels.conv_s8 import needs_depthwise, weights_by_filter, weights_by_tap
from tinyml.kernels.descriptor import Access, Array, CParams, Field, KernelDescriptor
from tinyml.kernels.pool_s8 import cycles_per_tap
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa

_TILED = Access()
_float = needs_dtypes(DType.FLOAT32, DType.FLOAT32)


def _kernel(
    op: Op,
    family: str,
    rejects: Reject,
    params: Callable[[Node, Graph], CParams],
    cost: Callable[[Node, Graph], float],
    access: Access = _TILED,
    name: str | None = None,
) -> KernelDescriptor:
    symbol = f"tinyml_{name or op.value}_f32"
    header = f"include/tinyml_{family}_f32.h"
    return KernelDescriptor(
        symbol, f"reference/{symbol}.c", header, op, Isa.PORTABLE, rejects, params, no_scratch, cost, access
    )


def _channels(node: Node, graph: Graph) -> int:
    return image_shape(graph.value(node.output).shape)[2]


# Sums of products.


def _needs_float_constants(node: Node, graph: Graph) -> str | None:
    """Weights, and the bias where there is one."""
    for name in node.used[1:]:
        value = graph.value(name)
        if not value.is_constant or value.dtype is not DType.FLOAT32:
            return f"takes constant float32 weights and bias, {name} is {value.dtype.value}"
    return None


def _bias(node: Node, graph: Graph) -> Array:
    channels = graph.value(node.inputs[1]).shape[0]
    given = len(node.inputs) > 2 and node.inputs[2] is not None
    return Array("bias", graph.value(node.inputs[2]).constant if given else np.zeros(channels, np.float32))


def _conv(pack: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[Node, Graph], CParams]:
    def params(node: Node, graph: Graph) -> CParams:
        attrs = node.attrs
        assert isinstance(attrs, Conv2dAttrs)
        x, w = graph.value(node.inputs[0]), graph.value(node.inputs[1])
        kernel = (w.shape[1], w.shape[2])
        return CParams(
            "tinyml_conv_f32_t",
            {
                "weights": Array("weights", pack(w.constant, attrs.groups)),
                "bias": _bias(node, graph),
                "window": window_fields(x, kernel, attrs.stride, attrs.padding, attrs.dilation),
                "out_channels": w.shape[0],
                "groups": attrs.groups,
                **clamp_f32(attrs.clamp),
            },
        )

    return params


def _fully_connected(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, FullyConnectedAttrs)
    w = graph.value(node.inputs[1])
    return CParams(
        "tinyml_fully_connected_f32_t",
        {
            "weights": Array("weights", w.constant),
            "bias": _bias(node, graph),
            "depth": w.shape[1],
            "out_channels": w.shape[0],
            **clamp_f32(node.attrs.clamp),
        },
    )


def _cycles_per_mac(cycles: float) -> Callable[[Node, Graph], float]:
    return lambda node, graph: cycles * macs(node, graph)


# Two operands.


def _binary(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, BinaryAttrs)
    return CParams(
        "tinyml_binary_f32_t",
        {
            "a": operand_fields(0, node, graph),
            "b": operand_fields(1, node, graph),
            "channels": _channels(node, graph),
            **clamp_f32(node.attrs.clamp),
        },
    )


# One operand.


def _constants(node: Node) -> tuple[Field, Field]:
    """What include/tinyml_unary_f32.h calls a and b."""
    match node.attrs:
        case ClipAttrs(clamp):
            a, b = clamp_f32(clamp).values()
        case LeakyReluAttrs(alpha):
            a, b = alpha, 0.0
        case HardSigmoidAttrs(alpha, beta):
            a, b = alpha, beta
        case _ if node.op is Op.RELU:
            a, b = clamp_f32(RELU).values()
        case _:
            a, b = 0.0, 0.0
    return a, b


def _unary(node: Node, graph: Graph) -> CParams:
    a, b = _constants(node)
    return CParams("tinyml_unary_f32_t", {"channels": _channels(node, graph), "a": a, "b": b})


def _needs_form(tanh: bool) -> Reject:
    def rejects(node: Node, graph: Graph) -> str | None:
        assert isinstance(node.attrs, GeluAttrs)
        return None if node.attrs.tanh is tanh else "computes the other form of it"

    return rejects


def _softmax(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, SoftmaxAttrs)
    return CParams("tinyml_softmax_f32_t", {"channels": _channels(node, graph), "beta": node.attrs.beta})


def _pool(node: Node, graph: Graph) -> CParams:
    attrs = node.attrs
    assert isinstance(attrs, Pool2dAttrs)
    return CParams(
        "tinyml_pool_f32_t",
        {
            "window": window_fields(graph.value(node.inputs[0]), attrs.kernel, attrs.stride, attrs.padding),
            "whole_window": int(attrs.count_include_pad),
            **clamp_f32(attrs.clamp),
        },
    )


_sums = first_reason(_float, _needs_float_constants)
_windows = first_reason(_float, needs_batch_of_one, _needs_float_constants)
_IN_PLACE = Access(in_place=0)

KERNELS = (
    _kernel(Op.CONV2D, "conv", _windows, _conv(weights_by_filter), _cycles_per_mac(5), name="conv"),
    _kernel(Op.CONV2D, "conv", first_reason(_windows, needs_depthwise), _conv(weights_by_tap), _cycles_per_mac(4),
            name="depthwise"),
    _kernel(Op.FULLY_CONNECTED, "fully_connected", _sums, _fully_connected, _cycles_per_mac(4), Access(whole=True)),
    *(
        _kernel(op, "binary", first_reason(_float, needs_broadcast_by_image_axis), _binary, cycles_per_element(cycles),
                Access(in_place_any=True))
        for op, cycles in ((Op.ADD, 8), (Op.SUB, 8), (Op.MUL, 8), (Op.DIV, 20))
    ),
    _kernel(Op.RELU, "unary", _float, _unary, cycles_per_element(6), _IN_PLACE, "clip"),
    *(
        _kernel(op, "unary", _float, _unary, cycles_per_element(cycles), _IN_PLACE)
        for op, cycles in (
            (Op.CLIP, 6),
            (Op.LEAKY_RELU, 6),
            (Op.HARD_SIGMOID, 8),
            (Op.HARD_SWISH, 22),
            (Op.SIGMOID, 60),
            (Op.TANH, 60),
            (Op.EXP, 40),
            (Op.SQRT, 70),
            (Op.ERF, 60),
        )
    ),
    *(
        _kernel(Op.GELU, "unary", first_reason(_float, _needs_form(tanh)), _unary, cycles_per_element(70), _IN_PLACE, name)
        for name, tanh in (("gelu", False), ("gelu_tanh", True))
    ),
    _kernel(Op.MAX_POOL2D, "pool", first_reason(_float, needs_batch_of_one), _pool, cycles_per_tap(6), name="max_pool"),
    _kernel(Op.AVERAGE_POOL2D, "pool", first_reason(_float, needs_batch_of_one), _pool, cycles_per_tap(5),
            name="average_pool"),
    _kernel(Op.SOFTMAX, "softmax", _float, _softmax, cycles_per_element(60), _IN_PLACE),
)  # fmt: skip
