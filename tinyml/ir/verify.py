"""The rules that every graph keeps, checked after each stage and each pass.

A graph that breaks one is a bug of ours, never of the user's model: frontends refuse what they cannot express, and the
TFLite frontend refuses by these rules what a file contradicts itself in.
"""

from collections.abc import Iterator
from dataclasses import fields

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import Attrs, Clamp, spec
from tinyml.ir.verify_error import VerifyError, where
from tinyml.ir.verify_quantized import verify_node, verify_params

__all__ = ["VerifyError", "attribute_problem", "verify"]


def verify(graph: Graph, *, quantized: bool = False) -> None:
    """Checks that `graph` is in SSA form and topological order, and that its types are what the shape rules say.

    Args:
        quantized: also check what TFLite's quantization specification asks of integer tensors.

    Raises:
        VerifyError: naming the first node or value that breaks a rule, and the rule.
    """
    for name, value in graph.values.items():
        if value.name != name:
            raise VerifyError(f"value {value.name}", "name", f"it is filed as {name}")
        _verify_value(graph, value)
        if quantized:
            verify_params(value)
    _verify_order(graph)
    for node in graph.nodes:
        _verify_attributes(node)
        _verify_types(graph, node)
        if quantized:
            verify_node(graph, node)
    _verify_interface(graph)
    for inner in graph.subgraphs.values():
        verify(inner, quantized=quantized)


def attribute_problem(attrs: Attrs) -> str | None:
    """What is wrong with the types of an attribute dataclass's fields, or None."""
    for field in fields(attrs):
        value = getattr(attrs, field.name)
        if not _fits(field.type, value):
            return f"{field.name} is {value!r}, a {type(value).__name__}, expected {_type_name(field.type)}"
    return None


def _type_name(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _fits(annotation: object, value: object) -> bool:
    """Whether a value is of an annotated type; an int is as good as a float, but a bool is no int."""
    if annotation is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(annotation, type) and annotation in (bool, str, DType, Clamp):
        return isinstance(value, annotation)
    arguments: tuple[object, ...] = getattr(annotation, "__args__", ())
    if not isinstance(value, tuple) or getattr(annotation, "__origin__", None) is not tuple:
        return False
    if arguments[-1] is Ellipsis:
        return all(_fits(arguments[0], item) for item in value)
    return len(arguments) == len(value) and all(_fits(a, item) for a, item in zip(arguments, value, strict=True))


def _verify_value(graph: Graph, value: Value) -> None:
    place = f"value {value.name}"
    if any(n < 1 for n in value.shape) and not value.is_constant:
        raise VerifyError(place, "shape", f"{list(value.shape)} holds no elements")
    if value.quant is not None and value.quant.dtype is not value.dtype:
        raise VerifyError(
            place, "dtype", f"it is {value.dtype.value}, its quantization parameters say {value.quant.dtype.value}"
        )
    if value.data is not None and value.dtype is DType.INT4 and value.elements:
        lo, hi = DType.INT4.range
        if value.data.min() < lo or value.data.max() > hi:
            raise VerifyError(place, "range", f"int4 data reaches from {value.data.min()} to {value.data.max()}")
    if value.layout is not None:
        if value.name not in (*graph.inputs, *graph.outputs):
            raise VerifyError(place, "layout", "only network inputs and outputs have one")
        if sorted(value.layout) != list(range(len(value.shape))):
            raise VerifyError(place, "layout", f"{value.layout} does not permute {len(value.shape)} axes")


def _verify_order(graph: Graph) -> None:
    """SSA and topological order: every value is defined once, before it is used, and nothing else is kept."""
    defined: set[str] = set()

    def define(name: str, place: str) -> None:
        if name not in graph.values:
            raise VerifyError(place, "ssa", f"{name} is not among the graph's values")
        if name in defined:
            raise VerifyError(place, "ssa", f"{name} is defined a second time")
        defined.add(name)

    for name in graph.inputs:
        define(name, "the list of network inputs")
        if graph.values[name].is_constant:
            raise VerifyError(f"network input {name}", "ssa", "it is a constant")
    for state in graph.states:
        define(state.read, f"state {state.read}")
    for value in graph.constants():
        define(value.name, f"constant {value.name}")
    names: set[str] = set()
    for node in graph.nodes:
        if node.name in names:
            raise VerifyError(where(node), "name", "another node has this name")
        names.add(node.name)
        for name in node.used:
            if name not in defined:
                reason = "is not defined before it" if name in graph.values else "does not exist"
                raise VerifyError(where(node), "order", f"its input {name} {reason}")
        for name in node.outputs:
            define(name, where(node))
    for name in graph.outputs:
        if name not in defined:
            raise VerifyError("the list of network outputs", "ssa", f"{name} is not defined")
    if len(set(graph.outputs)) != len(graph.outputs):
        raise VerifyError("the list of network outputs", "ssa", "a value is there twice")
    for name in graph.values:
        if name not in defined:
            raise VerifyError(f"value {name}", "ssa", "nothing defines it")
    used = set(_referenced(graph))
    for value in graph.constants():
        if value.name not in used:
            raise VerifyError(f"constant {value.name}", "dead", "nothing reads it")


def _referenced(graph: Graph) -> Iterator[str]:
    yield from graph.outputs
    for state in graph.states:
        yield state.written
    for node in graph.nodes:
        yield from node.used


def _verify_attributes(node: Node) -> None:
    problem = attribute_problem(node.attrs)
    if problem is not None:
        raise VerifyError(where(node), "attributes", problem)
    low, high = spec(node.op).arity
    if not low <= len(node.inputs) <= high:
        raise VerifyError(where(node), "arity", f"it has {len(node.inputs)} inputs, expected {low} to {high}")


def _verify_types(graph: Graph, node: Node) -> None:
    """The outputs have the inferred shapes. Quantization parameters decide the type of a value that has them."""
    inputs = [None if name is None else graph.values[name] for name in node.inputs]
    try:
        expected = spec(node.op).infer(inputs, node.attrs)
    except ValueError as error:
        raise VerifyError(where(node), "shape", str(error)) from error
    if len(expected) != len(node.outputs):
        raise VerifyError(where(node), "arity", f"it has {len(node.outputs)} outputs, expected {len(expected)}")
    for name, inferred in zip(node.outputs, expected, strict=True):
        value = graph.values[name]
        if value.shape != inferred.shape:
            raise VerifyError(
                where(node), "shape", f"{name} is {list(value.shape)}, its inputs give {list(inferred.shape)}"
            )
        if value.quant is None and value.dtype is not inferred.dtype:
            raise VerifyError(
                where(node), "dtype", f"{name} is {value.dtype.value}, its inputs give {inferred.dtype.value}"
            )


def _verify_interface(graph: Graph) -> None:
    for name in graph.inputs:
        value = graph.values[name]
        if len(value.shape) < 2:
            continue
        batch_axis = 0 if value.layout is None else value.layout.index(0)
        if value.shape[batch_axis] != 1:
            raise VerifyError(
                f"network input {name}", "batch", f"{list(value.shape)} has a batch of {value.shape[batch_axis]}"
            )
    for state in graph.states:
        if state.written not in graph.values or state.written == state.read:
            raise VerifyError(f"state {state.read}", "state", f"{state.written} does not define its next content")
        read, written = graph.values[state.read], graph.values[state.written]
        if (read.shape, read.dtype, read.quant) != (written.shape, written.dtype, written.quant):
            raise VerifyError(f"state {state.read}", "state", f"{state.written} is of another type")
