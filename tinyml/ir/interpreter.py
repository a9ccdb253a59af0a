"""Runs a graph in numpy: the meaning of a network, which everything else is compared with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tinyml.errors import UsageError
from tinyml.ir.graph import Graph, Value
from tinyml.ir.ops import spec


@dataclass(frozen=True, slots=True, eq=False)
class RunResult:
    """Attributes:
    outputs: network outputs by name, in order.
    values: every activation by name where asked for, otherwise the outputs only.
    states: what the next run must be given.
    """

    outputs: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    states: dict[str, np.ndarray]


def run(
    graph: Graph,
    inputs: Mapping[str, np.ndarray],
    *,
    states: Mapping[str, np.ndarray] | None = None,
    all_values: bool = False,
    observe: Callable[[Value, np.ndarray], None] | None = None,
) -> RunResult:
    """One inference.

    Args:
        inputs: an array for every network input, of its shape and type.
        states: what the previous run returned; None resets every state to real zero.
        all_values: keep every activation (costs memory).
        observe: called with every activation as soon as it is computed, inputs included.

    Raises:
        UsageError: an input is missing, or of another shape or type.
    """
    live: dict[str, np.ndarray] = {}
    for name in graph.inputs:
        live[name] = _checked(graph.value(name), inputs.get(name))
    for state in graph.states:
        live[state.read] = initial_state(graph.value(state.read)) if states is None else states[state.read]
    if observe is not None:
        for name in graph.inputs:
            observe(graph.value(name), live[name])
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.used}
    keep = {*graph.outputs, *(s.written for s in graph.states)}
    for i, node in enumerate(graph.nodes):
        values = [None if name is None else graph.value(name) for name in node.inputs]
        arrays = [None if v is None else (v.data if v.data is not None else live[v.name]) for v in values]
        outs = [graph.value(name) for name in node.outputs]
        for value, array in zip(outs, spec(node.op).reference(node.attrs, values, arrays, outs), strict=True):
            if array.shape != value.shape or array.dtype != value.dtype.numpy:
                raise AssertionError(
                    f"{node.name}: the reference of {node.op.value} gave {array.dtype}{list(array.shape)}, "
                    f"declared {value.dtype.value}{list(value.shape)}"
                )
            live[value.name] = array
            if observe is not None:
                observe(value, array)
        if not all_values:
            for name in node.used:
                if last_use[name] == i and name not in keep:
                    live.pop(name, None)
    outputs = {name: _array(graph, live, name) for name in graph.outputs}
    return RunResult(outputs, live if all_values else outputs, {s.read: live[s.written] for s in graph.states})


def initial_state(value: Value) -> np.ndarray:
    """Real zero."""
    zero = value.quant.zero_point[0] if value.quant is not None else 0
    return np.full(value.shape, zero, value.dtype.numpy)


def _array(graph: Graph, live: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    data = graph.value(name).data
    return live[name] if data is None else data


def _checked(value: Value, array: np.ndarray | None) -> np.ndarray:
    if array is None:
        raise UsageError(f"input {value.name} is missing; expected {value.dtype.value}{list(value.shape)}")
    if array.shape != value.shape or array.dtype != value.dtype.numpy:
        raise UsageError(
            f"input {value.name} is {array.dtype}{list(array.shape)}, expected {value.dtype.value}{list(value.shape)}"
        )
    return array
