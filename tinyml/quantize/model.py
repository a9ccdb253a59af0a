"""The stage: a canonical graph in, a quantized one out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyml.errors import UsageError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.quantize.calibration import Preprocess, open_calibration
from tinyml.quantize.int8 import quantize_int8
from tinyml.quantize.observers import MeanSquaredError, ObserverFactory
from tinyml.quantize.precision import Precision, scheme
from tinyml.quantize.qdq import fold_constants, fold_qdq, is_qdq
from tinyml.quantize.ranges import Progress, calibrate, plausible_ranges

PRECISIONS = ("int8", "float32")
IO_TYPES: Mapping[str, DType] = {"int8": DType.INT8, "uint8": DType.UINT8, "float32": DType.FLOAT32}


MAX_SAMPLES = 512
"""More samples than this barely move a range."""


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedModel:
    """The artifact of this stage.

    Attributes:
        scheme: "int8", "int8, as in the model file", "float32", or what single nodes have ("int8, 3 layers w4a8").
        calibrated: False where ranges are made up: sizes and timing are valid, outputs mean nothing.
        preprocess: how pictures become the network's inputs; None where the model's author quantized the inputs, and
            pixels go in as they are.
        notes: what the user should know, besides the graph's own notes.
    """

    graph: Graph
    scheme: str
    calibrated: bool
    preprocess: Preprocess | None
    notes: tuple[str, ...] = ()


def prepare(
    graph: Graph,
    *,
    precision: str | Precision = "int8",
    calibration: Path | None = None,
    preprocess: Preprocess | None = None,
    io: str = "int8",
    observer: ObserverFactory = MeanSquaredError,
    max_samples: int = MAX_SAMPLES,
    progress: Progress = lambda done: None,
) -> QuantizedModel:
    """Quantizes a canonical graph as far as it needs it.

    An integer model is kept bit for bit, whatever the options say; a QDQ model becomes integer with its own parameters;
    a float model is calibrated and quantized, or left in float32.

    Args:
        precision: of a float model: "int8", "float32", or that of single nodes, by name, where all others are w8a8.
        calibration: a folder of pictures, an .npz or an .npy file; None makes ranges up.
        preprocess: of pictures; the default maps bytes to 0..1.
        io: how a model quantized here stores inputs and outputs: "int8", "uint8" or "float32".
        max_samples: calibration uses that many, evenly spread over all.

    Raises:
        UsageError: an option has an unknown value, or asks for float32 of an integer model.
        TinymlError: the calibration data does not fit.
    """
    of_nodes: Precision = {} if isinstance(precision, str) else precision
    if isinstance(precision, str):
        _check_option("precision", precision, PRECISIONS)
    _check_option("io", io, IO_TYPES)
    if graph.is_quantized:
        if precision == "float32":
            raise UsageError(
                f"model {graph.name} is quantized: it cannot run in float32",
                "build it as it is, or give the float model",
            )
        return _as_it_came(graph, calibration, preprocess)
    graph = fold_constants(graph)
    preprocess = preprocess or Preprocess()
    if precision == "float32":
        return QuantizedModel(graph, "float32", True, preprocess)
    if calibration is None:
        notes: tuple[str, ...] = ("ranges are made up: there is no calibration data",)
        ranges = plausible_ranges(graph)
    else:
        data = open_calibration(calibration, graph, preprocess).at_most(max_samples)
        ranges = calibrate(graph, data, bounds=data.bounds, observer=observer, progress=progress)
        notes = (f"calibrated with {len(data)} samples of {data.source}", *data.notes)
    quantized = quantize_int8(graph, ranges, precision=of_nodes, input_dtype=IO_TYPES[io], output_dtype=IO_TYPES[io])
    return QuantizedModel(quantized, scheme(of_nodes), calibration is not None, preprocess, notes)


def _as_it_came(graph: Graph, calibration: Path | None, preprocess: Preprocess | None) -> QuantizedModel:
    folded = fold_qdq(graph) if is_qdq(graph) else graph
    integer_inputs = any(graph.value(i).quant is not None for i in graph.inputs)
    notes = () if calibration is None else ("calibration data is not used: the model came quantized",)
    return QuantizedModel(
        folded, "int8, as in the model file", True, None if integer_inputs else preprocess or Preprocess(), notes
    )


def _check_option(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise UsageError(f"{name} {value!r}; expected one of {', '.join(known)}")
