"""Quantization parameters: real = scale * (stored - zero_point)."""

from dataclasses import dataclass

import numpy as np

from tinyml.ir.dtypes import DType


@dataclass(frozen=True, slots=True)
class QuantParams:
    """Affine quantization of a value, per tensor (axis None, one scale) or per channel (one scale an index of axis).

    Scales are kept as the float32 values that model files hold: multipliers derived from them must be
    the same bits that TFLite derives.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    dtype: DType
    axis: int | None = None

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.zero_point) or not self.scale:
            raise ValueError(f"{len(self.scale)} scales and {len(self.zero_point)} zero points")
        if self.axis is None and len(self.scale) != 1:
            raise ValueError(f"{len(self.scale)} scales without an axis")

    @staticmethod
    def per_tensor(scale: float, zero_point: int, dtype: DType = DType.INT8) -> "QuantParams":
        return QuantParams((float(np.float32(scale)),), (int(zero_point),), dtype)

    @staticmethod
    def per_channel(scales: np.ndarray, axis: int, dtype: DType = DType.INT8) -> "QuantParams":
        """Symmetric: every zero point is 0."""
        return QuantParams(tuple(float(np.float32(s)) for s in scales), (0,) * len(scales), dtype, axis)

    def _along(self, values: tuple[float, ...] | tuple[int, ...], rank: int, kind: type) -> np.ndarray:
        a: np.ndarray = np.asarray(values, dtype=kind)
        if self.axis is None:
            return a.reshape(())
        shape = [1] * rank
        shape[self.axis] = len(values)
        return a.reshape(shape)

    def quantize(self, real: np.ndarray) -> np.ndarray:
        """Rounds half away from zero, as TFLite does, and saturates."""
        lo, hi = self.dtype.range
        x = np.asarray(real, np.float32) / self._along(self.scale, real.ndim, np.float32)
        # In double, as adding 0.5 in single rounds 0.49999997 up to 1.
        q = np.trunc(x + np.copysign(np.float64(0.5), x)) + self._along(self.zero_point, real.ndim, np.float64)
        stored: np.ndarray = np.clip(q, lo, hi).astype(self.dtype.numpy)
        return stored

    def dequantize(self, stored: np.ndarray) -> np.ndarray:
        zero = self._along(self.zero_point, stored.ndim, np.int64)
        real: np.ndarray = (stored.astype(np.int64) - zero) * self._along(self.scale, stored.ndim, np.float64)
        return real.astype(np.float32)
