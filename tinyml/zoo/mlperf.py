"""The networks of MLPerf Tiny besides MobileNetV1. https://arxiv.org/abs/2106.07597, section 4"""

import onnx

from tinyml.zoo.network import Network


def resnet8(seed: int = 0, *, classes: int = 10) -> onnx.ModelProto:
    """Image classification on CIFAR-10: three stacks of one residual block."""
    net = Network("resnet8", seed)
    x = net.input(1, 3, 32, 32)
    x = net.conv(x, 16, (3, 3), name="stem", activation="Relu", tensorflow=True)
    for i, (channels, stride) in enumerate(((16, 1), (32, 2), (64, 2)), start=1):
        y = net.conv(x, channels, (3, 3), name=f"stack{i}.a", stride=stride, activation="Relu", tensorflow=True)
        y = net.conv(y, channels, (3, 3), name=f"stack{i}.b", tensorflow=True)
        if stride != 1:
            x = net.conv(x, channels, (1, 1), name=f"stack{i}.shortcut", stride=stride, tensorflow=True)
        x = net.activate(net.binary("Add", x, y, name=f"stack{i}.add"), "Relu", f"stack{i}")
    x = net.flatten(net.average_pool(x, name="pool"), name="flatten")
    return net.finish(net.softmax(net.dense(x, classes, name="classifier"), name="softmax"))


def ds_cnn(seed: int = 0, *, classes: int = 12) -> onnx.ModelProto:
    """Keyword spotting on 49 frames of 10 cepstral coefficients. Zhang et al., https://arxiv.org/abs/1711.07128"""
    net = Network("ds_cnn", seed)
    x = net.input(1, 1, 49, 10)
    x = net.conv(x, 64, (10, 4), name="stem", stride=2, activation="Relu", tensorflow=True)
    for i in range(1, 5):
        x = net.depthwise(x, 3, name=f"block{i}.dw", activation="Relu", tensorflow=True)
        x = net.conv(x, 64, (1, 1), name=f"block{i}.pw", activation="Relu", tensorflow=True)
    x = net.flatten(net.average_pool(x, name="pool"), name="flatten")
    return net.finish(net.softmax(net.dense(x, classes, name="classifier"), name="softmax"))


def autoencoder(seed: int = 0) -> onnx.ModelProto:
    """Anomaly detection on 5 frames of 128 mel bands. Exporters leave its batch normalization behind each Gemm."""
    net = Network("autoencoder", seed)
    x = net.input(1, 640)
    for i, width in enumerate((128, 128, 128, 128, 8, 128, 128, 128, 128), start=1):
        x = net.batch_norm(net.dense(x, width, name=f"dense{i}"), name=f"norm{i}")
        x = net.activate(x, "Relu", f"dense{i}")
    return net.finish(net.dense(x, 640, name="reconstruction"))
