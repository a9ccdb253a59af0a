"""Between real numbers and integers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyml.ir.fixedpoint import requantize

if TYPE_CHECKING:
    from tinyml.ir.graph import Value
    from tinyml.ir.ops import NoAttrs, QuantizeAttrs

Values = Sequence["Value | None"]
Arrays = Sequence[np.ndarray | None]


def quantize(attrs: "QuantizeAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    x, value, y = arrays[0], inputs[0], outputs[0]
    assert x is not None and value is not None and y.quant is not None
    if x.dtype == np.float32:
        return [y.quant.quantize(x)]
    assert value.quant is not None
    return [requantize(x, value.quant, y.quant)]


def dequantize(attrs: "NoAttrs", inputs: Values, arrays: Arrays, outputs: "Sequence[Value]") -> list[np.ndarray]:
    x, value = arrays[0], inputs[0]
    assert x is not None and value is not None and value.quant is not None
    return [value.quant.dequantize(x)]
