"""From pixels to the bytes of a network's input, and from its output to real numbers."""

from dataclasses import dataclass

import numpy as np

from tinyml.errors import TinymlError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.ir.quant import QuantParams
from tinyml.quantize import Preprocess

_LEVELS = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Encoding:
    """What each of the 256 levels of a channel becomes: a table, which is all there is to quantizing pixels.

    Attributes:
        dtype: numpy's name of the input's type; table: [256, channels] of it, as bytes.
        planar: channels go before rows and columns.
    """

    dtype: str
    table: bytes
    channels: int
    planar: bool = False

    @property
    def type_name(self) -> str:
        return np.dtype(self.dtype).name

    def __call__(self, pixels: np.ndarray) -> bytes:
        """uint8 [height, width, channels] to the bytes of the input."""
        table = np.frombuffer(self.table, self.dtype).reshape(256, self.channels)
        same = self.channels == 1 or bool((table == table[:, :1]).all())
        encoded = np.take(table[:, 0], pixels) if same else table[pixels, np.arange(self.channels)]
        return (encoded.transpose(2, 0, 1) if self.planar else encoded).tobytes()


@dataclass(frozen=True, slots=True)
class Output:
    """How the bytes of a network's output are read. scale and zero_point as of the whole tensor."""

    dtype: str
    elements: int
    scale: float = 1.0
    zero_point: int = 0

    def real(self, data: bytes) -> np.ndarray:
        """float64 [elements]."""
        stored = np.frombuffer(data, self.dtype).astype(np.float64)
        numbers: np.ndarray = (stored - self.zero_point) * self.scale
        return numbers


@dataclass(frozen=True, slots=True)
class Interface:
    """A network that takes one picture. `encoding` is for pixels of that height, width and channels."""

    height: int
    width: int
    channels: int
    encoding: Encoding
    output: Output


def interface_of(graph: Graph, preprocess: Preprocess | None) -> Interface:
    """How pictures go into a graph as our C stores it, and what comes out.

    Args:
        preprocess: what a float model was trained on; None for a model that came with integer inputs, which takes
            pixels as uint8 stores them, or 128 lower for int8.

    Raises:
        TinymlError: it does not take one picture, or has more than one output.
    """
    value = _picture(graph)
    _, height, width, channels = value.shape
    stored = _stored(value, preprocess, channels)
    encoding = Encoding(value.dtype.numpy.str, stored.tobytes(), channels)
    return Interface(height, width, channels, encoding, output_of(graph))


def same_numbers(graph: Graph, preprocess: Preprocess | None, dtype: str, planar: bool) -> Encoding:
    """The encoding for another program that runs the model: it gets the numbers that our C gets.

    Args:
        graph: as our C stores it; dtype: numpy's name of the type that the other takes. For float32, it gets the real
            numbers that a pixel stands for, before they were quantized.
        planar: it takes channels before rows and columns.

    Raises:
        TinymlError: it takes another integer type.
    """
    value = _picture(graph)
    channels = value.shape[3]
    stored = _stored(value, preprocess, channels)
    if dtype == value.dtype.numpy.str:
        table = stored
    elif dtype != np.dtype(np.float32).str:
        raise TinymlError(f"the model file takes {dtype}, the emitted C {value.dtype.numpy.str}: no common input")
    elif preprocess is not None:
        table = _real(preprocess, channels)
    else:
        assert value.quant is not None
        table = value.quant.dequantize(stored).astype(np.float32)
    return Encoding(dtype, np.ascontiguousarray(table).tobytes(), channels, planar)


def _picture(graph: Graph) -> Value:
    shapes = ", ".join(f"{name} {list(graph.value(name).shape)}" for name in graph.inputs)
    value = graph.value(graph.inputs[0])
    if len(graph.inputs) != 1 or len(value.shape) != 4 or value.shape[0] != 1 or value.shape[3] not in (1, 3):
        raise TinymlError(f"the network's input is not one picture of 1 or 3 channels: {shapes}")
    return value


def _stored(value: Value, preprocess: Preprocess | None, channels: int) -> np.ndarray:
    """[256, channels] as the input stores levels."""
    if value.quant is None:
        return _real(preprocess or Preprocess(), channels)
    if preprocess is not None:
        return value.quant.quantize(_real(preprocess, channels))
    levels = np.repeat(_LEVELS[:, np.newaxis], channels, 1)
    return levels if value.dtype is DType.UINT8 else (levels.astype(np.int16) - 128).astype(np.int8)


def _real(preprocess: Preprocess, channels: int) -> np.ndarray:
    return preprocess.apply(np.repeat(_LEVELS[:, np.newaxis], channels, 1))


def output_of(graph: Graph) -> Output:
    """Raises TinymlError where the network has more than one output."""
    if len(graph.outputs) != 1:
        raise TinymlError(f"the network has {len(graph.outputs)} outputs; expected one with the classes' scores")
    value = graph.value(graph.outputs[0])
    quant: QuantParams | None = value.quant
    scale, zero_point = (1.0, 0) if quant is None else (float(quant.scale[0]), int(quant.zero_point[0]))
    return Output(value.dtype.numpy.str, value.elements, scale, zero_point)
