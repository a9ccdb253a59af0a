"""What the compiler knows of a C kernel. A kernel is chosen, planned and emitted through its descriptor alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Op
from tinyml.kernels.rows import image_shape
from tinyml.targets.core import Isa

_CALL = 60  # cycles of a call of a kernel that prepares nothing


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """A constant array that the weights file defines, in the order in which the kernel reads it.

    Attributes:
        name: what it is, unique within a call ("weights", "bias").
        data: int8, uint8, int16, uint16, int32, int64 or float32; flattened when printed.
        role: "weights" counts as weights in the flash report; "parameters" are per-channel values and tables.
        align: bytes.
    """

    name: str
    data: np.ndarray
    role: str = "weights"
    align: int = 4


@dataclass(frozen=True, slots=True, eq=False)
class CParams:
    """The parameter structure of a kernel, `struct_type` in C, printed with designated initializers.

    A field is an int, a float, an Array (printed as the name of the emitted array), None (a null pointer), a tuple
    (a C array) or another mapping (a nested structure). The C compiler checks names and types.
    """

    struct_type: str
    fields: Mapping[str, "Field"] = field(default_factory=dict)


Field = int | float | Array | None | tuple["Field", ...] | Mapping[str, "Field"]


@dataclass(frozen=True, slots=True)
class Access:
    """How a kernel reads and writes, as far as the planner may use it.

    Attributes:
        in_place: index of the input that the output may share memory with, element for element (it is read before it is
            written, in the same order), or None. Reaches only inputs of the same number of bytes or more.
        in_place_any: the output may share memory with any one of the inputs (binary operations).
        alignment: bytes that activation buffers must be aligned to.
        over_read: bytes past the end of an input that may be read (never used).
        whole: inputs must lie whole and end to end, whatever rows of the output are computed (matrix products,
            transposes). Such a kernel ends a stream.
        reduces: a tile counts rows of the input, which come in order; the output is complete after the last. Scratch is
            kept from one call to the next.
    """

    in_place: int | None = None
    in_place_any: bool = False
    alignment: int = 4
    over_read: int = 0
    whole: bool = False
    reduces: bool = False

    @property
    def pace(self) -> tuple[bool, bool]:
        """What decides when the node can take its turn in a stream."""
        return self.whole, self.reduces


@dataclass(frozen=True, slots=True, eq=False)
class KernelDescriptor:
    """A C kernel.

    void symbol(const struct_type *op, const tinyml_rows_t *in, const tinyml_rows_t *out, const tinyml_tile_t *tile,
                void *scratch);

    Attributes:
        symbol: the C function (`tinyml_conv_1x1_s8_dsp`).
        source: file below codegen/kernels/ that defines it; `header`: the one that declares it.
        op: the operation that it computes.
        isa: the feature that makes it fast. Its source falls back to portable C where the compiler lacks the feature,
            with the same packing of weights.
        rejects: why it cannot compute a node, or None where it can.
        params: the node's parameters, constants packed in the kernel's reading order.
        scratch_bytes: working memory for a tile of that many output rows.
        cost: predicted cycles of a whole node (a rank among candidates until it is autotuned).
        access: what the planner may rely on.
        tile_cost: predicted cycles of a whole node, computed in tiles of that many output rows; None where calls of the
            kernel cost next to nothing by themselves.
        access_of: `access` of a node, where it depends on that: see `for_node`.
        extra_weights: bytes that its weights, and what it has ready for each channel, take beyond those of the node. It is
            taken as far as weights may grow. None: hardly any, it is taken wherever it is the fastest.
    """

    symbol: str
    source: str
    header: str
    op: Op
    isa: Isa
    rejects: Callable[[Node, Graph], str | None]
    params: Callable[[Node, Graph], CParams]
    scratch_bytes: Callable[[Node, Graph, int], int]
    cost: Callable[[Node, Graph], float]
    access: Access = Access()
    tile_cost: Callable[[Node, Graph, int], float] | None = None
    access_of: Callable[[Node, Graph], Access] | None = None
    extra_weights: Callable[[Node, Graph], int] | None = None

    def for_node(self, node: Node, graph: Graph) -> "KernelDescriptor":
        """The kernel as it computes a node that it does not reject: `access` is what it is there."""
        return self if self.access_of is None else replace(self, access=self.access_of(node, graph), access_of=None)

    def cost_in_tiles(self, node: Node, graph: Graph, rows: int) -> float:
        """Predicted cycles of a whole node, computed in tiles of that many output rows."""
        if self.tile_cost is not None:
            return self.tile_cost(node, graph, rows)
        tiles = math.ceil(image_shape(graph.value(node.outputs[0]).shape)[0] / rows)
        return self.cost(node, graph) + _CALL * (tiles - 1)
