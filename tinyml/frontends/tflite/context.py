"""What a handler sees of its operator, and how it adds nodes."""

import math
from dataclasses import dataclass

import numpy as np
import tflite

from tinyml.frontends.tflite.reader import LARGEST_TENSOR, Operator, T, Tensor
from tinyml.frontends.tflite.registry import UnsupportedError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.graph import Value
from tinyml.ir.ops import NO_CLAMP, RELU, RELU6, Attrs, Clamp, NoAttrs, Op, spec
from tinyml.ir.quant import QuantParams

ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: NO_CLAMP,
    tflite.ActivationFunctionType.RELU: RELU,
    tflite.ActivationFunctionType.RELU6: RELU6,
    tflite.ActivationFunctionType.RELU_N1_TO_1: Clamp(-1.0, 1.0),
}


# Arithmetic that integers have only by their scales.
_SCALED = {
    Op.CONV2D,
    Op.TRANSPOSE_CONV2D,
    Op.FULLY_CONNECTED,
    Op.MEAN,
    Op.SOFTMAX,
    Op.SIGMOID,
    Op.TANH,
    Op.HARD_SWISH,
    Op.LEAKY_RELU,
}
_LARGEST_SHAPE_ARITHMETIC = 1 << 16  # elements; shapes and axes have a few


@dataclass(frozen=True, slots=True, eq=False)
class OpContext:
    """One operator during import.

    Attributes:
        names: tensor index -> name of its value in the graph, for all that is defined so far.
    """

    operator: Operator
    tensors: tuple[Tensor, ...]
    names: dict[int, str]
    builder: GraphBuilder

    @property
    def source(self) -> str:
        name = self.output_tensor().name
        return f"{self.operator.op} #{self.operator.index} '{name}'"

    def options(self, kind: type[T]) -> T:
        return self.operator.options(kind)

    def has(self, i: int) -> bool:
        return i < len(self.operator.inputs) and self.operator.inputs[i] is not None

    def tensor(self, i: int) -> Tensor:
        """Input i, which must be there.

        Raises:
            ValueError: it is not.
        """
        index = self.operator.inputs[i] if i < len(self.operator.inputs) else None
        if index is None:
            raise ValueError(f"input {i} is missing")
        return self.tensors[index]

    def output_tensor(self, i: int = 0) -> Tensor:
        if i >= len(self.operator.outputs):
            raise ValueError(f"output {i} is missing")
        return self.tensors[self.operator.outputs[i]]

    def value(self, i: int) -> Value:
        """Input i as a value of the graph; a constant is defined when it is first used."""
        tensor = self.tensor(i)
        if tensor.index not in self.names:
            if tensor.data is None:
                raise ValueError(f"input {i} ({tensor.name!r}) is used before it is computed")
            self.names[tensor.index] = self.builder.constant(tensor.name, tensor.data, tensor.quant, tensor.dtype)
        return self.builder.values[self.names[tensor.index]]

    def constant(self, i: int) -> np.ndarray:
        """Input i, which must be known now.

        Raises:
            UnsupportedError: it is computed at run time.
        """
        value = self.value(i)
        if value.data is None:
            raise UnsupportedError(f"input {i} ({value.name!r}) must be a constant")
        return value.data

    def integers(self, i: int) -> list[int]:
        """A short constant of integers: axes, paddings, shapes."""
        data = self.constant(i)
        if data.dtype.kind != "i" or data.size > 64:
            raise ValueError(f"input {i} should be a few integers, is {data.dtype}{list(data.shape)}")
        return [int(n) for n in data.ravel()]

    def clamp(self, activation: int) -> Clamp:
        """A fused activation."""
        if activation not in ACTIVATIONS:
            raise UnsupportedError("fused TANH and SIGN_BIT activations have no form in the graph; use a separate TANH")
        return ACTIVATIONS[activation]

    def emit(
        self,
        op: Op,
        inputs: list[str | None],
        attrs: Attrs | None = None,
        quant: QuantParams | None = None,
        output: int = 0,
    ) -> None:
        """Adds a node that computes one of the operator's outputs.

        Where all inputs are constant integers (shapes and axes, which other operators need now) it is a constant.
        """
        tensor = self.output_tensor(output)
        values = [None if name is None else self.builder.values[name] for name in inputs]
        known = [v.data for v in values if v is not None and v.data is not None and v.quant is None]
        attrs = NoAttrs() if attrs is None else attrs
        types = spec(op).infer(values, attrs)
        if len(known) == len(values) and all(a.dtype.kind == "i" for a in known):
            if op in _SCALED:
                raise UnsupportedError(f"{op.value} of integers without a scale")
            if math.prod(types[0].shape) > _LARGEST_SHAPE_ARITHMETIC:
                raise ValueError(f"constant {tensor.name!r} would be {list(types[0].shape)}")
            outs = [Value("", t.shape, t.dtype) for t in types]
            (array,) = spec(op).reference(attrs, values, known, outs)
            self.names[tensor.index] = self.builder.constant(tensor.name, array.astype(types[0].dtype.numpy))
            return
        if math.prod(types[0].shape) > LARGEST_TENSOR:
            raise ValueError(f"{tensor.name!r} would be {list(types[0].shape)}")
        quant = quant if quant is not None else tensor.quant
        self.names[tensor.index] = self.builder.node(
            op, inputs, attrs, name=tensor.name, source=self.source, quant=quant, output=tensor.name
        )
