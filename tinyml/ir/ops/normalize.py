"""Normalization and softmax."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyml.ir.ops.base import Attrs, Op, TensorType, declare, present, same_shape
from tinyml.ir.reference import normalize as reference

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class BatchNormAttrs(Attrs):
    epsilon: float = 1e-5


@dataclass(frozen=True, slots=True)
class SoftmaxAttrs(Attrs):
    """Over the last axis; beta scales the input."""

    beta: float = 1.0


def _infer_batch_norm(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    x = present(inputs, 0)
    for i, name in enumerate(("gamma", "beta", "mean", "variance"), start=1):
        if present(inputs, i).shape != x.shape[-1:]:
            raise ValueError(f"{name} has shape {list(present(inputs, i).shape)}, expected {[x.shape[-1]]}")
    return [TensorType(x.shape, x.dtype)]


declare(Op.BATCH_NORM, BatchNormAttrs, (5, 5), _infer_batch_norm, reference.batch_norm)
declare(Op.SOFTMAX, SoftmaxAttrs, (1, 1), same_shape, reference.softmax)
