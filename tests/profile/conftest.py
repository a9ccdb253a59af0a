"""The firmware of net.c, built with the compiler that is always installed."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinyml.build.firmware import build_firmware
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.emit.bundle import EmittedLayer, EmittedValue, SourceBundle
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.memory.plan import Arena, MemoryPlan
from tinyml.schedule.model import Schedule
from tinyml.schedule.patch import Part
from tinyml.targets.load import generic_target, load_board

_HERE = Path(__file__).resolve().parent


def _bundle(source: str) -> SourceBundle:
    builder = GraphBuilder("net")
    builder.input("a", (64,), DType.INT8)
    builder.input("b", (64,), DType.INT8)
    values = builder.values | {"sum": builder.values["a"], "sums": builder.values["a"]}
    graph = Graph("net", ("a", "b"), ("sum", "sums"), (), values)
    location = {"a": ("arena", 0), "b": ("arena", 64), "sum": ("arena", 128), "sums": ("arena", 192)}
    plan = MemoryPlan(Schedule(graph, (), {}), (Arena("arena", 256, 32, 200),), {}, location, {}, True)
    layers = (
        EmittedLayer(
            0,
            "net_layer_00_add",
            "add",
            "ADD",
            "add",
            "own",
            (64,),
            0,
            0,
            (Part(0, 1, 0, 1),),
            (EmittedValue("sum", "arena", 128, 64, 64, 1, 1, 64),),
        ),
        EmittedLayer(
            1,
            "net_layer_01_sums",
            "sums",
            "FC",
            "sums",
            "own",
            (2,),
            64,
            0,
            (Part(0, 1, 0, 1),),
            (EmittedValue("sums", "arena", 192, 8, 8, 1, 1, 8),),
        ),
    )
    files = {"net.c": source, "net.h": (_HERE / "net.h").read_text()}
    return SourceBundle("net", files, layers, plan, 0, 0)


@pytest.fixture(scope="session")
def build_net(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FirmwareImage]:
    """build_net(name of a board, or of a core for a generic target, first statement of the first layer)."""

    @functools.cache
    def build(name: str, statement: str = "") -> FirmwareImage:
        source = (_HERE / "net.c").read_text()
        first = "net_layer_00_add(const net_t *net)\n{\n"
        assert first in source
        bundle = _bundle(source.replace(first, first + statement))
        board = generic_target(name, 32768, 65536) if name.startswith("cortex") else load_board(name)
        return build_firmware(bundle, board, find_toolchain("ziglang"), tmp_path_factory.mktemp(board.id))

    return build


@pytest.fixture(scope="session")
def net_inputs() -> list[bytes]:
    generator = np.random.default_rng(7)
    return [generator.integers(-128, 127, 64, np.int8, endpoint=True).tobytes() for _ in range(2)]


@pytest.fixture(scope="session")
def net_outputs(net_inputs: list[bytes]) -> tuple[bytes, bytes]:
    """What net.c must compute, by numpy."""
    a, b = (np.frombuffer(data, np.int8) for data in net_inputs)
    total = a + b
    wide = total.astype(np.int32)
    return total.tobytes(), np.array([wide @ wide, wide.sum()], "<i4").tobytes()
