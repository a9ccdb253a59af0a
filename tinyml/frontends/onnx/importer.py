"""From a parsed ONNX model to the IR: order, constants, handlers, and one list of all that cannot be compiled."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinyml.errors import ModelError
from tinyml.frontends.onnx.inputs import Input
from tinyml.frontends.onnx.names import UniqueNames, printable
from tinyml.frontends.onnx.node import Emitter, NodeContext
from tinyml.frontends.onnx.order import live_order
from tinyml.frontends.onnx.reader import NEWEST_OPSET, ModelFile
from tinyml.frontends.onnx.registry import HANDLERS, UnsupportedError, closest
from tinyml.frontends.onnx.tensors import FOUR_BITS, Known, Tensor, check_size, decode, graph_dtype, type_name
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op


@dataclass(frozen=True, slots=True)
class _Problem:
    source: str
    reason: str
    closest: str


def build_graph(file: ModelFile, inputs: Sequence[Input]) -> Graph:
    """Reads every node that the outputs need.

    Raises:
        ModelError: the file is malformed, or nodes in it cannot be compiled: all of them are listed.
    """
    order = live_order(file)
    builder = GraphBuilder(file.path.stem)
    if file.opset > NEWEST_OPSET:
        builder.note(f"opset {file.opset} is read by the rules of opset {NEWEST_OPSET}")
    reading = _Reading(file, builder, order)
    reading.read_inputs(inputs)
    reading.read_initializers()
    for proto in order:
        reading.read_node(proto)
    if reading.problems:
        raise _listing(file, reading.problems)
    return reading.finish()


class _Reading:
    """The state of one import.

    Attributes:
        tensors: ONNX tensor name -> what it is; names of results that could not be computed are missing.
        problems: what cannot be compiled so far.
    """

    def __init__(self, file: ModelFile, builder: GraphBuilder, order: Sequence[Any]) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.problems: list[_Problem] = []
        self._file = file
        self._builder = builder
        self._emitter = Emitter(builder)
        self._outputs = [o.name for o in file.graph.output]
        self._needed = {*self._outputs, *(name for n in order for name in n.input)}
        self._declared = {v.name: v for v in file.graph.value_info}
        self._sources = UniqueNames()
        self._node_names = UniqueNames()
        self._constant_names = UniqueNames()
        self._final_names: dict[str, str] = {}  # graph value -> name of the ONNX tensor that it is

    def read_inputs(self, inputs: Sequence[Input]) -> None:
        for i in inputs:
            value = self._builder.input(printable(i.name), i.shape, i.dtype)
            self.tensors[i.name] = value
            self._final_names[value] = ""  # never takes the name of an output
            for note in i.notes:
                self._builder.note(note)

    def read_initializers(self) -> None:
        narrowed: dict[str, int] = {}
        for proto in self._file.graph.initializer:
            if proto.name not in self._needed:
                continue
            try:
                array = decode(proto, self._file.folder)
            except ValueError as e:
                raise ModelError(f"{self._file.path}: {e}") from e
            self.tensors[proto.name] = Known(
                array, self._constant_names.take(proto.name), int4=proto.data_type in FOUR_BITS
            )
            stated = type_name(proto.data_type)
            if array.dtype.kind == "f" and stated != "float":
                narrowed[stated] = narrowed.get(stated, 0) + 1
        for stated, count in narrowed.items():
            self._builder.note(f"{count} {stated} weight tensor{'s' * (count > 1)} read as float32")

    def read_node(self, proto: Any) -> None:
        """Runs the node's handler, or records why it cannot be compiled."""
        name = proto.name or next((o for o in proto.output if o), "")
        source = self._sources.take(f"{proto.op_type} '{name}'")
        used = [name in self._needed for name in proto.output]
        missing = [name for name in proto.input if name and name not in self.tensors]
        try:
            self._check_operation(proto)
            if missing:  # what it reads could not be compiled, which is recorded already
                self._stand_in(proto)
                return
            inputs = [self.tensors[name] if name else None for name in proto.input]
            node = NodeContext(proto, self._node_names.take(name), source, self._file, inputs, used, self._emitter)
            results = HANDLERS[proto.op_type].handle(node)
            if node.unread:
                raise UnsupportedError(f"attribute {', '.join(node.unread)} is not understood")
            if any(used[len(results) :]):
                raise UnsupportedError(f"output {len(results)} is used")
        except (UnsupportedError, ValueError) as e:
            self.problems.append(_Problem(source, str(e), self._closest(proto)))
            self._stand_in(proto)
            return
        for name, tensor in zip(proto.output, results, strict=False):
            if name:
                self.tensors[name] = tensor
                if isinstance(tensor, str):
                    self._final_names.setdefault(tensor, name)

    def finish(self) -> Graph:
        """The graph, its values named as in the file; outputs that are inputs, constants or double get a node."""
        outputs = []
        for name in self._outputs:
            tensor = self.tensors[name]
            if isinstance(tensor, Known) or self._final_names.get(tensor) != name or tensor in outputs:
                try:
                    source = self._emitter.materialize(tensor, f"output {name!r}")
                except ValueError as e:
                    raise ModelError(f"{self._file.path}: output {printable(name)!r}: {e}") from e
                tensor = self._builder.node(Op.IDENTITY, [source], name=f"output_{printable(name)}")
                self._final_names[tensor] = name
            outputs.append(tensor)
        return _renamed(self._builder.build(outputs), self._final_names)

    def _check_operation(self, proto: Any) -> None:
        if (proto.domain, proto.op_type) in self._file.functions:
            raise UnsupportedError("it is a function of the model")
        if proto.domain not in ("", "ai.onnx"):
            raise UnsupportedError(f"it belongs to the domain {printable(proto.domain)!r}")
        if proto.op_type not in HANDLERS:
            raise UnsupportedError("there is no kernel for this operation")

    def _closest(self, proto: Any) -> str:
        """The advice that follows a reason."""
        if (proto.domain, proto.op_type) in self._file.functions:
            return "closest: the same network with functions inlined (onnx.inliner.inline_local_functions)"
        if (advice := closest(proto.op_type)) is not None:
            return f"closest: {advice}"
        if proto.op_type in HANDLERS and proto.domain in ("", "ai.onnx"):
            return f"supported: {HANDLERS[proto.op_type].form}"
        near = difflib.get_close_matches(proto.op_type, HANDLERS, n=1, cutoff=0.75)
        if near:
            return f"closest: {near[0]}: {HANDLERS[near[0]].form}"
        return "closest: end the network before this node, or write it with the operations of docs/operators.md"

    def _stand_in(self, proto: Any) -> None:
        """Gives the outputs of a node that was not compiled the types that the file declares for them, so that the
        nodes behind it are looked at too."""
        for name in proto.output:
            info = self._declared.get(name)
            if info is None or name in self.tensors or not info.type.HasField("tensor_type"):
                continue
            tensor = info.type.tensor_type
            shape = tuple(int(d.dim_value) for d in tensor.shape.dim)
            dtype = graph_dtype(tensor.elem_type)
            if dtype is None or not tensor.HasField("shape") or any(n < 1 for n in shape):
                continue
            try:
                check_size(shape, name)
            except ValueError:
                continue
            self.tensors[name] = self._builder.state(printable(name), shape, dtype)


def _renamed(graph: Graph, wanted: dict[str, str]) -> Graph:
    """The graph with values renamed; the network's inputs keep their names, values without a wish make way."""
    final = {name: name for name in graph.inputs}
    names = UniqueNames(graph.inputs)
    for old in (*wanted, *graph.values):
        if old in graph.values and old not in final:
            final[old] = names.take(wanted.get(old, old))
    nodes = tuple(
        replace(
            n,
            inputs=tuple(None if i is None else final[i] for i in n.inputs),
            outputs=tuple(final[o] for o in n.outputs),
        )
        for n in graph.nodes
    )
    values = {final[n]: replace(v, name=final[n]) for n, v in graph.values.items()}
    return graph.with_(nodes=nodes, values=values, outputs=tuple(final[o] for o in graph.outputs))


def _listing(file: ModelFile, problems: Sequence[_Problem]) -> ModelError:
    """One error for all of them; the advice stands once under the nodes that it is for."""
    by_advice: dict[str, list[_Problem]] = {}
    for p in problems:
        by_advice.setdefault(p.closest, []).append(p)
    lines = [f"{file.path}: {len(problems)} node{'s' * (len(problems) > 1)} cannot be compiled"]
    for advice, nodes in by_advice.items():
        lines += [f"  {p.source}: {p.reason}" for p in nodes]
        lines.append(f"    {advice}")
    return ModelError("\n".join(lines), "docs/operators.md lists what is supported")
