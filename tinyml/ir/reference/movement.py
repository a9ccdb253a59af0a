"""Operations that move or select elements. Stored values are copied as they are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinyml.ir.graph import Value
    from tinyml.ir.ops import (
        CastAttrs,
        ConcatAttrs,
        GatherAttrs,
        NoAttrs,
        PadAttrs,
        ReshapeAttrs,
        StackAttrs,
        StridedSliceAttrs,
        TransposeAttrs,
    )

Values = Sequence["Value | None"]
Arrays = Sequence[np.ndarray | None]


def _first(arrays: Arrays) -> np.ndarray:
    assert arrays[0] is not None
    return arrays[0]


def pad(attrs: "PadAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    quant = outputs[0].quant
    filler = attrs.value if quant is None else int(quant.quantize(np.array([attrs.value], np.float32))[0])
    return [np.pad(_first(arrays), attrs.padding, constant_values=filler)]


def reshape(attrs: "ReshapeAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    return [_first(arrays).reshape(attrs.shape)]


def transpose(attrs: "TransposeAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    return [np.ascontiguousarray(_first(arrays).transpose(attrs.perm))]


def concat(attrs: "ConcatAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    return [np.concatenate([a for a in arrays if a is not None], axis=attrs.axis)]


def strided_slice(
    attrs: "StridedSliceAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]"
) -> list[np.ndarray]:
    return [np.ascontiguousarray(_first(arrays)[attrs.slices]).reshape(outputs[0].shape)]


def gather(attrs: "GatherAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    assert arrays[1] is not None
    return [np.take(_first(arrays), arrays[1], axis=attrs.axis)]


def stack(attrs: "StackAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    return [np.stack([a for a in arrays if a is not None], axis=attrs.axis)]


def shape(attrs: "NoAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    assert inputs[0] is not None
    return [np.array(inputs[0].shape, np.int64)]


def cast(attrs: "CastAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    return [_first(arrays).astype(attrs.dtype.numpy)]
