"""What a model needs, before anything is compiled: `tinyml analyze`."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from tinyml.ir.describe import window_text
from tinyml.ir.macs import macs
from tinyml.memory import arena_capacity, excess, live_bytes, peak_report
from tinyml.memory.plan import MemoryPlan
from tinyml.pipeline import CODE_ALLOWANCE, Compilation, Options, chooser_of, need
from tinyml.quantize import mixed
from tinyml.quantize.allocate import Allocation
from tinyml.report.document import parameters
from tinyml.report.terminal import stage_name
from tinyml.schedule.choose import Choice, better
from tinyml.schedule.model import Objective
from tinyml.schedule.second_pass import without_second_passes
from tinyml.targets import Board

POINTS = 12  # of a front that are shown


@dataclass(frozen=True, slots=True)
class LayerNeeds:
    """stage: index of the one that computes it; window: ` 3x3, stride 2` of convolutions and pools; activation_bytes: live
    in the arena while the stage runs, scratch included."""

    index: int
    stage: int
    name: str
    op: str
    window: str
    source: str
    shape: tuple[int, ...]
    macs: int
    parameters: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True, slots=True)
class Fit:
    """sram_bytes: what there is for the arena; sram_over, flash_over: bytes too many, 0 where it fits."""

    board: str
    fits: bool
    sram_bytes: int
    sram_over: int
    flash_bytes: int
    flash_over: int


@dataclass(frozen=True, slots=True)
class BlockingBuffer:
    """What lives in the arena at the peak."""

    name: str
    kind: str
    bytes: int


@dataclass(frozen=True, slots=True)
class PrecisionPoint:
    """A choice of precisions that no other beats.

    Attributes:
        four_bits: names of the layers with 4-bit weights.
        wide: names of the nodes with activations of 16 bits.
        cycles: of these layers; 0 where they were not asked for.
        sqnr_db: predicted signal to noise at the output, before a last softmax or sigmoid.
        taken: this is the one that a build would have.
    """

    weight_bytes: int
    share: float
    cycles: int
    sqnr_db: float
    four_bits: tuple[str, ...]
    wide: tuple[str, ...]
    taken: bool


@dataclass(frozen=True, slots=True)
class Analysis:
    """Of a model as it would be built. Sizes are exact but for code, which only a build can count.

    Attributes:
        blocking_layer: what holds the peak, by its name in the model file; blocking_stage: the same in short.
    """

    model: str
    scheme: str
    calibrated: bool
    macs: int
    parameters: int
    weight_bytes: int
    arena_bytes: int
    blocking_layer: str
    blocking_stage: str
    blocking_step: int
    blocking_op: str
    blocking_buffers: tuple[BlockingBuffer, ...]
    layers: tuple[LayerNeeds, ...]
    boards: tuple[Fit, ...]
    notes: tuple[str, ...]
    precision_front: tuple[PrecisionPoint, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {"schema_version": 1, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """A schedule that no other beats in both.

    Attributes:
        arena_bytes: planned.
        cycles: predicted.
        limit_bytes: the least `--sram` that it fits in, in whole KiB, its stack included.
        objectives: those that take it, of what fits.
        built: it is what these flags lead to: a build has it, unless it is the smallest and too big all the same.
    """

    arena_bytes: int
    cycles: int
    stages: int
    limit_bytes: int
    objectives: tuple[str, ...]
    built: bool


@dataclass(frozen=True, slots=True)
class Tradeoffs:
    """
    Attributes:
        front: from the least memory to the fewest cycles.
        capacity: bytes that there are for the arena.
        stage_cycles: of the schedule that is built, as predicted.
    """

    front: tuple[Tradeoff, ...]
    capacity: int
    stage_cycles: tuple[float, ...]


def schedule_tradeoffs(done: Compilation) -> Tradeoffs:
    """The front of memory and cycles of a network that was compiled as far as its memory plan."""
    options, schedule = done.options, need(done.schedule)
    chooser = chooser_of(schedule, options)
    once = chooser_of(without_second_passes(schedule), options) if schedule.copies else chooser
    capacity = arena_capacity(options.board, options.reserved)
    standard = once.choose(Objective.LATENCY, capacity).cycles
    taken: dict[str, Choice] = {}
    for objective in Objective:
        choices = [c.choose(objective, capacity, standard) for c in dict.fromkeys((once, chooser))]
        taken[objective.value] = better(choices[0], choices[-1], objective, capacity)
    built = chooser.choose(options.objective, capacity, standard)
    ordered = _unbeaten((*once.front(), *chooser.front()), (*taken.values(), built))
    limited = replace(options, sram_limited=True)
    region = options.board.region(options.board.link.arena)
    kept = region.bytes - arena_capacity(
        options.board, limited.reserved
    )  # of a limit, for the stack and the application
    front = tuple(
        Tradeoff(
            choice.bytes,
            round(choice.cycles),
            len(choice.schedule.stages),
            -(-(choice.bytes + kept) // 1024) * 1024,
            tuple(n for n, c in taken.items() if c.point.cuts == choice.point.cuts and c.bytes <= capacity),
            choice.point.cuts == built.point.cuts,
        )
        for choice in ordered
    )
    return Tradeoffs(front, capacity, tuple(cut.cycles for cut in built.point.cuts))


def _unbeaten(choices: Sequence[Choice], kept: Sequence[Choice]) -> list[Choice]:
    """By memory: those that no other beats in both memory and cycles, and those that are kept in any case."""
    found = {choice.point.cuts: choice for choice in (*choices, *kept)}
    always = {choice.point.cuts for choice in kept}
    ordered: list[Choice] = []
    fewest = math.inf
    for choice in sorted(found.values(), key=lambda c: (c.bytes, c.cycles)):
        if choice.cycles < fewest or choice.point.cuts in always:
            ordered.append(choice)
        fewest = min(fewest, choice.cycles)
    return ordered


def analyze(done: Compilation, boards: Sequence[Board]) -> Analysis:
    """From a compilation that went as far as the memory plan."""
    schedule, plan, quantized = need(done.schedule), need(done.plan), need(done.quantized)
    graph = schedule.graph
    live = live_bytes(plan)
    layers: list[LayerNeeds] = []
    for index, stage in enumerate(schedule.stages):
        for node in stage.nodes:
            again = node.name in schedule.copies  # has the constants of the node that it is a copy of
            constants = [] if again else [graph.value(name) for name in node.used if graph.value(name).is_constant]
            layers.append(
                LayerNeeds(
                    index=len(layers),
                    stage=index,
                    name=node.name,
                    op=node.op.value,
                    window=window_text(node, graph) + ", again" * again,
                    source=node.source,
                    shape=graph.value(node.outputs[0]).shape,
                    macs=macs(node, graph),
                    parameters=sum(v.elements for v in constants),
                    weight_bytes=sum(v.bytes for v in constants),
                    activation_bytes=live[index],
                )
            )
    peak = peak_report(plan)
    weight_bytes = sum(layer.weight_bytes for layer in layers)
    return Analysis(
        model=done.options.model.name,
        scheme=quantized.scheme,
        calibrated=quantized.calibrated,
        macs=sum(layer.macs for layer in layers if layer.name not in schedule.copies),
        parameters=parameters(graph),
        weight_bytes=weight_bytes,
        arena_bytes=plan.peak_bytes,
        blocking_layer=peak.source,
        blocking_stage=stage_name(peak.step, peak.nodes),
        blocking_step=peak.step,
        blocking_op=peak.op,
        blocking_buffers=tuple(BlockingBuffer(b.name, b.kind.value, b.bytes) for b in peak.buffers),
        layers=tuple(layers),
        boards=tuple(_fit(board, done.options, plan, weight_bytes) for board in boards if board.has_firmware),
        notes=(*need(done.source).notes, *quantized.notes),
        precision_front=() if quantized.choice is None else _front(quantized.choice),
    )


def _front(choice: mixed.Choice) -> tuple[PrecisionPoint, ...]:
    """At most POINTS choices of weights, evenly spread over their bytes; then, with 8-bit weights, at most as many of
    activations; and the one that was taken."""
    found, taken = choice.search, choice.taken
    least, most = found.front[0].bytes, max(found.int8_bytes, 1)
    steps = [least + (most - least) * i / (POINTS - 1) for i in range(POINTS)]
    nearest = {min(range(len(found.front)), key=lambda i: abs(found.front[i].bytes - step)) for step in steps}
    shown = [found.front[i] for i in sorted(nearest)]
    shown += [mixed.widened(found, run)[-1] for run in found.runs[:: -(-len(found.runs) // POINTS) or 1]]
    return tuple(
        PrecisionPoint(
            weight_bytes=point.bytes,
            share=point.bytes / most,
            cycles=point.cycles,
            sqnr_db=mixed.predicted_db(found, point),
            four_bits=tuple(name for name, bits in point.precision.items() if bits == "w4a8"),
            wide=tuple(name for name, bits in point.precision.items() if bits == "w8a16"),
            taken=point == taken,
        )
        for point in sorted((*(point for point in shown if point != taken), taken), key=_order)
    )


def _order(point: Allocation) -> tuple[bool, int, float]:
    """By rising bytes of weights; those with activations of 16 bits last, by falling error."""
    wide = "w8a16" in point.precision.values()
    return wide, 0 if wide else point.bytes, -point.error


def _fit(board: Board, options: Options, plan: MemoryPlan, weights: int) -> Fit:
    flash, room = weights + CODE_ALLOWANCE, arena_capacity(board, options.reserved)
    planned = board is options.board  # with the user's wishes; on others it is one arena
    over = excess(plan, board, options.reserved) if planned else max(0, plan.peak_bytes - room)
    return Fit(
        board=board.id,
        fits=not over and flash <= board.flash_bytes,
        sram_bytes=room,
        sram_over=over,
        flash_bytes=board.flash_bytes,
        flash_over=max(0, flash - board.flash_bytes),
    )
