"""The stage: a canonical graph in, a quantized one out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinyml.errors import UsageError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.quantize.assign import WEIGHTED, decide, float_reason
from tinyml.quantize.calibration import Calibration, CalibrationData, Sample, calibration_data
from tinyml.quantize.equalize import equalize
from tinyml.quantize.error_report import output_sqnr
from tinyml.quantize.int8 import quantizable, quantize_int8
from tinyml.quantize.int16 import quantize_int16
from tinyml.quantize.mixed import W4A8_SHARE, Budget, Choice, Search, best_within, search
from tinyml.quantize.observers import MeanSquaredError, MinMax, ObserverFactory
from tinyml.quantize.params import Range
from tinyml.quantize.pictures import Preprocess
from tinyml.quantize.precision import NodePrecision, Precision, scheme
from tinyml.quantize.qdq import fold_constants, fold_qdq, is_qdq
from tinyml.quantize.ranges import calibrate, plausible_ranges

PRECISIONS = ("int8", "w4a8", "mixed", "w8a16", "float32")
EFFORTS = ("default", "high")
IO_TYPES: Mapping[str, DType] = {"int8": DType.INT8, "uint8": DType.UINT8, "float32": DType.FLOAT32}


MAX_SAMPLES = 512
"""More samples than this barely move a range."""

COMPARED = 16
"""Samples on which two ways to quantize are compared."""

_NO_BUDGET = Budget()
_MADE_UP = "ranges are made up: there is no calibration data"


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedModel:
    """The artifact of this stage.

    Attributes:
        scheme: "int8", "int8, as in the model file", "float32", or what single nodes have ("int8, 3 layers w4a8").
        calibrated: False where ranges are made up: sizes and timing are valid, outputs mean nothing.
        preprocess: how pictures become the network's inputs; None where the model's author quantized the inputs, and
            pixels go in as they are.
        reference: the float graph that this one rounds, layer for layer; None for a model that came quantized. (Equalizing
            gives it other numbers between layers than the model file has.)
        notes: what the user should know, besides the graph's own notes.
        choice: what the search for precisions found and took; None where none was asked for.
    """

    graph: Graph
    scheme: str
    calibrated: bool
    preprocess: Preprocess | None
    reference: Graph | None = None
    notes: tuple[str, ...] = ()
    choice: Choice | None = None


Progress = Callable[[str], None]
"""Called with what is under way: `calibrating, 12 of 131`."""


def prepare(
    graph: Graph,
    *,
    precision: str | Precision = "int8",
    effort: str = "default",
    calibration: Calibration | None = None,
    preprocess: Preprocess | None = None,
    io: str = "int8",
    budget: Budget = _NO_BUDGET,
    observer: ObserverFactory = MeanSquaredError,
    max_samples: int = MAX_SAMPLES,
    progress: Progress = lambda text: None,
) -> QuantizedModel:
    """Quantizes a canonical graph as far as it needs it.

    An integer model is kept bit for bit, whatever the options say; a QDQ model becomes integer with its own parameters;
    a float model is calibrated and quantized, or left in float32.

    Args:
        precision: of a float model: "int8", "float32", "w8a16" (16-bit activations; ranges are those seen), "w4a8" (4-bit
            weights but for layers that mind), "mixed" (the best choice under `budget`), or that of single nodes, by
            name, where all others are w8a8.
        effort: "default"; or "high", which equalizes channels and rounds weights by their effect. Weights of 4 bits
            always get it.
        calibration: a folder of pictures, a table of them, an .npz or an .npy file; or arrays, samples, or a function that
            gives them, as real numbers in the model file's layout. None makes ranges up.
        preprocess: of pictures; the default maps bytes to 0..1.
        io: how a model quantized here stores inputs and outputs: "int8", "uint8" or "float32".
        budget: for "mixed".
        max_samples: calibration uses that many, evenly spread over all.

    Raises:
        UsageError: an option has an unknown value, or asks for float32 of an integer model.
        TinymlError: the calibration data does not fit.
        DoesNotFitError: nothing keeps the budget.
    """
    if isinstance(precision, str):
        _check_option("precision", precision, PRECISIONS)
    _check_option("effort", effort, EFFORTS)
    _check_option("io", io, IO_TYPES)
    if graph.is_quantized:
        if precision == "float32":
            raise UsageError(
                f"model {graph.name} is quantized: it cannot run in float32",
                "build it as it is, or give the float model",
            )
        return _as_it_came(graph, calibration is not None, preprocess)
    graph = fold_constants(graph)
    preprocess = preprocess or Preprocess()
    if precision == "float32":
        return QuantizedModel(graph, "float32", True, preprocess, graph)
    if precision == "w8a16":
        return _wide(graph, calibration, preprocess, io, max_samples, progress)
    if calibration is None:
        if effort != "default" or precision == "mixed":
            raise UsageError(
                "without calibration data there is nothing to measure accuracy with",
                "give --calibration: a folder of pictures, an .npz or an .npy file",
            )
        chosen = _all_w4a8(graph) if precision == "w4a8" else {} if isinstance(precision, str) else precision
        ranges = plausible_ranges(graph)
        quantized = quantize_int8(graph, ranges, precision=chosen, input_dtype=IO_TYPES[io], output_dtype=IO_TYPES[io])
        return QuantizedModel(quantized, scheme(chosen), False, preprocess, graph, (_MADE_UP,))
    data = calibration_data(calibration, graph, preprocess).at_most(max_samples)
    quantizer = Quantizer(graph, data, observer, progress)
    chosen = {}
    choice = None
    notes = [f"calibrated with {len(data)} samples of {data.source}", *data.notes]
    if isinstance(precision, str):
        if precision in ("w4a8", "mixed"):
            found = quantizer.search(budget)
            limit = Budget(weight_bytes=int(W4A8_SHARE * found.int8_bytes)) if precision == "w4a8" else budget
            choice = Choice(found, best_within(found, limit))
            chosen = choice.taken.precision
    else:
        chosen = precision
    careful = effort == "high" or any(bits != "w8a8" for bits in chosen.values())
    quantized, reference = quantizer.quantize(chosen, careful, IO_TYPES[io])
    return QuantizedModel(quantized, scheme(chosen), True, preprocess, reference, tuple(notes), choice)


@dataclass(slots=True)
class Quantizer:
    """A float graph with its calibration data, to be quantized in one way or another."""

    graph: Graph
    data: CalibrationData
    observer: ObserverFactory = MeanSquaredError
    progress: Progress = lambda text: None
    _samples: list[Sample] | None = None

    @property
    def samples(self) -> Sequence[Sample]:
        """All of them, read once and kept."""
        if self._samples is None:
            self._samples = list(self.data)
        return self._samples

    def search(self, budget: Budget) -> Search:
        """What 4-bit weights cost each layer, what 16-bit activations gain where an accuracy is asked for, and the best
        choices."""
        graph = equalize(quantizable(self.graph), self.samples, {})
        assignment = decide(graph, self.ranges(graph, self.samples))
        return search(
            graph,
            assignment,
            self.samples,
            budget,
            progress=lambda what, done, total: self.progress(f"{what}, {done} of {total}"),
        )

    def quantize(self, precision: Precision, careful: bool, io: DType) -> tuple[Graph, Graph]:
        """The quantized graph, and the float graph that it rounds.

        Args:
            careful: equalize channels, and round weights by their effect; the result is kept where it is nearer to float
                than rounding to nearest, as measured on some of the samples.
        """
        if not careful:
            plain = quantize_int8(
                self.graph,
                self.ranges(self.graph, self.data),
                precision=precision,
                input_dtype=io,
                output_dtype=io,
                wide_ranges=self.wide_ranges(self.graph, precision),
            )
            return plain, self.graph
        graph = equalize(self.graph, self.samples, precision)
        rounded = quantize_int8(
            graph,
            self.ranges(graph, self.samples),
            precision=precision,
            samples=self.samples,
            input_dtype=io,
            output_dtype=io,
            progress=lambda done, total: self.progress(f"rounding weights, {done} of {total} nodes"),
            wide_ranges=self.wide_ranges(graph, precision),
        )
        plain, _ = self.quantize(precision, False, io)
        return (rounded, graph) if self._sqnr(rounded) >= self._sqnr(plain) else (plain, self.graph)

    def _sqnr(self, quantized: Graph) -> float:
        """Of the worst output, in dB."""
        self.progress("comparing with float")
        return min(output_sqnr(self.graph, quantized, self.data.at_most(COMPARED)).values())

    def wide_ranges(self, graph: Graph, precision: Precision) -> dict[str, Range] | None:
        """What was seen, for activations of 16 bits: their steps are plenty, so nothing of it saturates."""
        return self.ranges(graph, self.data, MinMax) if "w8a16" in precision.values() else None

    def ranges(
        self, graph: Graph, samples: Iterable[Sample], observer: ObserverFactory | None = None
    ) -> dict[str, Range]:
        total = len(self.data)
        return calibrate(
            graph,
            samples,
            bounds=self.data.bounds,
            observer=observer or self.observer,
            progress=lambda done: self.progress(f"calibrating, {done} of {total} samples"),
        )


def _all_w4a8(graph: Graph) -> Precision:
    """Four bits wherever a layer has weights: for sizes and timing, where there is no data to choose by."""
    return {node.name: "w4a8" for node in graph.nodes if node.op in WEIGHTED and float_reason(node, graph) is None}


def _wide(
    graph: Graph,
    calibration: Calibration | None,
    preprocess: Preprocess,
    io: str,
    max_samples: int,
    progress: Progress,
) -> QuantizedModel:
    """16-bit activations: steps are plenty, so nothing that was seen saturates."""
    if io == "uint8":
        raise UsageError("io 'uint8' with precision 'w8a16'", "inputs and outputs are int16 (io int8), or float32")
    float_io = io == "float32"
    if calibration is None:
        made_up = quantize_int16(graph, plausible_ranges(graph), float_io=float_io)
        return QuantizedModel(made_up, "w8a16", False, preprocess, graph, (_MADE_UP,))
    data = calibration_data(calibration, graph, preprocess).at_most(max_samples)
    quantizer = Quantizer(graph, data, MinMax, progress)
    quantized = quantize_int16(graph, quantizer.ranges(graph, data), float_io=float_io)
    notes = (f"calibrated with {len(data)} samples of {data.source}", *data.notes)
    return QuantizedModel(quantized, "w8a16", True, preprocess, graph, notes)


def _as_it_came(graph: Graph, calibrated: bool, preprocess: Preprocess | None) -> QuantizedModel:
    folded = fold_qdq(graph) if is_qdq(graph) else graph
    integer_inputs = any(graph.value(i).quant is not None for i in graph.inputs)
    notes = () if not calibrated else ("calibration data is not used: the model came quantized",)
    numbers = f"{scheme(_stored(folded))}, as in the model file"
    return QuantizedModel(folded, numbers, True, None if integer_inputs else preprocess or Preprocess(), None, notes)


def _stored(graph: Graph) -> Precision:
    """What the layers with weights have that are not int8."""
    found: dict[str, NodePrecision] = {}
    for node in graph.nodes:
        if node.op in WEIGHTED and graph.value(node.inputs[0]).dtype is DType.INT16:
            found[node.name] = "w8a16"
        elif node.op in WEIGHTED and graph.value(node.inputs[1]).dtype is DType.INT4:
            found[node.name] = "w4a8"
    return found


def _check_option(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise UsageError(f"{name} {value!r}; expected one of {', '.join(known)}")
