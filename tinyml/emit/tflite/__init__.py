"""A graph as a .tflite file: for TFLite Micro, phones, and whatever reads TFLite.

The graph is the one that is lowered to C: canonical, quantized or real, before lowering. LiteRT's reference kernels give, byte
for byte, what the emitted C of an integer graph gives.
"""

from dataclasses import dataclass, replace

from tinyml import __version__
from tinyml.emit.tflite import elementwise, layers, movement, resample  # noqa: F401  each registers its handlers
from tinyml.emit.tflite.flatbuffer import Model, serialize
from tinyml.emit.tflite.metadata import ENTRY, RUNTIME_ENTRY, model_metadata, runtime_entry, with_labels
from tinyml.emit.tflite.versions import runtime_version
from tinyml.emit.tflite.writer import write
from tinyml.ir.graph import Graph
from tinyml.passes import run_pass, widen_weights
from tinyml.quantize.pictures import Preprocess

__all__ = ["Description", "emit_tflite", "model_of"]


@dataclass(frozen=True, slots=True)
class Description:
    """What the metadata say.

    Attributes:
        preprocess: how pictures become inputs; None where nothing is known of it.
        labels: names of the classes, or none.
    """

    name: str
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] = ()


def emit_tflite(graph: Graph, description: Description, *, half: bool = False) -> bytes:
    """The .tflite file, with metadata; with labels, a zip archive of them stands behind it.

    Args:
        half: float constants are stored as float16, each with a DEQUANTIZE behind it: half the file, for phones.

    Raises:
        ModelError: nodes that TFLite has no form for (all of them are listed).
    """
    model = model_of(graph, description.name, half=half)
    about = model_metadata(graph, description.name, model.description, description.preprocess, description.labels)
    metadata = {RUNTIME_ENTRY: runtime_entry(runtime_version(model.operators)), ENTRY: about}
    return with_labels(serialize(replace(model, metadata=metadata)), description.labels)


def model_of(graph: Graph, name: str, *, half: bool = False) -> Model:
    """The graph as TFLite's tensors and operators, without metadata.

    Convolutions in groups get weights of 8 bits: not every resolver of LiteRT has their 4-bit form.
    """
    graph = run_pass(graph, widen_weights.ALL)
    writer = write(graph, half)
    inputs, outputs = ([writer.tensor(port) for port in side] for side in (graph.inputs, graph.outputs))
    return Model(name, f"made by tinyml {__version__}", writer.tensors, writer.operators, inputs, outputs)
