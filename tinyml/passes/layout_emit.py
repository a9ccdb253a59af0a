"""Writes a graph anew with the orders of axes that the search chose."""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import (
    Attrs,
    ConcatAttrs,
    FullyConnectedAttrs,
    Op,
    PadAttrs,
    ReduceAttrs,
    ReshapeAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)
from tinyml.passes.layout_frames import ALONG_LAST, BINARY, ELEMENTWISE, Frame, Order, alias_axes, long_axes
from tinyml.passes.layout_search import Problem

# Axis i of a tensor in memory is axis axes[i] of the value that it holds, or none that is known (then it is 1 long).
Axes = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Where a value of the old graph is found in the new one.

    Attributes:
        name: the value of the new graph.
        axes: how its axes are those of the old value; all long ones are there.
        columns: element i of the new value is element columns[i] of the old; only for values of one long axis.
    """

    name: str
    axes: Axes
    columns: np.ndarray | None = None


class Emitter:
    """The new graph as it grows, node by node in the order of the old."""

    def __init__(self, problem: Problem, chosen: "list[Order | None]") -> None:
        self._old = problem.graph
        self._problem = problem
        self._chosen = chosen
        self._states = {state.written for state in self._old.states}
        self._values: dict[str, Value] = {}
        self._nodes: list[Node] = []
        self._node_names = {node.name for node in self._old.nodes if node.name in problem.actor_of}
        self._views: dict[str, View] = {}
        self._copies: dict[tuple[str, tuple[int, ...], Order], str] = {}

    def run(self) -> Graph:
        for name in self._old.inputs:
            self._input(name)
        for state in self._old.states:
            self._keep(self._old.values[state.read])
        for value in self._old.constants():
            self._keep(value)
        for node in self._old.nodes:
            alias = alias_axes(self._old, node)
            if alias is None:
                self._node(node)
            else:
                view = self._views[node.used[0]]
                new_of = {old: new for new, old in alias.items()}
                if isinstance(node.attrs, TransposeAttrs):
                    new_of = {old: new for new, old in enumerate(node.attrs.perm)}
                axes = tuple(None if axis is None else new_of.get(axis) for axis in view.axes)
                self._views[node.output] = View(view.name, axes)
        for name in self._old.outputs:
            self._output(name)
        for state in self._old.states:
            value = self._old.values[state.written]
            self._define(value, tuple(range(len(value.shape))))
        return self._old.with_(nodes=tuple(self._nodes), values=self._values)

    # The network's ends

    def _input(self, name: str) -> None:
        value = self._old.values[name]
        axes: Order = tuple(range(len(value.shape)))
        arrangement = self._chosen[self._problem.actor_of[f"input {name}"]]
        if arrangement is not None:
            axes = _written_out(len(value.shape), arrangement)
        self._values[name] = _moved(value, axes)
        self._views[name] = View(name, axes)

    def _output(self, name: str) -> None:
        value = self._old.values[name]
        axes: Order = tuple(range(len(value.shape)))
        arrangement = self._chosen[self._problem.actor_of[f"output {name}"]]
        if arrangement is not None:
            placed = self._placed(name, arrangement, axes)
            whole = tuple(axis for axis in placed if axis is not None)
            axes = whole if len(whole) == len(placed) else _written_out(len(axes), arrangement)
        self._define(value, axes)

    def _define(self, value: Value, axes: Order) -> None:
        """Gives a value of the network its name, in whatever way it came about."""
        held = self._read(value.name, axes)
        if held == value.name:
            self._values[value.name] = replace(self._values[value.name], layout=_moved(value, axes).layout)
            return
        new = _moved(value, axes)
        self._values[value.name] = new
        self._append(Op.RESHAPE, held, value.name, ReshapeAttrs(new.shape), value.name)

    def _keep(self, value: Value) -> None:
        self._values[value.name] = value
        self._views[value.name] = View(value.name, tuple(range(len(value.shape))))

    # Reading values

    def _read(self, name: str, axes: Axes) -> str:
        """A value of the new graph that holds an old one with these axes."""
        view = self._views[name]
        shape = self._old.values[name].shape
        wanted = tuple(1 if axis is None else shape[axis] for axis in axes)
        order = _order(axes, shape)
        held = self._values[view.name]
        if self._order(name) == order and held.shape == wanted:
            return view.name
        place = {axis: view.axes.index(axis) for axis in order}
        if held.is_constant:
            return self._constant(held, [place[axis] for axis in order], wanted)
        key = (view.name, wanted, tuple(place[axis] for axis in order))
        if key not in self._copies:
            self._copies[key] = self._copy(held, [place[axis] for axis in order], wanted)
        return self._copies[key]

    def _order(self, name: str) -> Order:
        """The order in which the long axes of an old value lie."""
        return _order(self._views[name].axes, self._old.values[name].shape)

    def _copy(self, held: Value, long: list[int], wanted: tuple[int, ...]) -> str:
        """Puts the long axes of a value into an order: TRANSPOSE where it is not theirs, RESHAPE for the other axes."""
        source = held.name
        if long != sorted(long):
            short = [i for i in range(len(held.shape)) if i not in long]
            moved = iter(long)
            if len(short) == wanted.count(1):
                spare = iter(short)
                perm = tuple(next(spare) if n == 1 else next(moved) for n in wanted)
            else:
                perm = (*short, *moved)
            transposed = tuple(held.shape[i] for i in perm)
            name = self._new_value(f"{held.name}_transposed", transposed, held)
            self._append(Op.TRANSPOSE, source, name, TransposeAttrs(perm), name)
            if transposed == wanted:
                return name
            source = name
        name = self._new_value(f"{held.name}_view", wanted, held)
        self._append(Op.RESHAPE, source, name, ReshapeAttrs(wanted), name)
        return name

    def _constant(self, held: Value, long: list[int], wanted: tuple[int, ...]) -> str:
        short = [i for i in range(len(held.shape)) if i not in long]
        quant = held.quant
        if quant is not None and quant.axis is not None:
            places = [i for i, n in enumerate(wanted) if n != 1]
            quant = replace(quant, axis=places[long.index(quant.axis)])
        name = self._unique(held.name)
        data = np.array(held.constant.transpose(*short, *long).reshape(wanted), order="C")
        self._values[name] = Value(name, wanted, held.dtype, quant, data)
        return name

    def _placed(self, name: str, arrangement: Order, named: Order) -> Axes:
        """Axes for a value that follow an arrangement and have a place for each axis that is named: those in which the
        value lies where axes of one element can be told apart so, otherwise all of its axes written out."""
        shape = self._old.values[name].shape
        view = self._views[name]
        for axes in (view.axes, _long(shape, view.axes)):
            missing = [axis for axis in named if axis not in axes]
            free = [i for i, axis in enumerate(axes) if axis is None]
            for places in permutations(free, len(missing)):
                filled = dict(zip(places, missing, strict=True))
                placed = tuple(filled.get(i, axis) for i, axis in enumerate(axes))
                if tuple(axis for axis in placed if axis in arrangement) == arrangement:
                    return placed
        return _written_out(len(shape), arrangement)

    # Nodes

    def _node(self, node: Node) -> None:
        number = self._problem.actor_of[node.name]
        frame, arrangement = self._problem.actors[number].frame, self._chosen[number]
        if frame is None or arrangement is None:
            self._fixed_node(node)
        elif node.op in ELEMENTWISE:
            self._elementwise(node, arrangement)
        elif node.op in BINARY:
            self._binary(node, arrangement)
        elif node.op in ALONG_LAST:
            self._along_last(node, arrangement)
        elif isinstance(node.attrs, ReshapeAttrs):
            self._reshape(node, frame, arrangement)
        else:
            self._axiswise(node, arrangement)

    def _fixed_node(self, node: Node) -> None:
        inputs: list[str | None] = []
        for name in node.inputs:
            axes = () if name is None else tuple(range(len(self._old.values[name].shape)))
            inputs.append(None if name is None else self._read(name, axes))
        if node.op is Op.FULLY_CONNECTED:
            inputs[1] = self._permuted_weights(node)
        self._nodes.append(replace(node, inputs=tuple(inputs)))
        for name in node.outputs:
            self._keep(self._old.values[name])

    def _permuted_weights(self, node: Node) -> str:
        columns = self._views[node.used[0]].columns
        weights = self._old.values[node.used[1]]
        if columns is None:
            return weights.name
        name = self._unique(weights.name)
        data = np.array(weights.constant[:, columns], order="C")
        self._values[name] = Value(name, weights.shape, weights.dtype, weights.quant, data)
        return name

    def _elementwise(self, node: Node, arrangement: Order) -> None:
        view = self._views[node.used[0]]
        axes = view.axes
        if self._order(node.used[0]) != arrangement:
            axes = _written_out(len(self._old.values[node.used[0]].shape), arrangement)
        held = self._read(node.used[0], axes)
        self._result(node, self._values[held].shape, axes, (held, *node.inputs[1:]), node.attrs, view.columns)

    def _binary(self, node: Node, arrangement: Order) -> None:
        y = self._old.values[node.output]
        offsets = [len(y.shape) - len(self._old.values[name].shape) for name in node.used]
        axes: Axes = _written_out(len(y.shape), arrangement)
        for name, offset in zip(node.used, offsets, strict=True):
            view = self._views[name]
            order = tuple(axis + offset for axis in self._order(name))
            if not self._values[view.name].is_constant and order == arrangement:
                axes = tuple(None if axis is None else axis + offset for axis in view.axes)
                break
        inputs = []
        for name, offset in zip(node.used, offsets, strict=True):
            x = self._old.values[name]
            long = long_axes(x.shape)
            own = tuple(None if a is None or a - offset not in long else a - offset for a in axes)
            held = self._values[self._views[name].name]
            # A constant that broadcasts as it is stays as it is: one number a channel, a scalar.
            as_it_is = (1,) * (len(own) - len(held.shape)) + held.shape
            wanted = tuple(1 if a is None else x.shape[a] for a in own)
            trivial = held.is_constant and len(long) <= 1 and as_it_is == wanted
            inputs.append(held.name if trivial else self._read(name, own))
        shape = tuple(1 if axis is None else y.shape[axis] for axis in axes)
        self._result(node, shape, axes, tuple(inputs), node.attrs)

    def _along_last(self, node: Node, arrangement: Order) -> None:
        x, y = self._old.values[node.used[0]], self._old.values[node.output]
        last = len(x.shape) - 1
        view = self._views[node.used[0]]
        axes: Axes = view.axes
        if axes[-1:] != (last,) or self._order(x.name) != tuple(a for a in arrangement if x.shape[a] != 1):
            lead = [axis for axis in arrangement if axis != last]
            rest = [axis for axis in range(last) if axis not in lead]
            axes = (*range(last), last) if lead == sorted(lead) else (*rest, *lead, last)
        inputs = [self._read(node.used[0], axes), *node.inputs[1:]]
        if isinstance(node.attrs, FullyConnectedAttrs):
            inputs[1] = self._permuted_weights(node)
        shape = (*self._values[str(inputs[0])].shape[:-1], y.shape[-1])
        self._result(node, shape, axes, tuple(inputs), node.attrs)

    def _reshape(self, node: Node, frame: Frame, arrangement: Order) -> None:
        x, y = self._old.values[node.used[0]], self._old.values[node.output]
        order = frame.need(0, arrangement)
        view = self._views[node.used[0]]
        held = self._read(x.name, view.axes if self._order(x.name) == order else _written_out(len(x.shape), order))
        axes = _written_out(len(y.shape), frame.result(arrangement))
        columns = None
        if frame.absorbs and order != tuple(sorted(order)):
            long = long_axes(x.shape)
            elements = np.arange(x.elements).reshape([x.shape[axis] for axis in long])
            columns = elements.transpose([long.index(axis) for axis in order]).ravel()
        shape = tuple(y.shape[axis] for axis in axes)
        self._result(node, shape, axes, (held,), ReshapeAttrs(shape), columns)

    def _axiswise(self, node: Node, arrangement: Order) -> None:
        """CONCAT, PAD, STRIDED_SLICE, MEAN: attributes that name axes."""
        y = self._old.values[node.output]
        rank = len(self._old.values[node.used[0]].shape)
        dropped: tuple[int, ...] = ()
        match node.attrs:
            case ConcatAttrs() as attrs:
                named: Order = (attrs.axis,)
            case PadAttrs() as attrs:
                named = tuple(axis for axis in range(rank) if any(attrs.padding[axis]))
            case StridedSliceAttrs() as attrs:
                named, dropped = attrs.squeeze, attrs.squeeze
            case ReduceAttrs() as attrs:
                named, dropped = attrs.axes, () if attrs.keep_dims else attrs.axes
            case _:
                raise AssertionError(f"{node.op.value} has no axes")
        axes = self._placed(self._old.activations(node)[0], arrangement, named)
        inputs = tuple(self._read(name, axes) for name in node.used)
        kept = [axis for axis in range(rank) if axis not in dropped]
        result = tuple(None if axis is None else kept.index(axis) for axis in axes if axis not in dropped)
        shape = tuple(1 if axis is None else y.shape[axis] for axis in result)
        self._result(node, shape, result, inputs, _with_axes(node.attrs, axes))

    def _result(
        self,
        node: Node,
        shape: tuple[int, ...],
        axes: Axes,
        inputs: "tuple[str | None, ...]",
        attrs: Attrs,
        columns: np.ndarray | None = None,
    ) -> None:
        y = self._old.values[node.output]
        # A value of the network that does not lie as it must takes its name from the view that does.
        name = y.name if self._lies_well(y, axes) else self._unique(f"{y.name}_inner")
        self._values[name] = replace(y, name=name, shape=shape, layout=None)
        self._nodes.append(replace(node, inputs=inputs, outputs=(name,), attrs=attrs))
        self._views[y.name] = View(name, axes, columns)

    def _lies_well(self, value: Value, axes: Axes) -> bool:
        """Whether a value with these axes may go by its name: whether it is no value of the network, or as it must be."""
        identity = tuple(range(len(value.shape)))
        if value.name in self._states and axes != identity:
            return False
        if value.name not in self._old.outputs:
            return True
        arrangement = self._chosen[self._problem.actor_of[f"output {value.name}"]]
        if arrangement is None:
            return axes == identity
        return (
            None not in axes
            and len(axes) == len(identity)
            and tuple(a for a in axes if a in arrangement) == arrangement
        )

    def _append(self, op: Op, source: str, output: str, attrs: ReshapeAttrs | TransposeAttrs, name: str) -> None:
        unique = _suffixed(name, self._node_names)
        self._node_names.add(unique)
        self._nodes.append(Node(unique, op, (source,), (output,), attrs, unique))

    def _new_value(self, hint: str, shape: tuple[int, ...], like: Value) -> str:
        name = self._unique(hint)
        self._values[name] = Value(name, shape, like.dtype, like.quant)
        return name

    def _unique(self, hint: str) -> str:
        return _suffixed(hint, {*self._values, *self._old.values})


def _written_out(rank: int, arrangement: Order) -> Order:
    """All axes in the order of an arrangement: as they are or channels last if that will do, else the others first."""
    last = (0, *range(2, rank), 1) if rank > 2 else tuple(range(rank))
    for axes in (tuple(range(rank)), last):
        if tuple(axis for axis in axes if axis in arrangement) == arrangement:
            return axes
    return (*(axis for axis in range(rank) if axis not in arrangement), *arrangement)


def _with_axes(attrs: Attrs, axes: Axes) -> Attrs:
    """Attributes that name axes, for a tensor that has these axes. Along those that are no axis nothing happens."""
    match attrs:
        case ConcatAttrs():
            return ConcatAttrs(axes.index(attrs.axis))
        case PadAttrs():
            return replace(attrs, padding=tuple((0, 0) if axis is None else attrs.padding[axis] for axis in axes))
        case StridedSliceAttrs():
            bounds = [(0, 1, 1) if a is None else (attrs.begin[a], attrs.end[a], attrs.stride[a]) for a in axes]
            begin, end, stride = zip(*bounds, strict=True)
            return StridedSliceAttrs(begin, end, stride, _places(axes, attrs.squeeze))
        case ReduceAttrs():
            return replace(attrs, axes=_places(axes, attrs.axes))
    raise AssertionError(f"{type(attrs).__name__} names no axes")


def _places(axes: Axes, named: Order) -> Order:
    return tuple(sorted(axes.index(axis) for axis in named))


def _order(axes: Axes, shape: tuple[int, ...]) -> Order:
    return tuple(axis for axis in axes if axis is not None and shape[axis] != 1)


def _long(shape: tuple[int, ...], axes: Axes) -> Axes:
    return tuple(None if axis is None or shape[axis] == 1 else axis for axis in axes)


def _moved(value: Value, axes: Order) -> Value:
    """A network input or output with its axes moved, and the record of it."""
    before = value.layout or tuple(range(len(value.shape)))
    layout = tuple(before[axis] for axis in axes)
    unmoved = layout == tuple(sorted(layout))
    return replace(value, shape=tuple(value.shape[axis] for axis in axes), layout=None if unmoved else layout)


def _suffixed(hint: str, taken: set[str]) -> str:
    if hint not in taken:
        return hint
    i = 1
    while f"{hint}_{i}" in taken:
        i += 1
    return f"{hint}_{i}"
