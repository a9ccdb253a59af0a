"""Small int8 networks that compute something, and random schedules of them: any cuts, any tiles."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import (
    ConcatAttrs,
    Conv2dAttrs,
    DepthToSpaceAttrs,
    FullyConnectedAttrs,
    Op,
    Pool2dAttrs,
    ReduceAttrs,
    ReshapeAttrs,
    ResizeAttrs,
    StridedSliceAttrs,
)
from tinyml.ir.ops.elementwise import BinaryAttrs
from tinyml.ir.quant import QuantParams
from tinyml.schedule import schedule
from tinyml.schedule.estimate import Estimates
from tinyml.schedule.model import Schedule
from tinyml.schedule.parts import with_parts
from tinyml.schedule.stream import Tiling, make_stream
from tinyml.targets import CORES

Q = QuantParams.per_tensor(0.05, 3)

Pads = tuple[int, int]


def same(size: int, window: int, stride: int = 1, dilation: int = 1) -> Pads:
    """Padding as TensorFlow counts it, the odd row at the end."""
    total = max(0, (-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


class Layers(GraphBuilder):
    """Layers with seeded weights, whose outputs spread over int8. Methods take and return names of activations."""

    def __init__(self, name: str, seed: int = 0) -> None:
        super().__init__(name)
        self._rng = np.random.default_rng(seed)

    def image(self, height: int, width: int, channels: int, name: str = "input") -> str:
        return self.input(name, (1, height, width, channels), DType.INT8, Q)

    def shape(self, x: str) -> tuple[int, ...]:
        return self.values[x].shape

    def conv(
        self,
        x: str,
        channels: int,
        window: tuple[int, int],
        stride: int = 1,
        dilation: int = 1,
        padding: tuple[Pads, Pads] | None = None,
        groups: int = 1,
    ) -> str:
        """padding: as `same` where it is None."""
        _, height, width, depth = self.shape(x)
        padding = padding or (same(height, window[0], stride, dilation), same(width, window[1], stride, dilation))
        data = self._rng.integers(-127, 128, (channels, *window, depth // groups)).astype(np.int8)
        weights = self.constant("w", data, QuantParams.per_tensor(1 / (73 * float(np.sqrt(data[0].size))), 0))
        bias = self.constant("b", self._rng.integers(-500, 500, channels, dtype=np.int32))
        attrs = Conv2dAttrs((stride, stride), (dilation, dilation), padding, groups)
        return self.node(Op.CONV2D, [x, weights, bias], attrs, quant=Q)

    def depthwise(self, x: str, window: tuple[int, int] = (3, 3), stride: int = 1) -> str:
        return self.conv(x, self.shape(x)[-1], window, stride, groups=self.shape(x)[-1])

    def pool(self, x: str, op: Op, window: int, stride: int) -> str:
        _, height, width, _ = self.shape(x)
        pads = (same(height, window, stride), same(width, window, stride))
        return self.node(op, [x], Pool2dAttrs((window, window), (stride, stride), pads), quant=Q)

    def resize(self, x: str, op: Op, rows: int, half_pixel: bool = False) -> str:
        return self.node(op, [x], ResizeAttrs((rows, self.shape(x)[2]), half_pixel=half_pixel), quant=Q)

    def blocks(self, x: str, block: int) -> str:
        return self.node(
            Op.DEPTH_TO_SPACE, [self.conv(x, block**2, (1, 1))], DepthToSpaceAttrs((block, block)), quant=Q
        )

    def rows(self, x: str, first: int, end: int) -> str:
        """Rows [first, end)."""
        n, _, width, depth = self.shape(x)
        attrs = StridedSliceAttrs((0, first, 0, 0), (n, end, width, depth), (1, 1, 1, 1))
        return self.node(Op.STRIDED_SLICE, [x], attrs, quant=Q)

    def stacked(self, parts: Sequence[str]) -> str:
        """One below the other."""
        return self.node(Op.CONCAT, parts, ConcatAttrs(1), quant=Q)

    def add(self, a: str, b: str) -> str:
        return self.node(Op.ADD, [a, b], BinaryAttrs(), quant=Q)

    def concat(self, parts: Sequence[str]) -> str:
        return self.node(Op.CONCAT, parts, ConcatAttrs(3), quant=Q)

    def mean(self, x: str) -> str:
        return self.node(Op.MEAN, [x], ReduceAttrs((1, 2), keep_dims=True), quant=Q)

    def average(self, x: str) -> str:
        return self.node(Op.AVERAGE_POOL2D, [x], Pool2dAttrs(self.shape(x)[1:3], (1, 1)), quant=Q)

    def gated(self, x: str, hidden: int) -> str:
        """Squeeze-and-excite: each channel times a number that is computed from the means of all."""
        gates = self.conv(self.conv(self.mean(x), hidden, (1, 1)), self.shape(x)[-1], (1, 1))
        return self.node(Op.MUL, [x, gates], BinaryAttrs(), quant=QuantParams.per_tensor(0.1, -5))

    def excited(self, x: str, hidden: int, channels: int, window: tuple[int, int] = (3, 3), stride: int = 1) -> str:
        """An inverted residual with squeeze-and-excite; the sum with x where shapes allow."""
        y = self.gated(self.depthwise(self.conv(x, hidden, (1, 1)), window, stride), 2)
        y = self.conv(y, channels, (1, 1))
        return self.add(x, y) if self.shape(x) == self.shape(y) else y

    def classify(self, x: str, classes: int) -> str:
        depth = int(np.prod(self.shape(x)))
        x = self.node(Op.RESHAPE, [x], ReshapeAttrs((1, depth)), quant=Q)
        data = self._rng.integers(-127, 128, (classes, depth)).astype(np.int8)
        weights = self.constant("w", data, QuantParams.per_tensor(1 / (73 * float(np.sqrt(depth))), 0))
        return self.node(Op.FULLY_CONNECTED, [x, weights], FullyConnectedAttrs(), quant=Q)


def random_network(rng: Random, most: int = 5) -> Graph:
    """Up to `most` blocks (windows of any size, stride and padding, residual adds, branches, pools), often with a mean
    over the map and a classifier behind."""
    net = Layers("random", rng.randrange(2**32))
    x = net.image(rng.randint(2, 13), rng.choice([1, 2, 3, 4, 4, 7, 11]), rng.randint(1, 5))
    outputs: list[str] = []
    for _ in range(rng.randint(1, most)):
        x = _block(net, rng, x)
        if rng.random() < 0.05:
            outputs.append(x)
    end = rng.choice(["map", "mean", "average", "classifier", "classifier"])
    if end == "mean" or (end == "classifier" and rng.random() < 0.5):
        x = net.mean(x)
    elif end != "map":
        x = net.average(x)
    if end == "classifier":
        x = net.classify(x, 3)
    return net.build([*(o for o in dict.fromkeys(outputs) if o != x), x])


def excited_network(rng: Random) -> Graph:
    """Blocks with squeeze-and-excite, others between them."""
    net = Layers("excited", rng.randrange(2**32))
    x = net.image(rng.randint(4, 13), rng.choice([1, 3, 4, 7]), rng.randint(1, 4))
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.3:
            x = _block(net, rng, x)
        channels = net.shape(x)[-1] if rng.random() < 0.5 else rng.randint(1, 4)
        x = net.excited(x, rng.randint(5, 16), channels, (rng.choice([3, 3, 5]), 3), rng.choice([1, 1, 2]))
    return net.build([net.classify(net.average(x), 3)] if rng.random() < 0.5 else [x])


def _block(net: Layers, rng: Random, x: str) -> str:
    depth = net.shape(x)[-1]
    kind = rng.choice(
        ["conv", "depthwise", "pool", "inverted", "inverted", "branches", "residual", "resample", "parts"]
    )
    if kind == "conv":
        return _window(net, rng, x, rng.randint(1, 6))
    if kind == "depthwise":
        return net.depthwise(x, (rng.choice([3, 5]), 3), rng.choice([1, 1, 2]))
    if kind == "pool":
        op = rng.choice([Op.MAX_POOL2D, Op.AVERAGE_POOL2D])
        window = rng.randint(2, 3)
        return net.pool(x, op, window, rng.randint(1, 2))
    if kind == "inverted":
        y = net.depthwise(net.conv(x, 2 * depth, (1, 1)), (rng.choice([3, 3, 5]), 3))
        return net.add(*rng.sample([net.conv(y, depth, (1, 1)), x], 2))
    if kind == "parts":
        height = net.shape(x)[1]
        cuts = sorted({0, rng.randint(0, height), rng.randint(0, height), height})
        if rng.random() < 0.5:
            x = net.conv(x, 4, (1, 1))
        parts = [net.rows(x, first, end) for first, end in pairwise(cuts)]
        parts = [net.conv(part, 4, (rng.choice([1, 3]), 1)) for part in parts]
        return (
            net.stacked(parts)
            if rng.random() < 0.7
            else net.stacked([net.stacked(parts[:2]), *parts[2:], net.conv(x, 4, (1, 1))])
        )
    if kind == "resample":
        if rng.random() < 0.3 and net.shape(x)[1] < 8:
            return net.blocks(x, 2)
        op = rng.choice([Op.RESIZE_NEAREST, Op.RESIZE_BILINEAR])
        return net.resize(x, op, rng.randint(1, 16), rng.random() < 0.5)
    if kind == "residual":
        return net.add(x, net.conv(net.conv(x, rng.randint(1, 4), (3, 3)), depth, (3, 1)))
    stride = rng.choice([1, 1, 2])
    windows = [rng.choice([1, 3, 5]) for _ in range(rng.randint(2, 3))]
    return net.concat([net.conv(x, rng.randint(1, 3), (w, 1), stride) for w in windows])


def _window(net: Layers, rng: Random, x: str, channels: int) -> str:
    """A convolution with any window, stride, dilation and padding that leave an output."""
    _, height, width, _ = net.shape(x)
    rows, dilation = rng.choice([1, 2, 3, 3, 3, 4, 7]), rng.choice([1, 1, 1, 2])
    extent = (rows - 1) * dilation + 1
    top = rng.randint(0, extent - 1)
    bottom = rng.randint(0, extent - 1)
    if height + top + bottom < extent:
        top, bottom = same(height, rows, 1, dilation)
    columns = min(rng.choice([1, 3]), width)
    pads = ((top, bottom), same(width, columns, 1, dilation))
    return net.conv(x, channels, (rows, columns), rng.randint(1, 3), dilation, pads)


def layered(graph: Graph, core: str = "cortex-m0+") -> Schedule:
    """Each layer whole."""
    return schedule(with_parts(graph), CORES[core].isa)


def random_stages(rng: Random, base: Schedule, stream_input: bool = False, patches: float = 0.5) -> Schedule | None:
    """The schedule of a random cut into stages with random tiles, and of random patches in some of them; None where the
    input cannot be fed row by row."""
    base = replace(base, stream_input=stream_input)
    estimates = Estimates(base)
    if stream_input and estimates.fed is None:
        return None
    stages = []
    start, count = 0, len(estimates.nodes)
    while start < count:
        longest = min(count, start + rng.choice([1, 3, 9, 30]))
        ends = range(count if stream_input and start == 0 else longest, start, -1)
        tile = rng.choice([1, 1, 2, 3, 4])
        tried = ([Tiling(tile)] * (end - start) for end in ends)
        tilings = next((some for some in tried if estimates.cut(start, some) is not None), None)
        if tilings is None and stream_input and start == 0:
            return None
        if tilings is not None and rng.random() < patches:
            tilings = _patched(rng, base, estimates.nodes[start : start + len(tilings)], tile)
        tilings = tilings or [Tiling()]
        end = start + sum(tiling.nodes for tiling in tilings)
        stages.append(replace(base.stage(estimates.nodes[start:end], tilings), hosts=rng.random() < 0.5))
        start = end
    return replace(base, stages=tuple(stages))


def _patched(rng: Random, base: Schedule, nodes: Sequence[Node], tile: int) -> list[Tiling]:
    """The nodes of a stream, runs of them as patches where they can be."""
    graph, consumers = base.graph, base.graph.consumers()
    tilings: list[Tiling] = []
    start = 0
    while start < len(nodes):
        end = min(len(nodes), start + rng.randint(1, 5))
        run = nodes[start:end]
        private = all(
            name not in graph.outputs and all(user in run for user in consumers.get(name, ()))
            for node in run[:-1]
            for name in node.outputs
        )
        keeps = tuple(i for i in range(len(run) - 1) if rng.random() < 0.5) if rng.random() < 0.7 else ()
        tiling = Tiling(rng.choice([tile, 1, 2]), len(run), rng.choice([1, 1, 2, 3, 5]), keeps)
        if len(run) > 1 and private:
            try:
                make_stream(run, [tiling], graph, [base.kernel(node).access for node in run])
            except ValueError:
                private = False
        if len(run) == 1 or not private:
            tiling = Tiling(tile)
        tilings.append(tiling)
        start += tiling.nodes
    return tilings
