"""Between real numbers and integers, and between integers of different scales: include/tinyml_quantize.h."""

from collections.abc import Callable

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import quantize_multiplier
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.common import cycles_per_element, no_scratch, scale_of, zero_point_of
from tinyml.kernels.descriptor import Access, CParams, KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa

_SHORT = {
    DType.INT8: "s8",
    DType.UINT8: "u8",
    DType.INT16: "s16",
    DType.INT32: "s32",
    DType.FLOAT32: "f32",
}

_REQUANTIZED = (
    (DType.INT8, DType.INT8),
    (DType.INT8, DType.UINT8),
    (DType.INT8, DType.INT16),
    (DType.INT8, DType.INT32),
    (DType.UINT8, DType.INT8),
    (DType.UINT8, DType.UINT8),
    (DType.INT16, DType.INT8),
    (DType.INT16, DType.INT16),
    (DType.INT16, DType.INT32),
)


def _channels(node: Node, graph: Graph) -> int:
    return image_shape(graph.value(node.output).shape)[2]


def _quantize(node: Node, graph: Graph) -> CParams:
    out = graph.value(node.output)
    lo, hi = out.dtype.range
    return CParams(
        "tinyml_quantize_t",
        {
            "channels": _channels(node, graph),
            "scale": scale_of(out),
            "zero_point": zero_point_of(out),
            "out_min": lo,
            "out_max": hi,
        },
    )


def _dequantize(node: Node, graph: Graph) -> CParams:
    x = graph.value(node.inputs[0])
    return CParams(
        "tinyml_dequantize_t",
        {"channels": _channels(node, graph), "scale": scale_of(x), "zero_point": zero_point_of(x)},
    )


def _requantize(node: Node, graph: Graph) -> CParams:
    x, out = graph.value(node.inputs[0]), graph.value(node.output)
    multiplier, shift = quantize_multiplier(scale_of(x) / scale_of(out))
    lo, hi = out.dtype.range
    return CParams(
        "tinyml_requantize_t",
        {
            "channels": _channels(node, graph),
            "in_offset": -zero_point_of(x),
            "multiplier": multiplier,
            "shift": shift,
            "out_offset": zero_point_of(out),
            "out_min": lo,
            "out_max": hi,
        },
    )


def _kernel(
    op: Op, name: str, source: DType, target: DType, params: Callable[[Node, Graph], CParams], cycles: float
) -> KernelDescriptor:
    def rejects(node: Node, graph: Graph) -> str | None:
        x, out = graph.value(node.inputs[0]), graph.value(node.output)
        if (x.dtype, out.dtype) != (source, target):
            return f"converts {source.value} to {target.value}, this is {x.dtype.value} to {out.dtype.value}"
        for value in (x, out):
            if value.dtype is not DType.FLOAT32 and (value.quant is None or value.quant.axis is not None):
                return f"takes one scale and one zero point, {value.name} has not"
        return None

    symbol = f"tinyml_{name}_{_SHORT[source]}_{_SHORT[target]}"
    return KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        "include/tinyml_quantize.h",
        op,
        Isa.PORTABLE,
        rejects,
        params,
        no_scratch,
        cycles_per_element(cycles),
        Access(in_place=0),
    )


def _needs_flip(node: Node, graph: Graph) -> str | None:
    x, out = graph.value(node.inputs[0]), graph.value(node.output)
    if {x.dtype, out.dtype} != {DType.INT8, DType.UINT8}:
        return f"converts between uint8 and int8, this is {x.dtype.value} to {out.dtype.value}"
    for value in (x, out):
        if value.quant is None or value.quant.axis is not None:
            return f"takes one scale and one zero point, {value.name} has not"
    if scale_of(x) != scale_of(out):
        return f"keeps the scale, {scale_of(x)} becomes {scale_of(out)}"
    middle = {DType.INT8: 0, DType.UINT8: 128}
    if zero_point_of(x) - middle[x.dtype] != zero_point_of(out) - middle[out.dtype]:
        return f"takes zero points that are 128 apart, they are {zero_point_of(x)} and {zero_point_of(out)}"
    return None


def _flip(node: Node, graph: Graph) -> CParams:
    return CParams("tinyml_flip_sign_t", {"channels": _channels(node, graph)})


KERNELS = (
    KernelDescriptor(
        "tinyml_flip_sign",
        "reference/tinyml_flip_sign.c",
        "include/tinyml_quantize.h",
        Op.QUANTIZE,
        Isa.PORTABLE,
        _needs_flip,
        _flip,
        no_scratch,
        cycles_per_element(1.5),
        Access(in_place=0),
    ),
    *(
        _kernel(Op.QUANTIZE, "quantize", DType.FLOAT32, target, _quantize, 30)
        for target in (DType.INT8, DType.UINT8, DType.INT16)
    ),
    *(_kernel(Op.QUANTIZE, "requantize", source, target, _requantize, 18) for source, target in _REQUANTIZED),
    *(
        _kernel(Op.DEQUANTIZE, "dequantize", source, DType.FLOAT32, _dequantize, 8)
        for source in (DType.INT8, DType.UINT8, DType.INT16)
    ),
)
