from collections.abc import Sequence
from typing import Any

import numpy as np


def quantize(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def dequantize(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError
