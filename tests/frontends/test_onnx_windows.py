"""Convolution and pooling against onnxruntime, over their parameters."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.frontends.onnx_models import NEWEST, OLDEST, assert_agrees, load_bytes, single
from tinyml.errors import ModelError
from tinyml.ir.ops import Conv2dAttrs, Op

sweep = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
opsets = st.sampled_from((OLDEST, 13, 17, 19, NEWEST))


@st.composite
def windows(draw: st.DrawFn, rank: int, *, pool: bool) -> tuple[list[int], list[int], dict[str, Any]]:
    """Sizes of the data, of the window, and attributes under which the window fits at least once."""
    per_axis = st.lists(st.integers(1, 4), min_size=rank, max_size=rank)
    kernel, strides = draw(per_axis), draw(per_axis)
    dilations = [1] * rank if pool else draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    size = draw(st.lists(st.integers(1, 9), min_size=rank, max_size=rank))
    attributes: dict[str, Any] = {"strides": strides}
    if not pool:
        attributes["dilations"] = dilations
    mode = draw(st.sampled_from(("explicit", "none", "SAME_UPPER", "SAME_LOWER", "VALID")))
    pads = [0] * (2 * rank)
    if mode == "explicit":
        pads = [draw(st.integers(0, (k - 1) if pool else 4)) for k in kernel * 2]
        attributes["pads"] = pads
    elif mode != "none":
        attributes["auto_pad"] = mode
    for i in range(rank):
        reach = (kernel[i] - 1) * dilations[i] + 1
        if mode.startswith("SAME"):  # onnxruntime refuses dilation here, and windows that skip the last elements
            assume(dilations[i] == 1 and (-(-size[i] // strides[i]) - 1) * strides[i] + reach >= size[i])
        else:
            assume(size[i] + pads[i] + pads[rank + i] >= reach)
    return size, kernel, attributes


@sweep
@given(st.data(), st.sampled_from((1, 2)), opsets)
def test_conv(data: st.DataObject, rank: int, opset: int) -> None:
    size, kernel, attributes = data.draw(windows(rank, pool=False))
    groups, per_group, per_group_out = (data.draw(st.integers(1, 3)) for _ in range(3))
    random = np.random.default_rng(0)
    weights = {"w": random.normal(size=(groups * per_group_out, per_group, *kernel)).astype(np.float32)}
    if data.draw(st.booleans()):
        weights["b"] = random.normal(size=groups * per_group_out).astype(np.float32)
    if data.draw(st.booleans()):
        attributes["kernel_shape"] = kernel
    assert_agrees(single("Conv", [1, groups * per_group, *size], weights, opset=opset, group=groups, **attributes))


@sweep
@given(st.data(), st.sampled_from((1, 2)), opsets, st.booleans())
def test_max_pool(data: st.DataObject, rank: int, opset: int, ceil: bool) -> None:
    size, kernel, attributes = data.draw(windows(rank, pool=True))
    if ceil and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    assert_agrees(single("MaxPool", [1, 3, *size], opset=opset, kernel_shape=kernel, **attributes))


@sweep
@given(st.data(), st.sampled_from((1, 2)), opsets, st.booleans(), st.booleans())
def test_average_pool(data: st.DataObject, rank: int, opset: int, ceil: bool, count: bool) -> None:
    size, kernel, attributes = data.draw(windows(rank, pool=True))
    if ceil and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    model = single(
        "AveragePool", [1, 3, *size], opset=opset, kernel_shape=kernel, count_include_pad=int(count), **attributes
    )
    assert_agrees(model)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(1, 3, 7), (1, 3, 5, 4)])
def test_global_pools(op: str, shape: tuple[int, ...]) -> None:
    assert_agrees(single(op, shape))


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [(2, 3), (-1,), (1,), (-1, -2), (0, 1, 2, 3), None])
def test_reduce_mean(axes: tuple[int, ...] | None, keep: int) -> None:
    named = {} if axes is None else {"axes": list(axes)}
    assert_agrees(single("ReduceMean", (1, 3, 5, 4), opset=13, keepdims=keep, **named))
    listed = {} if axes is None else {"axes": np.array(axes, np.int64)}
    assert_agrees(single("ReduceMean", (1, 3, 5, 4), listed, opset=18, keepdims=keep))


def test_reduce_mean_over_no_axes() -> None:
    assert_agrees(single("ReduceMean", (1, 3, 5), opset=18, noop_with_empty_axes=1))


@pytest.mark.parametrize("keep", [0, 1])
def test_spatial_reduce_max(keep: int) -> None:
    assert_agrees(single("ReduceMax", (1, 3, 5, 4), opset=13, axes=[-1, -2], keepdims=keep))
    assert_agrees(single("ReduceMax", (1, 3, 5), {"axes": np.array([2])}, opset=18, keepdims=keep))


def test_same_padding_puts_the_odd_element_where_the_mode_says() -> None:
    # 4 long, window 3, stride 2: two windows, (2 - 1) * 2 + 3 - 4 = 1 element of padding.
    for mode, padding in (("SAME_UPPER", (0, 1)), ("SAME_LOWER", (1, 0))):
        weights = {"w": np.ones((1, 1, 3, 3), np.float32)}
        graph = load_bytes(single("Conv", (1, 1, 4, 4), weights, strides=[2, 2], auto_pad=mode))
        (conv,) = (n for n in graph.nodes if n.op is Op.CONV2D)
        assert isinstance(conv.attrs, Conv2dAttrs)
        assert conv.attrs.padding == (padding, padding)


@pytest.mark.parametrize(
    ("op", "shape", "weights", "attributes", "reason"),
    [
        ("Conv", (1, 1, 4, 4, 4), {"w": np.ones((1, 1, 3, 3, 3))}, {}, "3-D data"),
        ("Conv", (1, 1, 4, 4), {"w": np.ones((1, 1, 3, 3))}, {"pads": [-1, 0, 0, 0]}, "not negative"),
        ("Conv", (1, 1, 4, 4), {"w": np.ones((1, 1, 3, 3))}, {"pads": [1, 1]}, "expected 4"),
        ("Conv", (1, 1, 4, 4), {"w": np.ones((1, 1, 3, 3))}, {"strides": [0, 1]}, r"strides \[0, 1\]"),
        ("Conv", (1, 1, 4, 4), {"w": np.ones((1, 1, 3, 3))}, {"kernel_shape": [3, 2]}, r"the weights have \[3, 3\]"),
        ("Conv", (1, 1, 4, 4), {"w": np.ones((1, 1, 5, 5))}, {}, "window of 5"),
        ("Conv", (1, 3, 4, 4), {"w": np.ones((1, 1, 3, 3))}, {}, "groups do not divide"),
        ("Conv", (1, 1, 4, 4), {"w": np.ones((1, 1, 3, 3))}, {"frobnicate": 1}, "attribute frobnicate"),
        ("MaxPool", (1, 1, 6, 6), {}, {"kernel_shape": [2, 2], "dilations": [2, 2]}, "dilations"),
        ("MaxPool", (1, 1, 6, 6), {}, {"kernel_shape": [2, 2], "pads": [2, 2, 2, 2]}, "not smaller than the window"),
        ("MaxPool", (1, 1, 6, 6), {}, {}, "kernel_shape is missing"),
        ("AveragePool", (1, 1, 6, 6), {}, {"kernel_shape": [2, 2], "auto_pad": "SOME"}, "auto_pad 'SOME'"),
        ("ReduceMax", (1, 1, 6, 6), {}, {"axes": [1]}, r"reduces axes \[1\]"),
    ],
)
def test_forms_that_are_refused(
    op: str, shape: tuple[int, ...], weights: dict[str, np.ndarray], attributes: dict[str, Any], reason: str
) -> None:
    constants = {name: array.astype(np.float32) for name, array in weights.items()}
    with pytest.raises(ModelError, match=reason) as failure:
        load_bytes(single(op, shape, constants, **attributes))
    assert f"{op} 'the_node'" in str(failure.value)
    assert "supported: " in str(failure.value)
