"""What an operation is: the enum, the registry, and the types that declarations share."""

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from tinyml.ir.dtypes import DType

if TYPE_CHECKING:
    from tinyml.ir.graph import Value


class Op(enum.Enum):
    """The value is the name in the text form and in reports."""

    # conv.py
    CONV2D = "conv2d"  # x [N,H,W,I], w [O,kh,kw,I/groups], bias [O] or None; depthwise where groups == I
    TRANSPOSE_CONV2D = "transpose_conv2d"  # operands as of conv2d; legalized to conv2d and depth_to_space
    FULLY_CONNECTED = "fully_connected"  # x [..., I], w [O,I], bias [O] or None
    MATMUL = "matmul"  # a [..., M, K], b [..., K, N]; legalized to fully_connected where b is constant
    # elementwise.py
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    RELU = "relu"
    CLIP = "clip"
    LEAKY_RELU = "leaky_relu"
    HARD_SWISH = "hard_swish"
    HARD_SIGMOID = "hard_sigmoid"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    EXP = "exp"
    SQRT = "sqrt"
    ERF = "erf"
    GELU = "gelu"
    LOOKUP = "lookup"  # int8 only: x, table [256] indexed by x + 128
    IDENTITY = "identity"
    # pool.py
    MAX_POOL2D = "max_pool2d"
    AVERAGE_POOL2D = "average_pool2d"
    MEAN = "mean"
    ARG_MAX = "arg_max"  # along the last axis, which goes; of equal elements the first
    # resample.py
    RESIZE_NEAREST = "resize_nearest"
    RESIZE_BILINEAR = "resize_bilinear"
    DEPTH_TO_SPACE = "depth_to_space"
    SPACE_TO_DEPTH = "space_to_depth"
    # normalize.py
    BATCH_NORM = "batch_norm"  # x, gamma, beta, mean, variance, each [C] (last axis)
    SOFTMAX = "softmax"
    # movement.py
    PAD = "pad"
    RESHAPE = "reshape"
    TRANSPOSE = "transpose"
    CONCAT = "concat"
    JOIN = "join"  # concat whose parts lie end to end in one buffer: nothing is moved
    STRIDED_SLICE = "strided_slice"
    PART = "part"  # strided_slice that lies end to end in its input: nothing is moved
    GATHER = "gather"
    STACK = "stack"
    SHAPE = "shape"
    CAST = "cast"
    # quantization.py
    QUANTIZE = "quantize"  # float -> integer, or integer -> integer of other parameters
    DEQUANTIZE = "dequantize"
    # recurrent.py
    SVDF = "svdf"


@dataclass(frozen=True, slots=True)
class TensorType:
    """What a shape rule returns: quantization is decided elsewhere."""

    shape: tuple[int, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Attrs:
    """Base of all attribute dataclasses. Fields are int, float, bool, DType, Clamp or (nested) tuples of int."""


@dataclass(frozen=True, slots=True)
class NoAttrs(Attrs):
    """For operations without attributes."""


@dataclass(frozen=True, slots=True)
class Clamp:
    """A fused activation, min(max(x, lo), hi) in real numbers: relu is [0, inf], relu6 [0, 6]."""

    lo: float = -math.inf
    hi: float = math.inf

    def __post_init__(self) -> None:
        if not self.lo <= self.hi:
            raise ValueError(f"clamp [{self.lo}, {self.hi}] is empty")

    def then(self, other: "Clamp") -> "Clamp":
        """This clamp followed by another, as one."""
        return Clamp(min(max(self.lo, other.lo), other.hi), max(min(self.hi, other.hi), other.lo))


NO_CLAMP = Clamp()
RELU = Clamp(0.0)
RELU6 = Clamp(0.0, 6.0)

Infer = Callable[["Sequence[Value | None]", Attrs], list[TensorType]]
# (attrs, values of the inputs, their arrays, values of the outputs) -> arrays of the outputs
Reference = Callable[
    ["Attrs", "Sequence[Value | None]", Sequence[np.ndarray | None], "Sequence[Value]"],
    list[np.ndarray],
]


@dataclass(frozen=True, slots=True)
class OpSpec:
    """The declaration of an operation.

    Attributes:
        arity: least and most inputs (absent optional ones count).
        infer: shape rule; raises ValueError with the reason where inputs do not fit.
        reference: numpy semantics, float and integer: integer results are TFLite's reference kernels, bit for bit.
    """

    op: Op
    attrs: type[Attrs]
    arity: tuple[int, int]
    infer: Infer
    reference: Reference


_SPECS: dict[Op, OpSpec] = {}


A = TypeVar("A", bound=Attrs)


def declare(
    op: Op,
    attrs: type[A],
    arity: tuple[int, int],
    infer: "Callable[[Sequence[Value | None], A], list[TensorType]]",
    reference: "Callable[[A, Sequence[Value | None], Sequence[np.ndarray | None], Sequence[Value]], list[np.ndarray]]",
) -> None:
    """Registers an operation; called once for each, at import of its family's module."""
    if op in _SPECS:
        raise RuntimeError(f"{op.value} is declared twice")
    # Graph's Node refuses attributes of another class, so the rules only ever see their own.
    _SPECS[op] = OpSpec(op, attrs, arity, cast(Infer, infer), cast(Reference, reference))


def spec(op: Op) -> OpSpec:
    return _SPECS[op]


def same_shape(inputs: "Sequence[Value | None]", attrs: Attrs) -> list[TensorType]:
    """Shape rule of unary elementwise operations."""
    x = present(inputs, 0)
    return [TensorType(x.shape, x.dtype)]


def present(inputs: "Sequence[Value | None]", index: int) -> "Value":
    """Input `index`, which must be there."""
    if index >= len(inputs) or (value := inputs[index]) is None:
        raise ValueError(f"input {index} is missing")
    return value


def window_output(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """Output length of a sliding window: (size + pads - (kernel - 1) * dilation - 1) // stride + 1."""
    out = (size + sum(pads) - (kernel - 1) * dilation - 1) // stride + 1
    if out < 1:
        raise ValueError(f"window of {kernel} (dilation {dilation}) does not fit into {size} + padding {pads}")
    return out
