"""report.json: what a build is, costs and needs. Its schema is versioned; sizes are bytes, never text."""

from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter

from tinyml.ir.graph import Graph
from tinyml.memory import live_bytes
from tinyml.pipeline import Compilation, need

SCHEMA_VERSION: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class ModelSection:
    name: str
    file: str
    sha256: str
    macs: int
    parameters: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuantizationSection:
    scheme: str
    calibrated: bool
    preprocess: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class RegionSection:
    """RAM of the board: what this build takes of it."""

    name: str
    bytes: int
    arena_bytes: int
    stack_bytes: int
    static_bytes: int


@dataclass(frozen=True, slots=True)
class MemorySection:
    """peak_sram_bytes = arena + stack + static. stack_kind: "measured" in the emulator, by painting."""

    arena_bytes: int
    arena_lower_bound_bytes: int
    stack_bytes: int
    stack_kind: str
    static_bytes: int
    model_static_bytes: int
    firmware_static_bytes: int
    peak_sram_bytes: int
    regions: tuple[RegionSection, ...]


@dataclass(frozen=True, slots=True)
class FlashSection:
    code_bytes: int
    weights_bytes: int
    total_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class LatencySection:
    """source: how the cycles came about: "modelled", or "counted" where only instructions are known.

    cycles is None for cores without a model, clock_hz and ms for targets without a clock.
    """

    source: str
    core: str
    instructions: int
    cycles: int | None
    clock_hz: int | None
    ms: float | None


@dataclass(frozen=True, slots=True)
class LayerSection:
    """arena: bytes of the arena that are live while the layer runs."""

    name: str
    op: str
    source: str
    shape: tuple[int, ...]
    kernel: str
    macs: int
    instructions: int
    cycles: int | None
    arena: int


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
    toolchain: ToolchainSection

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
    """The report of a compilation that went through all stages."""
    from tinyml import __version__

    image, profile, plan, bundle = need(done.image), need(done.profile), need(done.plan), need(done.bundle)
    quantized, board, sizes = need(done.quantized), done.options.board, need(done.image).sizes
    static = sizes.model_static_bytes + sizes.firmware_static_bytes
    live = live_bytes(plan)
    layer_profiles = {layer.function: layer for layer in profile.layers}
    layers = []
    for layer in bundle.layers:
        cost = layer_profiles[layer.function]
        layers.append(
            LayerSection(
                name=layer.node,
                op=layer.op,
                source=layer.source,
                shape=layer.shape,
                kernel=layer.kernel,
                macs=layer.macs,
                instructions=cost.instructions,
                cycles=cost.cycles,
                arena=live[layer.index],
            )
        )
    identity = done.options
    return Report(
        schema_version=SCHEMA_VERSION,
        tinyml_version=__version__,
        board=board.id,
        model=ModelSection(
            name=bundle.name,
            file=identity.model.name,
            sha256=identity.model_sha256,
            macs=sum(layer.macs for layer in bundle.layers),
            parameters=parameters(need(done.schedule).graph),
            notes=(*need(done.source).notes, *quantized.notes),
        ),
        quantization=QuantizationSection(
            scheme=quantized.scheme,
            calibrated=quantized.calibrated,
            preprocess=asdict(quantized.preprocess) if quantized.preprocess else None,
        ),
        memory=MemorySection(
            arena_bytes=plan.peak_bytes,
            arena_lower_bound_bytes=sum(a.lower_bound for a in plan.arenas),
            stack_bytes=profile.stack_bytes,
            stack_kind="measured",
            static_bytes=static,
            model_static_bytes=sizes.model_static_bytes,
            firmware_static_bytes=sizes.firmware_static_bytes,
            peak_sram_bytes=plan.peak_bytes + profile.stack_bytes + static,
            regions=tuple(
                RegionSection(
                    name=region.name,
                    bytes=region.bytes,
                    arena_bytes=(plan.peak_bytes + sizes.model_static_bytes) * (region.name == board.link.arena),
                    stack_bytes=profile.stack_bytes * (region.name == board.link.stack),
                    static_bytes=sizes.firmware_static_bytes * (region.name == board.link.data),
                )
                for region in board.regions
                if region.kind == "ram"
            ),
        ),
        flash=FlashSection(
            code_bytes=sizes.code_bytes,
            weights_bytes=sizes.weights_bytes,
            total_bytes=sizes.flash_bytes,
            limit_bytes=board.region(board.link.code).bytes,
        ),
        latency=LatencySection(
            source="counted" if profile.cycles is None else "modelled",
            core=board.core.name,
            instructions=profile.instructions,
            cycles=profile.cycles,
            clock_hz=board.clock_hz,
            ms=profile.ms,
        ),
        layers=tuple(layers),
        toolchain=ToolchainSection(image.toolchain.name, image.toolchain.version, image.toolchain.cflags),
    )
