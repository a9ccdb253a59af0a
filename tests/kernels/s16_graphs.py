"""One-node graphs of int16, made of those of int8."""

from dataclasses import replace

import numpy as np
from kernel_graphs import Case, stored

from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Op
from tinyml.ir.quant import QuantParams


def sixteen_bits(case: Case) -> Case:
    """Activations and constant operands become int16 without zero points, in finer steps; biases int64, some of them large."""
    node, graph, arrays = case
    weighted = node.op in (Op.CONV2D, Op.FULLY_CONNECTED)
    rng = np.random.default_rng(sum(int(a.astype(np.int64).sum()) for a in arrays.values()) % 2**32)
    values = dict(graph.values)
    for name, value in graph.values.items():
        if weighted and name == "bias":
            bias = value.constant.astype(np.int64) * int(rng.choice([1, 300, 100_000]))
            values[name] = replace(value, dtype=DType.INT64, data=bias)
        elif not (weighted and name == "w"):
            assert value.quant is not None
            scale = value.quant.scale[0] / (64 if name == node.output else 256)
            data = None if value.data is None else stored(rng, value.shape, DType.INT16)
            values[name] = replace(
                value, dtype=DType.INT16, quant=QuantParams.per_tensor(scale, 0, DType.INT16), data=data
            )
    if node.op in (Op.MAX_POOL2D, Op.AVERAGE_POOL2D):
        values[node.output] = replace(values[node.output], quant=values[node.inputs[0] or ""].quant)
    given = {name: stored(rng, array.shape, DType.INT16) for name, array in arrays.items()}
    return node, graph.with_(values=values), given
