"""Operations with state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyml.ir.ops.base import NO_CLAMP, Attrs, Clamp, Op, TensorType, declare, present
from tinyml.ir.reference import recurrent as reference

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


@dataclass(frozen=True, slots=True)
class SvdfAttrs(Attrs):
    """x [N, I], feature weights [F, I], time weights [F, T], bias [F / rank] or None, state [N, F * T]
    -> output [N, F / rank], state. https://research.google/pubs/pub43813/"""

    rank: int
    clamp: Clamp = NO_CLAMP


def _infer_svdf(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    assert isinstance(attrs, SvdfAttrs)
    x, feature, time, state = (present(inputs, i) for i in (0, 1, 2, 4))
    filters, depth = feature.shape
    if x.shape[-1] != depth or time.shape[0] != filters or attrs.rank < 1 or filters % attrs.rank:
        raise ValueError(
            f"input {list(x.shape)}, features {list(feature.shape)}, time {list(time.shape)}, rank {attrs.rank}"
        )
    if state.elements != x.shape[0] * filters * time.shape[1]:
        raise ValueError(f"state {list(state.shape)} does not hold {filters} x {time.shape[1]}")
    return [TensorType((x.shape[0], filters // attrs.rank), x.dtype), TensorType(state.shape, state.dtype)]


declare(Op.SVDF, SvdfAttrs, (5, 5), _infer_svdf, reference.svdf)
