"""Which buffers a schedule needs, how long each lives, and which may lie over each other."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tinyml.errors import ModelError
from tinyml.ir.graph import Graph, Node, State
from tinyml.kernels.rows import row_bytes
from tinyml.memory.plan import Buffer, BufferKind
from tinyml.schedule.model import UPDATES, VIEWS, Schedule
from tinyml.schedule.overlap import distance, guests
from tinyml.schedule.storage import Lifetime, fed_value, storage_lifetimes, storage_places
from tinyml.schedule.workspace import workspace

MIN_ALIGNMENT = 4  # of every buffer: kernels read and write words


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What the planner has to place.

    Attributes:
        distances: (a, b), names of buffers that live in one step -> how far a must start below b, if it does, though
            that is less than a is long: see `tinyml.schedule.overlap`.
        scratch: node name -> name of the buffer that its scratch is in, and where in it.
        parts: the same for values of which a patch computes part by part.
        rings: value -> lines of the ring that it lives in.
        offsets: value -> bytes from the start of its buffer.
    """

    buffers: tuple[Buffer, ...]
    distances: Mapping[tuple[str, str], int]
    scratch: Mapping[str, tuple[str, int]]
    parts: Mapping[str, tuple[str, int]]
    rings: Mapping[str, int]
    offsets: Mapping[str, int]


def demand(schedule: Schedule, keep_input: bool) -> Demand:
    """The buffers of a schedule.

    A network input is written before step 0 and lives until it is read last (to the end with keep_input); an output
    lives to the end; a state lives throughout and is one buffer for what is read and what is written. A view lives in
    the buffer that it is a view of. What only the nodes of one stream touch lives in a ring of lines.

    Raises:
        ModelError: a state is read after its next value has been computed.
    """
    graph = schedule.graph
    steps = [stage.nodes for stage in schedule.stages]
    places = storage_places(graph)
    root = {name: place.root for name, place in places.items()}
    lifetimes = storage_lifetimes(graph, steps, root, keep_input)
    for state in graph.states:
        _check_state(schedule, state, steps, root)
    rings, hosted = _rings(schedule, root, lifetimes)
    if schedule.stream_input:
        fed = fed_value(graph, root)
        assert fed is not None and lifetimes[graph.inputs[0]].last == 0, "the search makes sure of it"
        rings[fed] = schedule.stages[0].trace.lines[fed]
    root.update(hosted)
    passing = {name for stage in schedule.stages for worker in stage.stream.workers for name in worker.passing}
    values = _value_buffers(schedule, {v: r for v, r in root.items() if v not in passing}, lifetimes, rings)
    turns, scratch, parts = _workspaces(schedule, {b.name for b in values})
    whole = {b.name for b in values if not set(b.values) & set(rings)}
    offsets = {name: place.offset for name, place in places.items()}
    distances = _distances(schedule, root, lifetimes, whole, hosted, offsets)
    return Demand((*values, *turns), distances, scratch, parts, rings, offsets)


def _check_state(schedule: Schedule, state: State, steps: Sequence[Sequence[Node]], root: Mapping[str, str]) -> None:
    """What is read must be read no later than the node that overwrites it, and by that node only if it can."""
    old = {state.read}  # and its views
    for node in schedule.graph.nodes:
        if node.op in VIEWS and node.used[0] in old:
            old.add(node.output)
    new = {name for name in root if root[name] == state.read} - old
    nodes = [node for step in steps for node in step]
    write = next(step for step, node in enumerate(nodes) if new & set(node.outputs))
    for step, node in enumerate(nodes):
        if step < write or not old & set(node.used):
            continue
        if step > write or not (_updates(node, old, new) or _may_overwrite(schedule, node, old)):
            raise ModelError(
                f"state {state.read}: {node.source} ({node.op.value}) reads it when its next value "
                f"{state.written} may already have overwritten it",
                "read a state before the operation that computes its next value",
            )


def _updates(node: Node, old: set[str], new: set[str]) -> bool:
    """The operation takes and leaves this very state in one place."""
    if node.op not in UPDATES:
        return False
    read, written = UPDATES[node.op]
    return node.inputs[read] in old and node.outputs[written] in new and sum(n in old for n in node.inputs) == 1


def _may_overwrite(schedule: Schedule, node: Node, names: set[str]) -> bool:
    """The kernel may write its only output over all of these inputs."""
    access = schedule.kernel(node).access
    reads = [i for i, name in enumerate(node.inputs) if name in names]
    return len(node.outputs) == 1 and (access.in_place_any or reads == [access.in_place])


def _rings(
    schedule: Schedule, root: Mapping[str, str], lifetimes: Mapping[str, Lifetime]
) -> tuple[dict[str, int], dict[str, str]]:
    """Values that live in a ring -> its lines, and those that are made into another in the same place -> that one.

    In rings live the values that one stream computes and reads, that have no view and that are no state.
    """
    graph = schedule.graph
    kept = set(graph.outputs) | {name for s in graph.states for name in (s.read, s.written)}
    viewed = {name for name, count in Counter(root.values()).items() if count > 1}
    rings: dict[str, int] = {}
    hosted: dict[str, str] = {}
    for step, stage in enumerate(schedule.stages):
        if len(stage.nodes) == 1:
            continue
        made = [name for worker in stage.stream.workers for name in worker.node.outputs]
        passing = {
            name: stage.trace.lines[name]
            for name in made
            if root[name] == name and name not in viewed | kept and lifetimes[name] == Lifetime(step, step)
        }
        born = {name for name in made if root[name] == name and name not in passing and lifetimes[name].first == step}
        workers = stage.stream.workers
        accesses = [schedule.kernel(worker.node).access for worker in workers]
        for guest, host in guests(graph, workers, accesses, passing, born if stage.hosts else ()).items():
            hosted[guest] = host
            if host in passing:
                passing[host] = passing[guest] = max(passing[host], stage.trace.shared[guest])
            else:
                del passing[guest]
        rings |= passing
    return rings, hosted


def _value_buffers(
    schedule: Schedule, root: Mapping[str, str], lifetimes: Mapping[str, Lifetime], rings: Mapping[str, int]
) -> list[Buffer]:
    graph = schedule.graph
    members: dict[str, list[str]] = {}
    for name in root:
        members.setdefault(root[name], []).append(name)
    alignment: dict[str, int] = {}
    over_read: dict[str, int] = {}
    for stage in schedule.stages:
        for node in stage.nodes:
            access = schedule.kernel(node).access
            for name in (*graph.activations(node), *node.outputs):
                if name in root:
                    alignment[root[name]] = max(alignment.get(root[name], MIN_ALIGNMENT), access.alignment)
            for name in graph.activations(node):
                if name in root:
                    over_read[root[name]] = max(over_read.get(root[name], 0), access.over_read)
    return [
        Buffer(
            name,
            BufferKind.RING if name in rings and name not in graph.inputs else _kind(graph, values),
            _bytes(graph, values, rings),
            alignment.get(name, MIN_ALIGNMENT),
            lifetimes[name],
            tuple(values),
            over_read=over_read.get(name, 0),
        )
        for name, values in members.items()
    ]


def _bytes(graph: Graph, values: Sequence[str], rings: Mapping[str, int]) -> int:
    """Of a buffer for these values: in a ring, or whole."""
    lines = [rings[v] * row_bytes(graph.value(v)) for v in values if v in rings]
    return max(lines or [graph.value(v).bytes for v in values])


def _workspaces(
    schedule: Schedule, taken: Collection[str]
) -> tuple[list[Buffer], dict[str, tuple[str, int]], dict[str, tuple[str, int]]]:
    """What workers of every stage need for their turn, and where in it scratch of nodes and parts of values lie.

    Workers of a stage use one buffer in turn; what a node keeps from one call to the next is its own.
    """
    buffers: list[Buffer] = []
    scratch: dict[str, tuple[str, int]] = {}
    parts: dict[str, tuple[str, int]] = {}
    taken = set(taken)

    def add(name: str, size: int, alignment: int, step: int) -> str:
        while name in taken:
            name += "'"
        taken.add(name)
        buffers.append(Buffer(name, BufferKind.SCRATCH, size, alignment, Lifetime(step, step)))
        return name

    for step, stage in enumerate(schedule.stages):
        spaces = []
        for worker in stage.stream.workers:
            kernel = schedule.kernel(worker.node)
            kept = kernel.scratch_bytes(worker.node, schedule.graph, worker.tile) if worker.reduces else 0
            if kept:
                alignment = max(MIN_ALIGNMENT, kernel.access.alignment)
                scratch[worker.node.name] = (add(f"{worker.node.name} scratch", kept, alignment, step), 0)
            space = workspace(worker, schedule.graph, schedule.kernel)
            if space.bytes:
                spaces.append(space)
        if spaces:
            first = next(iter((*spaces[0].scratch, *spaces[0].parts)))
            size, alignment = max(s.bytes for s in spaces), max(s.alignment for s in spaces)
            name = add(f"{first} scratch", size, alignment, step)
            scratch.update((node, (name, at)) for space in spaces for node, at in space.scratch.items())
            parts.update((value, (name, at)) for space in spaces for value, at in space.parts.items())
    return buffers, scratch, parts


def _distances(
    schedule: Schedule,
    root: Mapping[str, str],
    lifetimes: Mapping[str, Lifetime],
    whole: Collection[str],
    hosted: Mapping[str, str],
    offsets: Mapping[str, int],
) -> dict[tuple[str, str], int]:
    """How far below the buffers that a stage reads last those that it computes must start."""
    distances: dict[tuple[str, str], int] = {}
    for step, stage in enumerate(schedule.stages):
        graph = schedule.graph
        dying: dict[str, set[str]] = {}
        for node in stage.nodes:
            for name in graph.activations(node):
                if lifetimes[root[name]].first < step == lifetimes[root[name]].last and root[name] in whole:
                    dying.setdefault(root[name], set()).add(name)
        for i, node in enumerate(worker.node for worker in stage.stream.workers):
            result = hosted.get(node.outputs[0], node.outputs[0])  # a guest is written where its host is, and before
            if len(node.outputs) == 1 and result in whole and lifetimes[result].first == step:
                access = schedule.kernel(node).access
                for host, names in dying.items():
                    apart = distance(graph, stage.stream, stage.trace, i, access, names, offsets)
                    distances[result, host] = max(distances.get((result, host), 0), apart)
    return distances


def _kind(graph: Graph, values: list[str]) -> BufferKind:
    names = set(values)
    if names & {s.read for s in graph.states}:
        return BufferKind.STATE
    if names & set(graph.inputs):
        return BufferKind.INPUT
    if names & set(graph.outputs):
        return BufferKind.OUTPUT
    return BufferKind.ACTIVATION
