"""How a quantized network differs from the float one on a set of samples, and the emitted C from both."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tinyml.errors import TinymlError
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.pipeline import Compilation, need
from tinyml.quantize.calibration import CalibrationData, Sample
from tinyml.quantize.error_report import LayerError, layer_sqnr, stored_inputs
from tinyml.quantize.paired import Paired, compare
from tinyml.report.page import render_page

LAYER_SAMPLES = 16
"""Samples that layers are looked at with; whole networks are compared on all."""

RunC = Callable[[Sequence[bytes]], list[bytes]]


@dataclass(frozen=True, slots=True)
class AccuracyReport:
    """Attributes:
    c_differs: samples for which the emitted C gives other bytes than the quantized reference.
    paired: quantized against float, for the first output; None for a model that came quantized.
    right: share of right answers of the quantized network; None where labels are not known.
    layers: in order of execution, from LAYER_SAMPLES samples.
    flipped: names of samples whose answer changed, a few.
    """

    model: str
    scheme: str
    data: str
    samples: int
    c_differs: int
    paired: Paired | None
    right: float | None
    layers: tuple[LayerError, ...]
    flipped: tuple[str, ...]

    @property
    def blamed(self) -> tuple[LayerError, ...]:
        """Layers, the one that costs the output most first."""
        return tuple(sorted(self.layers, key=lambda layer: -layer.blame))

    def to_json(self) -> dict[str, object]:
        document = {"schema_version": 1, **asdict(self)}
        for layer, plain in zip(document["layers"], self.layers, strict=True):
            layer["op"] = plain.op.value
            for key in ("sqnr_db", "own_sqnr_db"):
                layer[key] = _finite(layer[key])
        if self.paired is not None:
            document["paired"]["sqnr_db"] = _finite(self.paired.sqnr_db)
        return document


def accuracy_report(
    done: Compilation, data: CalibrationData, run_c: RunC, say: Callable[[str], None] = lambda text: None
) -> AccuracyReport:
    """Runs all samples through the float network, the quantized reference and the emitted C.

    Args:
        data: samples of the float network's inputs, or of the quantized one's where it came so.
    """
    quantized, lowered = need(done.quantized), need(done.schedule).graph
    reference = quantized.reference
    exact, other, differs = [], [], 0
    for i, sample in enumerate(data):
        stored = stored_inputs(lowered, sample)
        outputs = run(lowered, stored).outputs
        got = run_c([np.ascontiguousarray(stored[name]).tobytes() for name in lowered.inputs])
        differs += any(g != outputs[name].tobytes() for g, name in zip(got, lowered.outputs, strict=True))
        other.append(_real(lowered, outputs))
        if reference is not None:
            exact.append(run(reference, sample).outputs[reference.outputs[0]].ravel())
        say(f"comparing, {i + 1} of {len(data)} samples")
    labels = data.labels
    if labels is not None and (not len(other) or max(labels) >= max(len(other[0]), 2)):
        raise TinymlError(
            f"{data.source} has {max(labels) + 1} classes, the network has {len(other[0])} outputs",
            "give the folder whose subfolders are the network's classes, in the order of their names",
        )
    paired = None if reference is None else compare(np.stack(exact), np.stack(other), labels)
    right = None
    if labels is not None:
        answers = compare(np.stack(other), np.stack(other), labels).top1
        right = None if answers is None else answers.other
    layers: list[LayerError] = []
    if reference is not None and quantized.graph.is_quantized:
        few = data.at_most(LAYER_SAMPLES)
        layers = layer_sqnr(
            reference, quantized.graph, few, lambda n: say(f"looking at layers, {n} of {len(few)} samples")
        )
    which = () if paired is None else paired.which
    return AccuracyReport(
        model=done.options.model.name,
        scheme=quantized.scheme,
        data=data.source,
        samples=len(data),
        c_differs=differs,
        paired=paired,
        right=right,
        layers=tuple(layers),
        flipped=tuple(data.names[i] if data.names else f"sample {i}" for i in which[:20]),
    )


def accuracy_html(report: AccuracyReport) -> str:
    """One self-contained page: no script, nothing to load."""
    context = {
        "report": report,
        "largest": max((layer.blame for layer in report.layers), default=0.0) or 1.0,
        "total": sum(layer.blame for layer in report.layers) or 1.0,
        "width": lambda db: max(0.0, min(db, 60.0)) / 60.0,
    }
    return render_page("accuracy.html.j2", context)


def _real(graph: Graph, outputs: Sample) -> np.ndarray:
    """The first output as real numbers, in one row."""
    value = graph.value(graph.outputs[0])
    stored = outputs[value.name]
    real: np.ndarray = (stored if value.quant is None else value.quant.dequantize(stored)).ravel()
    return real


def _finite(db: float) -> float | None:
    """JSON has no infinity: None where there is no noise."""
    return db if np.isfinite(db) else None
