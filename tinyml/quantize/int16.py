"""Post-training quantization of a float graph to 16-bit activations and 8-bit weights, as TFLite's 16x8 scheme has it."""

from collections.abc import Mapping

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.quantize.assign import decide
from tinyml.quantize.lower import lower
from tinyml.quantize.params import Range
from tinyml.quantize.wide import as_products


def quantize_int16(graph: Graph, ranges: Mapping[str, Range], *, float_io: bool = False) -> Graph:
    """A quantized graph that keeps the names of values: activations symmetric int16, weights symmetric int8, biases int64.

    Args:
        graph: a float graph after the canonicalizing passes.
        ranges: (lo, hi) of every float activation, network inputs included.
        float_io: inputs and outputs stay float32, with conversions behind them.

    Nodes without a form in int16 stay in float32 between conversions; the graph's notes name them with the reason.
    """
    graph, ranges = as_products(graph, ranges)
    assignment = decide(graph, ranges, DType.INT16)
    ports = (*graph.inputs, *graph.outputs)
    return lower(graph, assignment, {name: None if float_io else assignment.params.get(name) for name in ports})
