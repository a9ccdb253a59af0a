"""Numbers that a single node computes on: `w8a8` unless a mapping from node names says otherwise."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal, get_args

from tinyml.errors import UsageError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.quantize.assign import INT16_OPS, WEIGHTED, float_reason
from tinyml.quantize.wide import FUNCTIONS

NodePrecision = Literal["w8a8", "w4a8", "w8a16"]
"""Bits of a node's weights and of its activations."""

Precision = Mapping[str, NodePrecision]
"""Node of the float graph -> its precision; nodes that are not named are w8a8."""

WEIGHT_DTYPE: Mapping[NodePrecision, DType] = {"w8a8": DType.INT8, "w4a8": DType.INT4, "w8a16": DType.INT8}


def scheme(precision: Precision) -> str:
    """`int8, 13 layers w4a8`."""
    counts = Counter(wanted for wanted in precision.values() if wanted != "w8a8")
    return ", ".join(["int8", *(f"{n} layer{'s' * (n > 1)} {wanted}" for wanted, n in sorted(counts.items()))])


def check_precision(graph: Graph, precision: Precision) -> None:
    """Refuses names that the graph does not have, unknown precisions, 4-bit weights of a node without weights, and
    activations of 16 bits of a node that has no such form.

    Raises:
        UsageError: with the name, the value and what was expected.
    """
    nodes = {node.name: node for node in graph.nodes}
    for name, wanted in precision.items():
        if wanted not in get_args(NodePrecision):
            raise UsageError(f"precision of {name}: {wanted!r}; expected one of {', '.join(get_args(NodePrecision))}")
        if (node := nodes.get(name)) is None:
            raise UsageError(f"precision of {name}: the network has no node of that name")
        if wanted == "w4a8" and (node.op not in WEIGHTED or float_reason(node, graph) is not None):
            raise UsageError(f"precision of {name}: {node.op.value} has no weights of 4 bits")
        if wanted == "w8a16" and node.op not in INT16_OPS | FUNCTIONS:
            raise UsageError(f"precision of {name}: {node.op.value} has no form with activations of 16 bits")
