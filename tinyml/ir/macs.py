"""Multiply-accumulates of a node, as papers count them: padded taps included, bias and requantization not."""

import math

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op


def macs(node: Node, graph: Graph) -> int:
    """Multiply-accumulates of one run of the node; 0 for operations that are no sums of products."""
    shapes = [graph.value(name).shape for name in node.used]
    out = graph.value(node.outputs[0])
    match node.op:
        case Op.CONV2D:
            return out.elements * math.prod(shapes[1][1:])
        case Op.TRANSPOSE_CONV2D:
            return math.prod(shapes[0]) * math.prod(shapes[1][:3])
        case Op.FULLY_CONNECTED:
            return out.elements * shapes[1][1]
        case Op.MATMUL:
            return out.elements * shapes[0][-1]
        case Op.SVDF:
            x, feature, time = shapes[:3]
            return x[0] * (math.prod(feature) + math.prod(time))
        case _:
            return 0
