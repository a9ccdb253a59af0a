"""Element types of tensors."""

import enum

import numpy as np


class DType(enum.Enum):
    """The value is the name in the text form."""

    INT4 = "int4"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy type that holds it (int4 is held unpacked, one element an int8)."""
        return _NUMPY[self]

    @property
    def bits(self) -> int:
        return 4 if self is DType.INT4 else self.numpy.itemsize * 8

    @property
    def is_integer(self) -> bool:
        return self not in (DType.FLOAT32, DType.BOOL)

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value of an integer type."""
        if self is DType.UINT8:
            return 0, 255
        if not self.is_integer:
            raise ValueError(f"{self.value} has no integer range")
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    @staticmethod
    def of(array: np.ndarray) -> "DType":
        """The DType of a numpy array; KeyError-free: raises ValueError for types we do not have."""
        try:
            return DType(array.dtype.name)
        except ValueError as e:
            raise ValueError(f"no tensor type for numpy {array.dtype.name}") from e


_NUMPY = {dtype: np.dtype("int8" if dtype is DType.INT4 else dtype.value) for dtype in DType}


def storage_bytes(elements: int, dtype: DType) -> int:
    """Bytes that `elements` packed elements take."""
    return (elements * dtype.bits + 7) // 8
