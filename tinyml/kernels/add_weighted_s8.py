"""int8 sums, each operand by one factor: include/tinyml_add_weighted_s8.h."""

from functools import lru_cache

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range, multiply_by_quantized_multiplier
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import BinaryAttrs, Op
from tinyml.ir.quant import QuantParams
from tinyml.ir.reference.elementwise import add_left_shift, add_multipliers
from tinyml.kernels.common import (
    cycles_per_element,
    first_reason,
    needs_dtypes,
    needs_per_tensor_quant,
    no_scratch,
    quant_of,
)
from tinyml.kernels.descriptor import Access, CParams, KernelDescriptor
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa

_INT32 = 1 << 31
_FRACTION = 20  # bits below the output's step
_PRODUCT = 8  # more of them that a product has before they are dropped
_UNBOUNDED = 1 << 62  # offsets that clamping leaves free


def _needs_one_shape(node: Node, graph: Graph) -> str | None:
    out = graph.value(node.output)
    for value in graph.node_inputs(node):
        if value.is_constant or value.shape != out.shape:
            return f"takes activations of one shape, {value.name} is another or a constant"
    return None


@lru_cache(maxsize=256)
def _factors(a: QuantParams, b: QuantParams, out: QuantParams, low: int, high: int) -> tuple[int, int, int] | None:
    """(a_factor, b_factor, offset), or None where no offset gives TFLite's result for all pairs of elements.

    TFLite rounds an operand, the sum twice and ties away from zero. Each of the 65,536 pairs leaves offsets that give the
    same: those between which the kernel's result does not change.
    """
    stored = np.arange(-128, 128, dtype=np.int64)
    *factors, both = add_multipliers(a, b, out)
    left, right = (
        multiply_by_quantized_multiplier((stored - q.zero_point[0]) << add_left_shift(DType.INT8), *factor)
        for q, factor in zip((a, b), factors, strict=True)
    )
    sums = multiply_by_quantized_multiplier(left[:, None] + right, *both)
    exact = np.clip(sums + out.zero_point[0], low, high)

    a_factor, b_factor = (round(q.scale[0] / out.scale[0] * (1 << (_FRACTION + _PRODUCT))) for q in (a, b))
    if max(a_factor, b_factor) >= _INT32:
        return None
    x, y = stored * a_factor >> _PRODUCT, stored * b_factor >> _PRODUCT
    down = (exact << _FRACTION) - (x[:, None] + y)
    least = int(np.where(exact > low, down, -_UNBOUNDED).max())
    most = int(np.where(exact < high, down + (1 << _FRACTION) - 1, _UNBOUNDED).min())
    offset = (least + most) // 2
    fits = least <= most and int(abs(x).max() + abs(y).max()) + abs(offset) < _INT32
    return (a_factor, b_factor, offset) if fits else None


def _factors_of(node: Node, graph: Graph) -> tuple[int, int, int] | None:
    assert isinstance(node.attrs, BinaryAttrs)
    a, b, out = (quant_of(graph.value(name)) for name in (*node.used, node.output))
    return _factors(a, b, out, *activation_range(node.attrs.clamp, out))


def _needs_factors(node: Node, graph: Graph) -> str | None:
    if _factors_of(node, graph) is None:
        return "takes sums of two products that round as TFLite's do for every pair of elements, these do not"
    return None


def _params(node: Node, graph: Graph) -> CParams:
    factors = _factors_of(node, graph)
    assert factors is not None and isinstance(node.attrs, BinaryAttrs)
    out = graph.value(node.output)
    low, high = activation_range(node.attrs.clamp, quant_of(out))
    return CParams(
        "tinyml_add_weighted_s8_t",
        {
            **dict(zip(("a_factor", "b_factor", "offset"), factors, strict=True)),
            "channels": image_shape(out.shape)[2],
            "out_min": low,
            "out_max": high,
        },
    )


KERNELS = (
    KernelDescriptor(
        "tinyml_add_weighted_s8_dsp",
        "armv7em/tinyml_add_weighted_s8_dsp.c",
        "include/tinyml_add_weighted_s8.h",
        Op.ADD,
        Isa.DSP,
        first_reason(needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant, _needs_one_shape, _needs_factors),
        _params,
        no_scratch,
        cycles_per_element(6),
        Access(in_place_any=True),
    ),
)
