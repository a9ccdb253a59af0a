"""TFLite's model metadata: what goes in and out, for apps and tools that read it.

Schema: metadata_schema.fbs of tensorflow/tflite-support, version 1.0 (file identifier M001). There is no schema package for
it that is kept up, so the few tables that we write are written here, by the numbers of their fields.
"""

import io
import zipfile
from collections.abc import Sequence

import flatbuffers
import numpy as np

from tinyml.ir.graph import Graph, Value
from tinyml.quantize.pictures import Preprocess

ENTRY = "TFLITE_METADATA"
RUNTIME_ENTRY = "min_runtime_version"
LABELS_FILE = "labels.txt"

_AXIS_LABELS = 2  # AssociatedFileType.TENSOR_AXIS_LABELS
_IMAGE_PROPERTIES, _FEATURE_PROPERTIES = 2, 1  # members of the union ContentProperties
_RGB, _GRAYSCALE = 1, 2  # ColorSpaceType
_NORMALIZATION = 1  # of the union ProcessUnitOptions
_LABELS_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip file knows


def runtime_entry(version: str) -> bytes:
    """A release of TensorFlow Lite as the entry min_runtime_version holds it: 16 bytes."""
    return version.encode().ljust(16, b"\0")


def model_metadata(
    graph: Graph, name: str, description: str, preprocess: Preprocess | None, labels: Sequence[str]
) -> bytes:
    """The content of the entry TFLITE_METADATA.

    Args:
        preprocess: of pictures; written as (pixel - mean) / std for the real numbers that the input stands for.
        labels: of the classes that the last axis of the first output counts; their file is what `with_labels` appends.
    """
    return _Metadata().model(graph, name, description, preprocess, labels)


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """The model with a zip archive of the labels behind it, where readers of the metadata look for associated files."""
    if not labels:
        return model
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        entry = zipfile.ZipInfo(LABELS_FILE, _LABELS_DATE)
        entry.create_system = 3  # whatever system this is
        packed.writestr(entry, "".join(f"{label}\n" for label in labels))
    return model + archive.getvalue()


class _Metadata:
    """One flatbuffer under way."""

    def __init__(self) -> None:
        self._b = flatbuffers.Builder(1024)

    def model(
        self, graph: Graph, name: str, description: str, preprocess: Preprocess | None, labels: Sequence[str]
    ) -> bytes:
        b = self._b
        inputs = self._vector([self._input(graph.value(i), preprocess) for i in graph.inputs])
        first, *others = graph.outputs
        outputs = self._vector(
            [self._output(graph.value(first), labels), *(self._output(graph.value(o), ()) for o in others)]
        )
        subgraphs = self._vector([self._table(5, {2: inputs, 3: outputs})])
        fields = {0: b.CreateString(name), 1: b.CreateString(description), 3: subgraphs, 7: b.CreateString("1.0.0")}
        b.Finish(self._table(8, fields), b"M001")
        return bytes(b.Output())

    def _input(self, value: Value, preprocess: Preprocess | None) -> int:
        is_picture = preprocess is not None and len(value.shape) == 4 and value.shape[3] in (1, 3)
        fields = {0: self._b.CreateString(value.name), 3: self._content(value if is_picture else None)}
        if is_picture and preprocess is not None:
            mean = [-o / s for s, o in zip(preprocess.scale, preprocess.offset, strict=True)]
            fields[4] = self._vector([self._normalization(mean, [1.0 / s for s in preprocess.scale])])
            ends = [[p * s + o for s, o in zip(preprocess.scale, preprocess.offset, strict=True)] for p in (255.0, 0.0)]
            fields[5] = self._table(2, dict(enumerate(self._floats(end) for end in ends)))
        return self._table(7, fields)

    def _output(self, value: Value, labels: Sequence[str]) -> int:
        fields = {0: self._b.CreateString(value.name), 3: self._content(None)}
        if labels:
            name, description = self._b.CreateString(LABELS_FILE), self._b.CreateString("one class a line")
            file = self._table(4, {0: name, 1: description}, {2: _AXIS_LABELS})
            fields[6] = self._vector([file])
        return self._table(7, fields)

    def _content(self, picture: Value | None) -> int:
        if picture is None:
            return self._table(3, {1: self._table(0, {})}, {0: _FEATURE_PROPERTIES})
        colours = _RGB if picture.shape[3] == 3 else _GRAYSCALE
        return self._table(3, {1: self._table(2, {}, {0: colours})}, {0: _IMAGE_PROPERTIES})

    def _normalization(self, mean: Sequence[float], std: Sequence[float]) -> int:
        options = self._table(2, {0: self._floats(mean), 1: self._floats(std)})
        return self._table(2, {1: options}, {0: _NORMALIZATION})

    def _floats(self, items: Sequence[float]) -> int:
        return int(self._b.CreateNumpyVector(np.array(items, np.float32)))

    def _vector(self, items: Sequence[int]) -> int:
        self._b.StartVector(4, len(items), 4)
        for item in reversed(items):
            self._b.PrependUOffsetTRelative(item)
        return int(self._b.EndVector())

    def _table(self, slots: int, offsets: dict[int, int], bytes_: dict[int, int] | None = None) -> int:
        """A table of `slots` fields: those that refer to others, by number, and those of one byte."""
        self._b.StartObject(slots)
        for slot, offset in offsets.items():
            self._b.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, small in (bytes_ or {}).items():
            self._b.PrependUint8Slot(slot, small, 0)
        return int(self._b.EndObject())
