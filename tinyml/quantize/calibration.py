"""Calibration data: a folder of pictures, an .npz or an .npy file, as inputs of a graph.

Every reader is deterministic (files in the order of their names) and refuses, naming the file, whatever would
calibrate silently wrong: a wrong shape, NaN or infinity, a picture that does not decode, an empty folder.
"""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tinyml.errors import TinymlError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value

Sample = Mapping[str, np.ndarray]
"""Network input name -> float32 array in the graph's own layout and shape."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a picture's bytes become what the network was trained on: real = pixel * scale + offset.

    Attributes:
        scale, offset: one number for all channels, or one each. The default maps 0..255 to 0..1.
    """

    scale: tuple[float, ...] = (1.0 / 255.0,)
    offset: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.offset) or len(self.scale) not in (1, 3):
            raise ValueError(f"{len(self.scale)} scales and {len(self.offset)} offsets; expected 1 or 3 of each")
        if not np.isfinite((*self.scale, *self.offset)).all() or 0.0 in self.scale:
            raise ValueError(f"scale {self.scale} and offset {self.offset} must be finite, the scale not 0")

    @staticmethod
    def to_range(lo: float, hi: float) -> "Preprocess":
        """Maps pixel 0 to lo and 255 to hi."""
        return Preprocess(((hi - lo) / 255.0,), (lo,))

    @staticmethod
    def mean_std(mean: tuple[float, ...], std: tuple[float, ...]) -> "Preprocess":
        """(pixel / 255 - mean) / std, as torchvision's Normalize after ToTensor."""
        if 0.0 in std:
            raise ValueError(f"a standard deviation of 0 in {std}")
        return Preprocess(tuple(1.0 / (255.0 * s) for s in std), tuple(-m / s for m, s in zip(mean, std, strict=True)))

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest number that a pixel can become, over all channels."""
        ends = [p * s + o for s, o in zip(self.scale, self.offset, strict=True) for p in (0.0, 255.0)]
        return min(ends), max(ends)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [..., C] to float32."""
        scale, offset = np.asarray(self.scale, np.float32), np.asarray(self.offset, np.float32)
        real: np.ndarray = pixels.astype(np.float32) * scale + offset
        return real


_DEFAULT = Preprocess()


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationData:
    """Samples of the network's inputs; iterating reads them one after another, again each time.

    Attributes:
        source: where they come from, for messages.
        bounds: network input -> the range that it can take whatever the samples show (a picture's pixels).
        preprocess: what was done to pictures; None for arrays.
        notes: what the user should know about how the data was read.
    """

    source: str
    count: int
    read: Callable[[int], Sample]
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    preprocess: Preprocess | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Sample]:
        return (self.read(i) for i in range(self.count))

    def at_most(self, count: int) -> "CalibrationData":
        """`count` of the samples, evenly spread over all of them: sorted folders often hold one class each."""
        if count < 1:
            raise ValueError(f"{count} samples")
        if count >= self.count:
            return self
        chosen = [i * self.count // count for i in range(count)]
        note = f"{count} of {self.count} samples are used"
        return CalibrationData(
            self.source, count, lambda i: self.read(chosen[i]), self.bounds, self.preprocess, (*self.notes, note)
        )


def open_calibration(path: Path, graph: Graph, preprocess: Preprocess = _DEFAULT) -> CalibrationData:
    """Calibration data for a graph from a folder of pictures, an .npz or an .npy file.

    Pictures are squashed (bilinear, the aspect ratio is not kept) to the input's height and width, converted to RGB
    or gray by its channels, and mapped by `preprocess`. Arrays are taken as they are: the first axis counts samples,
    the others are the input's axes as the model file has them.

    Raises:
        TinymlError: there is nothing at path, or it does not hold samples of the graph's inputs.
    """
    if path.is_dir():
        return _pictures(path, graph, preprocess)
    if not path.is_file():
        raise TinymlError(
            f"calibration data: {path} does not exist", "give a folder of pictures, an .npz or an .npy file"
        )
    if path.suffix.lower() not in (".npz", ".npy"):
        raise TinymlError(
            f"calibration data: {path} is neither a folder of pictures nor an .npz or .npy file",
            "put pictures into a folder and give the folder",
        )
    return _arrays(path, graph)


def load_input(path: Path, graph: Graph, preprocess: Preprocess | None = None) -> dict[str, np.ndarray]:
    """One inference's inputs from a picture, an .npz or an .npy file (its first sample), as the graph stores them.

    Args:
        preprocess: of a picture. None for a model that came with integer inputs: pixels then go in as uint8 stores
            them, or 128 lower for int8. (A float32 input gets the default.)

    Arrays of the very type that an input is stored in are taken as stored numbers, all others as real ones.
    """
    if path.suffix.lower() in (".npz", ".npy"):
        return _first_stored(path, graph)
    name, height, width, channels = _picture_input(path, graph)
    if not path.is_file():
        raise TinymlError(f"input: {path} is not a file", "give a picture, an .npz or an .npy file")
    pixels = _decode(path, height, width, channels)[np.newaxis]
    value = graph.value(name)
    if value.quant is None:
        return {name: (preprocess or _DEFAULT).apply(pixels)}
    if preprocess is not None:
        return {name: value.quant.quantize(preprocess.apply(pixels))}
    return {name: pixels if value.dtype is DType.UINT8 else (pixels.astype(np.int16) - 128).astype(np.int8)}


# --- pictures ---------------------------------------------------------------------------------------------------------


def _pictures(folder: Path, graph: Graph, preprocess: Preprocess) -> CalibrationData:
    name, height, width, channels = _picture_input(folder, graph)
    if len(preprocess.scale) not in (1, channels):
        raise TinymlError(
            f"calibration data: preprocessing for {len(preprocess.scale)} channels, "
            f"but input {name} of the network has {channels}"
        )
    files, others = _picture_files(folder)
    if not files:
        raise TinymlError(
            f"calibration data: no picture in {folder} or below"
            + (f" ({others} other files are there)" if others else ""),
            "pictures are recognized by their names: .jpg, .png, .bmp, .webp and whatever else Pillow reads",
        )

    def read(i: int) -> Sample:
        pixels = _decode(files[i], height, width, channels)
        return {name: preprocess.apply(pixels)[np.newaxis]}

    notes = (f"{others} files in {folder} are not pictures and were left out",) if others else ()
    return CalibrationData(str(folder), len(files), read, {name: preprocess.bounds}, preprocess, notes)


def _picture_input(path: Path, graph: Graph) -> tuple[str, int, int, int]:
    """(name, height, width, channels) of the only network input."""
    shapes = ", ".join(f"{n} {list(graph.value(n).shape)}" for n in graph.inputs)
    if len(graph.inputs) == 1:
        shape = graph.value(graph.inputs[0]).shape
        if len(shape) == 4 and shape[0] == 1 and shape[3] in (1, 3):
            return graph.inputs[0], shape[1], shape[2], shape[3]
    raise TinymlError(
        f"{path}: pictures are given, but the network's input is not one picture of 1 or 3 channels: {shapes}",
        "give an .npz file with one array for each input",
    )


def _picture_files(folder: Path) -> tuple[list[Path], int]:
    """Pictures below the folder in the order of their relative names, and how many other files are there."""
    suffixes = Image.registered_extensions()
    files, others = [], 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in suffixes:
                files.append(Path(parent, name))
            else:
                others += 1
    return sorted(files, key=lambda f: f.relative_to(folder).as_posix()), others


def _decode(file: Path, height: int, width: int, channels: int) -> np.ndarray:
    """uint8 [height, width, channels]."""
    mode = "RGB" if channels == 3 else "L"
    try:
        with Image.open(file) as picture:
            gray_16_bit = picture.mode.startswith("I;16")
            # Pillow's own conversion of 16-bit gray to 8 bits saturates instead of scaling.
            opened = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)) if gray_16_bit else picture
            resized = opened.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
    except Exception as e:  # decoders of malformed files raise almost anything
        raise TinymlError(f"{file} cannot be read as a picture: {e}", "mend or remove the file") from e
    return np.asarray(resized).reshape(height, width, channels)


# --- arrays -----------------------------------------------------------------------------------------------------------


def _arrays(path: Path, graph: Graph) -> CalibrationData:
    stored = _load(path)
    arrays = {name: _checked(path, graph.value(name), stored[key]) for name, key in _keys(path, graph, stored).items()}
    counts = {name: len(a) for name, a in arrays.items()}
    count = min(counts.values())
    if count == 0 or len(set(counts.values())) != 1:
        listed = ", ".join(f"{n} in {name}" for name, n in counts.items())
        raise TinymlError(
            f"calibration data: {path} holds {listed} samples; expected the same number, at least 1, for each input"
        )

    def read(i: int) -> Sample:
        return {name: _moved(graph.value(name), a[i]).astype(np.float32) for name, a in arrays.items()}

    return CalibrationData(str(path), count, read)


def _first_stored(path: Path, graph: Graph) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise TinymlError(f"input: {path} does not exist", "give a picture, an .npz or an .npy file")
    stored = _load(path)
    inputs = {}
    for name, key in _keys(path, graph, stored).items():
        value = graph.value(name)
        array = _checked(path, value, stored[key])
        if not len(array):
            raise TinymlError(f"input: {path} holds no sample for input {name}")
        moved = _moved(value, array[0])
        if value.quant is None or array.dtype == value.dtype.numpy:
            inputs[name] = moved.astype(value.dtype.numpy)
        else:
            inputs[name] = value.quant.quantize(moved)
    return inputs


def _load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name; the one of an .npy is called ''."""
    try:
        loaded = np.load(path, mmap_mode="r" if path.suffix.lower() == ".npy" else None, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except (ValueError, OSError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as e:
        raise TinymlError(
            f"{path} cannot be read: {e}", "write it with numpy.savez or numpy.save, without objects"
        ) from e


def _keys(path: Path, graph: Graph, stored: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Network input -> the name of its array. One input takes the only array whatever its name; other arrays may be
    there besides the inputs' (expected outputs, say)."""
    if len(graph.inputs) == 1 and len(stored) == 1:
        return {graph.inputs[0]: next(iter(stored))}
    missing = [name for name in graph.inputs if name not in stored]
    if missing:
        raise TinymlError(
            f"{path} has no array for input {', '.join(missing)}; "
            f"it holds {', '.join(k or 'one array without a name' for k in stored) or 'nothing'}",
            "name the arrays of an .npz after the network's inputs",
        )
    return {name: name for name in graph.inputs}


def _source_shape(value: Value) -> tuple[int, ...]:
    """The shape of a network input as the model file has it."""
    if value.layout is None:
        return value.shape
    shape = [0] * len(value.shape)
    for i, axis in enumerate(value.layout):
        shape[axis] = value.shape[i]
    return tuple(shape)


def _checked(path: Path, value: Value, array: np.ndarray) -> np.ndarray:
    """The array as [samples, *shape of one sample in the model file's layout]."""
    shape = _source_shape(value)
    where = f"{path}: the array for input {value.name}"
    if array.dtype.kind not in "fiub":
        raise TinymlError(f"{where} holds {array.dtype}; expected real numbers")
    single = shape[1:] if shape and shape[0] == 1 else shape
    if array.shape[1:] not in (single, shape):
        expected = ", ".join(["samples", *map(str, single)])
        raise TinymlError(
            f"{where} has shape {list(array.shape)}; expected [{expected}]",
            "the first axis counts samples, the others are the input's as the model file has them",
        )
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinity, and is refused as such
        for i, sample in enumerate(array):
            if not np.isfinite(sample.astype(np.float32)).all():
                raise TinymlError(f"{where} holds NaN or infinity in sample {i}")
    return array


def _moved(value: Value, sample: np.ndarray) -> np.ndarray:
    """One sample in the graph's shape and order of axes."""
    source = np.asarray(sample).reshape(_source_shape(value))
    return source if value.layout is None else np.ascontiguousarray(source.transpose(value.layout))
