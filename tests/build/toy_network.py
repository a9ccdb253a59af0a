"""A network of two layers in hand-written C, in the form that the emitter writes."""

from pathlib import Path

import numpy as np

from tinyml.emit.bundle import EmittedLayer, EmittedValue, SourceBundle
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.memory.plan import Arena, MemoryPlan
from tinyml.schedule.model import Schedule
from tinyml.schedule.patch import Part

SOURCES = Path(__file__).parent / "model"
WEIGHTS = np.array([[1, -2, 3, -4], [5, 6, -7, 8]], dtype=np.int8)


def expected(data: bytes) -> tuple[bytes, bytes]:
    """What the two layers leave: x + 1, then WEIGHTS @ it as int32."""
    hidden = np.frombuffer(data, dtype=np.int8) + np.int8(1)
    return hidden.tobytes(), (WEIGHTS.astype(np.int32) @ hidden.astype(np.int32)).astype("<i4").tobytes()


def toy_bundle() -> SourceBundle:
    """The sources, as the emitter hands them over."""
    files = {path.name: path.read_text() for path in sorted(SOURCES.iterdir())}
    layers = (
        EmittedLayer(
            0,
            "toy_layer_00_add",
            "add",
            "ADD",
            "add",
            "toy",
            (4,),
            0,
            0,
            (Part(0, 1, 0, 1),),
            (EmittedValue("hidden", "arena", 0, 4, 4, 1, 1, 4),),
        ),
        EmittedLayer(
            1,
            "toy_layer_01_fc",
            "fc",
            "FC",
            "fc",
            "toy",
            (2,),
            8,
            0,
            (Part(0, 1, 0, 1),),
            (EmittedValue("out", "arena", 8, 8, 8, 1, 1, 8),),
        ),
    )
    builder = GraphBuilder("toy")
    builder.input("in", (1, 4), DType.INT8)
    values = builder.values | {"out": builder.values["in"]}
    graph = Graph("toy", ("in",), ("out",), (), values)
    arena = Arena("arena", 16, 32, 16)
    plan = MemoryPlan(Schedule(graph, (), {}), (arena,), {}, {"hidden": ("arena", 0), "out": ("arena", 8)}, {}, False)
    return SourceBundle("toy", files, layers, plan, WEIGHTS.nbytes, 0)
