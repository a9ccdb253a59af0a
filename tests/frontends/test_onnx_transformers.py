"""What transformers and their kin are made of, against onnxruntime."""

import numpy as np
import pytest

from tests.frontends.onnx_models import assert_agrees, load_bytes, single
from tinyml.errors import ModelError
from tinyml.ir.ops import Op
from tinyml.passes import canonicalize

RANDOM = np.random.default_rng(0)


def f32(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_layer_normalization(axis: int) -> None:
    shape = {-1: (6,), 1: (4, 5, 6), 2: (5, 6)}[axis]
    assert_agrees(single("LayerNormalization", (1, 4, 5, 6), {"w": f32(*shape), "b": f32(*shape)}, axis=axis))
    assert_agrees(single("LayerNormalization", (1, 4, 5, 6), {"w": f32(*shape)}, axis=axis, epsilon=0.1))


def test_instance_normalization() -> None:
    for shape in ((1, 3, 4, 5), (1, 3, 20)):
        assert_agrees(single("InstanceNormalization", shape, {"w": f32(3), "b": f32(3)}))
    ones = {"w": np.ones(3, np.float32), "b": np.zeros(3, np.float32)}
    graph = assert_agrees(single("InstanceNormalization", (1, 3, 20), ones))
    assert graph.nodes[-1].op is Op.DIV  # neither scale nor bias is left


def test_group_normalization() -> None:
    constants = {"w": f32(6), "b": f32(6)}
    assert_agrees(single("GroupNormalization", (1, 6, 4, 5), constants, opset=21, num_groups=3))
    with pytest.raises(ModelError, match="in opset 18"):
        load_bytes(single("GroupNormalization", (1, 6, 4, 5), constants, opset=18, num_groups=3))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    assert_agrees(single("Gelu", (1, 40), opset=20, approximate=approximate))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_arg_max(axis: int, keepdims: int) -> None:
    proto = single("ArgMax", (1, 3, 4, 5), axis=axis, keepdims=keepdims)
    proto.graph.output[0].type.tensor_type.elem_type = 7
    canonicalize(assert_agrees(proto))


@pytest.mark.parametrize("opset", [11, 13])
def test_reduce_sum(opset: int) -> None:
    axes = {"axes": np.array([1, 3])} if opset == 13 else {}
    attributes = {} if opset == 13 else {"axes": [1, 3]}
    assert_agrees(single("ReduceSum", (1, 3, 4, 5), axes, opset=opset, keepdims=0, **attributes))
