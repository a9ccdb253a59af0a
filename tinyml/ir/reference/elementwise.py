from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyml.ir.ops.base import Op


def clip(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def leaky_relu(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def hard_sigmoid(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def lookup(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


BINARY = dict.fromkeys(Op, lookup)
UNARY = BINARY
