from collections.abc import Sequence
from typing import Any

import numpy as np


def max_pool2d(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def average_pool2d(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def mean(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError
