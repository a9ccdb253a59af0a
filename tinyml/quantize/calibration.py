"""Calibration data: a folder of pictures, an .npz or an .npy file, arrays, or what a function gives, as inputs of a graph.

Every reader is deterministic (files in the order of their names) and refuses, naming the file, whatever would
calibrate silently wrong: a wrong shape, NaN or infinity, a picture that does not decode, an empty folder.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tinyml.errors import TinymlError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.quantize.pictures import Preprocess, decode, find_pictures

Sample = Mapping[str, np.ndarray]
"""Network input name -> float32 array in the graph's own layout and shape."""


Given = Sample | Sequence[np.ndarray] | np.ndarray
"""One sample as people have it: network input -> array in the model file's layout, arrays in the order of the inputs, or the
array of the only input."""

_DEFAULT = Preprocess()


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationData:
    """Samples of the network's inputs; iterating reads them one after another, again each time.

    Attributes:
        source: where they come from, for messages.
        bounds: network input -> the range that it can take whatever the samples show (a picture's pixels).
        preprocess: what was done to pictures; None for arrays.
        notes: what the user should know about how the data was read.
        names: of the samples' files; empty for arrays.
        labels: the class of each sample, an index into `classes`; None where it is not known.
    """

    source: str
    count: int
    read: Callable[[int], Sample]
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    preprocess: Preprocess | None = None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: tuple[int, ...] | None = None
    classes: tuple[str, ...] = ()

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
            self.source,
            count,
            lambda i: self.read(chosen[i]),
            self.bounds,
            self.preprocess,
            (*self.notes, note),
            tuple(self.names[i] for i in chosen) if self.names else (),
            None if self.labels is None else tuple(self.labels[i] for i in chosen),
            self.classes,
        )


Calibration = (
    Path | CalibrationData | np.ndarray | Mapping[str, np.ndarray] | Callable[[], Iterable[Given]] | Iterable[Given]
)
"""What calibration data may be given as: a path as of `open_calibration`; arrays whose first axis counts samples; or
samples, or a function that gives them."""


def open_calibration(
    path: Path, graph: Graph, preprocess: Preprocess = _DEFAULT, *, split: str = "calibration"
) -> CalibrationData:
    """Calibration data for a graph from a folder of pictures, a table (.csv) of them, an .npz or an .npy file.

    Pictures are converted to RGB or gray by the input's channels, resized to its height and width, and mapped by
    `preprocess`. Arrays are taken as they are: the first axis counts samples,
    the others are the input's axes as the model file has them.

    Args:
        split: of a table with a column of that name, the rows to take; all where none is called so.

    Raises:
        TinymlError: there is nothing at path, or it does not hold samples of the graph's inputs.
    """
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".csv"):
        return _pictures(path, graph, preprocess, split)
    if not path.is_file():
        raise TinymlError(
            f"calibration data: {path} does not exist",
            "give a folder of pictures, a .csv that lists them, an .npz or an .npy file",
        )
    if path.suffix.lower() not in (".npz", ".npy"):
        raise TinymlError(
            f"calibration data: {path} is neither a folder of pictures nor an .npz or .npy file",
            "put pictures into a folder and give the folder",
        )
    return _from_arrays(str(path), _load(path), graph)


def calibration_data(given: Calibration, graph: Graph, preprocess: Preprocess = _DEFAULT) -> CalibrationData:
    """Calibration data for a graph, in whatever form it is given.

    Raises:
        TinymlError: it does not hold samples of the graph's inputs.
    """
    if isinstance(given, CalibrationData):
        return given
    if isinstance(given, Path):
        return open_calibration(given, graph, preprocess)
    if isinstance(given, np.ndarray):
        return _from_arrays("the array", {"": given}, graph)
    if isinstance(given, Mapping):
        return _from_arrays("the arrays", given, graph)
    return _from_samples(given, graph)


def _from_samples(given: Callable[[], Iterable[Given]] | Iterable[Given], graph: Graph) -> CalibrationData:
    """All samples are taken at once, and kept."""
    where = getattr(given, "__name__", "samples")
    kept: list[Sample] = []
    for sample in given() if callable(given) else given:
        arrays = named_inputs(sample, graph, f"calibration data: sample {len(kept)} of {where}")
        kept.append(
            {
                name: _moved(value, _checked(where, value, arrays[name][np.newaxis])[0]).astype(np.float32)
                for name, value in ((name, graph.value(name)) for name in graph.inputs)
            }
        )
    if not kept:
        raise TinymlError(f"calibration data: {where} gave no sample; expected at least one")
    return CalibrationData(where, len(kept), kept.__getitem__)


def named_inputs(given: Given, graph: Graph, where: str) -> dict[str, np.ndarray]:
    """Network input -> its array, of one sample: by name, in order, or the only one.

    Raises:
        TinymlError: an input has none.
    """
    if isinstance(given, Mapping):
        arrays = {name: np.asarray(array) for name, array in given.items()}
    elif isinstance(given, np.ndarray):
        arrays = {graph.inputs[0]: given}
    else:
        arrays = {name: np.asarray(array) for name, array in zip(graph.inputs, given, strict=False)}
    if missing := [name for name in graph.inputs if name not in arrays]:
        raise TinymlError(f"{where} has no {', '.join(missing)}")
    return arrays


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
    pixels = decode(path, height, width, channels, (preprocess or _DEFAULT).fit)[np.newaxis]
    value = graph.value(name)
    if value.quant is None:
        return {name: (preprocess or _DEFAULT).apply(pixels)}
    if preprocess is not None:
        return {name: value.quant.quantize(preprocess.apply(pixels))}
    return {name: pixels if value.dtype is DType.UINT8 else (pixels.astype(np.int16) - 128).astype(np.int8)}


def input_of(given: Given, graph: Graph) -> dict[str, np.ndarray]:
    """`load_input` of arrays: one sample, with or without the axis that counts samples.

    Raises:
        TinymlError: an input has no array, or one of another shape.
    """
    arrays = named_inputs(given, graph, "input: it")
    return {name: _stored("input", graph.value(name), arrays[name][np.newaxis]) for name in graph.inputs}


def pixels_as_stored(value: Value) -> Preprocess:
    """The real numbers that pixels mean where they go in as uint8 stores them, or 128 lower for int8."""
    if value.quant is None:
        return _DEFAULT
    scale, zero = value.quant.scale[0], value.quant.zero_point[0]
    return Preprocess((scale,), (-scale * (zero - min(value.dtype.range[0], 0)),))


# --- pictures ---------------------------------------------------------------------------------------------------------


def _pictures(path: Path, graph: Graph, preprocess: Preprocess, split: str) -> CalibrationData:
    name, height, width, channels = _picture_input(path, graph)
    if len(preprocess.scale) not in (1, channels):
        raise TinymlError(
            f"calibration data: preprocessing for {len(preprocess.scale)} channels, "
            f"but input {name} of the network has {channels}"
        )
    found = find_pictures(path, split)

    def read(i: int) -> Sample:
        pixels = decode(found.files[i], height, width, channels, preprocess.fit)
        return {name: preprocess.apply(pixels)[np.newaxis]}

    notes = (f"{found.others} files in {path} are not pictures and were left out",) if found.others else ()
    return CalibrationData(
        str(path),
        len(found.files),
        read,
        {name: preprocess.bounds},
        preprocess,
        notes,
        tuple(str(file) for file in found.files),
        found.labels,
        found.classes,
    )


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


# --- arrays -----------------------------------------------------------------------------------------------------------


def _from_arrays(where: str, stored: Mapping[str, np.ndarray], graph: Graph) -> CalibrationData:
    keys = _keys(where, graph, stored)
    arrays = {name: _checked(where, graph.value(name), np.asarray(stored[key])) for name, key in keys.items()}
    counts = {name: len(a) for name, a in arrays.items()}
    count = min(counts.values())
    if count == 0 or len(set(counts.values())) != 1:
        listed = ", ".join(f"{n} in {name}" for name, n in counts.items())
        raise TinymlError(
            f"calibration data: {where} holds {listed} samples; expected the same number, at least 1, for each input"
        )

    def read(i: int) -> Sample:
        return {name: _moved(graph.value(name), a[i]).astype(np.float32) for name, a in arrays.items()}

    return CalibrationData(where, count, read)


def _first_stored(path: Path, graph: Graph) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise TinymlError(f"input: {path} does not exist", "give a picture, an .npz or an .npy file")
    stored = _load(path)
    keys = _keys(str(path), graph, stored)
    return {name: _stored(str(path), graph.value(name), stored[key]) for name, key in keys.items()}


def _stored(where: str, value: Value, samples: np.ndarray) -> np.ndarray:
    """The first sample as the graph stores it."""
    array = _checked(where, value, samples)
    if not len(array):
        raise TinymlError(f"input: {where} holds no sample for input {value.name}")
    moved = _moved(value, array[0])
    if value.quant is None or array.dtype == value.dtype.numpy:
        return moved.astype(value.dtype.numpy)
    return value.quant.quantize(moved)


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


def _keys(where: str, graph: Graph, stored: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Network input -> the name of its array. One input takes the only array whatever its name; other arrays may be
    there besides the inputs' (expected outputs, say)."""
    if len(graph.inputs) == 1 and len(stored) == 1:
        return {graph.inputs[0]: next(iter(stored))}
    missing = [name for name in graph.inputs if name not in stored]
    if missing:
        raise TinymlError(
            f"{where} has no array for input {', '.join(missing)}; "
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


def _checked(given: str, value: Value, array: np.ndarray) -> np.ndarray:
    """The array as [samples, *shape of one sample in the model file's layout]."""
    shape = _source_shape(value)
    where = f"{given}: the array for input {value.name}"
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
