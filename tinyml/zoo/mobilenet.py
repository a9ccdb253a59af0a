"""MobileNetV1, V2 and V3-small."""

import onnx

from tinyml.zoo.network import Network, Tensor, divisible


def mobilenet_v1(seed: int = 0, *, alpha: float = 0.25, resolution: int = 96, classes: int = 2) -> onnx.ModelProto:
    """Howard et al., https://arxiv.org/abs/1704.04861, table 1, with the head of MLPerf Tiny's Visual Wake Words."""
    net = Network("mobilenet_v1", seed)
    x = net.input(1, 3, resolution, resolution)
    x = net.conv(x, int(32 * alpha), (3, 3), name="stem", stride=2, activation="Relu", tensorflow=True)
    layers = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for i, (channels, stride) in enumerate(layers, start=1):
        x = net.depthwise(x, 3, name=f"block{i}.dw", stride=stride, activation="Relu", tensorflow=True)
        x = net.conv(x, int(channels * alpha), (1, 1), name=f"block{i}.pw", activation="Relu", tensorflow=True)
    x = net.flatten(net.average_pool(x, name="pool"), name="flatten")
    return net.finish(net.softmax(net.dense(x, classes, name="classifier"), name="softmax"))


def inverted_residual(
    net: Network,
    x: Tensor,
    hidden: int,
    channels: int,
    *,
    kernel: int,
    stride: int,
    name: str,
    activation: str = "Relu6",
    squeeze: int = 0,
) -> Tensor:
    """Expand (left out where `hidden` is the input's width), depthwise, optional squeeze-excite to `squeeze`
    channels, linear projection, and a residual where the shape stays."""
    y = x
    if hidden != x.channels:
        y = net.conv(y, hidden, (1, 1), name=f"{name}.expand", activation=activation)
    y = net.depthwise(y, kernel, name=f"{name}.dw", stride=stride, activation=activation)
    if squeeze:
        gate = net.global_average(y, name=f"{name}.se.pool")
        gate = net.conv(gate, squeeze, (1, 1), name=f"{name}.se.reduce", activation="Relu")
        gate = net.conv(gate, hidden, (1, 1), name=f"{name}.se.expand", activation="HardSigmoid")
        y = net.binary("Mul", y, gate, name=f"{name}.se.scale")
    y = net.conv(y, channels, (1, 1), name=f"{name}.project")
    return net.binary("Add", x, y, name=f"{name}.add") if stride == 1 and channels == x.channels else y


def mobilenet_v2(seed: int = 0, *, alpha: float = 0.35, resolution: int = 96, classes: int = 2) -> onnx.ModelProto:
    """Sandler et al., https://arxiv.org/abs/1801.04381, table 2."""
    net = Network("mobilenet_v2", seed)
    x = net.input(1, 3, resolution, resolution)
    x = net.conv(x, divisible(32 * alpha), (3, 3), name="stem", stride=2, activation="Relu6")
    table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    index = 0
    for expansion, channels, repeats, first_stride in table:
        for i in range(repeats):
            index += 1
            x = inverted_residual(
                net,
                x,
                x.channels * expansion,
                divisible(channels * alpha),
                kernel=3,
                stride=first_stride if i == 0 else 1,
                name=f"block{index}",
            )
    x = net.conv(x, divisible(1280 * max(alpha, 1.0)), (1, 1), name="head", activation="Relu6")
    x = net.flatten(net.global_average(x, name="pool"), name="flatten")
    return net.finish(net.dense(x, classes, name="classifier"))


# Kernel, hidden channels, output channels, squeeze-excite, activation, stride.
_V3_SMALL = (
    (3, 16, 16, True, "Relu", 2),
    (3, 72, 24, False, "Relu", 2),
    (3, 88, 24, False, "Relu", 1),
    (5, 96, 40, True, "HardSwish", 2),
    (5, 240, 40, True, "HardSwish", 1),
    (5, 240, 40, True, "HardSwish", 1),
    (5, 120, 48, True, "HardSwish", 1),
    (5, 144, 48, True, "HardSwish", 1),
    (5, 288, 96, True, "HardSwish", 2),
    (5, 576, 96, True, "HardSwish", 1),
    (5, 576, 96, True, "HardSwish", 1),
)


def mobilenet_v3_small(seed: int = 0, *, alpha: float = 0.5, resolution: int = 96, classes: int = 2) -> onnx.ModelProto:
    """Howard et al., https://arxiv.org/abs/1905.02244, table 2."""
    net = Network("mobilenet_v3_small", seed)
    x = net.input(1, 3, resolution, resolution)
    x = net.conv(x, divisible(16 * alpha), (3, 3), name="stem", stride=2, activation="HardSwish")
    for i, (kernel, hidden, channels, squeeze, activation, stride) in enumerate(_V3_SMALL, start=1):
        x = inverted_residual(
            net,
            x,
            divisible(hidden * alpha),
            divisible(channels * alpha),
            kernel=kernel,
            stride=stride,
            name=f"block{i}",
            activation=activation,
            squeeze=divisible(divisible(hidden * alpha) / 4) if squeeze else 0,
        )
    x = net.conv(x, divisible(576 * alpha), (1, 1), name="head", activation="HardSwish")
    x = net.flatten(net.global_average(x, name="pool"), name="flatten")
    x = net.dense(x, divisible(1024 * alpha), name="hidden", activation="HardSwish")
    return net.finish(net.dense(x, classes, name="classifier"))
