"""What may lie over what within a stage.

How close the result of a stage may come to what the stage still reads.

Rows are written from the first to the last, and what was read last is dead. So the buffer of a result may start below
that of an input that nobody needs afterwards, and run into it: row by row, it takes the place of rows that are dead.
The smallest safe distance between the two starts follows from the calls of the stage: before each of them, what is
written up to its end must lie below the oldest row that it or a later one reads.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from tinyml.ir.graph import Graph
from tinyml.kernels.descriptor import Access
from tinyml.kernels.rows import row_bytes
from tinyml.schedule.stream import Stream, Trace, Worker


def distance(
    graph: Graph,
    stream: Stream,
    trace: Trace,
    worker: int,
    access: Access,
    operands: Collection[str],
    offsets: Mapping[str, int] = MappingProxyType({}),
) -> int:
    """The least bytes by which the result of a worker must start below a buffer that dies in its stage.

    Never below 0, nor above the size of the result: at that distance the two do not touch.

    Args:
        access: of the worker's kernel.
        operands: the values in the dying buffer that nodes of the stream read.
        offsets: where those that do not start with the buffer do.
    """
    writer = stream.workers[worker]
    out = graph.value(writer.node.output)
    if not stream.whole.isdisjoint(operands) or not set(operands) <= set(stream.inputs):
        return max(0, out.bytes - min(offsets.get(name, 0) for name in operands))
    in_place = len(operands) == 1 and _in_place(writer, next(iter(operands)), access, graph)
    rows_of = trace.later if in_place else trace.oldest
    oldest = [(rows_of[name], row_bytes(graph.value(name)), offsets.get(name, 0)) for name in operands]
    size = row_bytes(out)
    least = 0
    for number in trace.calls_of[worker][-1:] if writer.reduces else trace.calls_of[worker]:
        written = out.bytes if writer.reduces else trace.calls[number].end * size
        least = max(least, written - min(start + rows[number] * row for rows, row, start in oldest))
    return min(least, out.bytes)


def guests(
    graph: Graph, workers: Sequence[Worker], accesses: Sequence[Access], rings: Collection[str], born: Collection[str]
) -> dict[str, str]:
    """Values whose rows are made into rows of another value in the same place: guest -> host.

    The guest has one reader, which computes in place and row by row. The host may be a ring or whole.

    Args:
        workers: of a stream, from its first on.
        accesses: of the kernels that compute their results.
        rings: values that live in rings of lines.
        born: other values that the stage computes.
    """
    readers = Counter(operand.value for worker in workers for operand in worker.reads)
    hosted: dict[str, str] = {}
    for worker, access in zip(workers, accesses, strict=True):
        host = worker.node.outputs[0]
        able = access.in_place_any or access.in_place is not None
        if not able or len(worker.node.outputs) > 1 or (host not in rings and host not in born):
            continue
        for operand in worker.reads:
            value = operand.value
            free = value in rings and readers[value] == 1 and value not in hosted.values()
            same_size = graph.value(value).bytes == graph.value(host).bytes and operand.height == worker.rows
            if free and same_size and _in_place(worker, value, access, graph):
                hosted[value] = host
                break
    return hosted


def _in_place(worker: Worker, operand: str, access: Access, graph: Graph) -> bool:
    """Whether the kernel may write its only output over this operand, element by element."""
    node = worker.node
    if len(worker.nodes) > 1 or node.used.count(operand) != 1:
        return False
    if row_bytes(graph.value(node.output)) > row_bytes(graph.value(operand)):
        return False
    return access.in_place_any or access.in_place == node.inputs.index(operand)
