"""What a handler sees: one ONNX node, its tensors, its attributes, and the graph that is being built."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import AttributeProto

from tinyml.frontends.onnx.known import MOVES, evaluate
from tinyml.frontends.onnx.reader import ModelFile
from tinyml.frontends.onnx.registry import UnsupportedError
from tinyml.frontends.onnx.tensors import Known, Tensor, check_size
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import Attrs, Op, ReshapeAttrs, TransposeAttrs, spec
from tinyml.ir.quant import QuantParams


class Emitter:
    """Appends to a GraphBuilder; gives each known tensor at most one constant, and each re-laid copy too.

    Attributes:
        moved_from: for results of moves without quantization, the values whose elements they hold.
    """

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder = builder
        self.moved_from: dict[str, list[str]] = {}
        self._constants: dict[int, tuple[Known, str]] = {}  # the Known is kept so that its id stays its own
        self._copies: dict[tuple[int, Op, Attrs], tuple[Known, Known]] = {}

    def materialize(self, tensor: Tensor, source: str) -> str:
        """The name of a tensor in the graph: a known one becomes a constant, dequantized where it is quantized."""
        if isinstance(tensor, str):
            return tensor
        if id(tensor) not in self._constants:
            dtype = DType.INT4 if tensor.int4 else None
            name = self.builder.constant(tensor.name or "constant", tensor.array, tensor.quant, dtype)
            if tensor.quant is not None:
                name = self.builder.node(Op.DEQUANTIZE, [name], source=source)
            self._constants[id(tensor)] = (tensor, name)
        return self._constants[id(tensor)][1]

    def evaluate(self, op: Op, inputs: Sequence[Known], attrs: Attrs) -> Known | None:
        if len(inputs) != 1:
            return evaluate(op, inputs, attrs)
        key = (id(inputs[0]), op, attrs)
        if key not in self._copies:
            result = evaluate(op, inputs, attrs)
            if result is None:
                return None
            self._copies[key] = (inputs[0], result)
        return self._copies[key][1]


class NodeContext:
    """One node of the model file.

    Every method raises UnsupportedError or ValueError with a reason where the node does not fit; the importer adds
    which node it was.

    Attributes:
        op: ONNX's name of the operation.
        source: how messages and comments call the node.
        opset: version of the default operator set.
        folder: where the model file lies.
        name: what the node that does the work is called in the graph.
        used_outputs: for each output, whether anybody reads it.
    """

    def __init__(
        self,
        proto: Any,
        name: str,
        source: str,
        file: ModelFile,
        inputs: Sequence[Tensor | None],
        used_outputs: Sequence[bool],
        emitter: Emitter,
    ) -> None:
        self.op: str = proto.op_type
        self.source = source
        self.opset = file.opset
        self.folder = file.folder
        self.inputs = tuple(inputs)
        self.used_outputs = tuple(used_outputs)
        self.name = name
        self._attributes = {a.name: a for a in proto.attribute}
        self._read: set[str] = set()
        self._emitter = emitter

    # Attributes. Reading one marks it as understood; `unread` lists the others.

    def has_attr(self, name: str) -> bool:
        return name in self._attributes

    def attr_int(self, name: str, default: int | None = None) -> int:
        a = self._attribute(name, AttributeProto.INT)
        return int(a.i) if a is not None else self._default(name, default)

    def attr_ints(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        a = self._attribute(name, AttributeProto.INTS)
        return tuple(int(i) for i in a.ints) if a is not None else self._default(name, default)

    def attr_float(self, name: str, default: float | None = None) -> float:
        a = self._attribute(name, AttributeProto.FLOAT)
        return float(a.f) if a is not None else self._default(name, default)

    def attr_floats(self, name: str) -> tuple[float, ...]:
        a = self._attribute(name, AttributeProto.FLOATS)
        return tuple(float(f) for f in a.floats) if a is not None else self._default(name, None)

    def attr_text(self, name: str, default: str) -> str:
        a = self._attribute(name, AttributeProto.STRING)
        return a.s.decode("utf-8", "replace") if a is not None else default

    def attr_tensor(self, name: str) -> Any | None:
        a = self._attribute(name, AttributeProto.TENSOR)
        return None if a is None else a.t

    @property
    def unread(self) -> list[str]:
        """Attributes that the handler did not ask for."""
        return sorted(set(self._attributes) - self._read)

    def _attribute(self, name: str, kind: Any) -> Any | None:
        a = self._attributes.get(name)
        if a is not None:
            self._read.add(name)
            if a.type != kind:
                raise UnsupportedError(f"attribute {name} has a type that ONNX does not give it")
        return a

    def _default(self, name: str, default: Any) -> Any:
        if default is None:
            raise UnsupportedError(f"attribute {name} is missing")
        return default

    # Tensors.

    def tensor(self, index: int) -> Tensor:
        """Input `index`, which must be there."""
        t = self.optional(index)
        if t is None:
            raise UnsupportedError(f"input {index} is missing")
        return t

    def optional(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def shape(self, t: Tensor) -> tuple[int, ...]:
        return t.array.shape if isinstance(t, Known) else self._emitter.builder.values[t].shape

    def rank(self, t: Tensor) -> int:
        return len(self.shape(t))

    def is_float(self, t: Tensor) -> bool:
        if isinstance(t, Known):
            return t.quant is not None or t.array.dtype.kind == "f"
        return self._emitter.builder.values[t].dtype is DType.FLOAT32

    def quant(self, name: str) -> QuantParams | None:
        return self._emitter.builder.values[name].quant

    def dtype(self, name: str) -> DType:
        return self._emitter.builder.values[name].dtype

    def set_quant(self, name: str, quant: QuantParams) -> None:
        """Says what the stored integers of a value mean, and of the values that it was moved from.

        Raises:
            UnsupportedError: the value means something else already.
        """
        value = self._emitter.builder.values[name]
        if value.quant is None:
            self._emitter.builder.values[name] = replace(value, quant=quant)
            for source in self._emitter.moved_from.get(name, ()):
                self.set_quant(source, quant)
        elif value.quant != quant:
            raise UnsupportedError(f"its parameters {quant} differ from those that its input has, {value.quant}")

    def known(self, index: int, what: str) -> np.ndarray:
        """The elements of input `index`, dequantized; `what` names it in the message."""
        t = self.tensor(index)
        if not isinstance(t, Known):
            raise UnsupportedError(f"{what} is computed at run time")
        return t.array if t.quant is None else t.quant.dequantize(t.array)

    def known_ints(self, index: int, what: str) -> tuple[int, ...]:
        a = self.known(index, what)
        if a.dtype.kind not in "iu" or a.ndim > 1:
            raise UnsupportedError(f"{what} is {a.dtype.name}{list(a.shape)}, expected a list of integers")
        return tuple(int(i) for i in a.reshape(-1))

    def known_scalar(self, index: int, what: str) -> Any:
        a = self.known(index, what)
        if a.size != 1:
            raise UnsupportedError(f"{what} has {a.size} elements, expected one")
        return a.reshape(())[()]

    def axis(self, axis: int, rank: int) -> int:
        """A non-negative axis."""
        if not -rank <= axis < rank:
            raise UnsupportedError(f"axis {axis} of a tensor with {rank} axes")
        return axis % rank

    def axes(self, axes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Non-negative axes, sorted."""
        resolved = tuple(sorted(self.axis(a, rank) for a in axes))
        if len(set(resolved)) != len(resolved):
            raise UnsupportedError(f"axes {list(axes)} name an axis twice")
        return resolved

    # The graph.

    def emit(self, op: Op, inputs: Sequence[Tensor | None], attrs: Attrs | None = None) -> Tensor:
        """The result of an operation: known where all inputs are, else of a new node.

        Values other than float32 may only be moved: integer arithmetic at run time is what quantization introduces.
        """
        attrs = spec(op).attrs() if attrs is None else attrs
        if all(isinstance(i, Known) for i in inputs):
            known = self._emitter.evaluate(op, [i for i in inputs if isinstance(i, Known)], attrs)
            if known is not None:
                return known
        moves = isinstance(attrs, MOVES) or op is Op.MAX_POOL2D
        if not moves and op is not Op.CAST:
            self._refuse_integers([i for i in inputs if i is not None])
        names = [None if i is None else self.materialize(i) for i in inputs]
        if not moves:
            return self.emit_node(op, names, attrs)
        moved = [n for n in (names[:1] if op is Op.GATHER else names) if n is not None]
        quant = self.quant(moved[0])
        if any(self.quant(n) != quant for n in moved):
            raise UnsupportedError("it joins integers of different scales or zero points")
        result = self.emit_node(op, names, attrs, quant)
        if quant is None:
            self._emitter.moved_from[result] = moved
        return result

    def emit_node(self, op: Op, inputs: Sequence[str | None], attrs: Attrs, quant: QuantParams | None = None) -> str:
        """A new node whose result has the given quantization."""
        builder = self._emitter.builder
        # The node that does the work has the name; those around it that only move elements say so.
        auxiliary = op in (Op.TRANSPOSE, Op.RESHAPE) and op.value != self.op.lower()
        wanted = f"{self.name}.{op.value}" if auxiliary else self.name
        name = builder.node(op, inputs, attrs, name=wanted, source=self.source, quant=quant)
        check_size(builder.values[name].shape, "the result")
        return name

    def materialize(self, tensor: Tensor) -> str:
        return self._emitter.materialize(tensor, self.source)

    def reshape(self, t: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`t` itself where it has that shape already."""
        if self.shape(t) == shape:
            return t
        check_size(shape, "the result")
        if math.prod(shape) != math.prod(self.shape(t)):
            raise UnsupportedError(f"{list(self.shape(t))} cannot be reshaped to {list(shape)}")
        return self.emit(Op.RESHAPE, [t], ReshapeAttrs(shape))

    def transpose(self, t: Tensor, perm: tuple[int, ...]) -> Tensor:
        """`t` itself where the permutation changes nothing."""
        return t if perm == tuple(range(len(perm))) else self.emit(Op.TRANSPOSE, [t], TransposeAttrs(perm))

    def _refuse_integers(self, tensors: Sequence[Tensor]) -> None:
        for t in tensors:
            if not self.is_float(t):
                kind = t.array.dtype.name if isinstance(t, Known) else self._emitter.builder.values[t].dtype.value
                raise UnsupportedError(f"it computes on {kind} at run time, expected float32")
