"""Networks and stand-in kernels for tests of schedules and memory plans.

The kernels cannot run; they only say what the planner asks: may it work in place, how much scratch, which alignment.
"""

from collections.abc import Callable, Mapping

import numpy as np

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Conv2dAttrs, FullyConnectedAttrs, Op, Pool2dAttrs, ReshapeAttrs
from tinyml.ir.ops.elementwise import BinaryAttrs
from tinyml.ir.quant import QuantParams
from tinyml.kernels.descriptor import Access, CParams, KernelDescriptor
from tinyml.schedule.model import Schedule
from tinyml.schedule.select import schedule
from tinyml.targets.core import Isa

Q = QuantParams.per_tensor(0.1, 0)
ELEMENTWISE = {Op.ADD: Access(in_place_any=True), Op.MUL: Access(in_place_any=True)} | {
    op: Access(in_place=0) for op in (Op.RELU, Op.SIGMOID, Op.QUANTIZE, Op.SOFTMAX)
}


def kernel(
    op: Op,
    access: Access | None = None,
    scratch: Callable[[Node, Graph, int], int] = lambda node, graph, rows: 0,
    symbol: str | None = None,
    cost: float = 1.0,
    rejects: str | None = None,
) -> KernelDescriptor:
    return KernelDescriptor(
        symbol or f"fake_{op.value}",
        "fake.c",
        "fake.h",
        op,
        Isa.PORTABLE,
        lambda node, graph: rejects,
        lambda node, graph: CParams("fake_t"),
        scratch,
        lambda node, graph: cost,
        access if access is not None else ELEMENTWISE.get(op, Access()),
    )


def scheduled(
    graph: Graph, kernels: Mapping[Op, KernelDescriptor] | None = None, scratch: Mapping[str, int] | None = None
) -> Schedule:
    """The schedule of a graph with stand-in kernels; scratch: node name -> bytes."""
    wanted = scratch or {}

    def offered(node: Node, graph: Graph, isa: frozenset[Isa]) -> list[tuple[KernelDescriptor, str | None]]:
        default = kernel(node.op, scratch=lambda node, graph, rows: wanted.get(node.name, 0))
        return [((kernels or {}).get(node.op, default), None)]

    return schedule(graph, frozenset({Isa.PORTABLE}), kernels=offered)


class Net(GraphBuilder):
    """int8 layers by the names of the papers; every method takes and returns the name of an activation."""

    def image(self, height: int, width: int, channels: int, name: str = "input") -> str:
        return self.input(name, (1, height, width, channels), DType.INT8, Q)

    def conv(self, x: str, channels: int, kernel: tuple[int, int], stride: int = 1, groups: int = 1) -> str:
        """Same padding, as TensorFlow counts it."""
        _, height, width, depth = self.values[x].shape
        weights = self.constant("w", np.zeros((channels, *kernel, depth // groups), np.int8), Q)
        padding = (_same(height, kernel[0], stride), _same(width, kernel[1], stride))
        attrs = Conv2dAttrs((stride, stride), (1, 1), padding, groups)
        return self.node(Op.CONV2D, [x, weights], attrs, quant=Q)

    def depthwise(self, x: str, stride: int = 1) -> str:
        channels = self.values[x].shape[-1]
        return self.conv(x, channels, (3, 3), stride, groups=channels)

    def add(self, a: str, b: str) -> str:
        return self.node(Op.ADD, [a, b], BinaryAttrs(), quant=Q)

    def relu(self, x: str) -> str:
        return self.node(Op.RELU, [x], quant=Q)

    def reshape(self, x: str, *shape: int) -> str:
        return self.node(Op.RESHAPE, [x], ReshapeAttrs(shape), quant=Q)

    def classifier(self, x: str, classes: int) -> str:
        """Global average pooling, flatten, fully connected."""
        _, height, width, depth = self.values[x].shape
        x = self.node(Op.AVERAGE_POOL2D, [x], Pool2dAttrs((height, width), (1, 1)), quant=Q)
        x = self.reshape(x, 1, depth)
        weights = self.constant("w", np.zeros((classes, depth), np.int8), Q)
        return self.node(Op.FULLY_CONNECTED, [x, weights], FullyConnectedAttrs(), quant=Q)


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def mobilenet_v1_quarter(side: int = 96) -> Graph:
    """MobileNetV1, width 0.25 (MLPerf Tiny's Visual Wake Words at 96)."""
    net = Net("mobilenet_v1_025")
    x = net.conv(net.image(side, side, 3), 8, (3, 3), 2)
    blocks = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]
    for channels, stride in blocks:
        x = net.conv(net.depthwise(x, stride), channels, (1, 1))
    return net.build([net.classifier(x, 2)])


def resnet_8() -> Graph:
    """MLPerf Tiny's image classifier on 32 x 32 x 3."""
    net = Net("resnet_8")
    x = net.conv(net.image(32, 32, 3), 16, (3, 3))
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(net.conv(x, channels, (3, 3), stride), channels, (3, 3))
        x = net.add(y, x if stride == 1 else net.conv(x, channels, (1, 1), stride))
    return net.build([net.classifier(x, 10)])


def ds_cnn() -> Graph:
    """MLPerf Tiny's keyword spotter on 49 x 10 features."""
    net = Net("ds_cnn")
    x = net.conv(net.image(49, 10, 1), 64, (10, 4), 2)
    for _ in range(4):
        x = net.conv(net.depthwise(x), 64, (1, 1))
    return net.build([net.classifier(x, 12)])
