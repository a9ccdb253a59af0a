"""Writes networks as ONNX models with seeded weights, as exporters leave them: batch normalization is folded into the
convolution before it, whose bias it becomes."""

import math
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from tinyml import __version__

_OPSET = 17


@dataclass(frozen=True, slots=True)
class Tensor:
    """A result of a layer; shape is [1, C, H, W] or [1, C]."""

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[1]


def divisible(channels: float, by: int = 8) -> int:
    """The multiple of `by` nearest to `channels`, but not less than 90 % of it (the rule of MobileNetV2 and V3)."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding: the odd element behind."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Network:
    """Collects layers. Weights are drawn in the order of the calls from a generator whose stream numpy has frozen,
    and only by exactly rounded operations: the same seed gives the same bytes everywhere."""

    def __init__(self, name: str, seed: int) -> None:
        self._name = name
        self._random = np.random.RandomState(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, *shape: int) -> Tensor:
        self._inputs.append(helper.make_tensor_value_info("input", TensorProto.FLOAT, shape))
        return Tensor("input", shape)

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: tuple[int, int],
        *,
        name: str,
        stride: int = 1,
        groups: int = 1,
        activation: str | None = None,
        tensorflow: bool = False,
    ) -> Tensor:
        """Convolution with bias and an activation. Padded to keep the size over the stride: evenly on both sides as in
        PyTorch models, or as TensorFlow's SAME."""
        height, width = x.shape[2:]
        if tensorflow:
            vertical, horizontal = same(height, kernel[0], stride), same(width, kernel[1], stride)
        else:
            vertical, horizontal = (kernel[0] // 2,) * 2, (kernel[1] // 2,) * 2
        shape = (channels, x.channels // groups, *kernel)
        w = self._weights(f"{name}.weight", shape, math.prod(shape[1:]), rectified=activation is not None)
        out = (
            (height + sum(vertical) - kernel[0]) // stride + 1,
            (width + sum(horizontal) - kernel[1]) // stride + 1,
        )
        y = self._node(
            "Conv",
            [x.name, w, self._bias(f"{name}.bias", channels)],
            name,
            kernel_shape=list(kernel),
            strides=[stride, stride],
            pads=[vertical[0], horizontal[0], vertical[1], horizontal[1]],
            group=groups,
        )
        return self.activate(Tensor(y, (1, channels, *out)), activation, name)

    def depthwise(
        self,
        x: Tensor,
        kernel: int,
        *,
        name: str,
        stride: int = 1,
        activation: str | None = None,
        tensorflow: bool = False,
    ) -> Tensor:
        return self.conv(
            x,
            x.channels,
            (kernel, kernel),
            name=name,
            stride=stride,
            groups=x.channels,
            activation=activation,
            tensorflow=tensorflow,
        )

    def dense(self, x: Tensor, outputs: int, *, name: str, activation: str | None = None) -> Tensor:
        """A fully connected layer on [1, C]."""
        w = self._weights(f"{name}.weight", (outputs, x.channels), x.channels, rectified=activation is not None)
        y = self._node("Gemm", [x.name, w, self._bias(f"{name}.bias", outputs)], name, transB=1)
        return self.activate(Tensor(y, (1, outputs)), activation, name)

    def batch_norm(self, x: Tensor, *, name: str) -> Tensor:
        """With statistics near those of a standard normal."""
        parameters = [
            self._initializer(f"{name}.{part}", low + (high - low) * self._random.random_sample(x.channels))
            for part, low, high in (("gamma", 0.8, 1.2), ("beta", -0.1, 0.1), ("mean", -0.1, 0.1), ("var", 0.5, 1.5))
        ]
        return Tensor(self._node("BatchNormalization", [x.name, *parameters], name, epsilon=1e-3), x.shape)

    def activate(self, x: Tensor, activation: str | None, name: str) -> Tensor:
        """activation: an ONNX operation without parameters, "Relu6", "HardSigmoid" (x / 6 + 1/2), or None."""
        if activation is None:
            return x
        name = f"{name}.{activation.lower()}"
        if activation == "Relu6":
            bounds = [self._scalar("zero", 0.0), self._scalar("six", 6.0)]
            return Tensor(self._node("Clip", [x.name, *bounds], name), x.shape)
        attributes = {"alpha": 1 / 6} if activation == "HardSigmoid" else {}
        return Tensor(self._node(activation, [x.name], name, **attributes), x.shape)

    def binary(self, op: str, a: Tensor, b: Tensor, *, name: str) -> Tensor:
        """Add or Mul; b may be [1, C, 1, 1]."""
        return Tensor(self._node(op, [a.name, b.name], name), a.shape)

    def global_average(self, x: Tensor, *, name: str) -> Tensor:
        return Tensor(self._node("GlobalAveragePool", [x.name], name), (1, x.channels, 1, 1))

    def average_pool(self, x: Tensor, *, name: str) -> Tensor:
        """Over the whole map, as a pooling window of that size."""
        y = self._node("AveragePool", [x.name], name, kernel_shape=list(x.shape[2:]))
        return Tensor(y, (1, x.channels, 1, 1))

    def flatten(self, x: Tensor, *, name: str) -> Tensor:
        return Tensor(self._node("Flatten", [x.name], name), (1, math.prod(x.shape[1:])))

    def softmax(self, x: Tensor, *, name: str) -> Tensor:
        return Tensor(self._node("Softmax", [x.name], name, axis=-1), x.shape)

    def finish(self, output: Tensor) -> onnx.ModelProto:
        """The model; `output` becomes the network's output of that name."""
        self._nodes[-1].output[0] = "output"
        info = helper.make_tensor_value_info("output", TensorProto.FLOAT, output.shape)
        graph = helper.make_graph(self._nodes, self._name, self._inputs, [info], self._initializers)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=8,
            producer_name="tinyml",
            producer_version=__version__,
        )

    def _node(self, op: str, inputs: list[str], name: str, **attributes: object) -> str:
        output = f"{name}.out"
        self._nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output

    def _weights(self, name: str, shape: tuple[int, ...], fan_in: int, *, rectified: bool) -> str:
        """Uniform with the variance of He et al. (2 / fan_in) before a rectifier and 1 / fan_in elsewhere, so that
        activations neither grow nor vanish. https://arxiv.org/abs/1502.01852"""
        limit = math.sqrt((6.0 if rectified else 3.0) / fan_in)
        return self._initializer(name, (2.0 * self._random.random_sample(shape) - 1.0) * limit)

    def _bias(self, name: str, channels: int) -> str:
        return self._initializer(name, 0.2 * self._random.random_sample(channels) - 0.1)

    def _scalar(self, name: str, value: float) -> str:
        if any(t.name == name for t in self._initializers):
            return name
        return self._initializer(name, np.array(value))

    def _initializer(self, name: str, values: np.ndarray) -> str:
        data = np.ascontiguousarray(values).astype("<f4")
        raw = data.tobytes()
        self._initializers.append(helper.make_tensor(name, TensorProto.FLOAT, values.shape, raw, raw=True))
        return name
