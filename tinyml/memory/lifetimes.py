"""Which buffers a schedule needs, how long each lives, and which may lie over each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyml.errors import ModelError
from tinyml.ir.graph import Graph, Node, State
from tinyml.memory.plan import Buffer, BufferKind, Lifetime
from tinyml.schedule.model import UPDATES, VIEWS, Schedule, StageKind

MIN_ALIGNMENT = 4  # of every buffer: kernels read and write words


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What the planner has to place.

    Attributes:
        in_place: name of a buffer -> the buffers whose offset it may share in the step that computes it, because its
            kernel reads an element of theirs before it writes the same element of its own.
        scratch: node name -> name of its scratch buffer.
    """

    buffers: tuple[Buffer, ...]
    in_place: Mapping[str, frozenset[str]]
    scratch: Mapping[str, str]


def step_nodes(schedule: Schedule) -> tuple[Node, ...]:
    """The node that each step computes."""
    nodes = []
    for stage in schedule.stages:
        if stage.kind is not StageKind.LAYER:
            raise NotImplementedError(f"memory of a {stage.kind.value} stage")
        (node,) = stage.nodes
        nodes.append(node)
    return tuple(nodes)


def demand(schedule: Schedule, keep_input: bool) -> Demand:
    """The buffers of a schedule.

    A network input is written before step 0 and lives until it is read last (to the end with keep_input); an output
    lives to the end; a state lives throughout and is one buffer for what is read and what is written. A view lives in
    the buffer that it is a view of.

    Raises:
        ModelError: a state is read after its next value has been computed.
    """
    graph = schedule.graph
    nodes = step_nodes(schedule)
    root = storage_roots(graph)
    lifetimes = storage_lifetimes(graph, nodes, root, keep_input)
    for state in graph.states:
        _check_state(schedule, state, nodes, root)
    buffers = _value_buffers(schedule, nodes, root, lifetimes)
    in_place = {}
    scratch: dict[str, Buffer] = {}
    for step, node in enumerate(nodes):
        if hosts := _hosts(schedule, node, step, root, lifetimes):
            in_place[root[node.output]] = hosts
        kernel = schedule.kernel(node)
        wanted = kernel.scratch_bytes(node, graph, schedule.tile_rows(schedule.stages[step]))
        if wanted:
            name = f"{node.name} scratch"
            while name in graph.values:
                name += "'"
            alignment = max(MIN_ALIGNMENT, kernel.access.alignment)
            scratch[node.name] = Buffer(name, BufferKind.SCRATCH, wanted, alignment, Lifetime(step, step))
    return Demand(
        (*buffers, *scratch.values()),
        in_place,
        {node: buffer.name for node, buffer in scratch.items()},
    )


def storage_roots(graph: Graph) -> dict[str, str]:
    """Activation value -> the value that names its buffer: a view's source, the read side of a state."""
    root = {name: name for name in (*graph.inputs, *(s.read for s in graph.states))}
    given = set(root)
    for node in graph.nodes:
        for name in node.outputs:
            root[name] = root[node.used[0]] if node.op in VIEWS else name
    owner: dict[str, str] = {}
    for state in graph.states:
        written = root[state.written]
        if written in given or written in owner:
            raise ModelError(
                f"state {state.read}: its next value {state.written} is not computed by an operation of its own",
                "let an operation whose result no other state takes compute it",
            )
        owner[written] = state.read
    return {name: owner.get(r, r) for name, r in root.items()}


def storage_lifetimes(
    graph: Graph, nodes: Sequence[Node], root: Mapping[str, str], keep_input: bool
) -> dict[str, Lifetime]:
    """Root value -> lifetime of its buffer, where step i computes nodes[i]."""
    end = len(nodes)
    first = {root[name]: -1 for name in (*graph.inputs, *(s.read for s in graph.states))}
    last = dict(first)
    for step, node in enumerate(nodes):
        for name in (*graph.activations(node), *node.outputs):
            first.setdefault(root[name], step)
            last[root[name]] = step
    kept = (*graph.outputs, *(s.read for s in graph.states), *(graph.inputs if keep_input else ()))
    last.update((root[name], end) for name in kept if not graph.value(name).is_constant)
    return {name: Lifetime(first[name], last[name]) for name in first}


def _check_state(schedule: Schedule, state: State, nodes: tuple[Node, ...], root: Mapping[str, str]) -> None:
    """What is read must be read no later than the node that overwrites it, and by that node only if it can."""
    old = {state.read}  # and its views
    for node in schedule.graph.nodes:
        if node.op in VIEWS and node.used[0] in old:
            old.add(node.output)
    new = {name for name in root if root[name] == state.read} - old
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


def _hosts(
    schedule: Schedule, node: Node, step: int, root: Mapping[str, str], lifetimes: Mapping[str, Lifetime]
) -> frozenset[str]:
    """Buffers of inputs in whose place the node may compute: nobody needs them later and they are large enough."""
    graph = schedule.graph
    if len(node.outputs) != 1 or lifetimes[root[node.output]].first != step:
        return frozenset()
    hosts = set()
    operands = [root.get(name) for name in node.used]
    for name in graph.activations(node):
        host = root[name]
        dies = lifetimes[host].last == step and operands.count(host) == 1
        if (
            dies
            and graph.value(name).bytes >= graph.value(node.output).bytes
            and _may_overwrite(schedule, node, {name})
        ):
            hosts.add(host)
    return frozenset(hosts)


def _value_buffers(
    schedule: Schedule, nodes: tuple[Node, ...], root: Mapping[str, str], lifetimes: Mapping[str, Lifetime]
) -> list[Buffer]:
    graph = schedule.graph
    members: dict[str, list[str]] = {}
    for name in root:
        members.setdefault(root[name], []).append(name)
    alignment: dict[str, int] = {}
    over_read: dict[str, int] = {}
    for node in nodes:
        access = schedule.kernel(node).access
        for name in (*graph.activations(node), *node.outputs):
            alignment[root[name]] = max(alignment.get(root[name], MIN_ALIGNMENT), access.alignment)
        for name in graph.activations(node):
            over_read[root[name]] = max(over_read.get(root[name], 0), access.over_read)
    return [
        Buffer(
            name,
            _kind(graph, values),
            max(graph.value(v).bytes for v in values),
            alignment.get(name, MIN_ALIGNMENT),
            lifetimes[name],
            tuple(values),
            over_read=over_read.get(name, 0),
        )
        for name, values in members.items()
    ]


def _kind(graph: Graph, values: list[str]) -> BufferKind:
    names = set(values)
    if names & {s.read for s in graph.states}:
        return BufferKind.STATE
    if names & set(graph.inputs):
        return BufferKind.INPUT
    if names & set(graph.outputs):
        return BufferKind.OUTPUT
    return BufferKind.ACTIVATION
