"""report.json: what a build is, costs and needs. Its schema is versioned; sizes are bytes, never text."""

import logging
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter

from tinyml import __version__
from tinyml.build.image import FirmwareImage
from tinyml.build.stack import call_bound, stack_bound
from tinyml.errors import ToolError
from tinyml.ir.graph import Graph, Value
from tinyml.memory import live_bytes
from tinyml.pipeline import Compilation, need
from tinyml.schedule.model import Candidate, extra_weights

SCHEMA_VERSION: Literal[1] = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TensorSection:
    """An input or output of the network as it is stored. scale and zero_point are None where it is not quantized; layout as
    of `tinyml.ir.graph.Value`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None
    layout: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class ModelSection:
    """sha256: of the model file; plan_sha256: of the emitted C, by which a board says what it runs; benchmark: the MLPerf
    Tiny benchmark that the firmware runs, or None; traced: the firmware tells of single layers; run_function: what
    computes in the emitted C, in one call or, where stream_input, in one a row of the input."""

    name: str
    run_function: str
    stream_input: bool
    file: str
    sha256: str
    plan_sha256: str
    macs: int
    parameters: int
    notes: tuple[str, ...]
    inputs: tuple[TensorSection, ...]
    outputs: tuple[TensorSection, ...]
    labels: tuple[str, ...]
    benchmark: str | None
    traced: bool


@dataclass(frozen=True, slots=True)
class QuantizationSection:
    scheme: str
    calibrated: bool
    preprocess: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class RegionSection:
    """RAM of the board: what this build takes of it.

    Attributes:
        traffic: percent of all bytes that a run reads and writes in arenas, roughly; 0 where there is one arena.
    """

    name: str
    bytes: int
    arena_bytes: int
    stack_bytes: int
    static_bytes: int
    traffic: int = 0


@dataclass(frozen=True, slots=True)
class MemorySection:
    """peak_sram_bytes = arena + stack + static.

    stack_kind: "measured" in the emulator, by painting; "reserved", what the link script keeps, where nothing was run;
    "none" without firmware. stack_bound_bytes: what the call graph allows, start-up, protocol and interrupts included;
    None without firmware, or where the code has no such bound. model_stack_bytes: the same for the model's run function
    alone.
    """

    arena_bytes: int
    arena_lower_bound_bytes: int
    stack_bytes: int
    stack_kind: str
    stack_bound_bytes: int | None
    model_stack_bytes: int | None
    static_bytes: int
    model_static_bytes: int
    firmware_static_bytes: int
    peak_sram_bytes: int
    regions: tuple[RegionSection, ...]


@dataclass(frozen=True, slots=True)
class FlashSection:
    """code_bytes = model + firmware; all three are None where nothing was linked, and total_bytes is weights only.
    weights_bytes includes added_weights_bytes: what kernels of larger weights take for speed."""

    code_bytes: int | None
    model_code_bytes: int | None
    firmware_code_bytes: int | None
    weights_bytes: int
    added_weights_bytes: int
    total_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class LatencySection:
    """source: how the cycles came about: "modelled", "counted" where only instructions are known, "none" where nothing ran.

    cycles is None for cores without a model, clock_hz and ms for targets without a clock.
    """

    source: str
    core: str
    instructions: int | None
    cycles: int | None
    clock_hz: int | None
    ms: float | None


@dataclass(frozen=True, slots=True)
class CandidateSection:
    """A kernel of a layer's operation. predicted: cycles by the kernel's own formula, None where it cannot compute the layer;
    instructions (counted) and cycles (modelled): of a trial in the emulator, None without --autotune, or where there was no
    choice; verdict: why it was taken, or not."""

    kernel: str
    predicted: float | None
    instructions: int | None
    cycles: int | None
    verdict: str


@dataclass(frozen=True, slots=True)
class LayerSection:
    """function: of the emitted C; arena: bytes of the arena that are live while the layer runs; candidates: the kernels to
    choose from, that which was taken first."""

    function: str
    name: str
    op: str
    source: str
    shape: tuple[int, ...]
    kernel: str
    macs: int
    instructions: int | None
    cycles: int | None
    arena: int
    candidates: tuple[CandidateSection, ...]


@dataclass(frozen=True, slots=True)
class ToolchainSection:
    name: str
    version: str
    cflags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    schema_version: Literal[1]
    tinyml_version: str
    board: str
    model: ModelSection
    quantization: QuantizationSection
    memory: MemorySection
    flash: FlashSection
    latency: LatencySection
    layers: tuple[LayerSection, ...]
    toolchain: ToolchainSection | None

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_json(document: object) -> "Report":
        """Reads what `to_json` wrote.

        Raises:
            pydantic.ValidationError: it is of another version, or damaged.
        """
        return TypeAdapter(Report).validate_python(document)


def parameters(graph: Graph) -> int:
    """Elements of all constants that are learned: weights and biases, not shapes or tables."""
    return sum(
        v.elements for v in graph.constants() if v.dtype.value.startswith(("int8", "int32", "float", "int16", "int4"))
    )


def make_report(done: Compilation) -> Report:
    """The report of a compilation that went through all stages that its board has."""
    plan, bundle, quantized = need(done.plan), need(done.bundle), need(done.quantized)
    graph = need(done.schedule).graph
    live = live_bytes(plan)
    costs = {layer.function: layer for layer in done.profile.layers} if done.profile else {}
    layers = []
    for layer in bundle.layers:
        cost = costs.get(layer.function)
        layers.append(
            LayerSection(
                function=layer.function,
                name=layer.node,
                op=layer.op,
                source=layer.source,
                shape=layer.shape,
                kernel=layer.kernel,
                macs=layer.macs,
                instructions=cost.instructions if cost else None,
                cycles=cost.cycles if cost else None,
                arena=live[layer.stage],
                candidates=tuple(map(_candidate, need(done.schedule).selections[layer.node].candidates)),
            )
        )
    return Report(
        schema_version=SCHEMA_VERSION,
        tinyml_version=__version__,
        board=done.options.board.id,
        model=ModelSection(
            name=bundle.name,
            run_function=bundle.run_function,
            stream_input=done.options.stream_input,
            file=done.options.model.name,
            sha256=done.options.model_sha256,
            plan_sha256=bundle.sha256,
            macs=sum(layer.macs for layer in bundle.layers),
            parameters=parameters(graph),
            notes=(*need(done.source).notes, *quantized.notes, *_stand_in(done)),
            inputs=tuple(_tensor(graph.value(name)) for name in graph.inputs),
            outputs=tuple(_tensor(graph.value(name)) for name in graph.outputs),
            labels=done.options.labels,
            benchmark=done.options.benchmark,
            traced=done.options.traced,
        ),
        quantization=QuantizationSection(
            scheme=quantized.scheme,
            calibrated=quantized.calibrated,
            preprocess=asdict(quantized.preprocess) if quantized.preprocess else None,
        ),
        memory=_memory(done),
        flash=_flash(done),
        latency=_latency(done),
        layers=tuple(layers),
        toolchain=None
        if done.image is None
        else ToolchainSection(done.image.toolchain.name, done.image.toolchain.version, done.image.toolchain.cflags),
    )


def _stand_in(done: Compilation) -> tuple[str, ...]:
    """What the firmware keeps that no application would."""
    if done.image is None or not done.options.stream_input:
        return ()
    graph = need(done.schedule).graph
    size = graph.value(graph.inputs[0]).bytes
    return (f"this firmware keeps a picture of {size:,} bytes, which stands for a camera and is not counted",)


def _candidate(candidate: Candidate) -> CandidateSection:
    counted = candidate.counted
    return CandidateSection(
        kernel=candidate.symbol,
        predicted=candidate.predicted,
        instructions=None if counted is None else counted.instructions,
        cycles=None if counted is None else counted.cycles,
        verdict=candidate.verdict,
    )


def _tensor(value: Value) -> TensorSection:
    quant = value.quant
    return TensorSection(
        name=value.name,
        dtype=value.dtype.value,
        shape=value.shape,
        scale=None if quant is None else quant.scale[0],
        zero_point=None if quant is None else quant.zero_point[0],
        layout=value.layout,
    )


def _memory(done: Compilation) -> MemorySection:
    plan, board, image = need(done.plan), done.options.board, done.image
    if done.profile is not None:
        stack, stack_kind = done.profile.stack_bytes, "measured"
    elif image is not None:
        stack, stack_kind = board.link.stack_bytes, "reserved"
    else:
        stack, stack_kind = 0, "none"
    bound, model_bound = (None, None) if image is None else _stack_bounds(image)
    model_static = image.sizes.model_static_bytes if image else 0
    firmware_static = image.sizes.firmware_static_bytes if image else 0
    static = image.sizes.static_blocks if image else ()
    traffic = sum(arena.traffic for arena in plan.arenas)
    return MemorySection(
        arena_bytes=plan.peak_bytes,
        arena_lower_bound_bytes=sum(a.lower_bound for a in plan.arenas),
        stack_bytes=stack,
        stack_kind=stack_kind,
        stack_bound_bytes=bound,
        model_stack_bytes=model_bound,
        static_bytes=model_static + firmware_static,
        model_static_bytes=model_static,
        firmware_static_bytes=firmware_static,
        peak_sram_bytes=plan.peak_bytes + stack + model_static + firmware_static,
        regions=tuple(
            RegionSection(
                name=region.name,
                bytes=region.bytes,
                arena_bytes=sum(a.bytes for a in plan.arenas if a.region == region.name),
                stack_bytes=stack if region.name == board.link.stack else 0,
                static_bytes=sum(size for at, size in static if region.address <= at < region.end),
                traffic=round(100 * sum(a.traffic for a in plan.arenas if a.region == region.name) / max(traffic, 1)),
            )
            for region in board.regions
            if region.kind == "ram"
        ),
    )


def _stack_bounds(image: FirmwareImage) -> tuple[int | None, int | None]:
    try:
        return stack_bound(image.elf, image.board), call_bound(image.elf, image.bundle.run_function).bytes
    except ToolError as error:  # code in a form that no compiler has made so far
        _log.warning("the stack has no bound: %s", error)
        return None, None


def _flash(done: Compilation) -> FlashSection:
    limit = done.options.board.flash_bytes
    added = extra_weights(need(done.schedule))
    if done.image is None:
        weights = need(done.bundle).weights_bytes + need(done.bundle).parameters_bytes
        return FlashSection(None, None, None, weights, added, weights, limit)
    sizes = done.image.sizes
    return FlashSection(
        code_bytes=sizes.code_bytes,
        model_code_bytes=sizes.model_code_bytes,
        firmware_code_bytes=sizes.firmware_code_bytes,
        weights_bytes=sizes.weights_bytes,
        added_weights_bytes=added,
        total_bytes=sizes.flash_bytes,
        limit_bytes=limit,
    )


def _latency(done: Compilation) -> LatencySection:
    board, profile = done.options.board, done.profile
    if profile is None:
        return LatencySection("none", board.core.name, None, None, board.clock_hz, None)
    source = "counted" if profile.cycles is None else "modelled"
    return LatencySection(source, board.core.name, profile.instructions, profile.cycles, board.clock_hz, profile.ms)
