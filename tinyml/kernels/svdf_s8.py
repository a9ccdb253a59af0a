"""int8 SVDF: include/tinyml_svdf_s8.h."""

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node
from tinyml.ir.macs import macs
from tinyml.ir.ops import Op, SvdfAttrs
from tinyml.ir.reference.recurrent import svdf_multiplier
from tinyml.kernels.common import Reject, no_scratch, quant_of, zero_point_of
from tinyml.kernels.descriptor import Access, Array, CParams, KernelDescriptor
from tinyml.targets.core import Isa

_NAMES = ("input", "feature weights", "time weights", "bias", "state")


def _rejects(memory: DType) -> Reject:
    """For a kernel whose state and time weights have this type."""
    types = (DType.INT8, DType.INT8, memory, DType.INT32, memory)

    def rejects(node: Node, graph: Graph) -> str | None:
        values = [None if name is None else graph.value(name) for name in node.inputs]
        for value, dtype, name in zip(values, types, _NAMES, strict=True):
            if value is None:
                continue
            if value.dtype is not dtype:
                return f"takes {dtype.value} {name}, {value.name} is {value.dtype.value}"
            if name != "bias" and (value.quant is None or value.quant.axis is not None):
                return f"takes one scale, {name} {value.name} has not"
            if (name in _NAMES[1:4]) != value.is_constant:
                return f"takes constant weights and bias, and nothing else constant; {value.name} is {name}"
            if name in _NAMES[1:3] and zero_point_of(value) != 0:
                return f"takes symmetric weights, {value.name} has a zero point"
        out = graph.value(node.outputs[0])
        if out.dtype is not DType.INT8 or out.quant is None:
            return f"gives int8, output {out.name} is {out.dtype.value}"
        return None

    return rejects


def _params(node: Node, graph: Graph) -> CParams:
    assert isinstance(node.attrs, SvdfAttrs)
    x, feature, time, state = (graph.value(node.inputs[i]) for i in (0, 1, 2, 4))
    out = graph.value(node.outputs[0])
    units = feature.shape[0] // node.attrs.rank
    bias = np.zeros(units, np.int32) if node.inputs[3] is None else graph.value(node.inputs[3]).constant
    to_state = svdf_multiplier(quant_of(x), quant_of(feature), quant_of(state))
    to_output = svdf_multiplier(quant_of(state), quant_of(time), quant_of(out))
    lo, hi = activation_range(node.attrs.clamp, quant_of(out))
    return CParams(
        "tinyml_svdf_s8_t",
        {
            "feature": Array("feature", feature.constant),
            "time": Array("time", time.constant),
            "bias": Array("bias", bias),
            "depth": feature.shape[1],
            "memory": time.shape[1],
            "units": units,
            "rank": node.attrs.rank,
            "in_offset": -zero_point_of(x),
            "state_zero_point": zero_point_of(state),
            "to_state_multiplier": to_state[0],
            "to_state_shift": to_state[1],
            "to_output_multiplier": to_output[0],
            "to_output_shift": to_output[1],
            "out_offset": zero_point_of(out),
            "out_min": lo,
            "out_max": hi,
        },
    )


KERNELS = tuple(
    KernelDescriptor(
        symbol,
        f"reference/{symbol}.c",
        "include/tinyml_svdf_s8.h",
        Op.SVDF,
        Isa.PORTABLE,
        _rejects(memory),
        _params,
        no_scratch,
        lambda node, graph: 6.0 * macs(node, graph),
        Access(whole=True),
    )
    for symbol, memory in (("tinyml_svdf_s8_s16", DType.INT16), ("tinyml_svdf_s8_s8", DType.INT8))
)
