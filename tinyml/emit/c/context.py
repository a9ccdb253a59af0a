"""What the C templates see. Plain frozen data: every decision is taken here, the templates only lay out."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.emit.bundle import EmittedLayer, EmittedValue
from tinyml.emit.c.text import WIDTH, array_body, arrays_in, c_float, c_string, c_type, comment_text, initializer
from tinyml.ir.describe import window_text
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.macs import macs
from tinyml.kernels.descriptor import Array, CParams
from tinyml.kernels.rows import image_shape, pixel_bytes, row_bytes
from tinyml.memory.plan import MemoryPlan
from tinyml.schedule.model import Stage
from tinyml.schedule.patch import Part
from tinyml.schedule.stream import Worker

_C_ELEMENT = {
    DType.INT8: "int8_t",
    DType.UINT8: "uint8_t",
    DType.INT16: "int16_t",
    DType.INT32: "int32_t",
    DType.INT64: "int64_t",
    DType.FLOAT32: "float",
    DType.BOOL: "uint8_t",
}


Contents = tuple[str, int, str, bytes]
"""What an array is for, how it is aligned, its type in C and its bytes."""


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
    """One `tinyml_rows_t`: a whole tensor, or a ring of lines."""

    arena: str
    offset: int
    row_bytes: int
    lines: int

    def __str__(self) -> str:
        return f"TINYML_ROWS(net->{self.arena} + {self.offset}, {self.row_bytes}, {self.lines})"


@dataclass(frozen=True, slots=True)
class PartContext:
    """One `tinyml_rows_t` of a value that a patch computes part by part."""

    arena: str
    offset: int
    row_bytes: int
    pixel_bytes: int
    position: int

    @property
    def base(self) -> str:
        return f"net->{self.arena} + {self.offset}"

    def __str__(self) -> str:
        return f"TINYML_PART({self.base}, {self.row_bytes}, part[{self.position}])"


@dataclass(frozen=True, slots=True)
class LayerContext:
    """The function that computes rows of one node, or its part of a patch.

    Attributes:
        parts: values of the patch that it is in; 0: it is in none.
    """

    emitted: EmittedLayer
    comment: str
    kernel: str
    struct_type: str
    initializer: str
    arrays: tuple[ArrayContext, ...]
    inputs: tuple[RowsContext | PartContext, ...]
    outputs: tuple[RowsContext | PartContext, ...]
    rows: int
    cols: int
    parts: int
    tile: str
    scratch: str

    @property
    def params(self) -> str:
        return f"layer_{self.emitted.index:02d}"


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """A layer of a stream: the rows that are there follow from those of what it waits for."""

    function: str
    rows: int
    tile: int
    counter: str
    ready: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReachContext:
    """One `tinyml_reach_t` for rows, and one for columns: what a layer reads of what another one computes."""

    name: str
    rows: str
    cols: str


@dataclass(frozen=True, slots=True)
class ReadContext:
    """Which part of a value is needed."""

    position: int
    expression: str


@dataclass(frozen=True, slots=True)
class PatchLayerContext:
    """A layer of a patch; `at_times` not all parts need something new of it."""

    function: str
    at_times: bool


@dataclass(frozen=True, slots=True)
class PatchContext:
    """The function that computes rows of a patch, part by part."""

    function: str
    comment: str
    width: int
    cols: int
    layers: tuple[PatchLayerContext, ...]
    reaches: tuple[ReachContext, ...]
    reads: tuple[ReadContext, ...]


@dataclass(frozen=True, slots=True)
class StageContext:
    """A stage of the run function. `workers` is empty where the stage is one call of one layer."""

    index: int
    function: str
    comment: str
    feeds: int
    workers: tuple[WorkerContext, ...]
    patches: tuple[PatchContext, ...]
    layers: tuple[LayerContext, ...]


@dataclass(frozen=True, slots=True)
class FeedContext:
    """Where rows of a streamed input go: a ring of lines."""

    arena: str
    offset: int
    row_bytes: int
    lines: int
    rows: int


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
    region: str


def arena_contexts(plan: MemoryPlan) -> tuple[ArenaContext, ...]:
    several = len(plan.arenas) > 1
    return tuple(
        ArenaContext(
            f"arena_{i}" if several else "arena",
            f"arena_{i}" if several else "arena",
            f"ARENA_{i}" if i else "ARENA",
            arena.bytes,
            arena.alignment,
            arena.region if several and arena.region else "",
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


def feed_context(plan: MemoryPlan, members: Mapping[str, str]) -> FeedContext | None:
    """None where the input lies in the arena as a whole."""
    if not plan.schedule.stream_input:
        return None
    (name,) = plan.schedule.stages[0].stream.inputs
    value = plan.schedule.graph.value(name)
    arena, offset = plan.location[name]
    return FeedContext(members[arena], offset, row_bytes(value), plan.lines(name), image_shape(value.shape)[0])


def stage_contexts(prefix: str, plan: MemoryPlan, members: Mapping[str, str]) -> tuple[StageContext, ...]:
    contexts: list[StageContext] = []
    constants: dict[Contents, str] = {}
    count = 0
    for index, stage in enumerate(plan.schedule.stages):
        layers: list[LayerContext] = []
        patches: list[PatchContext] = []
        functions: list[str] = []
        for turn, worker in enumerate(stage.stream.workers):
            made = [
                _layer_context(prefix, count + i, index, turn, i, plan, members, constants)
                for i in range(len(worker.nodes))
            ]
            if len(made) > 1:
                patches.append(_patch_context(prefix, worker, made))
            functions.append(patches[-1].function if len(made) > 1 else made[0].emitted.function)
            layers += made
            count += len(made)
        streams = patches or len(stage.trace.calls) > 1 or (index == 0 and plan.schedule.stream_input)
        contexts.append(
            StageContext(
                index=index,
                function=f"{prefix}_stage_{index:02d}" if streams else functions[0],
                comment=_stage_comment(index, layers) if streams else "",
                feeds=stage.stream.feeds,
                workers=_worker_contexts(stage, functions) if streams else (),
                patches=tuple(patches),
                layers=tuple(layers),
            )
        )
    return tuple(contexts)


def _patch_context(prefix: str, worker: Worker, layers: Sequence[LayerContext]) -> PatchContext:
    patch, last = worker.patch, len(layers) - 1
    first, names = layers[0].emitted.index, [f"{layer.emitted.index:02d}" for layer in layers]
    reaches: list[ReachContext] = []
    reads: list[ReadContext] = []
    for position in reversed(range(last)):
        found: list[str] = []
        for reader in patch.readers[position]:
            name = f"of_{names[position]}_by_{names[reader.position]}"
            rows, cols = (
                f"{{ {length}, {window.stride}, {window.extent}, {window.pad} }}"
                for length, window in zip(patch.images[position], reader.windows, strict=True)
            )
            reaches.append(ReachContext(name, rows, cols))
            found.append(f"tinyml_tile_read({name}, &part[{reader.position}].tile)")
        expression = found[0]
        for other in found[1:]:
            expression = f"tinyml_tile_of_both({expression}, {other})"
        if position in patch.keeps:
            (part,) = layers[position].outputs
            assert isinstance(part, PartContext), "only the last one's result is in rows"
            place = f"{part.base}, {part.row_bytes}, {part.pixel_bytes}"
            expression = f"tinyml_part_behind(&part[{position}], {expression}, {place})"
        else:
            expression = f"tinyml_part_of({expression})"
        reads.append(ReadContext(position, expression))
    width = patch.images[last][1]
    kept = " and ".join(names[i] for i in patch.keeps)
    comment = (
        f"Layers {names[0]} to {names[last]}, computed together for {patch.cols} of {width} columns at a time. "
        f"Of what lies between them there is just the part that these need"
        + (f"; of layer {kept} the columns stay that the next part needs, too." if kept else ".")
    )
    return PatchContext(
        function=f"{prefix}_patch_{first:02d}",
        comment=block_comment([comment]),
        width=width,
        cols=patch.cols,
        layers=tuple(
            PatchLayerContext(layer.emitted.function, any(first == end for first, end, _ in strips))
            for layer, strips in zip(layers, zip(*patch.strips(), strict=True), strict=True)
        ),
        reaches=tuple(reaches),
        reads=tuple(reads),
    )


def _worker_contexts(stage: Stage, functions: Sequence[str]) -> tuple[WorkerContext, ...]:
    computed = {name: i for i, worker in enumerate(stage.stream.workers) for name in worker.node.outputs}
    contexts = []
    for i, (worker, function) in enumerate(zip(stage.stream.workers, functions, strict=True)):
        ready = []
        for operand in worker.waits:
            if operand.fed:
                height, feeds = operand.height, stage.stream.feeds
                there = "fed" if height == feeds else f"(fed * {height} + {feeds - 1}) / {feeds}"
            else:
                producer = stage.stream.workers[computed[operand.value]]
                there = f"done[{computed[operand.value]}]"
                if producer.reduces:
                    there = f"({there} == {producer.rows})"
            window = operand.window
            if window.up == window.stride == window.reach == 1 and operand.height == worker.rows:
                ready.append(there)
                continue
            counted = there if window.up == 1 else f"{window.up} * ({there})"
            height, reach = window.up * operand.height, window.reach
            ready.append(f"tinyml_rows_ready({counted}, {height}, {worker.rows}, {window.stride}, {reach})")
        contexts.append(
            WorkerContext(
                function=function,
                rows=worker.rows,
                tile=worker.tile,
                counter=f"done[{i}]",
                ready=tuple(ready) or (str(worker.rows),),
            )
        )
    return tuple(contexts)


def _stage_comment(index: int, layers: Sequence[LayerContext]) -> str:
    first, last = layers[0].emitted, layers[-1].emitted
    rings = [
        f"{value.lines} of {value.rows} rows of layer {layer.emitted.index:02d}"
        for layer in layers
        for value in layer.emitted.outputs
        if 0 < value.lines < value.rows
    ]
    through = (
        f"Layers {first.index:02d} to {last.index:02d} advance"
        if len(layers) > 1
        else f"Layer {first.index:02d} advances"
    )
    kept = f" Rings keep {', '.join(rings)}." if rings else ""
    return block_comment([f"Stage {index:02d}. {through} row by row.{kept}"])


def _layer_context(
    prefix: str,
    index: int,
    step: int,
    turn: int,
    position: int,
    plan: MemoryPlan,
    members: Mapping[str, str],
    constants: dict[Contents, str],
) -> LayerContext:
    """Of the node at a position of the worker whose turn it is in a stage.

    Args:
        constants: the arrays of the layers before, by their contents; those of this one are added. Equal ones are emitted
            once: the tables of a function, and the weights of what is computed twice.
    """
    graph, stage = plan.schedule.graph, plan.schedule.stages[step]
    worker = stage.stream.workers[turn]
    node, parts = worker.nodes[position], len(worker.nodes) if len(worker.nodes) > 1 else 0
    kernel = plan.schedule.kernel(node)
    params: CParams = kernel.params(node, graph)
    label = f"{index:02d}"
    arrays = [(array, f"{prefix}_{label}_{array.name}") for array in arrays_in(params.fields)]
    names = {id(array): constants.setdefault(_contents(array), name) for array, name in arrays}
    out = graph.value(node.outputs[0])
    sizes = worker.patch.sizes(worker.tile)
    scratch_bytes = kernel.scratch_bytes(node, graph, sizes[position][0])
    scratch = "0"
    if scratch_bytes:
        arena, offset = plan.scratch[node.name]
        scratch = f"net->{members[arena]} + {offset}"
    calls = [
        computed[position]
        for call in stage.trace.calls
        if call.worker == turn
        for computed in worker.parts(call.row, call.end)
        if computed[position].cols
    ]
    if kernel.access.reduces:
        calls = [Part(0, 0, 0, 0)] * (len(calls) - 1) + [
            Part(0, image_shape(out.shape)[0], 0, image_shape(out.shape)[1])
        ]
    emitted = EmittedLayer(
        index=index,
        function=f"{prefix}_layer_{label}_{node.op.value}",
        node=node.name,
        op=node.op.value,
        source=node.source,
        kernel=kernel.symbol,
        shape=out.shape,
        macs=macs(node, graph),
        stage=step,
        calls=tuple(calls),
        outputs=tuple(_emitted_value(graph.value(name), plan, sizes[position][1]) for name in node.outputs),
    )
    between = {name: i for i, name in enumerate(worker.passing)}

    def rows(name: str) -> RowsContext | PartContext:
        if name not in between:
            return _rows_context(graph.value(name), plan, members)
        arena, offset = plan.parts[name]
        pixel = pixel_bytes(graph.value(name))
        return PartContext(members[arena], offset, sizes[between[name]][1] * pixel, pixel, between[name])

    return LayerContext(
        emitted=emitted,
        comment=_comment(emitted, node, graph, plan, scratch_bytes),
        kernel=kernel.symbol,
        struct_type=params.struct_type,
        initializer=initializer(params.fields, names),
        arrays=tuple(_array_context(array, name) for array, name in arrays if names[id(array)] == name),
        inputs=tuple(map(rows, graph.activations(node))),
        outputs=tuple(map(rows, node.outputs)),
        rows=worker.rows,
        cols=worker.patch.images[position][1],
        parts=parts,
        tile=f"&part[{position}].tile" if parts else "&tile",
        scratch=scratch,
    )


def _emitted_value(value: Value, plan: MemoryPlan, cols: int) -> EmittedValue:
    """A value of which there are so many columns at once."""
    in_rows = value.name not in plan.parts
    arena, offset = plan.location[value.name] if in_rows else plan.parts[value.name]
    return EmittedValue(
        name=value.name,
        arena=arena,
        offset=offset,
        row_bytes=row_bytes(value),
        pixel_bytes=pixel_bytes(value),
        rows=image_shape(value.shape)[0],
        lines=plan.lines(value.name) if in_rows else 0,
        pitch=row_bytes(value) if in_rows else cols * pixel_bytes(value),
    )


def _contents(array: Array) -> Contents:
    return array.role, array.align, c_type(array.data), array.data.tobytes()


def _array_context(array: Array, name: str) -> ArrayContext:
    data = array.data
    return ArrayContext(name, c_type(data), data.size, array.align, data.nbytes, array.role, array_body(data))


def _rows_context(value: Value, plan: MemoryPlan, members: Mapping[str, str]) -> RowsContext:
    arena, offset = plan.location[value.name]
    return RowsContext(members[arena], offset, row_bytes(value), plan.lines(value.name))


def _comment(emitted: EmittedLayer, node: Node, graph: Graph, plan: MemoryPlan, scratch_bytes: int) -> str:
    """Source node, shapes, kernel and arena ranges of a layer, wrapped as a C comment."""
    ins = [graph.value(v) for v in graph.activations(node)]
    outs = [graph.value(v) for v in node.outputs]
    shapes = f"{' + '.join(map(_type_text, ins))} -> {', '.join(map(_type_text, outs))}"
    work = f", {emitted.macs:,} MACs" if emitted.macs else ""
    again = ", computed again" if node.name in plan.schedule.copies else ""
    reads = ", ".join(_place_text(v, plan) for v in ins)
    writes = ", ".join(_place_text(v, plan) for v in outs)
    scratch = f", scratch {_range_text(plan, plan.scratch[node.name], scratch_bytes)}" if scratch_bytes else ""
    return block_comment(
        [
            f"{emitted.index:02d}  {node.op.value}{window_text(node, graph)}: {shapes}{work}{again}",
            f"from {comment_text(node.source).replace(';', '; ')}",
            f"arena: reads {reads}, writes {writes}{scratch}",
        ]
    )


def block_comment(lines: Sequence[str]) -> str:
    """A C comment of some lines, each wrapped."""
    wrapped = [w for line in lines for w in textwrap.wrap(line, WIDTH - 3, subsequent_indent="    ")]
    return "/* " + "\n * ".join(wrapped) + " */"


def _place_text(value: Value, plan: MemoryPlan) -> str:
    if value.name in plan.parts:
        arena, offset = plan.parts[value.name]
        return f"{arena} " * (len(plan.arenas) > 1) + f"{offset} (a part at a time)"
    lines, rows = plan.lines(value.name), image_shape(value.shape)[0]
    text = _range_text(plan, plan.location[value.name], lines * row_bytes(value))
    return text if lines == rows else f"{text} (a ring of {lines} rows)"


def _type_text(value: Value) -> str:
    return f"{'x'.join(map(str, value.shape[1:] if len(value.shape) > 1 else value.shape)) or '1'} {value.dtype.value}"


def _range_text(plan: MemoryPlan, place: tuple[str, int], size: int) -> str:
    """`[0, 64)`; where there are several arenas, of which: `dtcm [0, 64)`."""
    arena, offset = place
    return f"{arena} " * (len(plan.arenas) > 1) + f"[{offset}, {offset + size})"


def label_literals(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(c_string(label) for label in labels)
