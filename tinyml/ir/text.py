"""The text form of a graph: prints, and parses back exactly.

    graph "tiny" {
      input %x: int8[1,4,4,1] quant(0.5, -1)
      const %w: int8[2,1,1,1] quant(axis 0, [0.25, 0.125], [0, 0]) = [3, -7]
      %y: int8[1,2,2,2] quant(0.5, -1) = conv2d(%x, %w, none) stride=(2, 2) clamp=clamp(0.0, inf) from "Conv_3"
      output %y
    }

One statement a line; blank lines and lines that begin with # say nothing. Attributes that have their default value are
left out, and so are a node's name where it is that of its first output (`as`) and its source where it is its name
(`from`). A real number with an f after it is a float32 in its shortest decimal form. Long constants are base64 of their
little-endian bytes; `to_text(graph, elide=True)` prints their size and hash instead, and does not parse back.
"""

import base64
import hashlib
import json
import re
from dataclasses import MISSING, fields

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import Clamp
from tinyml.ir.text_parser import TextError, parse

__all__ = ["TextError", "parse", "to_text"]

_INLINE_ELEMENTS = 32
_BARE_NAME = re.compile(r"[A-Za-z0-9_./-]+", re.ASCII)


def to_text(graph: Graph, *, elide: bool = False) -> str:
    """Prints a graph that keeps the verifier's rules.

    Args:
        elide: print the size and a hash of every constant instead of its data.
    """
    return "\n".join(_graph_lines(graph, elide)) + "\n"


def _graph_lines(graph: Graph, elide: bool) -> list[str]:
    lines = [f"note {_string(note)}" for note in graph.notes]
    lines += [f"input {_typed(graph.values[name])}" for name in graph.inputs]
    lines += [f"state {_typed(graph.values[s.read])} = {_name(s.written)}" for s in graph.states]
    lines += [f"const {_typed(value)} = {_data(value, elide)}" for value in graph.constants()]
    lines += [_node_line(graph, node) for node in graph.nodes]
    if graph.outputs:
        lines.append("output " + ", ".join(_name(name) for name in graph.outputs))
    for key, inner in graph.subgraphs.items():
        first, *rest = _graph_lines(inner, elide)
        lines += [f"subgraph {_string(key)} = {first}", *rest]
    return [f"graph {_string(graph.name)} {{", *(f"  {line}" for line in lines), "}"]


def _node_line(graph: Graph, node: Node) -> str:
    results = ", ".join(_typed(graph.values[name]) for name in node.outputs)
    operands = ", ".join("none" if name is None else _name(name) for name in node.inputs)
    words = [f"{results} = {node.op.value}({operands})"]
    for field in fields(node.attrs):
        value = _literal(getattr(node.attrs, field.name))
        if field.default is MISSING or value != _literal(field.default):
            words.append(f"{field.name}={value}")
    if node.name != node.outputs[0]:
        words.append(f"as {_string(node.name)}")
    if node.source != node.name:
        words.append(f"from {_string(node.source)}")
    return " ".join(words)


def _typed(value: Value) -> str:
    words = [f"{_name(value.name)}: {value.dtype.value}[{','.join(map(str, value.shape))}]"]
    quant = value.quant
    if quant is not None:
        if quant.axis is None:
            parts = [_float(quant.scale[0]), str(quant.zero_point[0])]
        else:
            scales = ", ".join(map(_float, quant.scale))
            parts = [f"axis {quant.axis}", f"[{scales}]", f"[{', '.join(map(str, quant.zero_point))}]"]
        if quant.dtype is not value.dtype:
            parts.append(quant.dtype.value)
        words.append(f"quant({', '.join(parts)})")
    if value.layout is not None:
        words.append(f"layout({', '.join(map(str, value.layout))})")
    return " ".join(words)


def _data(value: Value, elide: bool) -> str:
    data = value.constant
    stored = data.astype(data.dtype.newbyteorder("<")).tobytes()
    if elide:
        return f"{len(stored)} bytes, sha256 {hashlib.sha256(stored).hexdigest()[:16]}"
    # The bits of a NaN have no decimal form.
    if data.size > _INLINE_ELEMENTS or (value.dtype is DType.FLOAT32 and np.isnan(data).any()):
        return f"base64 {_string(base64.b64encode(stored).decode())}"
    return f"[{', '.join(_element(x) for x in data.ravel())}]"


def _element(x: np.generic) -> str:
    if isinstance(x, np.bool_):
        return "true" if x else "false"
    return str(x)


def _name(name: str) -> str:
    return f"%{name}" if _BARE_NAME.fullmatch(name) else f"%{_string(name)}"


def _string(text: str) -> str:
    return json.dumps(text)


def _float(x: float) -> str:
    double = repr(float(x))
    with np.errstate(over="ignore"):
        single = np.float32(x)
    if float(single) == x and len(str(single)) + 1 < len(double):
        return str(single) + "f"
    return double


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, DType):
        return value.value
    if isinstance(value, Clamp):
        return f"clamp({_literal(value.lo)}, {_literal(value.hi)})"
    if isinstance(value, tuple):
        items = ", ".join(map(_literal, value))
        return f"({items},)" if len(value) == 1 else f"({items})"
    raise TypeError(f"an attribute cannot be a {type(value).__name__}")
