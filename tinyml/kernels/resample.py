"""Maps of another size: include/tinyml_resample.h."""

from collections.abc import Callable

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import DepthToSpaceAttrs, Op, ResizeAttrs, SpaceToDepthAttrs
from tinyml.ir.reference.resample import linear, nearest
from tinyml.kernels.common import (
    Reject,
    cycles_per_element,
    first_reason,
    needs_batch_of_one,
    needs_dtypes,
    needs_same_quant,
    needs_whole_bytes,
    no_scratch,
    parameter_array,
)
from tinyml.kernels.descriptor import Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa


def _pixel_bytes(node: Node, graph: Graph, name: str) -> int:
    value = graph.value(name)
    return value.shape[-1] * value.dtype.numpy.itemsize


def _index(name: str, data: np.ndarray) -> Array:
    return parameter_array(name, data.astype(np.uint16))


def _nearest(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, ResizeAttrs)
    _, height, width, _ = graph.value(node.inputs[0]).shape
    return CParams(
        "tinyml_resize_nearest_t",
        {
            "pixel_bytes": _pixel_bytes(node, graph, node.output),
            "rows": _index("rows", nearest(node.attrs, 0, height)),
            "cols": _index("cols", nearest(node.attrs, 1, width)),
        },
    )


def _bilinear(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, ResizeAttrs)
    x = graph.value(node.inputs[0])
    real = x.dtype is DType.FLOAT32
    (rows, below), (cols, right) = (linear(node.attrs, axis, x.shape[1 + axis], real) for axis in range(2))
    fractions = parameter_array if real else _index
    return CParams(
        f"tinyml_resize_bilinear_{'f32' if real else 's8'}_t",
        {
            "channels": x.shape[3],
            "rows": _index("rows", rows),
            "row_fractions": fractions("row_fractions", below),
            "cols": _index("cols", cols),
            "col_fractions": fractions("col_fractions", right),
        },
    )


def _depth_to_space(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, DepthToSpaceAttrs)
    return CParams(
        "tinyml_depth_to_space_t",
        {
            "block_rows": node.attrs.block[0],
            "block_cols": node.attrs.block[1],
            "pixel_bytes": _pixel_bytes(node, graph, node.output),
            "element_bytes": graph.value(node.output).dtype.numpy.itemsize,
            "channel_major": int(node.attrs.channel_major),
        },
    )


def _space_to_depth(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, SpaceToDepthAttrs)
    return CParams(
        "tinyml_space_to_depth_t",
        {"block": node.attrs.block, "pixel_bytes": _pixel_bytes(node, graph, node.used[0])},
    )


def _kernel(
    symbol: str, op: Op, params: Callable[[Node, Graph], CParams], cycles: float, *rules: Reject
) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        "include/tinyml_resample.h",
        op,
        Isa.PORTABLE,
        first_reason(*rules, needs_batch_of_one, needs_same_quant),
        params,
        no_scratch,
        cycles_per_element(cycles),
    )


KERNELS = (
    _kernel("tinyml_resize_nearest", Op.RESIZE_NEAREST, _nearest, 3, needs_whole_bytes),
    _kernel("tinyml_resize_bilinear_s8", Op.RESIZE_BILINEAR, _bilinear, 16, needs_dtypes(DType.INT8, DType.INT8)),
    _kernel(
        "tinyml_resize_bilinear_f32", Op.RESIZE_BILINEAR, _bilinear, 14, needs_dtypes(DType.FLOAT32, DType.FLOAT32)
    ),
    _kernel("tinyml_depth_to_space", Op.DEPTH_TO_SPACE, _depth_to_space, 4, needs_whole_bytes),
    _kernel("tinyml_space_to_depth", Op.SPACE_TO_DEPTH, _space_to_depth, 3, needs_whole_bytes),
)
