"""Models that came quantized as QDQ: float operations between DEQUANTIZE and QUANTIZE nodes, as onnxruntime, Brevitas
and PyTorch export them.

`fold_qdq` turns them into integer operations with the very parameters and weights of the file. uint8 tensors move to
int8, 128 lower, which changes no number. See docs/quantization.md for where rounding differs from onnxruntime's.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import NoAttrs, Op, ReshapeAttrs, TransposeAttrs
from tinyml.ir.quant import QuantParams
from tinyml.quantize.assign import SAME_SCALE, Assignment
from tinyml.quantize.lower import lower
from tinyml.quantize.params import as_int8

_STORED = (DType.INT8, DType.UINT8)
# Quantizing before or after these is the same, number for number.
_SELECTING = frozenset(
    {
        *(Op.MAX_POOL2D, Op.RESHAPE, Op.TRANSPOSE, Op.STRIDED_SLICE, Op.GATHER, Op.IDENTITY),
        *(Op.RESIZE_NEAREST, Op.DEPTH_TO_SPACE, Op.SPACE_TO_DEPTH),
    }
)


def is_qdq(graph: Graph) -> bool:
    """True where float operations read dequantized activations, and none computes on integers yet (moving them is not
    computing).

    A .tflite file with integer operations and float islands is not QDQ: its islands are float by intention.
    """
    computing = [n for n in graph.nodes if n.op not in (Op.QUANTIZE, Op.DEQUANTIZE)]
    if any(n.op not in SAME_SCALE and graph.value(o).quant is not None for n in computing for o in n.outputs):
        return False
    dequantized = {n.output for n in graph.nodes if n.op is Op.DEQUANTIZE and graph.activations(n)}
    return any(dequantized.intersection(n.used) for n in computing)


def fold_qdq(graph: Graph) -> Graph:
    """Integer operations in place of a QDQ graph's float ones; inputs and outputs stay as the file has them.

    An operation whose result is not quantized in the file stays in float32, with a note.
    """
    stripping = _Stripping(graph)
    for node in graph.nodes:
        stripping.add(node)
    stripping.finish()
    stripping.spread()
    return lower(
        graph.with_(nodes=tuple(stripping.nodes), values=stripping.values),
        Assignment(stripping.params, stripping.weights, fake_quantized=True),
        stripping.interface,
    )


def fold_constants(graph: Graph) -> Graph:
    """Constants in place of DEQUANTIZE nodes of constants: a float model whose weights alone are stored as integers."""
    values, nodes = dict(graph.values), []
    for node in graph.nodes:
        source = values[node.used[0]] if node.op is Op.DEQUANTIZE else None
        if source is None or source.data is None or source.quant is None:
            nodes.append(node)
        else:
            real = source.quant.dequantize(source.data)
            values[node.output] = replace(values[node.output], data=real)
    return graph if len(nodes) == len(graph.nodes) else graph.with_(nodes=tuple(nodes), values=values)


@dataclass(slots=True)
class _Stripping:
    """The float graph that is left without QUANTIZE and DEQUANTIZE, and what they said about its values."""

    graph: Graph
    nodes: list[Node] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    params: dict[str, QuantParams] = field(default_factory=dict)
    weights: dict[str, tuple[np.ndarray, QuantParams]] = field(default_factory=dict)
    interface: dict[str, QuantParams | None] = field(default_factory=dict)
    # stored or dequantized value of the QDQ graph -> the float value that stands for it
    _alias: dict[str, str] = field(default_factory=dict)
    _consumers: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values = dict(self.graph.values)
        self._consumers = self.graph.consumers()
        for name in self.graph.inputs:
            self._stands_for_itself(name)

    def add(self, node: Node) -> None:
        if node.op is Op.QUANTIZE and self._quantize(node):
            return
        if node.op is Op.DEQUANTIZE and self._dequantize(node):
            return
        if isinstance(node.attrs, TransposeAttrs | ReshapeAttrs) and self._move_weights(node, node.attrs):
            return
        for name in node.outputs:  # of moves between QUANTIZE and DEQUANTIZE
            self._stands_for_itself(name)
        self.nodes.append(
            replace(node, inputs=tuple(None if i is None else self._alias.get(i, i) for i in node.inputs))
        )

    def finish(self) -> None:
        """Gives the network's outputs their names back."""
        for name in self.graph.outputs:
            inner = self._alias.get(name, name)
            quant = self.graph.value(name).quant
            if quant is not None and name in self._alias:
                self.interface[name] = quant
            if inner == name:
                continue
            if inner in self.graph.inputs or inner in self.graph.outputs:
                self._identity(inner, name, self.params[inner])
            else:
                self._rename(inner, name)

    def spread(self) -> None:
        """Parameters of what an operation only selects from hold for what it selects, and the other way round where
        nobody else reads it: files quantize on one side of a reshape or transpose, or on both."""
        selecting = [n for n in self.nodes if n.op in _SELECTING and self.values[n.outputs[0]].dtype is DType.FLOAT32]
        for node in selecting:
            x, y = node.used[0], node.output
            if x in self.params:
                self.params.setdefault(y, self.params[x])
        readers = Counter(name for n in self.nodes for name in n.used)
        readers.update(self.graph.outputs)
        for node in reversed(selecting):
            x, y = node.used[0], node.output
            if y in self.params and readers[x] == 1 and not self.values[x].is_constant and x not in self.graph.inputs:
                self.params.setdefault(x, self.params[y])

    def _stands_for_itself(self, name: str) -> None:
        """A stored value that no QUANTIZE makes becomes the float value of the same name."""
        value = self.graph.value(name)
        if value.quant is None or value.dtype not in _STORED:
            return
        self._make_float(name)
        self._alias[name] = name
        self.params[name] = as_int8(value.quant)
        if name in self.graph.inputs:
            self.interface[name] = value.quant

    def _quantize(self, node: Node) -> bool:
        stored = self.graph.value(node.output)
        if stored.quant is None or stored.dtype not in _STORED or self.graph.value(node.used[0]).is_constant:
            return False
        params = as_int8(stored.quant)
        source = self._alias.get(node.used[0], node.used[0])
        if self.params.get(source) == params:
            self._alias[node.output] = source
        elif source not in (*self.params, *self.graph.inputs) and self._only_quantized(node.used[0], stored.quant):
            self.params[source] = params
            self._alias[node.output] = source
        else:
            self._identity(source, node.output, params)
            self._alias[node.output] = node.output
        return True

    def _only_quantized(self, name: str, params: QuantParams) -> bool:
        """Nobody reads the value but QUANTIZE nodes of these parameters."""
        return name not in self.graph.outputs and all(
            n.op is Op.QUANTIZE and self.graph.value(n.output).quant == params for n in self._consumers[name]
        )

    def _dequantize(self, node: Node) -> bool:
        source = self.graph.value(node.used[0])
        if source.data is not None and source.quant is not None:
            params = as_int8(source.quant)
            data = source.data
            if params is not source.quant:
                data = (data.astype(np.int16) - 128).astype(np.int8)
            self.weights[source.name] = (data, params)
            self._make_float(source.name, source.quant.dequantize(source.data))
            self._alias[node.output] = source.name
            return True
        if source.name in self._alias:
            self._alias[node.output] = self._alias[source.name]
            return True
        return False

    def _move_weights(self, node: Node, attrs: TransposeAttrs | ReshapeAttrs) -> bool:
        """A constant of another shape or order of axes (of one scale: an axis would have to be followed)."""
        name = self._alias.get(node.used[0], node.used[0])
        if name not in self.weights or self.weights[name][1].axis is not None:
            return False
        data, params = self.weights[name]
        moved = data.transpose(attrs.perm) if isinstance(attrs, TransposeAttrs) else data.reshape(attrs.shape)
        self.weights[node.output] = (moved, params)
        self._make_float(node.output, params.dequantize(moved))
        return True

    def _identity(self, source: str, name: str, params: QuantParams) -> None:
        self._make_float(name)
        self.params[name] = params
        self.nodes.append(Node(f"{name}_requantize", Op.IDENTITY, (source,), (name,), NoAttrs(), name))

    def _make_float(self, name: str, data: np.ndarray | None = None) -> None:
        value = self.graph.value(name)
        self.values[name] = Value(name, value.shape, DType.FLOAT32, None, data, value.layout)

    def _rename(self, old: str, new: str) -> None:
        def renamed(names: tuple[str | None, ...]) -> tuple[str | None, ...]:
            return tuple(new if n == old else n for n in names)

        self.nodes = [
            replace(n, inputs=renamed(n.inputs), outputs=tuple(new if o == old else o for o in n.outputs))
            for n in self.nodes
        ]
        self._make_float(new)
        self.params[new] = self.params.pop(old)
        self._alias = {k: new if v == old else v for k, v in self._alias.items()}
