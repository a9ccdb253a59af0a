"""Precision of single nodes."""

import numpy as np
import pytest
from test_int8 import conv_net

from tinyml.errors import UsageError
from tinyml.ir.dtypes import DType
from tinyml.ir.interpreter import run
from tinyml.ir.verify import verify
from tinyml.quantize import prepare
from tinyml.quantize.int8 import quantize_int8
from tinyml.quantize.precision import Precision, scheme


def test_weights_of_four_bits_by_hand() -> None:
    weights = np.array([0.7, -0.26, 0.0, 1.4]).reshape(2, 1, 1, 2)
    g = quantize_int8(
        conv_net(weights, np.array([0.1, -3.0])), {"x": (0.0, 255.0), "y": (0.0, 510.0)}, precision={"conv": "w4a8"}
    )
    verify(g, quantized=True)
    (node,) = g.nodes
    w, bias = (g.value(i) for i in node.inputs[1:])
    assert w.dtype is DType.INT4 and w.quant is not None and w.quant.scale == pytest.approx((0.1, 0.2))
    assert w.constant.ravel().tolist() == [7, -3, 0, 7]
    assert bias.constant.tolist() == [1, -15]
    # y = 0.1 * (7 * 10 - 3 * 20 + 1) = 1.1 and 0.2 * (7 * 20 - 15) = 25 in steps of 2
    x = np.full((1, 4, 4, 2), -128, np.int8) + np.array([10, 20], np.int8)
    y = run(g, {"x": x.astype(np.int8)}).outputs["y"]
    assert y[0, 0, 0].tolist() == [-128 + 1, -128 + 13]


@pytest.mark.parametrize(
    "precision, said",
    [
        ({"nobody": "w4a8"}, "no node of that name"),
        ({"conv": "w3a8"}, "expected one of w8a8, w4a8, w8a16"),
    ],
)
def test_what_cannot_be_is_refused(precision: Precision, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        prepare(conv_net(np.ones((1, 1, 1, 1)), None), precision=precision)


def test_scheme() -> None:
    assert scheme({}) == scheme({"a": "w8a8"}) == "int8"
    assert scheme({"a": "w4a8", "b": "w8a8"}) == "int8, 1 layer w4a8"
    assert scheme({"a": "w4a8", "b": "w4a8"}) == "int8, 2 layers w4a8"
