"""Cross-layer equalization: channels of very different range share one scale badly, so their ranges are made alike.

Between two layers with nothing but a relu in between, channel c may be divided by any s > 0 if the next layer's weights
for it are multiplied by s (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
arXiv:1906.04721). Weights have a scale for each channel that they make, so dividing there costs nothing, and:

- a depthwise layer's weights have a scale for each channel that they read, too: all channels get the same range;
- a full layer's weights share a scale along the channels that they read: s is chosen so that activations and weights
  bear it evenly, sqrt(range of activations / range of weights), as SmoothQuant does (Xiao et al., arXiv:2211.10438);
- 4-bit weights have no room for it: nothing is changed before them.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Conv2dAttrs, FullyConnectedAttrs
from tinyml.ir.ops.conv import is_depthwise
from tinyml.quantize.assign import WEIGHTED
from tinyml.quantize.calibration import Sample
from tinyml.quantize.precision import Precision

_MOST = 256.0  # between two channels of a tensor: what is smaller matters to nobody


def equalize(graph: Graph, samples: Iterable[Sample], precision: Precision) -> Graph:
    """A float graph that computes the same, but for rounding, and quantizes better.

    Args:
        precision: of the layers, as far as it is known.
    """
    pairs = [(a, b) for a, b in _pairs(graph) if is_depthwise_layer(graph, b) or precision.get(b.name) != "w4a8"]
    ranges = _channel_ranges(graph, {a.output for a, _ in pairs}, samples) if pairs else {}
    values = dict(graph.values)
    for first, second in pairs:
        seen = ranges[first.output]
        w = values[str(second.inputs[1])].constant
        if is_depthwise_layer(graph, second):
            factors = seen
        else:
            column = np.abs(w.reshape(-1, w.shape[-1])).max(axis=0)
            factors = np.sqrt(seen * np.where(column > 0, 1 / np.maximum(column, 1e-30), 0.0))
        factors = np.clip(factors / max(factors.max(), 1e-30), 1 / _MOST, 1.0)
        factors = np.where(seen > 0, factors, 1.0).astype(np.float32)
        _rescale(values, first, second, factors, is_depthwise_layer(graph, second))
    return graph.with_(values=values)


def is_depthwise_layer(graph: Graph, node: Node) -> bool:
    return isinstance(node.attrs, Conv2dAttrs) and is_depthwise(graph.value(node.inputs[0]), node.attrs)


def _pairs(graph: Graph) -> list[tuple[Node, Node]]:
    """Layers of which the second alone reads the first's result, whose activation commutes with a positive factor."""
    consumers = graph.consumers()
    uses = Counter(name for node in graph.nodes for name in node.used)
    fixed = {*graph.outputs, *(s.written for s in graph.states)}

    def layer(node: Node) -> bool:
        constants = node.used[1:]
        return node.op in WEIGHTED and all(graph.value(n).is_constant and uses[n] == 1 for n in constants)

    pairs = []
    for node in graph.nodes:
        if not layer(node) or node.output in fixed:
            continue
        assert isinstance(node.attrs, Conv2dAttrs | FullyConnectedAttrs)
        clamp, readers = node.attrs.clamp, consumers.get(node.output, ())
        if clamp.hi != math.inf or clamp.lo not in (0.0, -math.inf) or len(readers) != 1:
            continue
        (second,) = readers
        # A fully connected layer may flatten a map: its columns are then no channels.
        channels = graph.value(node.output).shape[-1]
        alone = isinstance(second.attrs, Conv2dAttrs) and second.attrs.groups == 1
        full = alone or (
            isinstance(second.attrs, FullyConnectedAttrs) and graph.value(second.inputs[1]).shape[-1] == channels
        )
        if layer(second) and second.inputs[0] == node.output and (full or is_depthwise_layer(graph, second)):
            pairs.append((node, second))
    return pairs


def _channel_ranges(graph: Graph, names: set[str], samples: Iterable[Sample]) -> dict[str, np.ndarray]:
    """Value -> the largest magnitude of each of its channels."""
    largest = {name: np.zeros(graph.value(name).shape[-1]) for name in names}

    def see(value: Value, x: np.ndarray) -> None:
        if value.name in names:
            seen = np.abs(x.reshape(-1, x.shape[-1])).max(axis=0)
            largest[value.name] = np.maximum(largest[value.name], seen)

    for sample in samples:
        run(graph, sample, observe=see)
    return largest


def _rescale(values: dict[str, Value], first: Node, second: Node, factors: np.ndarray, depthwise: bool) -> None:
    """Divides the channels that `first` makes and multiplies what `second` has for them."""

    def change(name: str | None, factor: np.ndarray) -> None:
        if name is not None:
            values[name] = replace(values[name], data=values[name].constant * factor)

    w, *bias = (values[str(name)] for name in first.inputs[1:] if name is not None)
    change(w.name, (1 / factors).reshape(-1, *[1] * (len(w.shape) - 1)))
    for b in bias:
        change(b.name, 1 / factors)
    if depthwise:
        # Output channel o reads input channel o // (outputs / inputs).
        each = np.repeat(factors, values[str(second.inputs[1])].shape[0] // len(factors))
        change(second.inputs[1], each.reshape(-1, 1, 1, 1))
    else:
        change(second.inputs[1], factors)
