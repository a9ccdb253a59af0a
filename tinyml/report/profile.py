"""A profile as a document: what inferences cost at one place, layer by layer. Its schema is versioned."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter

from tinyml import __version__
from tinyml.device.places import EMULATOR
from tinyml.execution import measure
from tinyml.profile import Firmware, Inference, Measurement
from tinyml.profile.known_error import NOT_PRICED, PRICED
from tinyml.report.built import Built
from tinyml.report.document import Report

PROFILE_VERSION: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Kinds:
    """Where figures come from. instructions: "counted" or "none"; cycles: "modelled", "measured" or "none". Milliseconds are
    of the same kind as cycles. Bytes are exact where planned, measured where observed."""

    instructions: str
    cycles: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What one inference took, or None where nobody knows."""

    instructions: int | None
    cycles: int | None
    ms: float | None


@dataclass(frozen=True, slots=True)
class ProfiledLayer:
    """waits: of the modelled cycles, those in which the core waits for flash. share: of the inference's cycles, or of its
    instructions where there are no cycles. live_bytes: of the arena, while the layer runs."""

    function: str
    name: str
    op: str
    source: str
    shape: tuple[int, ...]
    kernel: str
    macs: int
    instructions: int | None
    cycles: int | None
    waits: int | None
    ms: float | None
    share: float | None
    macs_per_cycle: float | None
    live_bytes: int


@dataclass(frozen=True, slots=True)
class ProfiledMemory:
    """Bytes. Observed: arena up to its last byte that was written, and the painted stack at its deepest. Planned: the arena
    of the plan and the bound of the stack (None where there is none). static_bytes is exact in both."""

    arena_planned: int
    arena_observed: int
    stack_bound: int | None
    stack_observed: int
    static_bytes: int
    peak_planned: int | None
    peak_observed: int


@dataclass(frozen=True, slots=True)
class ProfileDocument:
    """Attributes:
    place: "emulator", "qemu" or the name of a port.
    median: the inference that `layers` are of.
    runs: all inferences that count, in order.
    """

    schema_version: Literal[1]
    tinyml_version: str
    model: str
    sha256: str
    board: str
    core: str
    place: str
    clock_hz: int | None
    kinds: Kinds
    macs: int
    warm_up: int
    median: Spent
    least: Spent
    most: Spent
    runs: tuple[Spent, ...]
    layers: tuple[ProfiledLayer, ...]
    memory: ProfiledMemory

    @property
    def known_error(self) -> str:
        """How far modelled cycles may be from silicon: docs/emulator.md."""
        if any(layer.waits is not None for layer in self.layers):
            return f"silicon takes {PRICED} times the modelled cycles"
        return (
            f"waits for flash are not modelled; silicon takes {NOT_PRICED} times the modelled cycles, "
            "several times where code and weights are in another chip"
        )

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_json(document: object) -> "ProfileDocument":
        """Reads what `to_json` wrote.

        Raises:
            pydantic.ValidationError: it is of another version, or something else.
        """
        return TypeAdapter(ProfileDocument).validate_python(document)


def profile_build(built: Built, place: str, runs: int, warm_up: int) -> ProfileDocument:
    """Runs a build on noise, where it is told to.

    Raises:
        ToolError: what runs there is not this build, or nothing runs there.
    """
    report, model = built.report, built.report.model
    functions = tuple(layer.function for layer in report.layers)
    firmware = Firmware(built.elf, built.board, model.run_function, functions, built.interface)
    done = measure(firmware, place, runs, warm_up, name=model.name, plan=model.plan_sha256)
    return make_profile(
        report,
        done,
        place=place,
        measured=place != EMULATOR,
        warm_up=warm_up,
        stack_bound=report.memory.stack_bound_bytes,
    )


def make_profile(
    report: Report, done: Measurement, *, place: str, measured: bool, warm_up: int, stack_bound: int | None
) -> ProfileDocument:
    """Args:
    report: of the build that ran.
    measured: cycles are a clock's, not a model's.
    """
    median = done.median
    layers = _layers(report, done, median)
    cycles_kind = "none" if median.cycles is None else "measured" if measured else "modelled"
    spent = sorted(done.inferences, key=lambda i: (i.cycles or 0, i.instructions or 0))
    return ProfileDocument(
        schema_version=PROFILE_VERSION,
        tinyml_version=__version__,
        model=report.model.name,
        sha256=report.model.sha256,
        board=report.board,
        core=report.latency.core,
        place=place,
        clock_hz=done.clock_hz,
        kinds=Kinds("none" if median.instructions is None else "counted", cycles_kind),
        macs=report.model.macs,
        warm_up=warm_up,
        median=_spent(median, done),
        least=_spent(spent[0], done),
        most=_spent(spent[-1], done),
        runs=tuple(_spent(inference, done) for inference in done.inferences),
        layers=layers,
        memory=_memory(report, done, stack_bound),
    )


def _spent(inference: Inference, done: Measurement) -> Spent:
    return Spent(inference.instructions, inference.cycles, done.ms(inference.cycles))


def _layers(report: Report, done: Measurement, median: Inference) -> tuple[ProfiledLayer, ...]:
    known = {layer.function: layer for layer in median.layers}
    layers = []
    for section in report.layers:
        seen = known.get(section.function)
        instructions, cycles, waits = (seen.instructions, seen.cycles, seen.waits) if seen else (None, None, None)
        layers.append(
            ProfiledLayer(
                function=section.function,
                name=section.name,
                op=section.op,
                source=section.source,
                shape=section.shape,
                kernel=section.kernel,
                macs=section.macs,
                instructions=instructions,
                cycles=cycles,
                waits=waits,
                ms=done.ms(cycles),
                share=_ratio(cycles, median.cycles) if median.cycles else _ratio(instructions, median.instructions),
                macs_per_cycle=_ratio(section.macs, cycles),
                live_bytes=section.arena,
            )
        )
    return tuple(layers)


def _ratio(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else part / whole


def _memory(report: Report, done: Measurement, stack_bound: int | None) -> ProfiledMemory:
    arena, static, seen = report.memory.arena_bytes, report.memory.static_bytes, done.memory
    return ProfiledMemory(
        arena_planned=arena,
        arena_observed=seen.arena_bytes,
        stack_bound=stack_bound,
        stack_observed=seen.stack_bytes,
        static_bytes=static,
        peak_planned=None if stack_bound is None else arena + stack_bound + static,
        peak_observed=seen.arena_bytes + seen.stack_bytes + static,
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A figure now and in an earlier run. `what` names it; before or now is None where it is in one of the two only."""

    what: str
    before: int | None
    now: int | None

    @property
    def ratio(self) -> float | None:
        return None if not self.before or self.now is None else self.now / self.before


def compare(earlier: ProfileDocument, now: ProfileDocument) -> tuple[Sequence[Change], str]:
    """Totals, memory and layers of two profiles, and the unit of the layers' figures: "cycles", or "instructions" where not
    both have cycles of one kind. Layers are paired by their source in the model, so that other kernels or stages may run."""
    same = earlier.kinds.cycles == now.kinds.cycles != "none"
    changes = [
        Change("instructions", earlier.median.instructions, now.median.instructions),
        Change("cycles", earlier.median.cycles, now.median.cycles),
        Change("arena, planned", earlier.memory.arena_planned, now.memory.arena_planned),
        Change("arena, observed", earlier.memory.arena_observed, now.memory.arena_observed),
        Change("stack, observed", earlier.memory.stack_observed, now.memory.stack_observed),
        Change("static", earlier.memory.static_bytes, now.memory.static_bytes),
    ]
    before, after = _by_source(earlier), _by_source(now)
    for key in dict.fromkeys((*after, *before)):
        costs = [
            None if layer is None else layer.cycles if same else layer.instructions
            for layer in (before.get(key), after.get(key))
        ]
        changes.append(Change(key[0], *costs))
    return changes, "cycles" if same else "instructions"


def _by_source(profile: ProfileDocument) -> dict[tuple[str, int], ProfiledLayer]:
    """By source and, where one source became several layers, which of them."""
    seen: Counter[str] = Counter()
    layers = {}
    for layer in profile.layers:
        layers[layer.source, seen[layer.source]] = layer
        seen[layer.source] += 1
    return layers
