"""Graph -> the tensors and operators of a TFLite model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import tflite
from numpy.typing import ArrayLike

from tinyml.emit.tflite.flatbuffer import Operator, Tensor
from tinyml.emit.tflite.versions import operator_version
from tinyml.errors import ModelError
from tinyml.frontends.tflite.context import ACTIVATIONS
from tinyml.frontends.tflite.reader import DTYPES
from tinyml.ir.dtypes import DType
from tinyml.ir.fixedpoint import activation_range
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import Clamp, Op
from tinyml.ir.quant import QuantParams

_TYPES = {dtype: code for code, dtype in DTYPES.items()}
_LARGEST_HALF = float(np.finfo(np.float16).max)

Handle = Callable[["Writer", Node], None]
HANDLERS: dict[Op, Handle] = {}


class InexpressibleError(Exception):
    """Raised by a handler: TFLite has no form for this node. The writer collects them all.

    Args:
        reason: what is missing; what to do follows behind a semicolon.
    """


def writes(*ops: Op) -> Callable[[Handle], Handle]:
    """Registers the function that writes nodes of these operations."""

    def register(handle: Handle) -> Handle:
        for op in ops:
            if op in HANDLERS:
                raise RuntimeError(f"two handlers for {op.value}")
            HANDLERS[op] = handle
        return handle

    return register


@dataclass(slots=True, eq=False)
class Writer:
    """A model under way. Tensors are referred to by their index.

    Attributes:
        half: float constants become float16, each with a DEQUANTIZE behind it.
    """

    graph: Graph
    half: bool = False
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _made: dict[tuple[str, bytes, QuantParams | None], int] = field(default_factory=dict)

    def value(self, name: str) -> Value:
        return self.graph.values[name]

    def tensor(self, name: str) -> int:
        """A value of the graph; it is defined when it is first asked for."""
        if name not in self._index:
            value = self.value(name)
            if value.data is not None:
                self._index[name] = self.constant(name, value.data, value.dtype, value.quant)
            else:
                states = {state.read for state in self.graph.states}
                self._index[name] = self._define(
                    Tensor(name, value.shape, _TYPES[value.dtype], value.quant, variable=name in states)
                )
        return self._index[name]

    def constant(self, name: str, data: np.ndarray, dtype: DType, quant: QuantParams | None = None) -> int:
        """A constant that need not be one of the graph; equal ones are made once."""
        key = f"{dtype.value}{data.shape}", data.tobytes(), quant
        if key not in self._made:
            fits = dtype is DType.FLOAT32 and bool(np.all(np.abs(data) <= _LARGEST_HALF))
            if self.half and fits:
                self._made[key] = self._halved(name, data)
            else:
                self._made[key] = self._define(Tensor(name, data.shape, _TYPES[dtype], quant, packed(data, dtype)))
        return self._made[key]

    def integers(self, name: str, items: ArrayLike) -> int:
        """A constant of int32: axes, shapes, bounds."""
        return self.constant(name, np.array(items, np.int32), DType.INT32)

    def activation(self, name: str, shape: tuple[int, ...], dtype: DType, quant: QuantParams | None = None) -> int:
        """A tensor that some operator added here computes."""
        return self._define(Tensor(name, shape, _TYPES[dtype], quant))

    def add(
        self,
        op: str,
        inputs: list[int],
        outputs: list[int],
        kind: str | None = None,
        options: Mapping[str, int | float | bool] | None = None,
    ) -> None:
        """Appends an operator. inputs: -1 is an absent one."""
        operands = [None if i < 0 else self.tensors[i] for i in inputs]
        version = operator_version(op, operands, [self.tensors[i] for i in outputs], options or {})
        self.operators.append(Operator(op, version, tuple(inputs), tuple(outputs), kind, options or {}))

    def clamped(
        self,
        op: str,
        inputs: list[int],
        node: Node,
        clamp: Clamp,
        kind: str,
        options: Mapping[str, int | float | bool] | None = None,
    ) -> None:
        """Appends an operator with a fused activation, that computes the node's output.

        A clamp that TFLite's operators cannot fuse becomes operators of its own, on stored numbers of the same scale.
        """
        y, output = self.value(node.output), self.tensor(node.output)
        code = fused_activation(clamp, y)
        target = output if code is not None else self.activation(f"{y.name}_unbounded", y.shape, y.dtype, y.quant)
        fused = tflite.ActivationFunctionType.NONE if code is None else code
        self.add(op, inputs, [target], kind, {**(options or {}), "FusedActivationFunction": fused})
        if code is None:
            self.bounded(target, output, y, clamp)

    def bounded(self, x: int, output: int, y: Value, clamp: Clamp) -> None:
        """Appends MAXIMUM and MINIMUM that clamp x, which has the form of y, into `output`."""
        bounds = self.bounds(y, clamp)
        for i, (op, name, bound) in enumerate(bounds):
            last = i == len(bounds) - 1
            target = output if last else self.activation(f"{y.name}_above", y.shape, y.dtype, y.quant)
            limit = self.constant(f"{y.name}_{name}", np.array([bound], y.dtype.numpy), y.dtype, y.quant)
            self.add(op, [x, limit], [target], "MaximumMinimumOptions")
            x = target

    def bounds(self, y: Value, clamp: Clamp) -> list[tuple[str, str, float]]:
        lo, hi = (clamp.lo, clamp.hi) if y.quant is None else activation_range(clamp, y.quant)
        least, most = (-np.inf, np.inf) if y.quant is None else y.dtype.range
        wanted = [("MAXIMUM", "lower", lo, lo > least), ("MINIMUM", "upper", hi, hi < most)]
        return [(op, name, bound) for op, name, bound, needed in wanted if needed]

    def _halved(self, name: str, data: np.ndarray) -> int:
        stored = self._define(
            Tensor(f"{name}_f16", data.shape, tflite.TensorType.FLOAT16, None, packed(data.astype(np.float16)))
        )
        real = self.activation(name, data.shape, DType.FLOAT32)
        self.add("DEQUANTIZE", [stored], [real], "DequantizeOptions")
        return real

    def _define(self, tensor: Tensor) -> int:
        name, i = tensor.name, 0
        while name in self._names or (i and name in self.graph.values):
            i += 1
            name = f"{tensor.name}_{i}"
        self._names.add(name)
        self.tensors.append(replace(tensor, name=name))
        return len(self.tensors) - 1


def packed(data: np.ndarray, dtype: DType | None = None) -> bytes:
    """The bytes of a constant: little-endian; int4 two a byte, the first in the low half."""
    if dtype is DType.INT4:
        nibbles = np.pad(data.ravel(), (0, data.size % 2)).astype(np.uint8) & 15
        return (nibbles[::2] | nibbles[1::2] << 4).tobytes()
    return data.astype(data.dtype.newbyteorder("<")).tobytes()


def fused_activation(clamp: Clamp, y: Value) -> int | None:
    """The activation that clamps y as `clamp` does, stored numbers counting where there are any; None: there is none."""
    for code, known in ACTIVATIONS.items():
        if clamp == known or (
            y.quant is not None and activation_range(clamp, y.quant) == activation_range(known, y.quant)
        ):
            return int(code)
    return None


def write(graph: Graph, half: bool = False) -> Writer:
    """All nodes, as operators.

    Raises:
        ModelError: nodes that TFLite has no form for (all of them are listed).
    """
    writer = Writer(graph, half)
    for name in graph.inputs:
        writer.tensor(name)
    problems = []
    for node in graph.nodes:
        try:
            handle = HANDLERS.get(node.op)
            if handle is None:
                raise InexpressibleError("TFLite has no such operator; build C or firmware, or change the model")
            handle(writer, node)
        except InexpressibleError as e:
            problems.append(f"{node.source or node.name} ({node.op.value}): {e}")
    if problems:
        listing = "".join(f"\n  {problem}" for problem in problems)
        raise ModelError(f"model {graph.name}: {len(problems)} node(s) have no form in TFLite:{listing}")
    return writer
