"""Rewrites of graphs: a list for what frontends give, and a list that goes before scheduling.

Each pass has a file of its own name, with a test of the same name, and says what it requires and ensures;
`tinyml.passes.base` checks after every pass that it told the truth.
"""

from collections.abc import Iterable

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.passes import (
    drop_dead,
    fold_batch_norm,
    fold_constants,
    fuse_activation,
    fuse_bias,
    fuse_gelu,
    fuse_pad,
    layout,
    legalize_matmul,
    legalize_mean,
    legalize_transpose_conv,
    lower_fully_connected,
    lower_lookup,
    lower_selection,
    remove_identity,
    widen_weights,
)
from tinyml.passes.base import Pass, PassError, Property, run_pass, run_passes, without

__all__ = [
    "CANONICAL",
    "LOWERING",
    "Pass",
    "PassError",
    "Property",
    "canonicalize",
    "lower",
    "run_pass",
    "run_passes",
    "unsupported",
    "without",
]

# From a frontend to the form in which a graph is quantized.
CANONICAL: tuple[Pass, ...] = (
    fold_constants.PASS,
    drop_dead.PASS,
    legalize_matmul.PASS,
    fuse_gelu.PASS,
    layout.PASS,
    remove_identity.PASS,
    fold_batch_norm.PASS,
    fuse_bias.PASS,
    fuse_pad.PASS,
    fuse_activation.PASS,
    legalize_mean.PASS,
    legalize_transpose_conv.PASS,
    remove_identity.PASS,
    drop_dead.PASS,
)

# From a graph that is quantized, or stays real, to the operations that kernels have.
LOWERING: tuple[Pass, ...] = (
    fold_constants.PASS,
    fuse_pad.PASS,
    fuse_activation.PASS,
    lower_lookup.PASS,
    lower_selection.PASS,
    lower_fully_connected.PASS,
    widen_weights.PASS,
    remove_identity.PASS,
    drop_dead.PASS,
)


def canonicalize(graph: Graph) -> Graph:
    """Runs the CANONICAL passes. The result computes the same, on integers to the bit."""
    return run_passes(graph, CANONICAL)


def lower(graph: Graph) -> Graph:
    """Runs the LOWERING passes. The result computes the same, on integers to the bit."""
    return run_passes(graph, LOWERING)


def unsupported(graph: Graph, supported: Iterable[Op]) -> tuple[Node, ...]:
    """The nodes whose operation is not among `supported`."""
    ops = frozenset(supported)
    return tuple(node for node in graph.nodes if node.op not in ops)
