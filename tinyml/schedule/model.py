"""The schedule: which kernel computes each node, in what order, in which stages and tiles."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.schedule.stream import Stream, Tiling, Trace, make_stream, run_stream

VIEWS = frozenset({Op.RESHAPE, Op.PART, Op.JOIN})
"""Operations whose output is bytes of the input under another name: all of them, some, or those of several inputs that lie
end to end. They have no kernel and take no step."""

UPDATES: Mapping[Op, tuple[int, int]] = {Op.SVDF: (4, 1)}
"""Operations that update a state: its index among the inputs, and among the outputs. Where the two are the read and the
written side of a `State`, the kernel is given the same memory for both."""


class StageKind(enum.Enum):
    LAYER = "layer"  # one node, whole tensors
    STREAM = "stream"  # nodes advance in lock-step by tiles of rows, rings of lines between them
    PATCH = "patch"  # a stream in which some nodes are computed part by part, with a halo that is computed again


class Objective(enum.Enum):
    LATENCY = "latency"
    SRAM = "sram"
    FLASH = "flash"
    BALANCED = "balanced"


@dataclass(frozen=True, slots=True)
class Counted:
    """What a kernel costs on a node, counted in the emulator. cycles: modelled, of the same run; None for cores without a
    model."""

    instructions: int
    cycles: int | None

    @property
    def cost(self) -> int:
        return self.instructions if self.cycles is None else self.cycles


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kernel of a node's operation.

    Attributes:
        predicted: cycles by the kernel's own formula; None where it cannot compute the node.
        counted: None where nothing was counted.
        verdict: why it was taken, or not.
    """

    symbol: str
    predicted: float | None
    counted: Counted | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The kernel of a node, and why.

    Attributes:
        candidates: all kernels of its operation, the one that was taken first.
    """

    kernel: KernelDescriptor
    reason: str
    candidates: tuple[Candidate, ...] = ()

    @property
    def rejected(self) -> tuple[tuple[str, str], ...]:
        """The candidates that were not taken, with the reason."""
        return tuple((c.symbol, c.verdict) for c in self.candidates if c.symbol != self.kernel.symbol)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Nodes that are computed together.

    Attributes:
        stream: the nodes in order, each with the rows of a tile.
        trace: the calls of its workers, and the lines that rings take.
        hosts: results that later stages need take in the values that kernels make into them in place. That saves rings, but
            such a result is written earlier, and keeps farther from operands that die.
    """

    stream: Stream
    trace: Trace
    hosts: bool = True

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(node for worker in self.stream.workers for node in worker.nodes)

    @property
    def kind(self) -> StageKind:
        if any(len(worker.nodes) > 1 for worker in self.stream.workers):
            return StageKind.PATCH
        return StageKind.STREAM if len(self.nodes) > 1 or len(self.trace.calls) > 1 else StageKind.LAYER


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """What runs when. A step is an index into `stages`.

    Attributes:
        graph: the graph that the stages cover. Every node is in exactly one stage, save for `VIEWS`, which are in none.
        selections: node name -> its kernel.
        stream_input: the network's input comes row by row, while the first stage runs, and lives in a ring of lines.
        copies: name of a node that computes again what another one computed -> the other one's
            (`tinyml.schedule.second_pass`).
    """

    graph: Graph
    stages: tuple[Stage, ...]
    selections: Mapping[str, Selection]
    objective: Objective = Objective.BALANCED
    stream_input: bool = False
    copies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def tiles(self) -> Mapping[str, int]:
        """Names of the nodes that are computed in several tiles -> rows of each."""
        return {
            node.name: rows
            for stage in self.stages
            for worker, calls in zip(stage.stream.workers, stage.trace.calls_of, strict=True)
            if len(calls) > 1
            for node, (rows, _) in zip(worker.nodes, worker.patch.sizes(worker.tile), strict=True)
        }

    def kernel(self, node: Node) -> KernelDescriptor:
        return self.selections[node.name].kernel

    def stage(self, nodes: Sequence[Node], tilings: Sequence[Tiling] = (Tiling(),)) -> Stage:
        """A stage of some nodes.

        Args:
            tilings: how they are computed; of one node alone, by default, all rows at once.

        Raises:
            ValueError: the nodes cannot advance so (`make_stream`).
        """
        stream = make_stream(nodes, tilings, self.graph, [self.kernel(node).access for node in nodes])
        return Stage(stream, run_stream(stream))

    def by_layers(self) -> "Schedule":
        """The graph in its own order, each node a stage."""
        return replace(self, stages=tuple(self.stage((node,)) for node in computed_nodes(self.graph)))


def computed_nodes(graph: Graph) -> tuple[Node, ...]:
    """Those that take a step, in order."""
    return tuple(node for node in graph.nodes if node.op not in VIEWS)


def extra_weights(schedule: Schedule) -> int:
    """Bytes that its kernels take beyond the network's weights: see `KernelDescriptor`. Copies share those of their nodes."""
    nodes = [node for node in computed_nodes(schedule.graph) if node.name not in schedule.copies]
    larger = [(schedule.kernel(node).extra_weights, node) for node in nodes]
    return sum(extra(node, schedule.graph) for extra, node in larger if extra is not None)
