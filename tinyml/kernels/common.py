"""What descriptors share: checks with precise reasons, and pieces of parameter structures."""

from collections.abc import Callable, Mapping

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import Clamp, Op
from tinyml.ir.quant import QuantParams
from tinyml.kernels.descriptor import Array, Field
from tinyml.kernels.rows import image_shape

Reject = Callable[[Node, Graph], str | None]


def first_reason(*rules: Reject) -> Reject:
    """The rules one after the other: the first reason found."""

    def rejects(node: Node, graph: Graph) -> str | None:
        return next((reason for rule in rules if (reason := rule(node, graph)) is not None), None)

    return rejects


def needs_dtypes(inputs: DType, output: DType) -> Reject:
    """Activations in and out have these types."""

    def rejects(node: Node, graph: Graph) -> str | None:
        names = graph.activations(node)
        for name in names:
            if graph.value(name).dtype is not inputs:
                which = "the input" if len(names) == 1 else f"input {name}"
                return f"takes {inputs.value}, {which} is {graph.value(name).dtype.value}"
        out = graph.value(node.outputs[0])
        if out.dtype is not output:
            return f"gives {output.value}, output {out.name} is {out.dtype.value}"
        return None

    return rejects


def needs_per_tensor_quant(node: Node, graph: Graph) -> str | None:
    """Activations in and out carry one scale and one zero point."""
    for name in (*graph.activations(node), *node.outputs):
        quant = graph.value(name).quant
        if quant is None:
            return f"{name} has no quantization parameters"
        if quant.axis is not None:
            return f"{name} is quantized per channel, activations are per tensor"
    return None


def needs_same_quant(node: Node, graph: Graph) -> str | None:
    """Activations in and out share scale and zero point."""
    out = graph.value(node.outputs[0])
    for name in graph.activations(node):
        q = graph.value(name).quant
        if q != out.quant:
            return f"{name} and {out.name} differ in scale or zero point: requantize before"
    return None


def needs_whole_bytes(node: Node, graph: Graph) -> str | None:
    """What only moves elements takes any type of whole bytes."""
    for value in graph.node_inputs(node):
        if value.dtype.bits not in (8, 16, 32):
            return f"moves elements of 1, 2 or 4 bytes, {value.name} is {value.dtype.value}"
        if value.is_constant and node.op is not Op.CONCAT:
            return f"moves activations, {value.name} is constant"
    return None


def needs_batch_of_one(node: Node, graph: Graph) -> str | None:
    shape = graph.value(node.inputs[0]).shape
    return f"computes one image, the batch is {shape[0]}" if shape[0] != 1 else None


def quant_of(value: Value) -> QuantParams:
    """The parameters that `needs_per_tensor_quant` made sure of."""
    if value.quant is None:
        raise ValueError(f"{value.name} has no quantization parameters")
    return value.quant


def scale_of(value: Value) -> float:
    return quant_of(value).scale[0]


def zero_point_of(value: Value) -> int:
    return quant_of(value).zero_point[0]


def clamp_f32(clamp: Clamp) -> dict[str, Field]:
    """out_min and out_max of a float kernel; unbounded sides are the largest finite numbers."""
    limit = float(np.finfo(np.float32).max)
    return {"out_min": max(clamp.lo, -limit), "out_max": min(clamp.hi, limit)}


def parameter_array(name: str, data: np.ndarray) -> Array:
    """A per-channel table."""
    return Array(name, np.ascontiguousarray(data), role="parameters", align=data.dtype.itemsize)


def window_fields(
    x: Value,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
    dilation: tuple[int, int] = (1, 1),
) -> Mapping[str, Field]:
    """tinyml_window_t."""
    _, height, width, channels = x.shape
    return {
        "in_height": height,
        "in_width": width,
        "in_channels": channels,
        "kernel_height": kernel[0],
        "kernel_width": kernel[1],
        "stride_y": stride[0],
        "stride_x": stride[1],
        "dilation_y": dilation[0],
        "dilation_x": dilation[1],
        "pad_top": padding[0][0],
        "pad_left": padding[1][0],
    }


def no_scratch(node: Node, graph: Graph, rows: int) -> int:
    return 0


def whole(tile_cost: Callable[[Node, Graph, int], float]) -> Callable[[Node, Graph], float]:
    """The cost of a node whose rows are computed all at once."""

    def cost(node: Node, graph: Graph) -> float:
        return tile_cost(node, graph, image_shape(graph.value(node.outputs[0]).shape)[0])

    return cost


def cycles_per_element(cycles: float) -> Callable[[Node, Graph], float]:
    def cost(node: Node, graph: Graph) -> float:
        return cycles * graph.value(node.outputs[0]).elements

    return cost


def needs_weights(*dtypes: DType, bias_dtype: DType = DType.INT32) -> Reject:
    """Input 1 is constant, of one of these types and symmetric, one scale an output channel (axis 0) or one in all; the
    bias is constant too."""
    wanted = " or ".join(dtype.value for dtype in dtypes)

    def rejects(node: Node, graph: Graph) -> str | None:
        w = graph.value(node.inputs[1])
        if not w.is_constant:
            return f"weights {w.name} must be constant"
        if w.dtype not in dtypes or w.quant is None:
            return f"takes quantized {wanted} weights, these are {w.dtype.value}"
        if w.quant.axis not in (None, 0):
            return f"takes one scale an output channel, {w.name} has one an index of axis {w.quant.axis}"
        if any(w.quant.zero_point):
            return f"takes symmetric weights, {w.name} has a zero point"
        bias = graph.value(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else None
        if bias is not None and not (bias.is_constant and bias.dtype is bias_dtype):
            return f"takes a constant {bias_dtype.value} bias, {bias.name} is {bias.dtype.value}"
        return None

    return rejects


needs_int8_weights = needs_weights(DType.INT8)
