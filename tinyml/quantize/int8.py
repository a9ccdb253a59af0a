"""Post-training quantization of a float graph to int8, as TFLite specifies it.

Weights are symmetric int8 with a scale an output channel, activations asymmetric int8, biases int32 in steps of
input scale times weight scale.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import NO_CLAMP, Op, Pool2dAttrs, ReduceAttrs
from tinyml.ir.quant import QuantParams
from tinyml.quantize.assign import Assignment, decide
from tinyml.quantize.calibration import Sample
from tinyml.quantize.lower import lower
from tinyml.quantize.params import Range, as_uint8
from tinyml.quantize.precision import WEIGHT_DTYPE, Precision, check_precision
from tinyml.quantize.rounding import round_network
from tinyml.quantize.wide import as_products


def quantize_int8(
    graph: Graph,
    ranges: Mapping[str, Range],
    *,
    precision: Precision = MappingProxyType({}),
    samples: Sequence[Sample] = (),
    input_dtype: DType = DType.INT8,
    output_dtype: DType = DType.INT8,
    progress: Callable[[int, int], None] = lambda done, total: None,
    wide_ranges: Mapping[str, Range] | None = None,
) -> Graph:
    """A quantized graph with the same names.

    Args:
        graph: a float graph after the canonicalizing passes.
        ranges: (lo, hi) of every float activation, network inputs included.
        precision: of single nodes, by name; all others are w8a8.
        samples: what weights are rounded by their effect on, and biases corrected; without any, to nearest.
        input_dtype, output_dtype: INT8; UINT8 or FLOAT32 put a conversion at the border.
        progress: called with the number of nodes whose weights are rounded, and of all.
        wide_ranges: of activations of 16 bits, where they differ.

    Nodes without an int8 form stay in float32 between conversions; the graph's notes name them with the reason.
    """
    check_precision(graph, precision)
    graph, assignment = assign(quantizable(graph), ranges, precision, wide_ranges)
    if samples:
        graph, assignment = round_network(graph, assignment, samples, progress)
    interface = {name: _stored_as(assignment.params.get(name), input_dtype) for name in graph.inputs}
    interface |= {name: _stored_as(assignment.params.get(name), output_dtype) for name in graph.outputs}
    return lower(graph, assignment, interface)


def assign(
    graph: Graph, ranges: Mapping[str, Range], precision: Precision, wide_ranges: Mapping[str, Range] | None = None
) -> tuple[Graph, Assignment]:
    """The decisions, for a graph in which functions of 16 bits are products and sums."""
    wanted = {name for name, bits in precision.items() if bits == "w8a16"}
    types = {name: WEIGHT_DTYPE[bits] for name, bits in precision.items()}
    if not wanted:
        return graph, replace(decide(graph, ranges), weight_types=types)
    before = {node.name for node in graph.nodes}
    _, wide_ranges = as_products(graph, wide_ranges or ranges, wanted)
    graph, ranges = as_products(graph, ranges, wanted)
    wide_nodes = frozenset(node.name for node in graph.nodes if node.name in wanted or node.name not in before)
    wide = decide(graph, wide_ranges, DType.INT16)
    return graph, replace(decide(graph, ranges), weight_types=types, wide=wide, wide_nodes=wide_nodes)


def _stored_as(params: QuantParams | None, dtype: DType) -> QuantParams | None:
    if params is None or dtype is DType.FLOAT32:
        return None
    return as_uint8(params) if dtype is DType.UINT8 else params


def quantizable(graph: Graph) -> Graph:
    """The form in which ranges are assigned: average pools over the whole map become means.

    An int8 pool keeps its input's scale, though the average of many numbers spans a fraction of their range;
    a mean has a scale of its own.
    """
    return graph.with_(nodes=tuple(_as_mean(node, graph) for node in graph.nodes))


def _as_mean(node: Node, graph: Graph) -> Node:
    attrs = node.attrs
    if node.op is not Op.AVERAGE_POOL2D or not isinstance(attrs, Pool2dAttrs) or attrs.clamp != NO_CLAMP:
        return node
    whole = graph.value(node.inputs[0]).shape[1:3]
    if attrs.kernel != whole or attrs.padding != ((0, 0), (0, 0)):
        return node
    return replace(node, op=Op.MEAN, attrs=ReduceAttrs((1, 2), keep_dims=True))
