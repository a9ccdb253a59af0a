"""Counts what the kernels that can compute a node cost there, in the emulator, so that the schedule can choose.

All kernels of all nodes that have a choice are linked into one firmware: a network whose layers have nothing to do with
each other. What was counted is kept by what it depends on: operation, shapes and types, attributes, the kernel's source,
the core, the board's memory and the compiler. Weights are not in it; kernels branch on them next to never.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tinyml.build.files import cache_dir, write_file
from tinyml.build.firmware import build_firmware
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import Toolchain
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard, has_cycle_model, timing_digest
from tinyml.emit.c.emitter import Identity, emit_c
from tinyml.errors import ToolError
from tinyml.ir.graph import Graph, Node, Value
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.kernels.registry import candidates
from tinyml.kernels.rows import image_shape
from tinyml.memory.plan import Arena, MemoryPlan
from tinyml.resources import resource_dir
from tinyml.schedule import schedule
from tinyml.schedule.model import UPDATES, VIEWS, Counted
from tinyml.schedule.select import Counts
from tinyml.targets.board import Board

_NAME = "autotune"
_HOPELESS = 4  # no formula is so wrong that a kernel which it puts at so many times the least could be the fastest
_ALIGNMENT = 32
_ROOM = 64 << 20  # of memory that only the emulator has
_INCLUDE = re.compile(rb'^#include "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """A kernel on a node. key: names what the count depends on."""

    node: Node
    kernel: KernelDescriptor
    key: str


def count_candidates(
    graph: Graph, board: Board, toolchain: Toolchain, work_dir: Path, *, more_weights: int = 0
) -> Counts:
    """What kernels cost on each node that more than one can compute; of one call for the whole node. Kernels that are
    predicted to take several times as long as another are left out.

    Args:
        graph: as it will be scheduled.
        work_dir: where the firmware is made.
        more_weights: count kernels, too, whose weights take up to so many bytes more than the node's.

    Raises:
        ToolError: the emulator cannot run the board, or the compiler fails.
    """
    if board.core.unicorn_model is None:
        raise ToolError(
            f"--autotune counts kernels in the emulator, which cannot run {board.core.name} ({board.title})",
            "build without it: then the kernels' own formulas decide",
        )
    trials = [trial for node in graph.nodes for trial in _trials(node, graph, board, toolchain, more_weights)]
    known = {trial.key: _read(trial.key) for trial in trials}
    missing = {trial.key: trial for trial in trials if known[trial.key] is None}
    if missing:
        for key, counted in zip(missing, _count(graph, [*missing.values()], board, toolchain, work_dir), strict=True):
            _keep(key, counted)
            known[key] = counted
    counts = {(trial.node.name, trial.kernel.symbol): known[trial.key] for trial in trials}
    return MappingProxyType({trial: counted for trial, counted in counts.items() if counted is not None})


def _trials(node: Node, graph: Graph, board: Board, toolchain: Toolchain, more_weights: int = 0) -> Iterable[_Trial]:
    if node.op in VIEWS or node.op in UPDATES:
        return
    able = [kernel for kernel, reason in candidates(node, graph, board.core.isa) if reason is None]
    able = [k for k in able if k.extra_weights is None or k.extra_weights(node, graph) <= more_weights]
    costs = [kernel.cost(node, graph) for kernel in able]
    promising = [kernel for kernel, cost in zip(able, costs, strict=True) if cost <= _HOPELESS * min(costs)]
    if len(promising) > 1:
        for kernel in promising:
            yield _Trial(node, kernel, _key(node, graph, kernel, board, toolchain))


# -- one firmware for all --------------------------------------------------------------------------------------------


def _count(
    graph: Graph, trials: Sequence[_Trial], board: Board, toolchain: Toolchain, work_dir: Path
) -> Sequence[Counted]:
    image = _build(graph, trials, board, toolchain, work_dir)
    functions = [layer.function for layer in image.bundle.layers]

    def make_noise(function: str) -> None:
        arena = emulated.program.symbol("arena_0")
        # Begun anew for each, so that a count does not depend on what else is counted.
        emulated.write_memory(arena.address, np.random.default_rng(0).bytes(arena.bytes))

    emulated = EmulatedBoard(image.elf, image.board, watch=functions, on_enter=make_noise)
    client = Client(emulated)
    client.connect()
    emulated.watch_memory()
    client.run()
    costs, modelled = emulated.costs(), has_cycle_model(board.core)
    return [Counted(costs[name].instructions, costs[name].cycles if modelled else None) for name in functions]


def _build(graph: Graph, trials: Sequence[_Trial], board: Board, toolchain: Toolchain, work_dir: Path) -> FirmwareImage:
    values: dict[str, Value] = {}
    nodes, kernels = [], {}
    for index, trial in enumerate(trials):
        node = _copied(trial.node, graph, index, values)
        nodes.append(node)
        kernels[node.name] = trial.kernel
    first, last = nodes[0], nodes[-1]
    inputs = tuple(name for name in first.used if not values[name].is_constant)[:1]
    network = Graph(_NAME, inputs, last.outputs[:1], tuple(nodes), values)
    chosen = schedule(
        network,
        board.core.isa,
        kernels=lambda node, _graph, _isa: [(kernels[node.name], None)],
        more_weights=_ROOM,
    )
    location: dict[str, tuple[str, int]] = {}
    scratch: dict[str, tuple[str, int]] = {}
    most = _ALIGNMENT
    for node in nodes:
        end = 0
        for name in (*network.activations(node), *node.outputs):
            location[name] = (_NAME, end)
            end += _aligned(values[name].bytes)
        rows = image_shape(values[node.outputs[0]].shape)[0]
        scratch[node.name] = (_NAME, end)
        most = max(most, end + _aligned(kernels[node.name].scratch_bytes(node, network, rows)))
    arena = Arena(_NAME, most, _ALIGNMENT, most)
    plan = MemoryPlan(chosen, (arena,), {}, location, scratch, False)
    identity = Identity(_NAME, graph.name, "0" * 64, board.title, "")
    return build_firmware(emit_c(plan, identity), _roomy(board), toolchain, work_dir)


def _copied(node: Node, graph: Graph, index: int, values: dict[str, Value]) -> Node:
    """The node under another name, with tensors of its own; constants are shared."""

    def own(name: str) -> str:
        value = graph.value(name)
        copy = value if value.is_constant else replace(value, name=f"{name}/{index}")
        values[copy.name] = copy
        return copy.name

    return replace(
        node,
        name=f"{node.name}/{index}",
        inputs=tuple(None if name is None else own(name) for name in node.inputs),
        outputs=tuple(own(name) for name in node.outputs),
    )


def _roomy(board: Board) -> Board:
    """The board with more memory where code and arena are, as far as nothing else lies there."""
    starts = sorted([region.address for region in board.regions] + [0x4000_0000, 1 << 32])
    grown = {
        region.name: replace(region, bytes=max(region.bytes, min(_ROOM, above - region.address)))
        for region in board.regions
        if region.name in (board.link.code, board.link.arena)
        for above in [next(start for start in starts if start > region.address)]
    }
    return replace(board, regions=tuple(grown.get(region.name, region) for region in board.regions))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


# -- what was counted before -----------------------------------------------------------------------------------------


def _key(node: Node, graph: Graph, kernel: KernelDescriptor, board: Board, toolchain: Toolchain) -> str:
    operands = [None if name is None else _operand(graph.value(name)) for name in (*node.inputs, *node.outputs)]
    memory = [board.region(name) for name in (board.link.code, board.link.arena)]
    parts = (
        kernel.symbol, _sources(kernel.source), node.op.value, repr(node.attrs), repr(operands), board.core.name,
        repr((memory, board.cache)), toolchain.name, toolchain.version, repr(toolchain.cflags(board.core)), timing_digest(),
    )  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _operand(value: Value) -> tuple[object, ...]:
    zero_point = None if value.quant is None else value.quant.zero_point[:1]
    return value.dtype.value, value.shape, value.is_constant, zero_point


@cache
def _sources(source: str) -> str:
    """Hash of a kernel's source and of all that it includes of ours."""
    root = resource_dir("codegen") / "kernels"
    digest = hashlib.sha256()
    pending, seen = [root / source], set()
    while pending:
        path = pending.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        text = path.read_bytes()
        digest.update(text)
        pending += sorted(root / "include" / name.decode() for name in _INCLUDE.findall(text))
    return digest.hexdigest()


def _entry(key: str) -> Path:
    return cache_dir() / _NAME / key[:2] / f"{key[2:]}.json"


def _read(key: str) -> Counted | None:
    """None where nothing is kept, or something that is no count."""
    try:
        kept: Mapping[str, object] = json.loads(_entry(key).read_text(encoding="ascii"))
        instructions, cycles = kept["instructions"], kept["cycles"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(instructions, int) or not isinstance(cycles, int | None):
        return None
    return Counted(instructions, cycles)


def _keep(key: str, counted: Counted) -> None:
    document = {"instructions": counted.instructions, "cycles": counted.cycles}
    write_file(_entry(key), json.dumps(document).encode())
