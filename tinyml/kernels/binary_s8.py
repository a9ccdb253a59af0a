"""int8 add, sub and mul: include/tinyml_binary_s8.h."""

from collections.abc import Mapping

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import BinaryAttrs, Op
from tinyml.ir.reference.elementwise import add_left_shift, add_multipliers, mul_multiplier
from tinyml.kernels.broadcast import activation_strides, constant_strides, needs_broadcast_by_image_axis
from tinyml.kernels.common import (
    Reject,
    cycles_per_element,
    first_reason,
    needs_dtypes,
    needs_per_tensor_quant,
    no_scratch,
    quant_of,
    zero_point_of,
)
from tinyml.kernels.descriptor import Access, Array, CParams, Field, KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa

_MOST_SHIFT = 22


def _needs_int8_constants(node: Node, graph: Graph) -> str | None:
    for value in graph.node_inputs(node):
        if value.is_constant and (value.dtype is not DType.INT8 or value.quant is None or value.quant.axis is not None):
            return f"takes int8 constants with one scale, {value.name} is {value.dtype.value}"
    return None


def _operand(index: int, multiplier: int, shift: int, node: Node, graph: Graph) -> dict[str, Field]:
    value, out = graph.value(node.inputs[index]), graph.value(node.output)
    strides = constant_strides(value, out) if value.is_constant else activation_strides(value, out)
    return {
        "constant": Array(f"constant_{'ab'[index]}", value.constant) if value.is_constant else None,
        "row_stride": strides.row,
        "col_stride": strides.col,
        "channel_stride": strides.channel,
        "offset": -zero_point_of(value),
        "multiplier": multiplier,
        "shift": shift,
    }


def _params(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, BinaryAttrs)
    qa, qb, out = quant_of(graph.value(node.inputs[0])), quant_of(graph.value(node.inputs[1])), graph.value(node.output)
    if node.op is Op.MUL:
        left_shift, a, b, result = 0, (0, 0), (0, 0), mul_multiplier(qa, qb, quant_of(out))
    else:
        left_shift = add_left_shift(out.dtype)
        a, b, result = add_multipliers(qa, qb, quant_of(out))
    lo, hi = activation_range(node.attrs.clamp, quant_of(out))
    return CParams(
        "tinyml_binary_s8_t",
        {
            "a": _operand(0, *a, node, graph),
            "b": _operand(1, *b, node, graph),
            "channels": image_shape(out.shape)[2],
            "left_shift": left_shift,
            "multiplier": result[0],
            "shift": result[1],
            "out_offset": zero_point_of(out),
            "out_min": lo,
            "out_max": hi,
        },
    )


def _needs_rows_and_a_half(node: Node, graph: Graph) -> str | None:
    out = graph.value(node.output)
    for value in graph.node_inputs(node):
        if value.is_constant or value.shape != out.shape:
            return f"takes activations of one shape, {value.name} is another or a constant"
    fields = _params(node, graph).fields
    factors = [(operand["multiplier"], operand["shift"]) for operand in _operands(fields)]
    if (1 << 30, 0) not in factors:
        return "takes an operand that is halved, neither is"
    shift = fields["shift"]
    assert isinstance(shift, int)
    if not -_MOST_SHIFT <= shift <= -1:
        return f"shifts the sum to the right by 1 to {_MOST_SHIFT} bits, this one by {-shift}"
    return None


def _operands(fields: Mapping[str, Field]) -> list[Mapping[str, Field]]:
    return [operand for name in "ab" if isinstance(operand := fields[name], Mapping)]


_rejects = first_reason(
    needs_dtypes(DType.INT8, DType.INT8),
    needs_per_tensor_quant,
    _needs_int8_constants,
    needs_broadcast_by_image_axis,
)


def _kernel(op: Op, symbol: str, folder: str, isa: Isa, rejects: Reject, cycles: float) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"{folder}/{symbol}.c",
        "include/tinyml_binary_s8.h",
        op,
        isa,
        rejects,
        _params,
        no_scratch,
        cycles_per_element(cycles),
        Access(in_place_any=True),
    )


KERNELS = (
    _kernel(Op.ADD, "tinyml_add_s8", "reference", Isa.PORTABLE, _rejects, 45),
    _kernel(Op.ADD, "tinyml_add_s8_dsp", "armv7em", Isa.DSP, first_reason(_rejects, _needs_rows_and_a_half), 15),
    _kernel(Op.ADD, "tinyml_add_s8_mve", "armv8_1m", Isa.MVE, first_reason(_rejects, _needs_rows_and_a_half), 4),
    _kernel(Op.SUB, "tinyml_sub_s8", "reference", Isa.PORTABLE, _rejects, 45),
    _kernel(Op.MUL, "tinyml_mul_s8", "reference", Isa.PORTABLE, _rejects, 20),
)
