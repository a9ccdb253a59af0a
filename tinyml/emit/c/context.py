"""What the C templates see. Plain frozen data: every decision is taken here, the templates only lay out."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from tinyml.emit.bundle import EmittedLayer
from tinyml.emit.c.text import WIDTH, array_body, arrays_in, c_float, c_string, c_type, comment_text, initializer
from tinyml.ir.describe import window_text
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.macs import macs
from tinyml.kernels.descriptor import Array, CParams
from tinyml.kernels.rows import image_shape
from tinyml.memory.plan import MemoryPlan
from tinyml.schedule.model import Stage

_C_ELEMENT = {
    DType.INT8: "int8_t",
    DType.UINT8: "uint8_t",
    DType.INT16: "int16_t",
    DType.INT32: "int32_t",
    DType.INT64: "int64_t",
    DType.FLOAT32: "float",
    DType.BOOL: "uint8_t",
}


@dataclass(frozen=True, slots=True)
class ArrayContext:
    """An array of the weights file."""

    name: str
    type: str
    length: int
    align: int
    bytes: int
    role: str
    body: str

    @property
    def declaration(self) -> str:
        return f"const {self.type} {self.name}[{self.length}]"


@dataclass(frozen=True, slots=True)
class RowsContext:
    """One `tinyml_rows_t`: a whole tensor."""

    arena: str
    offset: int
    row_bytes: int
    rows: int

    def __str__(self) -> str:
        return f"TINYML_WHOLE(net->{self.arena} + {self.offset}, {self.row_bytes}, {self.rows})"


@dataclass(frozen=True, slots=True)
class LayerContext:
    """One step of the network."""

    emitted: EmittedLayer
    comment: str
    kernel: str
    struct_type: str
    initializer: str
    arrays: tuple[ArrayContext, ...]
    inputs: tuple[RowsContext, ...]
    outputs: tuple[RowsContext, ...]
    rows: int
    cols: int
    scratch: str

    @property
    def params(self) -> str:
        return f"layer_{self.emitted.index:02d}"


@dataclass(frozen=True, slots=True)
class PortContext:
    """A network input or output. `suffix` is empty where there is only one, `_0`, `_1` … otherwise."""

    suffix: str
    comment: str
    arena: str
    offset: int
    bytes: int
    type: str
    height: int
    width: int
    channels: int
    scale: str | None
    zero_point: int | None


@dataclass(frozen=True, slots=True)
class ResetContext:
    """A state that `<name>_init` sets to real zero."""

    arena: str
    offset: int
    elements: int
    value: int
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class ArenaContext:
    member: str
    parameter: str
    macro: str
    bytes: int
    alignment: int


def arena_contexts(plan: MemoryPlan) -> tuple[ArenaContext, ...]:
    several = len(plan.arenas) > 1
    return tuple(
        ArenaContext(
            f"arena_{i}" if several else "arena",
            f"arena_{i}" if several else "arena",
            f"ARENA_{i}" if i else "ARENA",
            arena.bytes,
            arena.alignment,
        )
        for i, arena in enumerate(plan.arenas)
    )


def port_contexts(plan: MemoryPlan, names: tuple[str, ...], members: Mapping[str, str]) -> tuple[PortContext, ...]:
    graph = plan.schedule.graph
    ports = []
    for i, name in enumerate(names):
        value = graph.value(name)
        arena, offset = plan.location[name]
        height, width, channels = image_shape(value.shape)
        quant = value.quant
        ports.append(
            PortContext(
                suffix=f"_{i}" if len(names) > 1 else "",
                comment=f"{comment_text(name)}: {_axes_text(value)}",
                arena=members[arena],
                offset=offset,
                bytes=value.bytes,
                type=_C_ELEMENT[value.dtype],
                height=height,
                width=width,
                channels=channels,
                scale=c_float(quant.scale[0]) if quant else None,
                zero_point=quant.zero_point[0] if quant else None,
            )
        )
    return tuple(ports)


def _axes_text(value: Value) -> str:
    """The shape in memory, last axis innermost, and how it came from that of the model file."""
    shape = "x".join(map(str, value.shape)) or "1"
    if value.layout is None:
        return shape
    of_file = dict(zip(value.layout, value.shape, strict=True))
    file_shape = "x".join(str(of_file[axis]) for axis in sorted(of_file))
    return f"{shape}, which are axes {', '.join(map(str, value.layout))} of the model file's {file_shape}"


def reset_contexts(plan: MemoryPlan, members: Mapping[str, str]) -> tuple[ResetContext, ...]:
    resets = []
    for state in plan.schedule.graph.states:
        value = plan.schedule.graph.value(state.read)
        arena, offset = plan.location[state.read]
        zero = value.quant.zero_point[0] if value.quant else 0
        resets.append(
            ResetContext(
                members[arena], offset, value.elements, zero, _C_ELEMENT[value.dtype], comment_text(state.read)
            )
        )
    return tuple(resets)


def layer_context(prefix: str, index: int, stage: Stage, plan: MemoryPlan, members: Mapping[str, str]) -> LayerContext:
    """The context of a stage of one node; streams and patches extend this place."""
    graph = plan.schedule.graph
    (node,) = stage.nodes
    kernel = plan.schedule.kernel(node)
    params: CParams = kernel.params(node, graph)
    label = f"{index:02d}"
    named = [(array, f"{prefix}_{label}_{array.name}") for array in arrays_in(params.fields)]
    out = graph.value(node.outputs[0])
    height, width, _ = image_shape(out.shape)
    scratch_bytes = kernel.scratch_bytes(node, graph, height)
    scratch = "0"
    if scratch_bytes:
        arena, offset = plan.scratch[node.name]
        scratch = f"net->{members[arena]} + {offset}"
    emitted = EmittedLayer(
        index=index,
        function=f"{prefix}_layer_{label}_{node.op.value}",
        node=node.name,
        op=node.op.value,
        source=node.source,
        kernel=kernel.symbol,
        shape=out.shape,
        macs=macs(node, graph),
        outputs=tuple((o, *plan.location[o], graph.value(o).bytes) for o in node.outputs),
    )
    return LayerContext(
        emitted=emitted,
        comment=_comment(emitted, node, graph, plan, scratch_bytes),
        kernel=kernel.symbol,
        struct_type=params.struct_type,
        initializer=initializer(params.fields, {id(array): name for array, name in named}),
        arrays=tuple(_array_context(array, name) for array, name in named),
        inputs=tuple(_rows_context(graph.value(v), plan, members) for v in graph.activations(node)),
        outputs=tuple(_rows_context(graph.value(v), plan, members) for v in node.outputs),
        rows=height,
        cols=width,
        scratch=scratch,
    )


def _array_context(array: Array, name: str) -> ArrayContext:
    data = array.data
    return ArrayContext(name, c_type(data), data.size, array.align, data.nbytes, array.role, array_body(data))


def _rows_context(value: Value, plan: MemoryPlan, members: Mapping[str, str]) -> RowsContext:
    arena, offset = plan.location[value.name]
    rows, _, _ = image_shape(value.shape)
    return RowsContext(members[arena], offset, value.bytes // rows, rows)


def _comment(emitted: EmittedLayer, node: Node, graph: Graph, plan: MemoryPlan, scratch_bytes: int) -> str:
    """Source node, shapes, kernel and arena ranges of a layer, wrapped as a C comment."""
    ins = [graph.value(v) for v in graph.activations(node)]
    outs = [graph.value(v) for v in node.outputs]
    shapes = f"{' + '.join(map(_type_text, ins))} -> {', '.join(map(_type_text, outs))}"
    work = f", {emitted.macs:,} MACs" if emitted.macs else ""
    reads = ", ".join(_range_text(plan.location[v.name][1], v.bytes) for v in ins)
    writes = ", ".join(_range_text(plan.location[v.name][1], v.bytes) for v in outs)
    scratch = f", scratch {_range_text(plan.scratch[node.name][1], scratch_bytes)}" if scratch_bytes else ""
    lines = [
        f"{emitted.index:02d}  {node.op.value}{window_text(node, graph)}: {shapes}{work}",
        f"from {comment_text(node.source).replace(';', '; ')}",
        f"arena: reads {reads}, writes {writes}{scratch}",
    ]
    wrapped = [w for line in lines for w in textwrap.wrap(line, WIDTH, subsequent_indent="    ")]
    return "/* " + "\n * ".join(wrapped) + " */"


def _type_text(value: Value) -> str:
    return f"{'x'.join(map(str, value.shape[1:] if len(value.shape) > 1 else value.shape)) or '1'} {value.dtype.value}"


def _range_text(offset: int, size: int) -> str:
    return f"[{offset}, {offset + size})"


def label_literals(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(c_string(label) for label in labels)
