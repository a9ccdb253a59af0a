"""Every rule of the verifier is broken once, and what TFLite's kernels accept is accepted."""

import pytest

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node, Value
from tinyml.ir.ops import NoAttrs, Op, TransposeAttrs
from tinyml.ir.text import parse
from tinyml.ir.verify import VerifyError, verify

FLOAT = """\
graph "float" {
  input %x: float32[1,4,4,2] layout(0, 2, 3, 1)
  state %h: float32[1,3] = %next
  const %w: float32[3,1,1,2] = [1, 2, 3, 4, 5, 6]
  const %b: float32[3] = [0, 1, 2]
  %y: float32[1,4,4,3] = conv2d(%x, %w, %b)
  %m: float32[1,3] = mean(%y) axes=(1, 2)
  %next: float32[1,3] = add(%m, %h)
  output %next
}
"""

QUANTIZED = """\
graph "quantized" {
  input %x: int8[1,4,4,2] quant(0.5, 3)
  input %real: float32[1,4]
  const %w: int8[3,1,1,2] quant(axis 0, [0.5, 0.25, 1.0], [0, 0, 0]) = [1, 2, 3, 4, 5, 6]
  const %b: int32[3] quant(axis 0, [0.25, 0.125, 0.5], [0, 0, 0]) = [0, 1, 2]
  const %v: int8[4,3] quant(0.5, 0) = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
  const %t: int8[256] quant(0.5, 0) = base64 "{TABLE}"
  %c: int8[1,4,4,3] quant(0.5, 0) = conv2d(%x, %w, %b)
  %p: int8[1,2,2,3] quant(0.5, 0) = max_pool2d(%c) kernel=(2, 2) stride=(2, 2)
  %m: int8[1,3] quant(0.125, -7) = mean(%p) axes=(1, 2)
  %f: int8[1,4] quant(1.0, 0) = fully_connected(%m, %v)
  %s: int8[1,4] quant(0.00390625, -128) = softmax(%f)
  %l: int8[1,4] quant(0.5, 0) = lookup(%f, %t) function="tanh"
  %d: float32[1,4] = dequantize(%s)
  %sum: float32[1,4] = add(%d, %real)
  %q: uint8[1,4] quant(0.5, 128) = quantize(%sum) dtype=uint8
  output %q, %l
}
""".replace("{TABLE}", "A" * 342 + "==")


def test_good_graphs_pass() -> None:
    verify(parse(FLOAT))
    verify(parse(QUANTIZED))
    verify(parse(QUANTIZED), quantized=True)


@pytest.mark.parametrize(
    ("old", "new", "rule", "where"),
    [
        ("x: float32[1,4,4,2]", "x: float32[2,4,4,2]", "shape", "node y"),
        ("x: float32[1,4,4,2] layout(0, 2, 3, 1)", "x: float32[1,4,4,2] layout(0, 2, 2, 1)", "layout", "value x"),
        ("%m: float32[1,3]", "%m: float32[1,3] layout(1, 0)", "layout", "value m"),
        ("%y: float32[1,4,4,3]", "%y: float32[1,4,3,4]", "shape", "node y"),
        ("%y: float32[", "%y: int32[", "dtype", "node y"),
        ("axes=(1, 2)", "axes=(2, 1)", "shape", "node m"),
        ("axes=(1, 2)", "axes=(1, 2, 4)", "shape", "node m"),
        ("state %h: float32[1,3] = %next", "state %h: float32[1,1] = %next", "state", "state h"),
        ("state %h: float32[1,3] = %next", "state %h: float32[1,3] = %h", "state", "state h"),
        ("add(%m, %h)", "add(%m)", "arity", "node next"),
        ("output %next", "output %next, %next", "ssa", "outputs"),
        ("conv2d(%x, %w, %b)", "conv2d(%x, %w)", "dead", "constant b"),
        ("%m: float32[1,3] = mean(%y) axes=(1, 2)", '%m: float32[1,3] = mean(%y) axes=(1, 2) as "y"', "name", "node y"),
        ("%y: float32[1,4,4,3]", "%y: float32[1,0,4,3]", "shape", "value y"),
    ],
)
def test_rules_of_every_graph(old: str, new: str, rule: str, where: str) -> None:
    assert FLOAT.count(old) == 1
    with pytest.raises(VerifyError) as raised:
        verify(parse(FLOAT.replace(old, new)))
    assert (raised.value.rule, where in raised.value.where) == (rule, True)


def test_batch_is_one() -> None:
    with pytest.raises(VerifyError, match="batch of 2"):
        verify(parse('graph "g" {\n input %x: float32[2,3]\n %y: float32[2,3] = relu(%x)\n output %y\n}'))
    # The axis that was the file's first one may stand elsewhere.
    verify(parse('graph "g" {\n input %x: float32[2,1] layout(1, 0)\n %y: float32[2,1] = relu(%x)\n output %y\n}'))


def change(graph: Graph, **parts: object) -> Graph:
    """A graph with some fields replaced as they are, without the tidying of `with_`."""
    fields = {"name": graph.name, "inputs": graph.inputs, "outputs": graph.outputs, "nodes": graph.nodes}
    return Graph(**{**fields, "values": graph.values, "states": graph.states, **parts})  # type: ignore[arg-type]


def test_order_and_single_definition() -> None:
    graph = parse(FLOAT)
    y, m, following = graph.nodes
    with pytest.raises(VerifyError, match=r"node m .*its input y is not defined before it"):
        verify(change(graph, nodes=(m, y, following)))
    with pytest.raises(VerifyError, match=r"node m .*its input y is not defined before it"):
        verify(change(graph, nodes=(m, following)))
    with pytest.raises(VerifyError, match=r"node twice .*m is defined a second time"):
        verify(change(graph, nodes=(y, m, Node("twice", Op.RELU, ("h",), ("m",), NoAttrs()), following)))
    with pytest.raises(VerifyError, match="its input gone does not exist"):
        verify(change(graph, nodes=(Node("y", Op.CONV2D, ("gone", "w", "b"), ("y",), y.attrs), m, following)))
    with pytest.raises(VerifyError, match="is not among the graph's values"):
        verify(change(graph, nodes=(y, m, following, Node("n", Op.RELU, ("h",), ("gone",), NoAttrs()))))
    with pytest.raises(VerifyError, match="gone is not among"):
        verify(change(graph, inputs=("x", "gone")))
    with pytest.raises(VerifyError, match="nothing defines it"):
        verify(change(graph, values={**graph.values, "orphan": Value("orphan", (1,), DType.FLOAT32)}))
    with pytest.raises(VerifyError, match=r"network input w .*constant"):
        verify(change(graph, inputs=("x", "w")))
    with pytest.raises(VerifyError, match="filed as other"):
        verify(change(graph, values={**graph.values, "other": graph.values["x"]}))


def test_attribute_types() -> None:
    graph = parse('graph "g" {\n input %x: float32[1,3]\n %y: float32[3,1] = transpose(%x) perm=(1, 0)\n output %y\n}')
    (node,) = graph.nodes
    bad = Node(node.name, node.op, node.inputs, node.outputs, TransposeAttrs([1, 0]))  # type: ignore[arg-type]
    with pytest.raises(VerifyError, match=r"perm is \[1, 0\], a list, expected tuple\[int, ...\]"):
        verify(change(graph, nodes=(bad,)))


@pytest.mark.parametrize(
    ("old", "new", "rule", "where"),
    [
        ("quant(0.5, 3)", "quant(0.0, 3)", "scale", "value x"),
        ("quant(0.5, 3)", "quant(inf, 3)", "scale", "value x"),
        ("quant(0.5, 3)", "quant(0.5, 200)", "zero point", "value x"),
        ("quant(0.5, 3)", "", "quantized", "node c"),
        ("quant(0.5, 3)", "quant(axis 3, [0.5, 0.5], [0, 0])", "axis", "value x"),
        ("axis 0, [0.5, 0.25, 1.0], [0, 0, 0]", "axis 0, [0.5, 0.25], [0, 0]", "axis", "value w"),
        ("axis 0, [0.5, 0.25, 1.0], [0, 0, 0]", "axis 0, [0.5, 0.25, 1.0], [0, 1, 0]", "zero point", "value w"),
        ("axis 0, [0.5, 0.25, 1.0], [0, 0, 0]", "axis 3, [0.5, 0.25], [0, 0]", "weights", "node c"),
        ("axis 0, [0.5, 0.25, 1.0], [0, 0, 0]", "0.5, 1", "weights", "node c"),
        ("[0.25, 0.125, 0.5]", "[0.25, 0.125, 0.4]", "bias", "node c"),
        ("quant(axis 0, [0.25, 0.125, 0.5], [0, 0, 0])", "quant(0.25, 0)", "bias", "node c"),
        ("quant(axis 0, [0.25, 0.125, 0.5], [0, 0, 0])", "", "quantized", "node c"),
        ("%v: int8[4,3] quant(0.5, 0)", "%v: int8[4,3] quant(0.5, 1)", "weights", "node f"),
        ("%p: int8[1,2,2,3] quant(0.5, 0)", "%p: int8[1,2,2,3] quant(0.5, 1)", "scale", "node p"),
        ("%p: int8[1,2,2,3] quant(0.5, 0)", "%p: int8[1,2,2,3] quant(0.25, 0)", "scale", "node p"),
        ("quant(0.00390625, -128)", "quant(0.00390625, 0)", "scale", "node s"),
        ("quant(0.00390625, -128)", "quant(0.01, -128)", "scale", "node s"),
        ("%t: int8[256] quant(0.5, 0)", "%t: int8[256] quant(0.25, 0)", "table", "node l"),
        ("dequantize(%s)", "dequantize(%real)", "quantized", "node d"),
        ("input %real: float32[1,4]", "input %real: float32[1,4] quant(1.0, 0)", "dtype", "value real"),
    ],
)
def test_rules_of_quantized_graphs(old: str, new: str, rule: str, where: str) -> None:
    assert QUANTIZED.count(old) == 1
    text = QUANTIZED.replace(old, new)
    verify(parse(text))
    with pytest.raises(VerifyError) as raised:
        verify(parse(text), quantized=True)
    assert (raised.value.rule, where in raised.value.where) == (rule, True)


def test_mixing_real_and_quantized_operands() -> None:
    text = """graph "g" {
  input %x: int8[1,4] quant(0.5, 0)
  input %r: float32[1,4]
  %y: int8[1,8] quant(0.5, 0) = concat(%x, %z) axis=1
  output %y
}"""
    text = text.replace("%z", "%x")
    verify(parse(text), quantized=True)
    relu = text.replace("concat(%x, %x) axis=1", "relu(%r)").replace("%y: int8[1,8]", "%y: int8[1,4]")
    with pytest.raises(VerifyError, match="r is float32, other operands are quantized"):
        verify(parse(relu), quantized=True)


@pytest.mark.parametrize(
    ("x", "y", "good"),
    [
        # LiteRT runs keyword_scrambled_8bit.tflite, whose softmax reads int8 and fills 16 bits.
        ("int8[1,2] quant(0.2, 30)", "int16[1,2] quant(1.5259021893143654e-05, -32768)", True),
        ("int16[1,2] quant(0.2, 0)", "int16[1,2] quant(3.0517578125e-05, 0)", True),
        ("int16[1,2] quant(0.2, 0)", "int16[1,2] quant(1.52587890625e-05, -32768)", False),
        ("int8[1,2] quant(0.2, 30)", "int8[1,2] quant(0.00390625, -128)", True),
    ],
)
def test_softmax_output(x: str, y: str, good: bool) -> None:
    graph = parse(f'graph "g" {{\n input %x: {x}\n %y: {y} = softmax(%x)\n output %y\n}}')
    if good:
        verify(graph, quantized=True)
    else:
        with pytest.raises(VerifyError, match="rule 'scale'"):
            verify(graph, quantized=True)


def test_subgraphs_are_verified() -> None:
    text = 'graph "g" {\n input %x: float32[1,2]\n %y: float32[1,2] = relu(%x)\n output %y\n subgraph "s" = INNER\n}'
    inner = 'graph "i" {\n input %a: float32[1,2]\n %b: float32[2,1] = relu(%a)\n output %b\n}'
    with pytest.raises(VerifyError, match="node b"):
        verify(parse(text.replace("INNER", inner)))
