"""The stages in order. Each takes one artifact and returns the next; this file is the only one that knows them all."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from tinyml.build.firmware import build_firmware
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.emit.bundle import SourceBundle
from tinyml.emit.c.emitter import Identity, emit_c
from tinyml.emit.c.text import identifier
from tinyml.errors import DoesNotFitError, UsageError
from tinyml.frontends import load_model, model_files
from tinyml.ir.graph import Graph
from tinyml.ir.verify import verify
from tinyml.memory import (
    arena_capacity,
    check,
    excess,
    fits,
    most_live,
    parse_wishes,
    peak_report,
    place_memory,
    plan_memory,
    rooms_of,
)
from tinyml.memory.plan import MemoryPlan
from tinyml.passes import canonicalize, lower
from tinyml.profile import Profile, count_candidates, profile_emulated
from tinyml.quantize import Budget, Preprocess, QuantizedModel, prepare
from tinyml.quantize.assign import WEIGHTED
from tinyml.quantize.calibration import Calibration, pixels_as_stored
from tinyml.quantize.observers import OBSERVERS
from tinyml.quantize.precision import Precision
from tinyml.schedule import schedule
from tinyml.schedule.choose import SRAM_CYCLES, Choice, Chooser, better
from tinyml.schedule.estimate import Stages, cycles_in_all
from tinyml.schedule.model import Objective, Schedule, computed_nodes, extra_weights
from tinyml.schedule.order import reordered
from tinyml.schedule.parts import with_parts
from tinyml.schedule.second_pass import computed_twice
from tinyml.schedule.select import Counts
from tinyml.targets import Board, list_boards

CODE_ALLOWANCE = 32 * 1024  # code of kernels and firmware, until a build has counted it
ROOMY = 8 << 20  # bytes of flash in the emulator where only cycles matter
CHANNEL_BYTES = 12  # bias, multiplier and shift of an output channel
STACK_BYTES = 1024
"""What a limit of SRAM grants the stack: more than it took in any network that we measured."""

THRIFT = (1.0, 1.3)
"""Where memory counts, kernels of less scratch are tried that take up to so many times the cycles of the fastest."""

WEIGHTS_GROWTH = 0.019
"""Of the bytes of a network's weights: what kernels may add where the user does not say. With padding that makes 2 %."""

TILES_GROWTH_BYTES = 5 << 10
"""That they may add in any case where memory is an objective: what the channels of a small network take to be ready for
tiles."""

PACKED_CONSTANTS = 1.25
"""Bytes of constants as kernels read them, to those of the graph: more than it was in any network that we measured."""

RECOMPUTE = 0.4  # of the work, where the user is told what doing some of it again would save
MOST_RECOMPUTE = 10  # times the work: more is a slip of the hand

_QUICK = 0.05  # of the planner's effort, where schedules are compared

UNCALIBRATED = "UNCALIBRATED: sizes and timing valid, outputs meaningless"


Say = Callable[[str], None]
"""Called with what a stage is about."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for.

    Attributes:
        board: where it will run; sizes of memory that the user limits are already in its regions.
        work_dir: where files of the build stage are made.
        via: what else converts an ONNX file first, one of `tinyml.frontends.VIAS`; None: our own frontend reads it.
        effort: "high" takes longer to quantize more accurately.
        cycles, min_sqnr: for mixed precision: cycles of an inference at most, dB at the output at least.
        reserve_sram: bytes of RAM that the application keeps for itself.
        sram_limited: the user limits SRAM, for the arena and the stack.
        place: wishes about regions of RAM, as `tinyml.memory.regions.parse_wishes` reads them.
        several_arenas: without wishes, too, where one region does not hold the arena, or the fewest cycles are wanted.
        keep_input: the network must not overwrite its input.
        stream_input: the application hands in rows of the input; it is never there as a whole.
        recompute: share of the network's multiply-accumulates that may be computed again where that saves memory.
        weights_growth: share of the bytes of the network's weights that kernels may add to them where that saves cycles;
            None: `WEIGHTS_GROWTH`, or `TILES_GROWTH_BYTES` where memory counts and that is more; as far as flash
            has room for it, and is not the objective.
        benchmark: the MLPerf Tiny benchmark whose runner is to drive the firmware, or None.
        sources: a folder with C that is taken instead of what would be emitted: a copy of src/ that somebody may have changed.
        autotune: count the kernels that can compute each node, and take the fastest.
        check_fit: refuse what the board has no room for.
        traced: firmware that can also tell the cycles of each layer and send any tensor.
    """

    model: Path
    board: Board
    work_dir: Path
    name: str | None = None
    precision: str | Precision = "int8"
    effort: str = "default"
    observer: str = "mse"
    cycles: int | None = None
    min_sqnr: float | None = None
    objective: Objective = Objective.BALANCED
    calibration: Calibration | None = None
    preprocess: Preprocess | None = None
    io: str = "int8"
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    via: str | None = None
    keep_input: bool = False
    stream_input: bool = False
    recompute: float = 0.0
    weights_growth: float | None = None
    reserve_sram: int = 0
    sram_limited: bool = False
    place: tuple[str, ...] = ()
    several_arenas: bool = True
    labels: tuple[str, ...] = ()
    toolchain: str | None = None
    benchmark: str | None = None
    sources: Path | None = None
    autotune: bool = False
    check_fit: bool = True
    traced: bool = False

    def __post_init__(self) -> None:
        if self.name is not None and identifier(self.name) != self.name:
            raise UsageError(f"--name {self.name!r} is no name for C", f"use --name {identifier(self.name)}")
        if self.observer not in OBSERVERS:
            raise UsageError(f"observer {self.observer!r}; expected one of {', '.join(OBSERVERS)}")
        if not 0 <= self.recompute <= MOST_RECOMPUTE:
            raise UsageError(
                f"--allow-recompute {100 * self.recompute:g}: expected percent, 0 to {100 * MOST_RECOMPUTE}"
            )
        if self.cycles is not None and self.cycles < 1:
            raise UsageError(f"--cycles {self.cycles}: expected 1 or more")
        if self.min_sqnr is not None and not math.isfinite(self.min_sqnr):
            raise UsageError(f"--min-sqnr {self.min_sqnr}: expected dB, such as 30")

    @property
    def reserved(self) -> int:
        """Bytes of the arena's region that are not for the arena, besides a stack that is in the same region."""
        link = self.board.link
        return self.reserve_sram + (STACK_BYTES if self.sram_limited and link.stack != link.arena else 0)

    @property
    def model_name(self) -> str:
        return self.name or self.model.stem

    @property
    def model_sha256(self) -> str:
        """Of the model file; where it keeps weights in other files, of all one behind the other."""
        return hashlib.sha256(b"".join(file.read_bytes() for file in model_files(self.model))).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Compilation:
    """Everything that was made, up to the stage after which it stopped.

    `image` stays None for the host, `profile` for cores that the emulator cannot run.
    """

    options: Options
    source: Graph | None = None
    graph: Graph | None = None
    quantized: QuantizedModel | None = None
    schedule: Schedule | None = None
    plan: MemoryPlan | None = None
    bundle: SourceBundle | None = None
    image: FirmwareImage | None = None
    profile: Profile | None = None


# Stage name -> the artifact that it adds. The names are those of the packages below tinyml/.
STAGES: dict[str, str] = {
    "frontends": "source",
    "passes": "graph",
    "quantize": "quantized",
    "schedule": "schedule",
    "memory": "plan",
    "emit": "bundle",
    "build": "image",
    "profile": "profile",
}
assert set(STAGES.values()) | {"options"} == {f.name for f in fields(Compilation)}


def choose_objective(name: str | None, *, limited: bool) -> Objective:
    """The objective of that name. None for the default: a limit of SRAM says what there is, to make the best of.

    Raises:
        UsageError: none is called so.
    """
    if name is None:
        return Objective.LATENCY if limited else Objective.BALANCED
    known = [objective.value for objective in Objective]
    if name not in known:
        raise UsageError(f"objective {name!r}; expected one of {', '.join(known)}")
    return Objective(name)


def compile_model(
    options: Options,
    *,
    stop_after: str = "profile",
    on_stage: Callable[[str], None] = lambda stage: None,
    on_artifact: Callable[[str, object], None] = lambda stage, artifact: None,
) -> Compilation:
    """Runs the stages in order.

    Args:
        stop_after: the last stage, a key of STAGES.
        on_stage: called with the name of a stage before it runs, and with how far a long one is.
        on_artifact: called with the name of a stage and what it made.

    Raises:
        TinymlError: the model, the options, the board or a tool is at fault.
    """
    if stop_after not in STAGES:
        raise UsageError(f"no stage is called {stop_after!r}; expected one of {', '.join(STAGES)}")
    done = Compilation(options)
    for stage, run in _RUNNERS.items():
        on_stage(stage)
        artifact = run(done, partial(_say, on_stage, stage))
        if artifact is not None:
            on_artifact(stage, artifact)
        done = replace(done, **cast("dict[str, Any]", {STAGES[stage]: artifact}))
        if stage == stop_after:
            break
    return done


def _say(on_stage: Say, stage: str, text: str) -> None:
    on_stage(f"{stage}: {text}")


def _load(done: Compilation, _: Say) -> Graph:
    graph = load_model(done.options.model, input_shapes=done.options.input_shapes, via=done.options.via)
    verify(graph)
    return graph


def _canonicalize(done: Compilation, _: Say) -> Graph:
    return canonicalize(need(done.source))


def _quantize(done: Compilation, say: Say) -> QuantizedModel:
    options = done.options
    return prepare(
        need(done.graph),
        precision=options.precision,
        effort=options.effort,
        observer=OBSERVERS[options.observer],
        budget=_budget(done) if options.precision == "mixed" else Budget(),
        progress=say,
        calibration=options.calibration,
        preprocess=options.preprocess,
        io=options.io,
    )


def _budget(done: Compilation) -> Budget:
    """What the board's flash leaves for weights, and the cycles of layers in either precision, as built and counted."""
    options, graph = done.options, need(done.graph)
    others = CODE_ALLOWANCE + CHANNEL_BYTES * sum(
        graph.value(node.output).shape[-1] for node in graph.nodes if node.op in WEIGHTED
    )
    weight_bytes = max(0, options.board.flash_bytes - others)
    budget = Budget(weight_bytes, sqnr_db=options.min_sqnr, fits=partial(_fits, options))
    if options.cycles is None:
        return budget
    w8, w4 = (_cycles(options, precision) for precision in ("int8", "w4a8"))
    layers = {name: (cycles, w4[name]) for name, cycles in w8.items() if name in w4}
    fixed = sum(cycles for name, cycles in w8.items() if name not in layers)
    w16 = {} if options.min_sqnr is None else _cycles(options, "w8a16")
    wide = {name: w16[name] - cycles for name, cycles in w8.items() if name in w16}
    return replace(budget, cycles=options.cycles - fixed, layer_cycles=layers, wide_cycles=wide)


def _fits(options: Options, precision: Precision) -> bool:
    """Whether the board's memory, less what is reserved, holds the activations; weights have their own budget."""
    trial = replace(options, precision=precision, effort="default", calibration=None, check_fit=True)
    try:
        compile_model(trial, stop_after="memory")
    except DoesNotFitError:
        return False
    return True


def _cycles(options: Options, precision: str) -> dict[str, int]:
    """Node name -> cycles of a build without calibration: they do not depend on what the weights are.

    The emulated flash holds any build: it is the choice that must fit, not what it is chosen from.
    """
    board = options.board
    regions = [replace(r, bytes=max(r.bytes, ROOMY)) if r.name == board.link.code else r for r in board.regions]
    timed = replace(
        options,
        board=replace(board, regions=tuple(regions)),
        work_dir=options.work_dir / precision,
        precision=precision,
        effort="default",
        calibration=None,
        check_fit=False,
    )
    done = compile_model(timed)
    if done.profile is None or done.profile.cycles is None:
        raise UsageError(f"--cycles: cycles are not known for {options.board.core.name}", "leave it out")
    nodes = {layer.function: layer.node for layer in need(done.bundle).layers}
    return {nodes[layer.function]: layer.cycles or 0 for layer in done.profile.layers if layer.function in nodes}


def _schedule(done: Compilation, _: Say) -> Schedule:
    options, graph = done.options, with_parts(lower(need(done.quantized).graph))
    counts: Counts = {}
    more = _more_weights(graph, options)
    if options.autotune:
        toolchain = find_toolchain(options.toolchain)
        counts = count_candidates(graph, options.board, toolchain, options.work_dir / "autotune", more_weights=more)
    chosen = partial(
        schedule,
        graph,
        options.board.core.isa,
        objective=options.objective,
        counts=counts,
        more_weights=more,
    )
    base = replace(chosen(), stream_input=options.stream_input)
    capacity = arena_capacity(options.board, options.reserved)
    chooser = chooser_of(base, options)
    choice = chooser.choose(options.objective, capacity)
    standard = chooser.choose(Objective.LATENCY, capacity).cycles
    urgent = options.objective is Objective.SRAM or chooser.measured(chooser.points[-1]).bytes > capacity
    if urgent or _memory_counts(options):
        others: list[dict[str, Any]] = [{"thrift": thrift} for thrift in (THRIFT if urgent else THRIFT[:1])]
        if extra_weights(base):  # kernels of larger weights are so fast that no thrift reaches others
            others += [{"more_weights": 0, **other} for other in ({}, *others)]
        for kernels in others:
            other = replace(chosen(**kernels), stream_input=options.stream_input)
            choice = _with_thrift(choice, chooser, other, options, capacity, standard)
    choice = _in_order(choice, base, options, capacity)
    if options.recompute and (_memory_counts(options) or choice.bytes > capacity):
        live = partial(most_live, _quick_plan(choice.schedule, options))
        create = partial(chooser_of, options=options)
        choice = computed_twice(choice, base, live, create, options.recompute, options.objective, capacity, standard)
    choice = chooser.with_fewer(choice, chosen(tiles=choice.schedule.tiles))
    if choice.bytes > capacity and _may_spread(options):
        keep, capacity = options.keep_input, sum(room.bytes for room in rooms_of(options.board, options.reserved))
        spreading = Chooser(base, lambda s: _spread_bytes(s, options), keep_input=keep, stages=chooser.stages)
        spread = spreading.choose(options.objective, capacity)
        choice = spread if spread.bytes <= capacity else choice
    return choice.schedule


def own_weights(graph: Graph) -> int:
    """Bytes of the network's weights, biases apart."""
    return sum(graph.value(node.used[1]).bytes for node in graph.nodes if node.op in WEIGHTED)


def _more_weights(graph: Graph, options: Options) -> int:
    """Bytes that kernels may add to the network's weights."""
    own = own_weights(graph)
    if options.weights_growth is not None:
        return int(options.weights_growth * own)
    constants = sum(value.bytes for value in graph.values.values() if value.is_constant)
    room = options.board.flash_bytes - CODE_ALLOWANCE - int(PACKED_CONSTANTS * constants)
    if options.objective is Objective.FLASH:
        return 0
    for_tiles = TILES_GROWTH_BYTES if _memory_counts(options) else 0
    return max(0, min(max(int(WEIGHTS_GROWTH * own), for_tiles), room))


def _memory_counts(options: Options) -> bool:
    return options.objective in (Objective.SRAM, Objective.BALANCED)


def _in_order(choice: Choice, base: Schedule, options: Options, capacity: int) -> Choice:
    """The better of a choice in the order of the graph and of the best in that which needs the least memory layer by layer."""
    other = reordered(base, keep_input=options.keep_input)
    at_peak = {node.name for node in peak_report(_quick_plan(choice.schedule, options)).nodes}
    if _moved(base.graph, other.graph) & at_peak:
        found = chooser_of(other, options).choose(options.objective, capacity)
        choice = better(choice, found, options.objective, capacity)
    return choice


def _with_thrift(
    choice: Choice, chooser: Chooser, thrifty: Schedule, options: Options, capacity: int, standard: float
) -> Choice:
    """The better of a choice and of what kernels of less scratch allow, taken where they are of use alone."""
    base = chooser.base
    if all(thrifty.kernel(node).symbol == base.kernel(node).symbol for node in computed_nodes(base.graph)):
        return choice
    most = (SRAM_CYCLES + options.recompute) * standard if options.objective is Objective.SRAM else math.inf
    others = [chooser.with_kernels(choice, thrifty, most)]
    if cycles_in_all(thrifty) <= most:
        thrifty_chooser = chooser_of(thrifty, options, chooser.stages)
        found = thrifty_chooser.choose(options.objective, capacity, standard)
        others.append(thrifty_chooser.with_fewer(found, base))
    for other in others:
        choice = better(choice, other, options.objective, capacity)
    return choice


def _moved(before: Graph, after: Graph) -> set[str]:
    """Names of the nodes that have another place in the order. Where the peak is elsewhere, there is nothing to gain."""
    return {a.name for a, b in zip(before.nodes, after.nodes, strict=True) if a.name != b.name}


def chooser_of(base: Schedule, options: Options, stages: Stages | None = None) -> Chooser:
    """What measures and compares the schedules of a network whose kernels are chosen.

    Args:
        stages: of another one for the same graph.
    """
    return Chooser(
        base,
        lambda s: _quick_plan(s, options).peak_bytes,
        keep_input=options.keep_input,
        recompute=options.recompute,
        stages=stages,
    )


def _quick_plan(candidate: Schedule, options: Options) -> MemoryPlan:
    return plan_memory(candidate, keep_input=options.keep_input, effort=_QUICK)


def _may_spread(options: Options) -> bool:
    """Buffers may go to several regions though the user has no such wish."""
    return options.several_arenas and not options.sram_limited and not options.place


def _spread_bytes(candidate: Schedule, options: Options) -> int:
    """Of all arenas; more than any board has, where they do not fit."""
    plan = _placed(candidate, options, None, _QUICK)
    return 1 << 40 if excess(plan, options.board, options.reserved) else plan.peak_bytes


def _placed(candidate: Schedule, options: Options, home: str | None, effort: float = 1.0) -> MemoryPlan:
    rooms, wishes = rooms_of(options.board, options.reserved), parse_wishes(options.place, options.board)
    return place_memory(candidate, rooms, home, wishes, keep_input=options.keep_input, effort=effort)


def _plan(done: Compilation, _: Say) -> MemoryPlan:
    options = done.options
    plan = _in_regions(need(done.schedule), options)
    check(plan)
    if options.check_fit:
        fits(
            plan,
            options.board,
            reserve_bytes=options.reserved,
            stack_bytes=options.reserved - options.reserve_sram,
            boards=list_boards(),
            others=lambda: _smaller(need(done.schedule), options),
        )
    return plan


def _in_regions(chosen: Schedule, options: Options) -> MemoryPlan:
    """One arena in the board's region for it. Several where the user wishes so, where the fewest cycles are wanted, and where
    one region is too small."""
    wishes, may_spread = parse_wishes(options.place, options.board), _may_spread(options)
    home = None if wishes.auto else options.board.link.arena
    fast = may_spread and options.objective is Objective.LATENCY
    plan = _placed(chosen, options, None if fast else home)
    over = excess(plan, options.board, options.reserved)
    if over and may_spread:
        other = _placed(chosen, options, home if fast else None)
        plan = plan if excess(other, options.board, options.reserved) else other
    return plan


def _smaller(chosen: Schedule, options: Options) -> Iterator[tuple[str, int]]:
    """What else the user could do for a smaller arena, and the arena of it."""
    if options.place:
        yield "no --place", chooser_of(chosen, options).least(float("inf")).bytes
    if not options.stream_input:
        with suppress(UsageError):  # it cannot be streamed
            fed = chooser_of(replace(chosen, stream_input=True), replace(options, keep_input=False))
            yield "--stream-input, which keeps no picture", fed.least(float("inf")).bytes
    if not options.recompute:
        again = chooser_of(chosen, replace(options, recompute=RECOMPUTE))
        percent = f"{RECOMPUTE:.0%}".rstrip("%")
        yield f"--allow-recompute {percent}, which computes some values again", again.least(float("inf")).bytes


def _emit(done: Compilation, _: Say) -> SourceBundle:
    options = done.options
    graph = need(done.schedule).graph
    classes = graph.value(graph.outputs[0]).shape[-1] if graph.value(graph.outputs[0]).shape else 1
    if options.labels and len(options.labels) != classes:
        raise UsageError(f"--labels names {len(options.labels)} classes, the network's output has {classes}")
    bundle = emit_c(need(done.plan), identity_of(done))
    return bundle if options.sources is None else _with_sources(bundle, options.sources)


def identity_of(done: Compilation) -> Identity:
    """What the emitted files say about where they came from."""
    options, quantized, graph = done.options, need(done.quantized), need(done.schedule).graph
    return Identity(
        name=options.model_name,
        model_file=options.model.name,
        model_sha256=options.model_sha256,
        target=options.board.title,
        quantization=quantized.scheme,
        warning=None if quantized.calibrated else UNCALIBRATED,
        labels=options.labels,
        preprocess=quantized.preprocess or pixels_as_stored(graph.value(graph.inputs[0])),
    )


def _with_sources(bundle: SourceBundle, folder: Path) -> SourceBundle:
    try:
        return replace(bundle, files={name: (folder / name).read_text(encoding="utf-8") for name in bundle.files})
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--sources {folder}: {error}", "expected a copy of src/ as `tinyml build` wrote it with the same flags"
        ) from error


def _build(done: Compilation, _: Say) -> FirmwareImage | None:
    """None for the host, which takes no firmware."""
    options, bundle = done.options, need(done.bundle)
    if not options.board.has_firmware:
        return None
    _check_weights(bundle, options.board)
    try:
        toolchain = find_toolchain(options.toolchain)
        return build_firmware(
            bundle,
            options.board,
            toolchain,
            options.work_dir,
            benchmark=options.benchmark,
            traced=options.traced,
        )
    except DoesNotFitError as e:
        raise DoesNotFitError(
            e.what,
            "take a board with more memory, or a narrower model: its weights take "
            f"{bundle.weights_bytes + bundle.parameters_bytes:,} bytes, its arena {bundle.plan.peak_bytes:,}",
        ) from e


def _check_weights(bundle: SourceBundle, board: Board) -> None:
    """Refuses before compiling what cannot fit: weights alone are larger than flash."""
    constants = bundle.weights_bytes + bundle.parameters_bytes
    if constants > board.flash_bytes:
        graph = bundle.plan.schedule.graph
        sizes = [(sum(v.bytes for v in graph.node_inputs(n) if v.is_constant), n) for n in graph.nodes]
        largest, node = max(sizes, key=lambda pair: pair[0])
        raise DoesNotFitError(
            f"{bundle.name} does not fit {board.id}: its weights take {constants:,} bytes of flash, "
            f"{board.link.code} has {board.flash_bytes:,}: {constants - board.flash_bytes:,} too many\n"
            f"  the largest share is in {node.source} ({node.op.value}): {largest:,} bytes",
            "take a board with more flash, or a narrower model",
        )


def _profile(done: Compilation, _: Say) -> Profile | None:
    """None where the emulator cannot run the core (Helium) or there is no firmware."""
    if done.image is None or done.options.board.core.unicorn_model is None:
        return None
    profile = profile_emulated(done.image)
    reserved = done.options.board.link.stack_bytes
    if profile.stack_bytes > reserved:
        raise DoesNotFitError(
            f"{need(done.bundle).name} needs {profile.stack_bytes:,} bytes of stack on {done.options.board.id}, "
            f"the link script reserves {reserved:,}",
            "give it more SRAM, or a board file with a larger stack_kib",
        )
    return profile


_RUNNERS: dict[str, Callable[[Compilation, Say], object]] = {
    "frontends": _load,
    "passes": _canonicalize,
    "quantize": _quantize,
    "schedule": _schedule,
    "memory": _plan,
    "emit": _emit,
    "build": _build,
    "profile": _profile,
}

T = TypeVar("T")


def need(artifact: T | None) -> T:
    """An artifact of an earlier stage; a bug where that stage has not run."""
    if artifact is None:
        raise RuntimeError("a stage ran before the one that it needs")
    return artifact
