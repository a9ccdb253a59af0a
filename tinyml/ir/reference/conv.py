from collections.abc import Sequence
from typing import Any

import numpy as np


def conv2d(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def fully_connected(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def matmul(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError
