"""The schedule: which kernel computes each node, in what order, in which stages and tiles."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.kernels.rows import image_shape

VIEWS = frozenset({Op.RESHAPE})
"""Operations whose output is the input's bytes under another shape. They have no kernel and take no step."""

UPDATES: Mapping[Op, tuple[int, int]] = {Op.SVDF: (4, 1)}
"""Operations that update a state: its index among the inputs, and among the outputs. Where the two are the read and the
written side of a `State`, the kernel is given the same memory for both."""


class StageKind(enum.Enum):
    LAYER = "layer"  # one node, whole tensors
    STREAM = "stream"  # nodes advance in lock-step by tiles of rows, rings of lines between them
    PATCH = "patch"  # spatial patches with a recomputed halo


class Objective(enum.Enum):
    LATENCY = "latency"
    SRAM = "sram"
    FLASH = "flash"
    BALANCED = "balanced"


@dataclass(frozen=True, slots=True)
class Tiling:
    """Output rows and columns that one call of a stage's last kernel computes; None: all of them."""

    rows: int | None = None
    cols: int | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The kernel of a node, and why.

    Attributes:
        rejected: the candidates that were not taken, with the reason.
    """

    kernel: KernelDescriptor
    reason: str
    rejected: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """Nodes that are computed together, in order."""

    kind: StageKind
    nodes: tuple[Node, ...]
    tiling: Tiling = Tiling()


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """What runs when. A step is an index into `stages`.

    Attributes:
        graph: the graph that the stages cover. Every node is in exactly one stage, save for `VIEWS`, which are in none.
        selections: node name -> its kernel.
    """

    graph: Graph
    stages: tuple[Stage, ...]
    selections: Mapping[str, Selection]
    objective: Objective = Objective.BALANCED

    def kernel(self, node: Node) -> KernelDescriptor:
        return self.selections[node.name].kernel

    def tile_rows(self, stage: Stage) -> int:
        """Output rows of one call of the stage's last kernel (see `image_shape`): all where the tiling gives none."""
        if stage.tiling.rows is not None:
            return stage.tiling.rows
        return image_shape(self.graph.value(stage.nodes[-1].outputs[0]).shape)[0]
