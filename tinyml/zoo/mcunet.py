"""The Visual Wake Words networks of MCUNet."""

import onnx

from tinyml.zoo.mobilenet import inverted_residual
from tinyml.zoo.network import Network

# Kernel, hidden channels, output channels, stride of each inverted residual. Found by search (Lin et al.,
# https://arxiv.org/abs/2007.10319), published as the models mcunet-vww0, -vww1 and -vww2.
_BLOCKS = {
    "vww0": (
        (3, 16, 8, 1),
        *((5, 48, 16, 2), (3, 64, 16, 1)),
        *((3, 80, 24, 2), (3, 96, 24, 1), (3, 96, 24, 1)),
        *((3, 120, 40, 2), (3, 160, 40, 1), (7, 120, 40, 1)),
        *((3, 120, 48, 1), (3, 192, 48, 1)),
        *((7, 240, 96, 2), (5, 480, 96, 1)),
        (7, 384, 160, 1),
    ),
    "vww1": (
        (3, 16, 8, 1),
        *((3, 48, 16, 2), (3, 48, 16, 1), (3, 48, 16, 1)),
        *((7, 48, 24, 2), (3, 144, 24, 1), (5, 120, 24, 1)),
        *((7, 144, 40, 2), (7, 240, 40, 1)),
        *((3, 240, 48, 1), (3, 192, 48, 1)),
        *((5, 240, 96, 2), (3, 480, 96, 1), (3, 384, 96, 1)),
        (7, 288, 160, 1),
    ),
    "vww2": (
        (3, 16, 8, 1),
        *((3, 24, 16, 2), (3, 80, 16, 1), (5, 96, 16, 1), (3, 48, 16, 1)),
        *((7, 80, 24, 2), (5, 96, 24, 1), (3, 96, 24, 1), (7, 144, 24, 1)),
        *((3, 144, 40, 2), (7, 240, 40, 1), (5, 160, 40, 1), (3, 200, 40, 1)),
        *((5, 200, 48, 1), (5, 144, 48, 1), (3, 192, 48, 1), (5, 144, 48, 1)),
        *((3, 192, 96, 2), (5, 480, 96, 1), (5, 384, 96, 1), (3, 384, 96, 1)),
        (3, 480, 160, 1),
    ),
}
RESOLUTIONS = {"vww0": 64, "vww1": 80, "vww2": 144}


def mcunet(seed: int = 0, *, variant: str = "vww1", classes: int = 2) -> onnx.ModelProto:
    """variant: "vww0" (64 px), "vww1" (80 px) or "vww2" (144 px)."""
    resolution = RESOLUTIONS[variant]
    net = Network(f"mcunet_{variant}", seed)
    x = net.input(1, 3, resolution, resolution)
    x = net.conv(x, 16, (3, 3), name="stem", stride=2, activation="Relu6")
    for i, (kernel, hidden, channels, stride) in enumerate(_BLOCKS[variant], start=1):
        x = inverted_residual(net, x, hidden, channels, kernel=kernel, stride=stride, name=f"block{i}")
    x = net.flatten(net.global_average(x, name="pool"), name="flatten")
    return net.finish(net.dense(x, classes, name="classifier"))
