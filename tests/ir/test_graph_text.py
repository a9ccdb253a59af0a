"""The text form prints and parses back exactly, and says where it is malformed."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, State, Value
from tinyml.ir.ops import (
    BinaryAttrs,
    Clamp,
    ClipAttrs,
    Conv2dAttrs,
    LookupAttrs,
    NoAttrs,
    Op,
    PadAttrs,
    QuantizeAttrs,
    ReduceAttrs,
    ReshapeAttrs,
    StridedSliceAttrs,
    TransposeAttrs,
)
from tinyml.ir.quant import QuantParams
from tinyml.ir.text import TextError, parse, to_text

TINY = """\
graph "tiny" {
  note "free dimension N bound to 1"
  input %x: int8[1,4,4,1] quant(0.1f, -1) layout(0, 2, 3, 1)
  const %w: int8[2,1,1,1] quant(axis 0, [0.25, 0.1], [0, 0]) = [3, -7]
  %y: int8[1,2,2,2] quant(0.5, -1) = conv2d(%x, %w, none) stride=(2, 2) clamp=clamp(0.0, inf) from "Conv_3"
  %"a b": int8[4] quant(0.5, -1) = reshape(%y) shape=(8,) as "flat"
  output %"a b", %y
}
"""


def assert_same(a: Graph, b: Graph) -> None:
    """Equal in every field, data to the bit."""
    assert (a.name, a.inputs, a.outputs, a.nodes, a.states, a.notes) == (
        b.name,
        b.inputs,
        b.outputs,
        b.nodes,
        b.states,
        b.notes,
    )
    assert set(a.values) == set(b.values)
    for name, value in a.values.items():
        other = b.values[name]
        for field in fields(Value):
            if field.name != "data":
                assert getattr(value, field.name) == getattr(other, field.name)
        assert (value.data is None) == (other.data is None)
        if value.data is not None:
            assert value.constant.tobytes() == other.constant.tobytes()
    assert set(a.subgraphs) == set(b.subgraphs)
    for key in a.subgraphs:
        assert_same(a.subgraphs[key], b.subgraphs[key])


def test_prints_what_was_parsed() -> None:
    assert to_text(parse(TINY)) == TINY


def test_parses_every_part() -> None:
    graph = parse(TINY)
    assert graph.notes == ("free dimension N bound to 1",)
    x, w = graph.values["x"], graph.values["w"]
    assert x.layout == (0, 2, 3, 1)
    assert x.quant == QuantParams.per_tensor(0.1, -1)
    assert w.quant == QuantParams((0.25, 0.1), (0, 0), DType.INT8, 0)
    assert w.constant.ravel().tolist() == [3, -7]
    conv, flat = graph.nodes
    assert conv == Node(
        "y", Op.CONV2D, ("x", "w", None), ("y",), Conv2dAttrs(stride=(2, 2), clamp=Clamp(0.0)), "Conv_3"
    )
    assert (flat.name, flat.output, flat.attrs) == ("flat", "a b", ReshapeAttrs((8,)))


def test_elided_text_has_no_data_and_does_not_parse() -> None:
    text = to_text(parse(TINY), elide=True)
    # sha256 of the bytes 03 f9
    assert "const %w: int8[2,1,1,1] quant(axis 0, [0.25, 0.1], [0, 0]) = 2 bytes, sha256 3820d4c46facb7b8" in text
    with pytest.raises(TextError, match=r"line 4: .*elided"):
        parse(text)


def test_states_and_subgraphs() -> None:
    text = """\
graph "outer" {
  input %x: float32[1,2]
  state %h: float32[1,2] = %y
  %y: float32[1,2] = add(%x, %h)
  output %y
  subgraph "then" = graph "inner" {
    input %z: bool[2,1]
    const %c: bool[2,1] = [true, false]
    output %z, %c
  }
}
"""
    graph = parse(text)
    assert graph.states == (State("h", "y"),)
    assert graph.subgraphs["then"].values["c"].constant.tolist() == [[True], [False]]
    # Blanks in front say nothing.
    assert [line.strip() for line in to_text(graph).splitlines()] == [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("graph", "grph", r"line 1: expected 'graph', found 'grph'"),
        ("= conv2d", "= conv3d", r"line 5: conv3d is no operation"),
        ("stride=", "strid=", r"line 5: conv2d has no attribute strid, only stride"),
        ("stride=(2, 2)", "stride=(2, 2) stride=(2, 2)", r"line 5: stride is given a second time"),
        ("stride=(2, 2)", "stride=(2.0, 2)", r"line 5: stride is \(2.0, 2\)"),
        ("stride=(2, 2)", "stride=(2, 2, 2)", r"line 5: stride is \(2, 2, 2\)"),
        ("clamp(0.0, inf)", "clamp(0.0, -1.0)", r"line 5: clamp .* is empty"),
        (" shape=(8,)", "", r"line 6: reshape needs the attribute shape"),
        ("(%x, %w", "(%x, %v", r"line 5: v is not defined above"),
        ("%y: int8", "%x: int8", r"line 5: x is defined a second time"),
        ("int8[1,4", "int9[1,4", r"line 3: int9 is no element type"),
        ("int8[1,4", "int8[-1,4", r"line 3: x has a negative number"),
        ("[3, -7]", "[3]", r"line 4: w holds 2 elements, found 1"),
        ("[3, -7]", "[3, 128]", r"line 4: an element leaves int8"),
        ("[3, -7]", "[3, 1.5]", r"line 4: expected an integer, found 1.5"),
        ("[3, -7]", 'base64 "A"', r"line 4: malformed data of w"),
        ("[3, -7]", 'base64 "AwMD"', r"line 4: w holds 2 elements, found 3"),
        ("[0, 0])", "[0])", r"line 4: 2 scales and 1 zero points"),
        ("output %y", "output", r"line 7: "),
        ("[3, -7]", "[3, -7] 4", r"line 4: nothing more is expected, found '4'"),
        ("[3, -7]", "[3, -7] $", r"line 4: cannot read '\$'"),
        ('"Conv_3"', '"Conv_3', r"line 5: cannot read"),
        ("\n}", "", r"line 8: the text ends before the graph does"),
        ("\n}", "\n}\nx", r"line 9: nothing is expected after the graph"),
    ],
)
def test_malformed_text_names_its_line(old: str, new: str, message: str) -> None:
    text = TINY.replace('output %"a b", %y', "output %y")
    assert text.count(old) >= 1
    with pytest.raises(TextError, match=message):
        parse(text.replace(old, new, 1))


@given(st.text(alphabet='%{}[]()=:,."\\-+ \n\tgraphinputconstabef0123456789', max_size=80), st.integers(0, len(TINY)))
def test_noise_is_refused_or_parsed_but_never_crashes(noise: str, position: int) -> None:
    for text in (noise, TINY[:position] + noise + TINY[position:]):
        try:
            graph = parse(text)
        except TextError:
            continue
        assert_same(parse(to_text(graph)), graph)


names = st.text(max_size=8)
small = st.integers(0, 4)
reals = st.floats(allow_nan=False)
clamps = st.tuples(reals, reals).map(lambda pair: Clamp(min(pair), max(pair)))
shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)
pairs = st.tuples(small, small)
attributes = st.one_of(
    st.tuples(st.just(Op.RELU), st.just(NoAttrs())),
    st.tuples(st.just(Op.CLIP), clamps.map(ClipAttrs)),
    st.tuples(st.just(Op.ADD), clamps.map(BinaryAttrs)),
    st.tuples(st.just(Op.CONV2D), st.builds(Conv2dAttrs, pairs, pairs, st.tuples(pairs, pairs), small, clamps)),
    st.tuples(st.just(Op.PAD), st.builds(PadAttrs, st.lists(pairs).map(tuple), reals)),
    st.tuples(st.just(Op.MEAN), st.builds(ReduceAttrs, shapes, st.booleans())),
    st.tuples(st.just(Op.TRANSPOSE), shapes.map(TransposeAttrs)),
    st.tuples(st.just(Op.STRIDED_SLICE), st.builds(StridedSliceAttrs, shapes, shapes, shapes, shapes)),
    st.tuples(st.just(Op.LOOKUP), names.map(LookupAttrs)),
    st.tuples(st.just(Op.QUANTIZE), st.sampled_from(DType).map(QuantizeAttrs)),
)


@st.composite
def params(draw: st.DrawFn) -> QuantParams:
    dtype = draw(st.sampled_from([DType.INT4, DType.INT8, DType.UINT8, DType.INT16, DType.INT32]))
    axis = draw(st.none() | small)
    scales = draw(st.lists(reals, min_size=1, max_size=1 if axis is None else 3))
    zero_points = draw(st.lists(st.integers(-200, 200), min_size=len(scales), max_size=len(scales)))
    return QuantParams(tuple(scales), tuple(zero_points), dtype, axis)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Well formed as text; most break the verifier's rules, which text does not ask for."""
    values: dict[str, Value] = {}

    def define(data: np.ndarray | None = None) -> str:
        name = draw(names.filter(lambda n: n not in values))
        quant = draw(st.none() | params())
        if data is None:
            layout = draw(st.none() | shapes)
            values[name] = Value(name, draw(shapes), draw(st.sampled_from(DType)), quant, layout=layout)
        else:
            values[name] = Value(name, data.shape, DType.of(data), quant, data)
        return name

    inputs = tuple(define() for _ in range(draw(small)))
    reads = [define() for _ in range(draw(st.integers(0, 2)))]
    kinds = ["int8", "uint8", "int16", "int32", "int64", "float32", "bool"]
    for _ in range(draw(small)):
        dtype = np.dtype(draw(st.sampled_from(kinds)))
        define(draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))))
    nodes = []
    for _ in range(draw(small)):
        op, attrs = draw(attributes)
        used = draw(st.lists(st.none() | st.sampled_from(list(values)), max_size=4)) if values else []
        outputs = tuple(define() for _ in range(draw(st.integers(1, 2))))
        nodes.append(Node(draw(names), op, tuple(used), outputs, attrs, draw(names)))
    outputs = tuple(draw(st.lists(st.sampled_from(list(values)), max_size=3))) if values else ()
    states = tuple(State(read, draw(st.sampled_from(list(values)))) for read in reads)
    return Graph(draw(names), inputs, outputs, tuple(nodes), values, states, tuple(draw(st.lists(names, max_size=2))))


@given(graphs())
def test_round_trip_is_exact(graph: Graph) -> None:
    text = to_text(graph)
    assert_same(parse(text), graph)
    assert to_text(parse(text)) == text


def test_int4_round_trip() -> None:
    b = GraphBuilder("g")
    x = b.input("x", (1, 2), DType.INT8, QuantParams.per_tensor(1.0, 0))
    w = b.constant("w", np.array([[7, -8]], np.int8), QuantParams.per_tensor(1.0, 0, DType.INT4), DType.INT4)
    graph = b.build([b.node(Op.ADD, [x, x], BinaryAttrs()), w])
    assert_same(parse(to_text(graph)), graph)
