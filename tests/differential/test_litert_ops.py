"""Every operator that the TFLite frontend takes computes what LiteRT's reference kernels compute.

Integers agree to the last bit; float32 to 1e-6 of the largest result, as sums may be taken in another order.
"""

from pathlib import Path

import movement_models as moves
import numpy as np
import op_models as models
import pytest
import resample_models as resamples
from fine_scales import fine_scales, next_to_ties
from litert_batch import assert_equal, difference, ours
from op_models import Make
from tflite_model import Quant

from tinyml.frontends.tflite import load

REAL_TOLERANCE = 1e-6

OPS: dict[str, Make] = {
    "ADD": models.binary("ADD"),
    "SUB": models.binary("SUB"),
    "MUL": models.binary("MUL"),
    "MAX_POOL_2D": models.pool("MAX_POOL_2D"),
    "AVERAGE_POOL_2D": models.pool("AVERAGE_POOL_2D"),
    "CONCATENATION": moves.concatenation,
    "CONV_2D": models.conv,
    "DEPTHWISE_CONV_2D": models.depthwise,
    "TRANSPOSE_CONV": models.transpose_conv,
    "FULLY_CONNECTED": models.fully_connected,
    "RELU": models.unary("RELU"),
    "RELU6": models.unary("RELU6"),
    "RELU_N1_TO_1": models.unary("RELU_N1_TO_1"),
    "RELU_0_TO_1": models.unary("RELU_0_TO_1"),
    "LEAKY_RELU": models.unary("LEAKY_RELU", "LeakyReluOptions", Alpha=0.1),
    "LEAKY_RELU steep": models.unary("LEAKY_RELU", "LeakyReluOptions", Alpha=1.7),
    "LEAKY_RELU falling": models.unary("LEAKY_RELU", "LeakyReluOptions", Alpha=-0.3),
    "LOGISTIC": models.unary("LOGISTIC", output=Quant([1 / 256], [-128])),
    "TANH": models.unary("TANH", output=Quant([1 / 128], [0])),
    "TANH to any scale": models.unary("TANH"),
    "HARD_SWISH": models.unary("HARD_SWISH", "HardSwishOptions", most=127),
    "EXP": models.unary("EXP", "ExpOptions"),
    "GELU": models.unary("GELU", "GeluOptions", Approximate=False),
    "GELU by tanh": models.unary("GELU", "GeluOptions", Approximate=True),
    "ARG_MAX": models.arg_max,
    "BATCH_MATMUL": models.batch_matmul,
    "SOFTMAX": models.softmax,
    "MEAN": models.mean,
    "PAD": moves.pad("PAD"),
    "PADV2": moves.pad("PADV2"),
    "TRANSPOSE": moves.transpose,
    "SLICE": moves.slice_,
    "STRIDED_SLICE": moves.strided_slice,
    "reshaping": moves.reshaping,
    "dividing": moves.dividing,
    "RESIZE_NEAREST_NEIGHBOR": resamples.resize("RESIZE_NEAREST_NEIGHBOR"),
    "RESIZE_BILINEAR": resamples.resize("RESIZE_BILINEAR"),
    "DEPTH_TO_SPACE": resamples.depth_to_space,
    "SPACE_TO_DEPTH": resamples.space_to_depth,
    "SVDF": models.svdf,
}
REAL_OPS: dict[str, Make] = {**OPS, "DIV": models.binary("DIV"), "SQRT": models.square_root}


@pytest.mark.parametrize("op", OPS)
def test_int8(op: str, tmp_path: Path) -> None:
    assert_equal(list(OPS[op](np.random.default_rng(7), "int8")), tmp_path)


@pytest.mark.parametrize("op", REAL_OPS)
def test_float32(op: str, tmp_path: Path) -> None:
    assert_equal(list(REAL_OPS[op](np.random.default_rng(7), "float32")), tmp_path, relative=REAL_TOLERANCE)


def test_softmax_from_int8_to_int16(tmp_path: Path) -> None:
    assert_equal(list(models.softmax_to_int16(np.random.default_rng(7))), tmp_path)


@pytest.mark.parametrize("source", [source for source, _ in models.CONVERSIONS])
def test_conversions(source: str, tmp_path: Path) -> None:
    cases = list(models.conversions(np.random.default_rng(7), source))
    integers = [case for case in cases if not case.name.endswith("float32")]
    assert_equal(integers, tmp_path)
    reals = [case for case in cases if case.name.endswith("float32")]
    if reals:
        assert_equal(reals, tmp_path, relative=REAL_TOLERANCE)


def test_svdf_with_int8_states(tmp_path: Path) -> None:
    """LiteRT takes such a state for int16; TFLite Micro computes with it."""
    tflm = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="TFLite Micro has no wheel here")
    for case in models.svdf(np.random.default_rng(7), "int8", "int8"):
        path = tmp_path / "svdf.tflite"
        path.write_bytes(case.model)
        interpreter = tflm.Interpreter.from_bytes(case.model)
        for inputs, (output, _) in zip(case.runs, ours(load(path), case.runs), strict=True):
            interpreter.set_input(inputs[0], 0)
            interpreter.invoke()
            assert not difference(interpreter.get_output(0), output), case.name


def test_precision_of_multipliers(tmp_path: Path) -> None:
    """Some kernels divide scales in single precision and some in double, and results tell."""
    assert_equal(list(fine_scales(np.random.default_rng(7))), tmp_path)


def test_numbers_next_to_ties(tmp_path: Path) -> None:
    assert_equal(list(next_to_ties(np.random.default_rng(7))), tmp_path)
