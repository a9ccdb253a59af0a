"""int8 and int16 add, sub and mul: include/tinyml_binary_s8.h and include/tinyml_binary_s16.h."""

from collections.abc import Mapping

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import BinaryAttrs, Op
from tinyml.ir.reference.elementwise import add_left_shift, add_multipliers, mul_multiplier
from tinyml.kernels.broadcast import needs_broadcast_by_image_axis, operand_fields
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
from tinyml.kernels.conv_s16 import needs_symmetry
from tinyml.kernels.descriptor import Access, CParams, Field, KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa

_MOST_SHIFT = 22
_MOST_OPERAND_SHIFT = 30
_FOLDER = {Isa.PORTABLE: "reference", Isa.DSP: "armv7em", Isa.MVE: "armv8_1m"}
_SUFFIX = {DType.INT8: "s8", DType.INT16: "s16"}


def _needs_constants_of(dtype: DType) -> Reject:
    def rejects(node: Node, graph: Graph) -> str | None:
        for value in graph.node_inputs(node):
            if value.is_constant and (value.dtype is not dtype or value.quant is None or value.quant.axis is not None):
                return f"takes {dtype.value} constants with one scale, {value.name} is {value.dtype.value}"
        return None

    return rejects


def _params(node: Node, graph: Graph) -> CParams:
    """int16 has no zero points, and its structure no fields for them."""
    assert isinstance(node.attrs, BinaryAttrs)
    operands, out = [graph.value(name) for name in node.used], graph.value(node.output)
    a, b, result = (quant_of(value) for value in (*operands, out))
    if node.op is Op.MUL:
        left_shift, factors, scaling = 0, [(0, 0), (0, 0)], mul_multiplier(a, b, result)
    else:
        *factors, scaling = add_multipliers(a, b, result)
        left_shift = add_left_shift(out.dtype)
    centred = out.dtype is DType.INT8
    fields: dict[str, Field] = {}
    for i, (value, (multiplier, shift)) in enumerate(zip(operands, factors, strict=True)):
        offset = {"offset": -zero_point_of(value)} if centred else {}
        fields["ab"[i]] = {**operand_fields(i, node, graph), **offset, "multiplier": multiplier, "shift": shift}
    lo, hi = activation_range(node.attrs.clamp, result)
    return CParams(
        f"tinyml_binary_{_SUFFIX[out.dtype]}_t",
        {
            **fields,
            "channels": image_shape(out.shape)[2],
            "left_shift": left_shift,
            "multiplier": scaling[0],
            "shift": scaling[1],
            **({"out_offset": zero_point_of(out)} if centred else {}),
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
    if any(isinstance(right, int) and right < -_MOST_OPERAND_SHIFT for _, right in factors):
        return f"takes operands whose scales are less than 2^{_MOST_OPERAND_SHIFT} apart"
    shift = fields["shift"]
    assert isinstance(shift, int)
    if not -_MOST_SHIFT <= shift <= -1:
        return f"shifts the sum to the right by 1 to {_MOST_SHIFT} bits, this one by {-shift}"
    return None


def _needs_channels_and_right_shifts(node: Node, graph: Graph) -> str | None:
    fields = _params(node, graph).fields
    for name, operand in zip(node.inputs, _operands(fields), strict=True):
        if operand["channel_stride"] != 1:
            return f"takes operands with a number for each channel, {name} repeats one"
    shift = fields["shift"]
    assert isinstance(shift, int)
    return None if -31 <= shift <= -1 else f"shifts products to the right by 1 to 31 bits, this one by {-shift}"


def _operands(fields: Mapping[str, Field]) -> list[Mapping[str, Field]]:
    return [operand for name in "ab" if isinstance(operand := fields[name], Mapping)]


def _rejects(dtype: DType, *more: Reject) -> Reject:
    return first_reason(
        needs_dtypes(dtype, dtype),
        needs_per_tensor_quant,
        _needs_constants_of(dtype),
        needs_broadcast_by_image_axis,
        *more,
    )


def _kernel(
    op: Op, symbol: str, isa: Isa, rejects: Reject, cycles: float, dtype: DType = DType.INT8
) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"{_FOLDER[isa]}/{symbol}.c",
        f"include/tinyml_binary_{_SUFFIX[dtype]}.h",
        op,
        isa,
        rejects,
        _params,
        no_scratch,
        cycles_per_element(cycles),
        Access(in_place_any=True),
    )


_INT8, _INT16 = _rejects(DType.INT8), _rejects(DType.INT16, needs_symmetry)
_HALVED = _rejects(DType.INT8, _needs_rows_and_a_half)
_HALVED_INT16 = _rejects(DType.INT16, needs_symmetry, _needs_rows_and_a_half)

KERNELS = (
    _kernel(Op.ADD, "tinyml_add_s8", Isa.PORTABLE, _INT8, 45),
    _kernel(Op.ADD, "tinyml_add_s8_dsp", Isa.DSP, _HALVED, 15),
    _kernel(Op.ADD, "tinyml_add_s8_mve", Isa.MVE, _HALVED, 4),
    _kernel(Op.SUB, "tinyml_sub_s8", Isa.PORTABLE, _INT8, 45),
    _kernel(Op.MUL, "tinyml_mul_s8", Isa.PORTABLE, _INT8, 20),
    _kernel(Op.MUL, "tinyml_mul_s8_mve", Isa.MVE, _rejects(DType.INT8, _needs_channels_and_right_shifts), 4),
    _kernel(Op.ADD, "tinyml_add_s16_dsp", Isa.DSP, _HALVED_INT16, 26, DType.INT16),
    *(_kernel(op, f"tinyml_{op.value}_s16", Isa.PORTABLE, _INT16, 45, DType.INT16) for op in (Op.ADD, Op.SUB, Op.MUL)),
)
