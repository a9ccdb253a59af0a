"""Which nodes compute on int8, and with which parameters: the decisions of post-training quantization.

`decide` reads a float graph and ranges and returns an Assignment; `tinyml.quantize.lower` carries it out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import ClipAttrs, HardSigmoidAttrs, Op
from tinyml.ir.quant import QuantParams
from tinyml.quantize.params import FIXED_OUTPUT, FIXED_OUTPUT_16, Range, activation_params, weight_scales

WEIGHTED = frozenset({Op.CONV2D, Op.FULLY_CONNECTED})

RESCALING = frozenset(
    {
        *WEIGHTED,
        *(Op.ADD, Op.SUB, Op.MUL, Op.MEAN, Op.MATMUL),
        *(Op.RELU, Op.CLIP, Op.LEAKY_RELU, Op.HARD_SWISH, Op.HARD_SIGMOID, Op.EXP, Op.SQRT, Op.ERF, Op.GELU),
    }
)
"""int8 operations whose output has parameters of its own."""

SAME_SCALE = frozenset(
    {
        *(Op.MAX_POOL2D, Op.AVERAGE_POOL2D, Op.PAD, Op.RESHAPE, Op.TRANSPOSE, Op.STRIDED_SLICE, Op.GATHER, Op.IDENTITY),
        *(Op.CONCAT, Op.STACK, Op.RESIZE_NEAREST, Op.RESIZE_BILINEAR, Op.DEPTH_TO_SPACE, Op.SPACE_TO_DEPTH),
    }
)
"""int8 operations that move or select stored numbers: inputs and output share their parameters."""

INT8_OPS = RESCALING | SAME_SCALE | FIXED_OUTPUT.keys()

INT16_OPS = frozenset(
    {
        *(*WEIGHTED, Op.ADD, Op.SUB, Op.MUL, Op.MEAN, *FIXED_OUTPUT_16),
        *(Op.MAX_POOL2D, Op.AVERAGE_POOL2D, Op.PAD, Op.RESHAPE, Op.TRANSPOSE, Op.STRIDED_SLICE, Op.IDENTITY, Op.CONCAT),
        *(Op.RESIZE_NEAREST, Op.DEPTH_TO_SPACE, Op.SPACE_TO_DEPTH),
    }
)
"""What computes on int16 where activations have 16 bits."""


_WINDOWS: dict[Op, Range] = {
    Op.RELU: (0.0, math.inf),
    Op.HARD_SWISH: (-3.0, math.inf),
    Op.SIGMOID: (-math.log(511.0), math.log(511.0)),  # 1/512 from 0 or 1: half a step of 1/256
    Op.TANH: (-math.atanh(1 - 1 / 256), math.atanh(1 - 1 / 256)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Attributes:
    params: the int8 parameters of every activation that has an int8 form.
    weights: float constants whose integer form is given (a model that came quantized, or weights that were rounded by
        their effect), as stored data and parameters.
    weight_types: the type of the weights of nodes by name, where it is not INT8.
    activations: INT8 or INT16.
    wide, wide_nodes: nodes by name that compute on 16 bits, and the parameters that they compute with. Values between such
        nodes have 16 bits; those that others read or make are requantized at the seam.
    """

    params: Mapping[str, QuantParams]
    weights: Mapping[str, tuple[np.ndarray, QuantParams]] = field(default_factory=dict)
    weight_types: Mapping[str, DType] = field(default_factory=dict)
    fake_quantized: bool = False
    activations: DType = DType.INT8
    wide: "Assignment | None" = None
    wide_nodes: frozenset[str] = frozenset()

    def of(self, node: Node) -> "Assignment":
        """What the node computes by."""
        return self.wide if self.wide is not None and node.name in self.wide_nodes else self

    def stored(self, graph: Graph) -> dict[str, QuantParams]:
        """The parameters of each value as its narrowest reader sees it."""
        if self.wide is None:
            return dict(self.params)
        readers, ends = graph.consumers(), {*graph.inputs, *graph.outputs}
        wide = {
            name
            for node in graph.nodes
            if node.name in self.wide_nodes
            for name in node.outputs
            if name not in ends and all(reader.name in self.wide_nodes for reader in readers.get(name, ()))
        }
        return {name: self.wide.params[name] if name in wide else params for name, params in self.params.items()}


def float_reason(node: Node, graph: Graph, dtype: DType = DType.INT8) -> str | None:
    """Why a node has no form in int8, or int16, or None where it has one. For nodes that compute on float32."""
    if node.op not in (INT16_OPS if dtype is DType.INT16 else INT8_OPS):
        return f"{node.op.value} has no {dtype.value} form"
    if any(graph.value(o).dtype is not DType.FLOAT32 for o in node.outputs):
        return "its result is not float32"
    if node.op in WEIGHTED:
        constants = [graph.value(i).is_constant for i in node.inputs if i is not None]
        if constants != [False, *[True] * (len(constants) - 1)]:
            return "its weights are not constants"
    elif node.op is Op.GATHER:
        if graph.value(node.inputs[0]).is_constant:
            return "its table is a constant"
    elif not graph.activations(node):
        return "its inputs are constants"
    return None


def operands(node: Node, graph: Graph) -> tuple[str, ...]:
    """The float activations that a node computes on (not weights, not indices)."""
    return tuple(i for i in dict.fromkeys(graph.activations(node)) if graph.value(i).dtype is DType.FLOAT32)


def decide(graph: Graph, ranges: Mapping[str, Range], dtype: DType = DType.INT8) -> Assignment:
    """Parameters of int8, or int16, for every float activation with a range.

    Values that an integer operation keeps in one scale are tied together and get the union of their ranges; what the
    specification fixes (softmax, sigmoid, tanh) is passed on to what is only moved, and never forced upon others.
    """
    wide = dtype is DType.INT16
    fixed = FIXED_OUTPUT_16 if wide else FIXED_OUTPUT
    groups = _Groups(ranges if wide else _narrowed(graph, ranges), dtype)
    for node in graph.nodes:
        if float_reason(node, graph, dtype) is not None:
            continue
        if node.op in fixed:
            groups.fix(node.output, fixed[node.op])
        elif node.op in SAME_SCALE:
            _tie(groups, node, graph)
    for node in graph.nodes:
        if float_reason(node, graph, dtype) is None and node.op in RESCALING:
            groups.widen(node.output, _least_scale(node, graph, groups))
    return Assignment({name: groups.params(name) for name in ranges}, activations=dtype)


def _narrowed(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges without what no reader can tell apart: hard-swish is 0 below -3, so that steps there are wasted.

    Saturating there changes nothing but rounding. Only where every reader is such a function.
    """
    consumers = graph.consumers()
    narrowed = dict(ranges)
    for name, readers in consumers.items():
        if name not in ranges or name in graph.outputs or name in graph.inputs:
            continue
        windows = [_window(node) for node in readers]
        lo = max(ranges[name][0], min(w[0] for w in windows))
        hi = min(ranges[name][1], max(w[1] for w in windows))
        step = (hi - lo) / 255.0  # nudging the zero point must not move the window's ends inside
        narrowed[name] = (max(ranges[name][0], lo - step), min(ranges[name][1], hi + step))
    return narrowed


def _window(node: Node) -> Range:
    """Outside of it the node's result is constant, or nearer to constant than half a step of its fixed scale."""
    match node.attrs:
        case ClipAttrs(clamp):
            return clamp.lo, clamp.hi
        case HardSigmoidAttrs(alpha, beta) if alpha > 0:
            return -beta / alpha, (1.0 - beta) / alpha
    return _WINDOWS.get(node.op, (-math.inf, math.inf))


def _tie(groups: "_Groups", node: Node, graph: Graph) -> None:
    parts = operands(node, graph)
    fixed = {groups.fixed(p) for p in parts}
    if len(fixed) > 1:
        parts = tuple(p for p in parts if groups.fixed(p) is None)
    for part in parts:
        groups.tie(part, node.output)
    if groups.fixed(node.output) is None:
        for name in node.used:
            value = graph.value(name)
            if value.is_constant and value.dtype is DType.FLOAT32 and value.elements:
                groups.include(node.output, (float(value.constant.min()), float(value.constant.max())))
        pad = getattr(node.attrs, "value", 0.0) if node.op is Op.PAD else 0.0
        if math.isfinite(pad):
            groups.include(node.output, (pad, pad))


def _least_scale(node: Node, graph: Graph, groups: "_Groups") -> float:
    """The finest output step that makes sense: that of the accumulator, or 1/256 of an input's step.

    A finer one adds nothing and makes multipliers overflow; it comes from outputs that calibration saw as constant.
    """
    scales = [groups.params(i).scale[0] for i in operands(node, graph)]
    if node.op in WEIGHTED:
        return scales[0] * float(weight_scales(graph.value(node.inputs[1]).constant).max())
    return max(scales) / 256.0


class _Groups:
    """Union-find over values that must share parameters."""

    def __init__(self, ranges: Mapping[str, Range], dtype: DType) -> None:
        self._dtype = dtype
        self._steps = 255.0 if dtype is DType.INT8 else float(dtype.range[1])  # from 0 to the end of the range
        self._parent: dict[str, str] = {}
        self._range: dict[str, Range] = dict(ranges)
        self._fixed: dict[str, QuantParams] = {}

    def fixed(self, name: str) -> QuantParams | None:
        return self._fixed.get(self._root(name))

    def fix(self, name: str, params: QuantParams) -> None:
        self._fixed[self._root(name)] = params

    def tie(self, a: str, b: str) -> None:
        a, b = self._root(a), self._root(b)
        if a == b:
            return
        self._parent[b] = a
        self.include(a, self._range[b])
        if b in self._fixed:
            self._fixed.setdefault(a, self._fixed[b])

    def include(self, name: str, more: Range) -> None:
        root = self._root(name)
        lo, hi = self._range[root]
        self._range[root] = (min(lo, more[0]), max(hi, more[1]))

    def widen(self, name: str, least_scale: float) -> None:
        scale = self.params(name).scale[0]
        if scale < least_scale and self.fixed(name) is None:
            self.include(name, (0.0, least_scale * self._steps))

    def params(self, name: str) -> QuantParams:
        root = self._root(name)
        return self._fixed[root] if root in self._fixed else activation_params(*self._range[root], self._dtype)

    def _root(self, name: str) -> str:
        while (parent := self._parent.get(name)) is not None:
            name = parent
        return name
