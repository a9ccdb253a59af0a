"""Damaged files end in a ModelError that names the file, never in a crash or a hang."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.frontends.onnx_models import load_bytes, model, single
from tinyml import zoo
from tinyml.errors import ModelError
from tinyml.frontends.onnx import load
from tinyml.ir.verify import verify

_CASES = 200
_SECONDS = 10.0  # a load takes a few hundredths of one


def _survives(data: bytes, path: Path) -> bool:
    """Whether the file could be read; a graph that comes out is valid."""
    path.write_bytes(data)
    start = time.monotonic()
    try:
        verify(load(path))
    except ModelError as e:
        assert str(e).startswith(str(path))
        return False
    finally:
        assert time.monotonic() - start < _SECONDS
    return True


def _shape_arithmetic() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="shape"),
        helper.make_node("Slice", ["s", "zero", "one"], ["n"], name="slice"),
        helper.make_node("Concat", ["n", "rest"], ["shape"], name="concat", axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["r"], name="reshape"),
        helper.make_node("Pad", ["r", "pads"], ["p"], name="pad"),
        helper.make_node("Transpose", ["p"], ["t"], name="transpose", perm=[0, 2, 1]),
        helper.make_node("Expand", ["t", "wide"], ["e"], name="expand"),
        helper.make_node("MaxPool", ["e"], ["m"], name="pool", kernel_shape=[2], pads=[1, 0]),
        helper.make_node("Softmax", ["m"], ["y"], name="softmax", axis=1),
    ]
    constants = {"zero": np.array([0]), "one": np.array([1]), "rest": np.array([4, -1])}
    constants |= {"pads": np.array([0, 1, 0, 0, 0, 1]), "wide": np.array([1, 1, 1])}
    return model(nodes, {"x": (1, 24)}, constants=constants)


@pytest.fixture(scope="module")
def sources() -> list[bytes]:
    models = [zoo.build(name) for name in ("ds_cnn", "mobilenet_v3_small", "autoencoder")]
    return [m.SerializeToString(deterministic=True) for m in (*models, _shape_arithmetic())]


def test_truncated_files(sources: list[bytes], tmp_path: Path) -> None:
    chance = random.Random(1)
    for _ in range(_CASES):
        data = chance.choice(sources)
        end = chance.choice((chance.randrange(len(data)), chance.randrange(200), len(data) - chance.randrange(1, 200)))
        assert not _survives(data[: max(end, 0)], tmp_path / "cut.onnx")


@pytest.mark.parametrize("where", ["anywhere", "structure"])
def test_flipped_bits(sources: list[bytes], tmp_path: Path, where: str) -> None:
    chance = random.Random(2)
    read = 0
    for _ in range(_CASES):
        data = bytearray(chance.choice(sources))
        # Nodes stand at the front of the file; further behind nearly all is weights.
        end = len(data) if where == "anywhere" else min(len(data), 4000)
        for _ in range(chance.choice((1, 1, 4, 32))):
            data[chance.randrange(end)] ^= 1 << chance.randrange(8)
        read += _survives(bytes(data), tmp_path / "flipped.onnx")
    assert 0 < read < _CASES  # some damage is only in a weight, some is fatal


_EXTREME = (-(2**63), -(2**31), -3, -1, 0, 1, 2, 7, 1000, 2**20, 2**31, 2**40, 2**63 - 1)


def _change_attribute(proto: onnx.ModelProto, chance: random.Random) -> None:
    attributes = [a for n in proto.graph.node for a in n.attribute]
    a = chance.choice(attributes)
    if a.ints:
        a.ints[chance.randrange(len(a.ints))] = chance.choice(_EXTREME)
    else:
        a.i, a.f = chance.choice(_EXTREME), chance.choice((float("nan"), float("inf"), 0.0, -1.0))


def _change_shape(proto: onnx.ModelProto, chance: random.Random) -> None:
    tensor = chance.choice([t for t in proto.graph.initializer if t.dims])
    tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(_EXTREME)


def _change_type(proto: onnx.ModelProto, chance: random.Random) -> None:
    chance.choice(proto.graph.initializer).data_type = chance.randrange(30)


def _change_input(proto: onnx.ModelProto, chance: random.Random) -> None:
    node = chance.choice(proto.graph.node)
    names = [name for n in proto.graph.node for name in (*n.input, *n.output)]
    node.input[chance.randrange(len(node.input))] = chance.choice(names)


def _change_operation(proto: onnx.ModelProto, chance: random.Random) -> None:
    ops = ("Gemm", "Softmax", "Slice", "Where", "Split", "Gather", "Expand", "Range", "Concat", "Loop", "Squeeze")
    chance.choice(proto.graph.node).op_type = chance.choice(ops)


def _change_numbers(proto: onnx.ModelProto, chance: random.Random) -> None:
    tensors = [t for t in proto.graph.initializer if t.data_type == TensorProto.INT64]
    if tensors:
        tensor = chance.choice(tensors)
        count = len(tensor.raw_data) // 8
        tensor.raw_data = np.array([chance.choice(_EXTREME) for _ in range(count)], "<i8").tobytes()


def _drop_input(proto: onnx.ModelProto, chance: random.Random) -> None:
    del chance.choice(proto.graph.node).input[-1]


_CHANGES = (
    _change_attribute,
    _change_shape,
    _change_type,
    _change_input,
    _change_operation,
    _change_numbers,
    _drop_input,
)


@pytest.mark.parametrize("change", _CHANGES, ids=[c.__name__.strip("_") for c in _CHANGES])
def test_wrong_fields(
    sources: list[bytes], tmp_path: Path, change: Callable[[onnx.ModelProto, random.Random], None]
) -> None:
    chance = random.Random(3)
    for _ in range(60):
        proto = onnx.ModelProto.FromString(chance.choice((sources[0], sources[-1])))
        change(proto, chance)
        _survives(proto.SerializeToString(), tmp_path / "wrong.onnx")


@pytest.mark.parametrize("data", [b"", b"\x00", b"not a model", b"\x08\x08", bytes(range(256)) * 8])
def test_other_files(data: bytes, tmp_path: Path) -> None:
    assert not _survives(data, tmp_path / "other.onnx")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(ModelError, match="cannot be read"):
            load(path)


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protobuf message."""
    length, rest = b"", len(payload)
    while True:
        length += bytes([rest & 127 | (128 if rest > 127 else 0)])
        rest >>= 7
        if not rest:
            return bytes([number << 3 | 2]) + length + payload


def test_deep_nesting() -> None:
    graph = b""
    for _ in range(5000):  # a GraphProto in an AttributeProto in a NodeProto in a GraphProto
        graph = _field(1, _field(5, _field(6, graph)))
    with pytest.raises(ModelError, match="damaged"):
        load_bytes(_field(7, graph))


def test_a_cycle() -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    with pytest.raises(ModelError, match="cycle through Add 'first'"):
        load_bytes(model(nodes, {"x": (1, 4)}))


def test_an_undefined_and_a_double_name() -> None:
    with pytest.raises(ModelError, match="'nowhere' is read, but nothing defines it"):
        load_bytes(model([helper.make_node("Add", ["x", "nowhere"], ["y"])], {"x": (1, 4)}))
    relu = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(ModelError, match="'y' is defined twice"):
        load_bytes(model([relu, relu], {"x": (1, 4)}))


def test_sizes_of_tensors() -> None:
    proto = single("Add", (1, 4), {"c": np.zeros(4, np.float32)})
    proto.graph.initializer[0].raw_data = bytes(15)
    with pytest.raises(ModelError, match=r"tensor 'c' has 15 bytes of data, float32\[4\] needs 16"):
        load_bytes(proto)
    proto.graph.initializer[0].ClearField("raw_data")
    proto.graph.initializer[0].float_data.extend([1.0, 2.0])
    with pytest.raises(ModelError, match="has 2 elements of data"):
        load_bytes(proto)


def test_giant_shapes() -> None:
    with pytest.raises(ModelError, match="more than 67108864"):
        load_bytes(single("Relu", (1, 1 << 40)))
    shape = np.array([1 << 40], np.int64)
    constant = helper.make_node("ConstantOfShape", ["shape"], ["c"])
    with pytest.raises(ModelError, match="more than 67108864"):
        load_bytes(
            model([constant, helper.make_node("Add", ["x", "c"], ["y"])], {"x": (1,)}, constants={"shape": shape})
        )
