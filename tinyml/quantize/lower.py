"""Carries an Assignment out: a float graph becomes one whose nodes compute on int8 wherever they have parameters.

Integer operations cannot take any combination of parameters (softmax's output is fixed, a pool's is its input's);
QUANTIZE nodes bridge what differs, and QUANTIZE and DEQUANTIZE stand around nodes that stay in float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import NoAttrs, Op, QuantizeAttrs
from tinyml.ir.quant import QuantParams
from tinyml.quantize.assign import SAME_SCALE, WEIGHTED, Assignment, float_reason, operands
from tinyml.quantize.params import (
    FIXED_OUTPUT,
    FIXED_OUTPUT_16,
    activation_params,
    quantize_bias,
    quantize_weights,
    weight_scales,
    workable_weight_scales,
)

Interface = Mapping[str, QuantParams | None]
"""How the network's inputs and outputs are stored; None is float32, as is what is not listed."""


def lower(graph: Graph, assignment: Assignment, interface: Interface) -> Graph:
    """The quantized graph. Values and nodes keep their names; a value's other forms get a suffix.

    Each node that stays in float32 though it has a floating-point result is named in the graph's notes.
    """
    lowering = _Lowering(graph, assignment, interface)
    for node in graph.nodes:
        lowering.add(node)
    for name in (*graph.outputs, *(s.written for s in graph.states)):
        lowering.name_result(name)
    return graph.with_(nodes=tuple(lowering.nodes), values=lowering.values, notes=(*graph.notes, *lowering.notes))


@dataclass(slots=True)
class _Lowering:
    graph: Graph
    assignment: Assignment
    interface: Interface
    nodes: list[Node] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    # value of the float graph -> its forms: parameters (None: as it was) -> name in the new graph
    _forms: dict[str, dict[QuantParams | None, str]] = field(default_factory=dict)
    # value of the float graph -> what the node that makes it computes by
    _made_by: dict[str, Assignment] = field(default_factory=dict)
    _reserved: set[str] = field(default_factory=set)
    _node_names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._reserved = {v.name for v in self.graph.values.values() if not v.is_constant}
        self._node_names = {n.name for n in self.graph.nodes}
        for name in self.graph.inputs:
            self._define(name, self.interface.get(name))
        for state in self.graph.states:
            self._define(state.read, None)

    def add(self, node: Node) -> None:
        chosen = self.assignment.of(node)
        params = chosen.params
        self._made_by |= dict.fromkeys(node.outputs, chosen)
        if node.op is Op.IDENTITY and node.output in params:
            self._requantize(node, params[node.output])
            return
        if node.op is Op.ARG_MAX and (own := params.get(node.used[0])) is not None:
            # Stored numbers are in the order of the real ones.
            self._append(node, (self._form(node.used[0], own),), None)
            return
        reason = float_reason(node, self.graph, chosen.activations)
        if reason is None:
            unknown = [v for v in (*operands(node, self.graph), node.output) if v not in params]
            reason = f"{', '.join(unknown)} came without quantization" if unknown else None
        if reason is None and node.op in WEIGHTED:
            reason = self._weights_reason(node)
        if reason is None:
            self._add_integer(node, chosen)
            return
        if any(self.graph.value(o).dtype is DType.FLOAT32 for o in node.outputs):
            self.notes.append(f"{node.name} computes in float32: {reason}")
        self._add_float(node)

    def name_result(self, name: str) -> None:
        """Makes sure that the value called `name` is the form that the interface wants."""
        wanted = self.interface.get(name)
        if self._forms[name].get(wanted) != name:
            self._convert(name, wanted)

    def _add_float(self, node: Node) -> None:
        inputs = tuple(None if i is None else self._form(i, None) for i in node.inputs)
        params = self.assignment.params
        if not self.assignment.fake_quantized or not any(name in params for name in node.outputs):
            self._append(node, inputs, None)
            return
        # Only the rounded numbers may be read: the exact ones get a name of their own.
        exact = tuple(_unique(f"{name}_exact", {*self.values, *self._reserved}) for name in node.outputs)
        for name, new in zip(node.outputs, exact, strict=True):
            self.values[new] = replace(self.graph.value(name), name=new, layout=None)
        self.nodes.append(replace(node, inputs=inputs, outputs=exact))
        for name, new in zip(node.outputs, exact, strict=True):
            if name in params:
                self._quantize(name, new, params[name])
            else:
                self._forms[name] = {None: new}

    def _requantize(self, node: Node, wanted: QuantParams) -> None:
        """An identity between values of different parameters."""
        x = node.used[0]
        own = self._own(x)
        self._forms[node.output] = {own: self._form(x, own)}
        self._form(node.output, wanted)
        if own is None and self.assignment.fake_quantized:
            del self._forms[node.output][None]

    # --- nodes on integers ------------------------------------------------------------------------------------------------

    def _add_integer(self, node: Node, chosen: Assignment) -> None:
        wanted = chosen.params[node.output]
        own = {i: chosen.params[i] for i in operands(node, self.graph)}
        if node.op in WEIGHTED:
            self._append(node, self._weighted_inputs(node, chosen), wanted)
            return
        natural = wanted
        fixed = FIXED_OUTPUT_16 if chosen.activations is DType.INT16 else FIXED_OUTPUT
        if node.op in fixed:
            natural = fixed[node.op]
        elif node.op in SAME_SCALE:
            if len(node.used) == 1 or node.op is Op.GATHER:
                natural = next(iter(own.values()))
            own = dict.fromkeys(own, natural)
        inputs = tuple(None if i is None else self._operand(i, own, natural, node) for i in node.inputs)
        self._append(node, inputs, natural)
        if natural != wanted:
            self._form(node.output, wanted)

    def _operand(self, name: str, own: Mapping[str, QuantParams], output: QuantParams, node: Node) -> str:
        value = self.graph.value(name)
        if name in own:
            return self._form(name, own[name])
        if value.dtype is not DType.FLOAT32:
            return self._form(name, None)
        if node.op in SAME_SCALE:
            return self._form(name, output)
        given = self.assignment.weights.get(name)
        ends = float(value.constant.min()), float(value.constant.max())
        params = given[1] if given else activation_params(*ends, output.dtype)
        return self._form(name, params)

    def _weights_reason(self, node: Node) -> str | None:
        given = self.assignment.weights.get(node.inputs[1] or "")
        if given is None:
            return None
        data, params = given
        if data.dtype != np.int8 or params.dtype not in (DType.INT4, DType.INT8):
            return f"its weights are {params.dtype.value}"
        if any(params.zero_point):
            return "its weights have a zero point"
        if params.axis not in (None, 0):
            return f"its weights are quantized along axis {params.axis}"
        return None

    def _weighted_inputs(self, node: Node, chosen: Assignment) -> tuple[str | None, ...]:
        x_name, w_name, b_name = (*node.inputs, None)[:3]
        assert x_name is not None and w_name is not None
        x, y = chosen.params[x_name], chosen.params[node.output]
        bias = None if b_name is None else self.graph.value(b_name).constant
        if (given := self.assignment.weights.get(w_name)) is not None:
            stored, params = given
        else:
            real = self.graph.value(w_name).constant
            bits = self.assignment.weight_types.get(node.name, DType.INT8)
            scales = workable_weight_scales(weight_scales(real, bits), bias, x.scale[0], y.scale[0])
            params = QuantParams.per_channel(scales, 0, bits)
            stored = quantize_weights(real, params)
        inputs: list[str | None] = [self._form(x_name, x), self._constant(w_name, stored, params)]
        if b_name is not None and bias is not None:
            dtype = DType.INT64 if chosen.activations is DType.INT16 else DType.INT32
            inputs.append(self._bias(b_name, bias, x.scale[0] * np.asarray(params.scale, np.float64), dtype))
        return tuple(inputs)

    def _bias(self, name: str, bias: np.ndarray, scales: np.ndarray, dtype: DType) -> str:
        given = self.assignment.weights.get(name)
        if given is not None and given[0].dtype == np.int32 and np.allclose(given[1].scale, scales, rtol=1e-5, atol=0):
            return self._constant(name, given[0], replace(given[1], axis=None if len(given[1].scale) == 1 else 0))
        return self._constant(name, *quantize_bias(bias, scales, dtype))

    # --- forms of values ----------------------------------------------------------------------------------------------

    @property
    def _named_results(self) -> set[str]:
        return {*self.graph.outputs, *(s.written for s in self.graph.states)}

    def _form(self, name: str, params: QuantParams | None) -> str:
        """The value in that form, by conversion where it was not asked for before."""
        value = self.graph.value(name)
        forms = self._forms.setdefault(name, {})
        if params not in forms:
            if not value.is_constant:
                return self._convert(name, params)
            given = self.assignment.weights.get(name)
            if params is None:
                forms[None] = self._constant(name, value.constant, None)
            elif given is not None and given[1] == params:
                forms[params] = self._constant(name, *given)
            else:
                forms[params] = self._constant(name, params.quantize(value.constant), params)
        return forms[params]

    def _convert(self, name: str, params: QuantParams | None) -> str:
        """A QUANTIZE or DEQUANTIZE node after the value's own form."""
        forms = self._forms[name]
        own = self._own(name)
        source = forms[own] if own in forms else next(iter(forms.values()))
        if params is not None:
            return self._quantize(name, source, params)
        result = self._define(name, None)
        new = self._new_node(f"{name}_dequantize")
        self.nodes.append(Node(new, Op.DEQUANTIZE, (source,), (result,), NoAttrs(), new))
        return result

    def _own(self, name: str) -> QuantParams | None:
        """The parameters that the value is made with."""
        return self._made_by.get(name, self.assignment).params.get(name)

    def _quantize(self, name: str, source: str, params: QuantParams) -> str:
        result = self._define(name, params)
        new = self._new_node(f"{name}_quantize")
        self.nodes.append(Node(new, Op.QUANTIZE, (source,), (result,), QuantizeAttrs(params.dtype), new))
        return result

    def _new_node(self, wanted: str) -> str:
        name = _unique(wanted, self._node_names)
        self._node_names.add(name)
        return name

    def _append(self, node: Node, inputs: Sequence[str | None], output: QuantParams | None) -> None:
        outputs = tuple(self._define(name, output) for name in node.outputs)
        self.nodes.append(replace(node, inputs=tuple(inputs), outputs=outputs))

    def _define(self, name: str, params: QuantParams | None) -> str:
        """Makes the value's form. It is called as the value is, unless that name is for the form that the interface
        wants, or for another form that came first."""
        value = self.graph.value(name)
        external = name in self._named_results or name in self.graph.inputs
        free = name not in self.values and (not external or self.interface.get(name) == params)
        suffix = value.dtype.value if params is None else params.dtype.value
        new = name if free else _unique(f"{name}_{suffix}", {*self.values, *self._reserved})
        dtype = value.dtype if params is None else params.dtype
        layout = value.layout if new == name else None
        self.values[new] = replace(value, name=new, dtype=dtype, quant=params or value.quant, layout=layout)
        self._forms.setdefault(name, {})[params] = new
        return new

    def _constant(self, name: str, data: np.ndarray, params: QuantParams | None) -> str:
        new = _unique(name, {*self.values, *self._reserved})
        value = self.graph.value(name)
        dtype = value.dtype if params is None else params.dtype
        quant = value.quant if params is None else params
        self.values[new] = Value(new, data.shape, dtype, quant, np.asarray(data, order="C"))
        return new


def _unique(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    i = 1
    while f"{name}_{i}" in taken:
        i += 1
    return f"{name}_{i}"
