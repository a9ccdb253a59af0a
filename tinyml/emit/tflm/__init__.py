"""A bundle for TFLite Micro: the model as an array, its operators, its arena, and a program that runs it once."""

from collections.abc import Mapping
from dataclasses import replace

from tinyml import __version__
from tinyml.emit.c.text import comment_text, identifier
from tinyml.emit.templates import environment
from tinyml.emit.tflite import model_of
from tinyml.emit.tflite.flatbuffer import Model, serialize
from tinyml.emit.tflm.arena import arena_bytes, with_true_use
from tinyml.errors import ModelError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op

COMMIT = "90b983c2b3f1480642e040bbd2ddb37b998f3424"
"""Of tensorflow/tflite-micro: the version whose arena is reckoned."""

_BYTES_A_LINE = 24

# Operator -> the method of MicroMutableOpResolver that registers it.
_METHODS = {
    **{"ADD": "Add", "AVERAGE_POOL_2D": "AveragePool2D", "BATCH_MATMUL": "BatchMatMul", "CAST": "Cast"},
    **{"CONCATENATION": "Concatenation", "CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D"},
    **{"DEPTH_TO_SPACE": "DepthToSpace", "DEQUANTIZE": "Dequantize", "DIV": "Div", "EXP": "Exp"},
    **{"FULLY_CONNECTED": "FullyConnected", "GATHER": "Gather", "HARD_SWISH": "HardSwish", "LEAKY_RELU": "LeakyRelu"},
    **{"LOGISTIC": "Logistic", "MAXIMUM": "Maximum", "MAX_POOL_2D": "MaxPool2D", "MEAN": "Mean", "MINIMUM": "Minimum"},
    **{"MUL": "Mul", "PACK": "Pack", "PAD": "Pad", "PADV2": "PadV2", "QUANTIZE": "Quantize", "RELU": "Relu"},
    **{"RELU6": "Relu6", "RESHAPE": "Reshape", "RESIZE_BILINEAR": "ResizeBilinear"},
    **{"RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighbor", "SOFTMAX": "Softmax", "SPACE_TO_DEPTH": "SpaceToDepth"},
    **{"SQRT": "Sqrt", "STRIDED_SLICE": "StridedSlice", "SUB": "Sub", "SVDF": "Svdf", "TANH": "Tanh"},
    **{"TRANSPOSE": "Transpose"},
}


def emit_tflm(graph: Graph, name: str, warning: str | None = None) -> Mapping[str, str]:
    """Files by their path.

    Args:
        warning: one line that the header must shout ("UNCALIBRATED: …"), or None.

    Raises:
        ModelError: nodes that TFLite, or TFLite Micro, has no form for (all of them are listed).
    """
    model = with_true_use(model_of(_with_wide_dense_weights(graph), name))
    _check_operators(model)
    content = serialize(model)
    methods = sorted({_METHODS[operator.op] for operator in model.operators})
    stem = identifier(name)
    context = {
        "name": stem,
        "camel": "".join(part.capitalize() for part in stem.split("_")),
        "title": comment_text(name),
        "version": __version__,
        "commit": COMMIT,
        "warning": warning,
        "bytes": len(content),
        "rows": _rows(content),
        "methods": methods,
        "arena": {width: arena_bytes(model, width) for width in (4, 8)},
    }
    templates = environment()
    files = {f"{stem}_model.h": "model.h", f"{stem}_model.cc": "model.cc", "main.cc": "main.cc"}
    files["CMakeLists.txt"] = "CMakeLists.txt"
    return {path: templates.get_template(f"tflm/{source}.j2").render(context) for path, source in files.items()}


def _with_wide_dense_weights(graph: Graph) -> Graph:
    """TFLite Micro's dense layers take 4-bit weights of one scale only: those of several become int8, the same numbers."""
    dense = {node.inputs[1] for node in graph.nodes if node.op is Op.FULLY_CONNECTED}
    values = dict(graph.values)
    for value in graph.values.values():
        if value.name in dense and value.dtype is DType.INT4 and value.quant is not None:
            quant = replace(value.quant, dtype=DType.INT8)
            values[value.name] = replace(value, dtype=DType.INT8, quant=quant)
    return graph.with_(values=values)


def _check_operators(model: Model) -> None:
    unknown = sorted({operator.op for operator in model.operators} - _METHODS.keys())
    if unknown:
        raise ModelError(
            f"model {model.name}: TFLite Micro has no operator {', '.join(unknown)}",
            "quantize the model to int8, or take --emit c or tflite",
        )


def _rows(content: bytes) -> list[str]:
    lines = (content[i : i + _BYTES_A_LINE] for i in range(0, len(content), _BYTES_A_LINE))
    return [", ".join(f"{byte}" for byte in line) for line in lines]
