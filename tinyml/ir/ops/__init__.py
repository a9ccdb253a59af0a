"""The operations of the IR.

Each is declared once, in the module of its family: enum member (base.py), attributes, shape rule, numpy reference.
"""

from tinyml.ir.ops.base import NO_CLAMP, RELU, RELU6, Attrs, Clamp, NoAttrs, Op, OpSpec, TensorType, spec
from tinyml.ir.ops.conv import Conv2dAttrs, FullyConnectedAttrs, TransposeConv2dAttrs
from tinyml.ir.ops.elementwise import BinaryAttrs, ClipAttrs, GeluAttrs, HardSigmoidAttrs, LeakyReluAttrs, LookupAttrs
from tinyml.ir.ops.movement import (
    CastAttrs,
    ConcatAttrs,
    GatherAttrs,
    PadAttrs,
    ReshapeAttrs,
    StackAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)
from tinyml.ir.ops.normalize import BatchNormAttrs, SoftmaxAttrs
from tinyml.ir.ops.pool import ArgMaxAttrs, Pool2dAttrs, ReduceAttrs
from tinyml.ir.ops.quantization import QuantizeAttrs
from tinyml.ir.ops.recurrent import SvdfAttrs
from tinyml.ir.ops.resample import DepthToSpaceAttrs, ResizeAttrs, SpaceToDepthAttrs

__all__ = [
    "NO_CLAMP",
    "RELU",
    "RELU6",
    "ArgMaxAttrs",
    "Attrs",
    "BatchNormAttrs",
    "BinaryAttrs",
    "CastAttrs",
    "Clamp",
    "ClipAttrs",
    "ConcatAttrs",
    "Conv2dAttrs",
    "DepthToSpaceAttrs",
    "FullyConnectedAttrs",
    "GatherAttrs",
    "GeluAttrs",
    "HardSigmoidAttrs",
    "LeakyReluAttrs",
    "LookupAttrs",
    "NoAttrs",
    "Op",
    "OpSpec",
    "PadAttrs",
    "Pool2dAttrs",
    "QuantizeAttrs",
    "ReduceAttrs",
    "ReshapeAttrs",
    "ResizeAttrs",
    "SoftmaxAttrs",
    "SpaceToDepthAttrs",
    "StackAttrs",
    "StridedSliceAttrs",
    "SvdfAttrs",
    "TensorType",
    "TransposeAttrs",
    "TransposeConv2dAttrs",
    "spec",
]
