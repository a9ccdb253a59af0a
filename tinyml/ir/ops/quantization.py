"""Between real numbers and integers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyml.ir.dtypes import DType
from tinyml.ir.ops.base import Attrs, NoAttrs, Op, TensorType, declare, present
from tinyml.ir.reference import quantization as reference

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class QuantizeAttrs(Attrs):
    """dtype of the result; its scale and zero point are the output value's QuantParams."""

    dtype: DType


def _infer_quantize(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, QuantizeAttrs)
    return [TensorType(present(inputs, 0).shape, attrs.dtype)]


def _infer_dequantize(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    return [TensorType(present(inputs, 0).shape, DType.FLOAT32)]


declare(Op.QUANTIZE, QuantizeAttrs, (1, 1), _infer_quantize, reference.quantize)
declare(Op.DEQUANTIZE, NoAttrs, (1, 1), _infer_dequantize, reference.dequantize)
