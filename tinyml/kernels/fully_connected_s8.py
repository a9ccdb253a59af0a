"""int8 fully connected layers: include/tinyml_fully_connected_s8.h."""

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import FullyConnectedAttrs, Op
from tinyml.ir.reference.conv import channel_multipliers
from tinyml.kernels.common import (
    first_reason,
    needs_dtypes,
    needs_int8_weights,
    needs_per_tensor_quant,
    no_scratch,
    parameter_array,
    quant_of,
    zero_point_of,
)
from tinyml.kernels.conv_s8 import bias_of
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa


def _params(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, FullyConnectedAttrs)
    x, w, out = graph.value(node.inputs[0]), graph.value(node.inputs[1]), graph.value(node.output)
    multiplier, shift = channel_multipliers(x, w, out)
    if quant_of(w).axis is None:
        multiplier, shift = multiplier[:1], shift[:1]
    lo, hi = activation_range(node.attrs.clamp, quant_of(out))
    return CParams(
        "tinyml_fully_connected_s8_t",
        {
            "weights": Array("weights", w.constant),
            "bias": Array("bias", bias_of(node, graph, fold_zero_point=True)),
            "multiplier": parameter_array("multiplier", multiplier.astype(np.int32)),
            "shift": parameter_array("shift", shift.astype(np.int8)),
            "per_channel": int(quant_of(w).axis is not None),
            "depth": w.shape[1],
            "out_channels": w.shape[0],
            "out_offset": zero_point_of(out),
            "out_min": lo,
            "out_max": hi,
        },
    )


def _kernel(symbol: str, folder: str, isa: Isa, cycles_per_mac: float) -> KernelDescriptor:
    return KernelDescriptor(
        symbol,
        f"{folder}/{symbol}.c",
        "include/tinyml_fully_connected_s8.h",
        Op.FULLY_CONNECTED,
        isa,
        first_reason(needs_dtypes(DType.INT8, DType.INT8), needs_per_tensor_quant, needs_int8_weights),
        _params,
        no_scratch,
        lambda node, graph: cycles_per_mac * macs(node, graph),
        Access(whole=True),
    )


KERNELS = (
    _kernel("tinyml_fully_connected_s8", "reference", Isa.PORTABLE, 5),
    _kernel("tinyml_fully_connected_s8_dsp", "armv7em", Isa.DSP, 2),
)
