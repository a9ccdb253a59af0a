"""Reads the text form of graphs that `tinyml.ir.text` describes."""

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import TypeVar

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, State, Value
from tinyml.ir.ops import Attrs, Clamp, Op, spec
from tinyml.ir.quant import QuantParams
from tinyml.ir.verify import attribute_problem

T = TypeVar("T")


class TextError(ValueError):
    """Text that is no graph; the message begins with the line's number, counted from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line


def parse(text: str) -> Graph:
    """The graph that a text describes. It is well formed as text; `verify` tells whether it is a good graph.

    Raises:
        TextError: with the number of the line that is malformed.
    """
    return _Parser(text).parse()


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<name>%(?:[A-Za-z0-9_./-]+|"(?:[^"\\]|\\.)*"))
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>-?(?:inf\b|nan\b|\d+(?:\.\d+)?(?:e[+-]?\d+)?f?))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>[][(){}=:,])
    )""",
    re.VERBOSE | re.ASCII,
)


class _Line:
    """The tokens of one line, read from left to right."""

    def __init__(self, number: int, text: str) -> None:
        self.line = number
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        end = len(text.rstrip())
        position = 0
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.error(f"cannot read {text[position:].strip()[:20]!r}")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            position = match.end()

    def error(self, problem: str) -> TextError:
        return TextError(self.line, problem)

    @property
    def done(self) -> bool:
        return self._at == len(self._tokens)

    def peek(self) -> str:
        return "" if self.done else self._tokens[self._at][1]

    def take(self, kind: str, wanted: str) -> str:
        if self.done or self._tokens[self._at][0] != kind:
            raise self.error(f"expected {wanted}, found {self.peek()[:20] or 'the end of the line'!r}")
        self._at += 1
        return self._tokens[self._at - 1][1]

    def accept(self, text: str) -> bool:
        """Reads this word or mark if it is next."""
        if self.peek() != text or self._tokens[self._at][0] not in ("word", "mark"):
            return False
        self._at += 1
        return True

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.error(f"expected {text!r}, found {self.peek()[:20] or 'the end of the line'!r}")

    def end(self) -> None:
        if not self.done:
            raise self.error(f"nothing more is expected, found {self.peek()[:20]!r}")

    def name(self) -> str:
        token = self.take("name", "a value's name (%...)")
        return self._unquote(token[1:]) if token[1] == '"' else token[1:]

    def string(self) -> str:
        return self._unquote(self.take("string", "a quoted string"))

    def _unquote(self, token: str) -> str:
        try:
            return str(json.loads(token))
        except ValueError as error:
            raise self.error(f"malformed string {token[:20]}") from error

    def number(self) -> int | float:
        token = self.take("number", "a number")
        if token.endswith("f") and not token.endswith("inf"):
            return float(np.float32(token[:-1]))
        try:
            return int(token)
        except ValueError:
            return float(token)

    def integer(self) -> int:
        value = self.number()
        if not isinstance(value, int):
            raise self.error(f"expected an integer, found {value}")
        return value

    def dtype(self) -> DType:
        word = self.take("word", "an element type")
        try:
            return DType(word)
        except ValueError as error:
            raise self.error(f"{word} is no element type") from error

    def truth(self) -> bool:
        word = self.take("word", "true or false")
        if word not in ("true", "false"):
            raise self.error(f"expected true or false, found {word}")
        return word == "true"

    def sequence(self, item: Callable[[], T], brackets: str = "[]") -> tuple[T, ...]:
        """Items between brackets, with a comma after each but the last."""
        self.expect(brackets[0])
        items: list[T] = []
        while not self.accept(brackets[1]):
            if items:
                self.expect(",")
            items.append(item())
        return tuple(items)

    def literal(self) -> object:
        kind, text = ("", "") if self.done else self._tokens[self._at]
        if kind == "number":
            return self.number()
        if kind == "string":
            return self.string()
        if text in ("true", "false"):
            return self.truth()
        if self.accept("clamp"):
            self.expect("(")
            lo = self.number()
            self.expect(",")
            hi = self.number()
            self.expect(")")
            try:
                return Clamp(lo, hi)
            except ValueError as error:
                raise self.error(str(error)) from error
        if self.accept("("):
            items: list[object] = []
            while not self.accept(")"):
                items.append(self.literal())
                if self.peek() != ")":
                    self.expect(",")
            return tuple(items)
        return self.dtype()


class _Parser:
    """Reads graphs, which may stand inside each other, from a list of lines."""

    def __init__(self, text: str) -> None:
        self._lines = [
            _Line(number, line)
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
        self._next = 0
        self._last = text.count("\n") + 1

    def parse(self) -> Graph:
        graph = self._graph(self._line())
        if self._next != len(self._lines):
            raise self._lines[self._next].error("nothing is expected after the graph")
        return graph

    def _line(self) -> _Line:
        if self._next == len(self._lines):
            raise TextError(self._last, "the text ends before the graph does")
        self._next += 1
        return self._lines[self._next - 1]

    def _graph(self, line: _Line) -> Graph:
        line.expect("graph")
        title = line.string()
        line.expect("{")
        line.end()
        values: dict[str, Value] = {}
        inputs: list[str] = []
        outputs: list[str] = []
        nodes: list[Node] = []
        states: list[State] = []
        state_lines: list[_Line] = []
        notes: list[str] = []
        subgraphs: dict[str, Graph] = {}

        def define(line: _Line, value: Value) -> str:
            if value.name in values:
                raise line.error(f"{value.name} is defined a second time")
            values[value.name] = value
            return value.name

        def use(line: _Line) -> str:
            if (name := line.name()) not in values:
                raise line.error(f"{name} is not defined above")
            return name

        while not (line := self._line()).accept("}"):
            if line.accept("note"):
                notes.append(line.string())
            elif line.accept("input"):
                inputs.append(define(line, _value(line)))
            elif line.accept("state"):
                read = define(line, _value(line))
                line.expect("=")
                states.append(State(read, line.name()))
                state_lines.append(line)
            elif line.accept("const"):
                define(line, _constant(line))
            elif line.accept("output"):
                outputs.append(use(line))
                while line.accept(","):
                    outputs.append(use(line))
            elif line.accept("subgraph"):
                key = line.string()
                line.expect("=")
                subgraphs[key] = self._graph(line)
                continue
            else:
                results = [_value(line)]
                while line.accept(","):
                    results.append(_value(line))
                nodes.append(_node(line, tuple(value.name for value in results), use))
                for value in results:
                    define(line, value)
            line.end()
        line.end()
        for state, stated in zip(states, state_lines, strict=True):
            if state.written not in values:
                raise stated.error(f"{state.written} is not defined")
        return Graph(
            title,
            tuple(inputs),
            tuple(outputs),
            tuple(nodes),
            values,
            tuple(states),
            tuple(notes),
            subgraphs,
        )


def _value(line: _Line) -> Value:
    name = line.name()
    line.expect(":")
    dtype = line.dtype()
    shape = line.sequence(line.integer)
    if min(shape, default=0) < 0:
        raise line.error(f"{name} has a negative number of elements")
    quant = _quant(line, dtype) if line.accept("quant") else None
    layout = line.sequence(line.integer, "()") if line.accept("layout") else None
    return Value(name, shape, dtype, quant, layout=layout)


def _quant(line: _Line, dtype: DType) -> QuantParams:
    line.expect("(")
    if line.accept("axis"):
        axis: int | None = line.integer()
        line.expect(",")
        scales = line.sequence(line.number)
        line.expect(",")
        zero_points = line.sequence(line.integer)
    else:
        axis = None
        scales = (line.number(),)
        line.expect(",")
        zero_points = (line.integer(),)
    if line.accept(","):
        dtype = line.dtype()
    line.expect(")")
    try:
        return QuantParams(tuple(map(float, scales)), zero_points, dtype, axis)
    except ValueError as error:
        raise line.error(str(error)) from error


def _constant(line: _Line) -> Value:
    declared = _value(line)
    line.expect("=")
    if line.accept("base64"):
        try:
            stored = base64.b64decode(line.string(), validate=True)
            data = np.frombuffer(stored, declared.dtype.numpy.newbyteorder("<"))
        except (binascii.Error, ValueError) as error:
            raise line.error(f"malformed data of {declared.name}: {error}") from error
    elif line.peek() == "[":
        data = _elements(line, declared.dtype)
    else:
        raise line.error(f"expected the data of {declared.name}: [...] or base64; elided text does not parse back")
    if data.size != declared.elements:
        raise line.error(f"{declared.name} holds {declared.elements} elements, found {data.size}")
    data = data.astype(declared.dtype.numpy).reshape(declared.shape)
    return Value(declared.name, declared.shape, declared.dtype, declared.quant, data, declared.layout)


def _elements(line: _Line, dtype: DType) -> np.ndarray:
    if dtype is DType.BOOL:
        return np.array(line.sequence(line.truth), np.bool_)
    if dtype is DType.FLOAT32:
        return np.array(line.sequence(line.number), np.float32)
    integers = line.sequence(line.integer)
    lo, hi = dtype.range
    if integers and not (lo <= min(integers) and max(integers) <= hi):
        raise line.error(f"an element leaves {dtype.value}")
    return np.array(integers, dtype.numpy)


def _node(line: _Line, outputs: tuple[str, ...], use: Callable[[_Line], str]) -> Node:
    line.expect("=")
    word = line.take("word", "an operation")
    try:
        op = Op(word)
    except ValueError as error:
        raise line.error(f"{word} is no operation") from error
    inputs = line.sequence(lambda: None if line.accept("none") else use(line), "()")
    name = outputs[0]
    source: str | None = None
    found: dict[str, object] = {}
    while not line.done:
        if line.accept("as"):
            name = line.string()
        elif line.accept("from"):
            source = line.string()
        else:
            key = line.take("word", "an attribute")
            if key in found:
                raise line.error(f"{key} is given a second time")
            line.expect("=")
            found[key] = line.literal()
    return Node(name, op, inputs, outputs, _attributes(line, op, found), name if source is None else source)


def _attributes(line: _Line, op: Op, found: dict[str, object]) -> Attrs:
    kind = spec(op).attrs
    known = {field.name: field for field in fields(kind)}
    for key in found:
        if key not in known:
            raise line.error(f"{op.value} has no attribute {key}, only {', '.join(known) or 'none'}")
    for field in known.values():
        if field.default is MISSING and field.name not in found:
            raise line.error(f"{op.value} needs the attribute {field.name}")
    attrs = kind(**found)
    problem = attribute_problem(attrs)
    if problem is not None:
        raise line.error(problem)
    return attrs
