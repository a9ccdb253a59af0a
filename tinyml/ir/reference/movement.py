from collections.abc import Sequence
from typing import Any

import numpy as np


def pad(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def reshape(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def transpose(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def concat(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def strided_slice(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def gather(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def stack(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def shape(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError


def cast(attrs: Any, inputs: Any, arrays: Sequence[Any], outputs: Any) -> list[np.ndarray]:
    raise NotImplementedError
