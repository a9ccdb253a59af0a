"""Versions of TFLite's operators, and the oldest runtime that knows them.

Source: GetBuiltinOperatorVersion in op_version.cc and FindMinimumRuntimeVersionForOp in runtime_version.cc of TensorFlow's
compiler/mlir/lite/tools/versioning, as far as the writer uses it. A version that is too low can make a runtime take the
operator for an older form; one that is too high makes it refuse the model.
"""

from collections.abc import Mapping, Sequence

import tflite

from tinyml.emit.tflite.flatbuffer import Operator, Tensor

_INT4, _INT8, _INT16 = tflite.TensorType.INT4, tflite.TensorType.INT8, tflite.TensorType.INT16

# Versions for int8 and for int16 of operators that need no closer look; they have 1 for all other types.
_BY_TYPE: dict[str, dict[int, int]] = {
    **{op: {_INT8: 2, _INT16: 3} for op in ("MAX_POOL_2D", "AVERAGE_POOL_2D", "SOFTMAX", "MEAN", "RELU", "RELU6")},
    **{op: {_INT8: 2, _INT16: 3} for op in ("LOGISTIC", "TANH", "CONCATENATION", "PACK", "PAD", "PADV2")},
    **{op: {_INT8: 2, _INT16: 4} for op in ("MAXIMUM", "MINIMUM", "GATHER")},
    # DEPTH_TO_SPACE stays 1: its kernel took int8 from the start, and LiteRT's reference resolver knows no 2.
    **{op: {_INT8: 2} for op in ("STRIDED_SLICE", "SPACE_TO_DEPTH", "ARG_MAX", "BATCH_MATMUL")},
    "TRANSPOSE": {_INT8: 2, _INT16: 5},
    "LEAKY_RELU": {_INT16: 2},
    "DEQUANTIZE": {_INT8: 2, _INT16: 3, tflite.TensorType.FLOAT16: 3},
    "SVDF": {_INT8: 3},
}
_MORE_AXES = {"PAD": 4, "PADV2": 4, "TRANSPOSE": 4, "STRIDED_SLICE": 4}  # from five axes on


def operator_version(
    op: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], options: Mapping[str, int | float | bool]
) -> int:
    """The version of an operator, by the types and shapes of its operands. inputs: None is an absent optional one."""
    first, second = (inputs[i] if i < len(inputs) else None for i in (0, 1))
    assert first is not None
    match op:
        case "CONV_2D":
            if second is not None and second.shape[-1] != first.shape[-1]:
                return 6  # in groups
            return _weighted(first, second, int8=3, int4=7)
        case "DEPTHWISE_CONV_2D":
            dilated = any(options.get(f"Dilation{axis}Factor", 1) != 1 for axis in "HW")
            return 3 if first.type == _INT8 else 2 if dilated else 1
        case "FULLY_CONNECTED":
            return max(_weighted(first, second, int8=4, int4=10), 5 if options.get("KeepNumDims") else 1)
        case "ADD" | "SUB":
            if first.type == _INT16:
                return 3 if op == "ADD" else 5  # scales that need not be powers of two
            return 2 if first.type == _INT8 else 1
        case "MUL":
            return 4 if first.type == _INT16 else _product(first, second, outputs[0]) if first.type == _INT8 else 1
        case "RESIZE_BILINEAR" | "RESIZE_NEAREST_NEIGHBOR":
            finer = options["HalfPixelCenters"] or (op == "RESIZE_NEAREST_NEIGHBOR" and options["AlignCorners"])
            return 4 if first.type == _INT16 else 3 if finer else 2 if first.type == _INT8 else 1
        case "CAST":
            return 3 if _INT8 in (first.type, outputs[0].type) else 1
        case "QUANTIZE":
            return 2 if outputs[0].type == _INT16 else 1
    version = _BY_TYPE.get(op, {}).get(first.type, 1)
    return max(version, _MORE_AXES.get(op, 1)) if len(first.shape) > 4 else version


def _weighted(x: Tensor, w: Tensor | None, *, int8: int, int4: int) -> int:
    if w is None or x.quant is None:
        return 1
    if w.type == _INT4:
        return int4
    return int8 if x.type == _INT8 else 1


def _product(a: Tensor, b: Tensor | None, y: Tensor) -> int:
    assert a.quant is not None and b is not None and b.quant is not None and y.quant is not None
    return 3 if a.quant.scale[0] * b.quant.scale[0] / y.quant.scale[0] >= 1.0 else 2


# Release -> operators, with their versions, that it was the first to have; 1.14 has all others.
_RELEASES = {
    "1.15.0": "MUL:3 HARD_SWISH:1 QUANTIZE:2 DEQUANTIZE:3",
    "2.0.0": "FULLY_CONNECTED:5",
    "2.1.0": "RELU:2 DEPTH_TO_SPACE:1",
    "2.2.0": "SVDF:3 STRIDED_SLICE:4 RESIZE_BILINEAR:3",
    "2.3.0": "MAX_POOL_2D:3 AVERAGE_POOL_2D:3 SOFTMAX:3 CONCATENATION:3 PACK:3 LOGISTIC:3 TANH:3 LEAKY_RELU:2 MUL:4 "
    "MAXIMUM:4 MINIMUM:4 BATCH_MATMUL:1 BATCH_MATMUL:2 TRANSPOSE:4 RESIZE_NEAREST_NEIGHBOR:3",
    "2.4.0": "ADD:3 SUB:5 GATHER:4 MEAN:3 PAD:3 PADV2:3 TRANSPOSE:5 RESIZE_NEAREST_NEIGHBOR:4",
    "2.5.0": "RELU:3 RELU6:3 RESIZE_BILINEAR:4",
    "2.6.0": "PAD:4 PADV2:4",
    "2.8.0": "CAST:3",
    "2.9.0": "CONV_2D:6 GELU:1",
    "2.10.0": "RELU_0_TO_1:1",
    "2.11.0": "CONV_2D:7 FULLY_CONNECTED:10",
}
_OLDEST = "1.14.0"


def runtime_version(operators: Sequence[Operator]) -> str:
    """The oldest release of TensorFlow Lite that runs all of these."""
    used = {f"{operator.op}:{operator.version}" for operator in operators}
    return next(
        (release for release, added in reversed(_RELEASES.items()) if used.intersection(added.split())), _OLDEST
    )
