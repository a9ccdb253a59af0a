"""Which orders of axes each operation can work in.

An axis of one element takes no place in memory, so what counts of a tensor's layout is the order of its other axes,
the *long* ones. A *frame* tells how the long axes of an operation's inputs and output hang together; an *arrangement*
of the frame is an order in which the operation can be carried out, and gives the order of every input and the output.

An operation without a frame works in the order of axes that it is declared with (convolution: N, H, W, C).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import (
    ConcatAttrs,
    FullyConnectedAttrs,
    Op,
    ReduceAttrs,
    ReshapeAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)

Order = tuple[int, ...]

ELEMENTWISE = frozenset(
    {
        Op.RELU,
        Op.CLIP,
        Op.LEAKY_RELU,
        Op.HARD_SWISH,
        Op.HARD_SIGMOID,
        Op.SIGMOID,
        Op.TANH,
        Op.EXP,
        Op.SQRT,
        Op.ERF,
        Op.GELU,
        Op.LOOKUP,
        Op.IDENTITY,
        Op.CAST,
        Op.QUANTIZE,
        Op.DEQUANTIZE,
    }
)
BINARY = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.DIV})
# They work along the last axis, which therefore stays the last.
ALONG_LAST = frozenset({Op.SOFTMAX, Op.BATCH_NORM, Op.FULLY_CONNECTED})


@dataclass(frozen=True, slots=True)
class Frame:
    """Attributes:
    items: what an arrangement is a permutation of: axes, or blocks of axes that stay together. Sorted.
    inputs: for each input of the node, item -> its axes there; None for inputs that have no part in it.
    output: item -> its axes in the output.
    last: the item that must come last.
    absorbs: the output is one long axis whose elements may come in any order, since whoever reads them can permute
        its weights.
    """

    items: Order
    inputs: tuple[Mapping[int, Order] | None, ...]
    output: Mapping[int, Order]
    last: int | None = None
    absorbs: bool = False

    def axes(self, index: int) -> Mapping[int, Order]:
        """item -> its axes in input `index`."""
        axes = self.inputs[index]
        assert axes is not None
        return axes

    def need(self, index: int, arrangement: Order) -> Order:
        """The order in which input `index` must lie."""
        return _concatenated(arrangement, self.axes(index))

    def result(self, arrangement: Order) -> Order:
        """The order in which the output comes."""
        return _concatenated(self.items if self.absorbs else arrangement, self.output)

    def from_need(self, index: int, order: Order) -> Order | None:
        """An arrangement that takes input `index` in this order, or None."""
        return self._completed(order, self.axes(index))

    def from_result(self, order: Order) -> Order | None:
        """An arrangement that gives the output in this order, or None."""
        return None if self.absorbs else self._completed(order, self.output)

    def _completed(self, order: Order, axes: Mapping[int, Order]) -> Order | None:
        item_of = {first[0]: item for item, first in axes.items() if first}
        found: list[int] = []
        while order:
            item = item_of.get(order[0])
            if item is None or order[: len(axes[item])] != axes[item]:
                return None
            found.append(item)
            order = order[len(axes[item]) :]
        if found == sorted(found):
            return self.items
        # Items that the order says nothing of go first, except the one that must be last.
        rest = [item for item in self.items if item not in found]
        behind = [item for item in rest if item == self.last]
        arrangement = (*(item for item in rest if item != self.last), *found, *behind)
        return arrangement if self.last is None or arrangement[-1] == self.last else None


def _concatenated(arrangement: Order, axes: Mapping[int, Order]) -> Order:
    return tuple(axis for item in arrangement for axis in axes.get(item, ()))


def long_axes(shape: tuple[int, ...]) -> Order:
    """The axes of more than one element."""
    return tuple(axis for axis, n in enumerate(shape) if n != 1)


def whole(value: Value) -> Frame:
    """The frame of a network input or output."""
    axes = {axis: (axis,) for axis in long_axes(value.shape)}
    return Frame(tuple(axes), (axes,), axes)


def alias_axes(graph: Graph, node: Node) -> dict[int, int] | None:
    """For a node that only renames axes: long axis of the output -> axis of the input. None for others.

    A TRANSPOSE is one as well: the order of axes in memory is not part of what it says.
    """
    if len(node.inputs) != 1 or node.op not in (Op.TRANSPOSE, Op.RESHAPE):
        return None
    x, y = graph.values[node.used[0]], graph.values[node.output]
    if x.quant != y.quant or x.dtype is not y.dtype:
        return None
    if isinstance(node.attrs, TransposeAttrs):
        return {axis: node.attrs.perm[axis] for axis in long_axes(y.shape)}
    before, after = long_axes(x.shape), long_axes(y.shape)
    if [x.shape[axis] for axis in before] != [y.shape[axis] for axis in after]:
        return None
    return dict(zip(after, before, strict=True))


def frame_of(graph: Graph, node: Node, absorbs: bool) -> Frame | None:
    """The frame of a node that is no alias; None where it keeps to the order that it is declared with.

    Args:
        absorbs: whatever reads the node's output can take its elements in any order.
    """
    if not graph.activations(node) or len(node.outputs) != 1:
        return None
    x, y = graph.values[node.used[0]], graph.values[node.output]
    frame: Frame | None = None
    if node.op in ELEMENTWISE:
        axes = {axis: (axis,) for axis in long_axes(y.shape)}
        frame = Frame(tuple(axes), (axes, *[None] * (len(node.inputs) - 1)), axes)
    elif node.op in BINARY or isinstance(node.attrs, ConcatAttrs):
        axes = {axis: (axis,) for axis in long_axes(y.shape)}
        frame = Frame(tuple(axes), tuple(_broadcast(graph.values[name], y) for name in node.used), axes)
    elif node.op is Op.PAD:
        axes = {axis: (axis,) for axis in long_axes(y.shape)}
        frame = Frame(tuple(axes), (_broadcast(x, y),), axes)
    elif isinstance(node.attrs, StridedSliceAttrs):
        frame = _reducing(x, y, node.attrs.squeeze)
    elif isinstance(node.attrs, ReduceAttrs):
        frame = _reducing(x, y, () if node.attrs.keep_dims else node.attrs.axes)
    elif isinstance(node.attrs, ReshapeAttrs):
        frame = _reshaping(x, y, absorbs)
    elif node.op in ALONG_LAST:
        if isinstance(node.attrs, FullyConnectedAttrs) and not node.attrs.keep_dims:
            return None
        last = len(x.shape) - 1
        lead = {axis: (axis,) for axis in long_axes(x.shape) if axis != last}
        inputs, output = ({**lead, **({last: (last,)} if v.shape[last] != 1 else {})} for v in (x, y))
        items = tuple(sorted({*inputs, *output}))
        frame = Frame(items, (inputs, *[None] * (len(node.inputs) - 1)), output, last if last in items else None)
    return frame


def _broadcast(x: Value, y: Value) -> dict[int, Order]:
    """Axis of y -> the axis of x that is laid over it."""
    offset = len(y.shape) - len(x.shape)
    return {axis + offset: (axis,) for axis in long_axes(x.shape)}


def _reducing(x: Value, y: Value, dropped: tuple[int, ...]) -> Frame:
    kept = [axis for axis in range(len(x.shape)) if axis not in dropped]
    output = {axis: (i,) for i, axis in enumerate(kept) if y.shape[i] != 1}
    inputs = {axis: (axis,) for axis in long_axes(x.shape)}
    return Frame(tuple(inputs), (inputs,), output)


def _reshaping(x: Value, y: Value, absorbs: bool) -> Frame:
    """Blocks of axes that are split or merged; their order among each other is free."""
    inputs, outputs = long_axes(x.shape), long_axes(y.shape)
    if absorbs and len(outputs) == 1:
        return Frame(inputs, ({axis: (axis,) for axis in inputs},), {inputs[0]: outputs}, absorbs=True)
    before: dict[int, Order] = {}
    after: dict[int, Order] = {}
    i = j = 0
    while i < len(inputs):
        first_i, first_j = i, j
        left, right = x.shape[inputs[i]], y.shape[outputs[j]]
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left *= x.shape[inputs[i]]
                i += 1
            else:
                right *= y.shape[outputs[j]]
                j += 1
        block = len(before)
        before[block], after[block] = inputs[first_i:i], outputs[first_j:j]
    return Frame(tuple(before), (before,), after)
