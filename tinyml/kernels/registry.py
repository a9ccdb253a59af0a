"""All kernels, and which of them compute a node."""

from tinyml.ir.graph import Graph, Node
from tinyml.kernels import (
    add_weighted_s8,
    arg_max,
    binary,
    conv_mve,
    conv_paired_s8,
    conv_s8,
    conv_s8_host,
    conv_s16,
    conv_w4,
    conv_winograd_s8,
    depthwise_s8,
    depthwise_s8_mve,
    depthwise_s16_mve,
    elementwise_s16,
    float32,
    fully_connected_mve,
    fully_connected_paired_s8,
    fully_connected_s8,
    fully_connected_w4,
    lookup,
    matmul,
    mean,
    movement,
    pool_s8,
    pool_s8_dsp,
    pool_s8_mve,
    quantize,
    reduce_rows,
    resample,
    softmax_s8,
    svdf_s8,
)
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.targets.core import Isa

KERNELS: tuple[KernelDescriptor, ...] = (
    *conv_s8.KERNELS,
    *conv_paired_s8.KERNELS,
    *conv_winograd_s8.KERNELS,
    *conv_mve.KERNELS,
    *conv_s8_host.KERNELS,
    *conv_w4.KERNELS,
    *conv_s16.KERNELS,
    *elementwise_s16.KERNELS,
    *depthwise_s8.KERNELS,
    *depthwise_s8_mve.KERNELS,
    *depthwise_s16_mve.KERNELS,
    *fully_connected_s8.KERNELS,
    *fully_connected_paired_s8.KERNELS,
    *fully_connected_mve.KERNELS,
    *fully_connected_w4.KERNELS,
    *binary.KERNELS,
    *add_weighted_s8.KERNELS,
    *lookup.KERNELS,
    *pool_s8.KERNELS,
    *pool_s8_dsp.KERNELS,
    *reduce_rows.KERNELS,
    *pool_s8_mve.KERNELS,
    *mean.KERNELS,
    *softmax_s8.KERNELS,
    *svdf_s8.KERNELS,
    *quantize.KERNELS,
    *float32.KERNELS,
    *movement.KERNELS,
    *resample.KERNELS,
    *arg_max.KERNELS,
    *matmul.KERNELS,
)


def candidates(node: Node, graph: Graph, isa: frozenset[Isa]) -> list[tuple[KernelDescriptor, str | None]]:
    """Every kernel of the node's operation, in the registry's order, each with the reason why it is not to be had for
    this node on a core with these features, or None where it is: then it is `for_node`."""
    reasons = [(kernel, _reason(kernel, node, graph, isa)) for kernel in KERNELS if kernel.op is node.op]
    return [(kernel if reason else kernel.for_node(node, graph), reason) for kernel, reason in reasons]


def _reason(kernel: KernelDescriptor, node: Node, graph: Graph, isa: frozenset[Isa]) -> str | None:
    if kernel.isa not in isa:
        return f"is made for {kernel.isa.value}, which the core lacks"
    return kernel.rejects(node, graph)
